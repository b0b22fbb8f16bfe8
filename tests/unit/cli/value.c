// SPDX-License-Identifier: GPL-2.0-only
/* Values as users write them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <locale.h>
#include <string.h>

#include "cli/options.h"
#include "cli/value.h"

Test(value, durations)
{
	static const struct {
		const char *text;
		int err;
		uint64_t duration_ns;
	} cases[] = {
		{ "10", 0, 10000000000ull },
		{ "0.5", 0, 500000000 },
		{ ".5", 0, 500000000 },
		{ "5.", 0, 5000000000ull },
		{ "10s", 0, 10000000000ull },
		{ "250ms", 0, 250000000 },
		{ "70us", 0, 70000 },
		{ "1.5m", 0, 90000000000ull },
		{ "2h", 0, 7200000000000ull },
		{ "0.000000001", 0, 1 },
		{ "0", -ERANGE, 0 },
		{ "0.0000000001", -ERANGE, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ ".", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "1.2.3", -EINVAL, 0 },
		{ "1,5", -EINVAL, 0 },
		{ " 5", -EINVAL, 0 },
		{ "5 s", -EINVAL, 0 },
		{ "+5", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "inf", -EINVAL, 0 },
		{ "nan", -EINVAL, 0 },
		{ "87841h", -ERANGE, 0 },
		{ "99999999999999999999999999999999999999999999", -ERANGE, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t duration_ns = 0;

		cr_expect_eq(value_duration(cases[i].text, &duration_ns), cases[i].err, "'%s'",
			     cases[i].text);
		cr_expect_eq(duration_ns, cases[i].duration_ns, "'%s'", cases[i].text);
	}
}

Test(value, rates)
{
	static const struct {
		const char *text;
		int err;
		uint32_t rate_hz;
	} cases[] = {
		{ "99", 0, 99 },
		{ "99hz", 0, 99 },
		{ "99Hz", 0, 99 },
		{ "1khz", 0, 1000 },
		{ "1kHz", 0, 1000 },
		{ "10k", 0, 10000 },
		{ "1.5k", 0, 1500 },
		{ "0.5", -ERANGE, 0 },
		{ "5000000k", -ERANGE, 0 },
		{ "1mhz", -EINVAL, 0 },
		{ "khz", -EINVAL, 0 },
		{ "-99", -EINVAL, 0 },
		{ "4294967295", 0, UINT32_MAX },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t rate_hz = 0;

		cr_expect_eq(value_rate(cases[i].text, &rate_hz), cases[i].err, "'%s'",
			     cases[i].text);
		cr_expect_eq(rate_hz, cases[i].rate_hz, "'%s'", cases[i].text);
	}
}

Test(value, bytes)
{
	static const struct {
		const char *text;
		int err;
		uint64_t bytes;
	} cases[] = {
		{ "1", 0, 1 },
		{ "4096", 0, 4096 },
		{ "4096B", 0, 4096 },
		{ "512k", 0, 524288 },
		{ "512K", 0, 524288 },
		{ "512KiB", 0, 524288 },
		{ "512kib", 0, 524288 },
		{ "512kB", 0, 512000 },
		{ "1M", 0, 1048576 },
		{ "1MiB", 0, 1048576 },
		{ "1MB", 0, 1000000 },
		{ "1.5G", 0, 1610612736 },
		{ "2GiB", 0, 2147483648 },
		{ "2GB", 0, 2000000000 },
		{ "0.5k", 0, 512 },
		{ "1024G", 0, 1099511627776 },
		{ "1025G", -ERANGE, 0 },
		{ "0", -ERANGE, 0 },
		{ "0.4", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "k", -EINVAL, 0 },
		{ "1T", -EINVAL, 0 },
		{ "1 M", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "1e6", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "999999999999999999999999999999999999999999", -ERANGE, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t bytes = 0;

		cr_expect_eq(value_bytes(cases[i].text, &bytes), cases[i].err, "'%s'",
			     cases[i].text);
		cr_expect_eq(bytes, cases[i].bytes, "'%s'", cases[i].text);
	}
}

Test(value, large_counts)
{
	uint64_t count = 7;

	cr_expect_eq(value_large_count("500k", &count), 0);
	cr_expect_eq(count, 500000);
	cr_expect_eq(value_large_count("20M", &count), 0);
	cr_expect_eq(count, 20000000);
	cr_expect_eq(value_large_count("1", &count), 0);
	cr_expect_eq(count, 1);
	cr_expect_eq(value_large_count("0", &count), -ERANGE);
	cr_expect_eq(value_large_count("1001G", &count), -ERANGE);
	cr_expect_eq(value_large_count("20MiB", &count), -EINVAL);
	cr_expect_eq(count, 1);
}

Test(value, counts_and_pids_end_at_their_bounds)
{
	uint32_t count = 7;
	pid_t pid = 7;

	cr_expect_eq(value_count("4294967295", &count), 0);
	cr_expect_eq(count, UINT32_MAX);
	cr_expect_eq(value_count("4294967296", &count), -ERANGE);
	cr_expect_eq(value_count("99999999999999999999999", &count), -ERANGE);
	cr_expect_eq(value_count("", &count), -EINVAL);
	cr_expect_eq(value_pid("2147483647", 10, &pid), 0);
	cr_expect_eq(pid, 2147483647);
	cr_expect_eq(value_pid("2147483648", 10, &pid), -ERANGE);
	cr_expect_eq(value_pid("0", 1, &pid), -ERANGE);
	cr_expect_eq(value_pid("12,x", 2, &pid), 0);
	cr_expect_eq(pid, 12);
}

Test(value, percents)
{
	double percent = 7;

	cr_expect_eq(value_percent("none", &percent), 0);
	cr_expect_eq(percent, -1);
	cr_expect_eq(value_percent("2.5%", &percent), 0);
	cr_expect_eq(percent, 2.5);
	cr_expect_eq(value_percent("0", &percent), 0);
	cr_expect_eq(percent, 0);
	cr_expect_eq(value_percent("1001", &percent), -ERANGE);
	cr_expect_eq(value_percent("None!", &percent), -EINVAL);
}

Test(value, mistyped_words_find_the_nearest)
{
	static const char *const words[] = { "duration", "rate", "format", "by", "limit" };
	static const struct {
		const char *typed;
		const char *nearest;
	} cases[] = {
		{ "duratoin", "duration" },
		{ "dur", "duration" },
		{ "raet", "rate" },
		{ "formt", "format" },
		{ "limits", "limit" },
		{ "xyzzy", NULL },
		{ "b", NULL },
		{ "", NULL },
		{ "time", NULL },
		{ "a-word-that-is-longer-than-any-of-ours-could-be", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *nearest = nearest_word(cases[i].typed, words, 5);

		cr_expect((!nearest && !cases[i].nearest) || (nearest && cases[i].nearest &&
							      !strcmp(nearest, cases[i].nearest)),
			  "'%s' gave '%s'", cases[i].typed, nearest ? nearest : "nothing");
	}
}
