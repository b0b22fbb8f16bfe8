// SPDX-License-Identifier: GPL-2.0-only
/*
 * Values as users write them. strtod() and strtoul() are not used: they take spaces, signs, hex,
 * "inf", and a decimal comma where the locale has one.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "cli/value.h"

#define DURATION_MAX_S (10.0 * 366 * 24 * 3600)

struct unit {
	const char *suffix;
	double factor;
};

static const struct unit duration_units[] = {
	{ "", 1 },   { "us", 1e-6 }, { "ms", 1e-3 }, { "s", 1 },
	{ "m", 60 }, { "h", 3600 },  { NULL, 0 },
};

static const struct unit rate_units[] = {
	{ "", 1 }, { "hz", 1 }, { "k", 1e3 }, { "khz", 1e3 }, { NULL, 0 },
};

static const struct unit count_units[] = {
	{ "", 1 }, { "k", 1e3 }, { "m", 1e6 }, { "g", 1e9 }, { NULL, 0 },
};

/* As GNU's tools read them. */
static const struct unit bytes_units[] = {
	{ "", 1 },	    { "b", 1 },		  { "k", 1ul << 10 },	{ "kib", 1ul << 10 },
	{ "kb", 1e3 },	    { "m", 1ul << 20 },	  { "mib", 1ul << 20 }, { "mb", 1e6 },
	{ "g", 1ul << 30 }, { "gib", 1ul << 30 }, { "gb", 1e9 },	{ NULL, 0 },
};

static const struct unit percent_units[] = { { "", 1 }, { "%", 1 }, { NULL, 0 } };

/* Digits with at most one point and at least one digit, then one of the units. */
static int number_with_unit(const char *text, const struct unit *units, double *out)
{
	double value = 0, divisor = 1;
	size_t digit_count = 0;
	bool fraction = false;

	for (;; text++) {
		if (*text >= '0' && *text <= '9') {
			value = value * 10 + (*text - '0');
			divisor *= fraction ? 10 : 1;
			digit_count++;
		} else if (*text == '.' && !fraction) {
			fraction = true;
		} else {
			break;
		}
	}
	/* More digits than any value of ours has: keeps `value` far from infinity. */
	if (!digit_count)
		return -EINVAL;
	if (digit_count > 40)
		return -ERANGE;
	for (; units->suffix; units++) {
		if (!strcasecmp(text, units->suffix)) {
			*out = value / divisor * units->factor;
			return 0;
		}
	}
	return -EINVAL;
}

int value_duration(const char *text, uint64_t *duration_ns)
{
	double seconds;
	int err = number_with_unit(text, duration_units, &seconds);

	if (err)
		return err;
	if (seconds < 1e-9 || seconds > DURATION_MAX_S)
		return -ERANGE;
	*duration_ns = (uint64_t)(seconds * 1e9 + 0.5);
	return 0;
}

int value_rate(const char *text, uint32_t *rate_hz)
{
	double hertz;
	int err = number_with_unit(text, rate_units, &hertz);

	if (err)
		return err;
	if (hertz < 1 || hertz > UINT32_MAX)
		return -ERANGE;
	*rate_hz = (uint32_t)(hertz + 0.5 > UINT32_MAX ? UINT32_MAX : hertz + 0.5);
	return 0;
}

static int whole_number(const char *text, size_t length, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (!length)
		return -EINVAL;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		/* Stays just above `max` once there, so that it cannot wrap. */
		if (value <= max)
			value = value * 10 + (uint64_t)(text[i] - '0');
	}
	if (value > max)
		return -ERANGE;
	*out = value;
	return 0;
}

int value_count(const char *text, uint32_t *count)
{
	uint64_t value;
	int err = whole_number(text, strlen(text), UINT32_MAX, &value);

	if (!err)
		*count = (uint32_t)value;
	return err;
}

/* Rounded to whole ones, 1 to `max`. */
static int whole_with_unit(const char *text, const struct unit *units, double max, uint64_t *out)
{
	double value;
	int err = number_with_unit(text, units, &value);

	if (err)
		return err;
	if (value < 0.5 || value > max)
		return -ERANGE;
	*out = (uint64_t)(value + 0.5);
	return 0;
}

int value_large_count(const char *text, uint64_t *count)
{
	return whole_with_unit(text, count_units, 1e12, count);
}

int value_bytes(const char *text, uint64_t *bytes)
{
	return whole_with_unit(text, bytes_units, (double)(1ull << 40), bytes);
}

int value_pid(const char *text, size_t length, pid_t *pid)
{
	uint64_t value;
	int err = whole_number(text, length, INT_MAX, &value);

	if (!err && !value)
		err = -ERANGE;
	if (!err)
		*pid = (pid_t)value;
	return err;
}

int value_percent(const char *text, double *percent)
{
	double value;
	int err;

	if (!strcmp(text, "none")) {
		*percent = -1;
		return 0;
	}
	err = number_with_unit(text, percent_units, &value);
	if (err)
		return err;
	if (value > 1000)
		return -ERANGE;
	*percent = value;
	return 0;
}
