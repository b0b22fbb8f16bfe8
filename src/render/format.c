// SPDX-License-Identifier: GPL-2.0-only
/* Quantities and places in words. */
#include "render/format.h"

#include <inttypes.h>
#include <string.h>

struct format_scale {
	uint64_t step; /* value of one */
	const char *unit;
};

static const struct format_scale scales_ns[] = {
	{ 1000000000, " s" }, { 1000000, " ms" }, { 1000, " \xc2\xb5s" }, { 1, " ns" }, { 0, NULL },
};

static const struct format_scale scales_bytes[] = {
	{ 1ull << 30, " GiB" },
	{ 1ull << 20, " MiB" },
	{ 1ull << 10, " KiB" },
	{ 1, " B" },
	{ 0, NULL },
};

static const struct format_scale scales_samples[] = { { 1, "" }, { 0, NULL } };

/* value / whole with `digits` decimals, rounded to nearest; all fits in 128 bits. */
static void format_ratio(struct buffer *out, uint64_t value, uint64_t whole, unsigned int digits)
{
	static const unsigned int powers[] = { 1, 10, 100, 1000 };
	unsigned __int128 scaled = (unsigned __int128)value * powers[digits] + whole / 2;
	uint64_t result = scaled / whole;

	buffer_printf(out, "%" PRIu64, result / powers[digits]);
	if (digits)
		buffer_printf(out, ".%0*" PRIu64, (int)digits, result % powers[digits]);
}

static void format_scaled(struct buffer *out, const struct format_scale *scale, uint64_t value)
{
	unsigned int digits;

	if (!value) {
		buffer_string(out, "0"); /* of any unit */
		return;
	}
	/* What would round to 1000 of a unit is 1.00 of the next. */
	while (scale[1].unit && value < scale->step - scale->step / 2000)
		scale++;
	digits = scale->step == 1	    ? 0 :
		 value / scale->step >= 100 ? 0 :
		 value / scale->step >= 10  ? 1 :
					      2;
	format_ratio(out, value, scale->step, digits);
	buffer_string(out, scale->unit);
}

void format_value(struct buffer *out, enum profile_unit unit, uint64_t value)
{
	switch (unit) {
	case UNIT_NS:
		format_scaled(out, scales_ns, value);
		break;
	case UNIT_BYTES:
		format_scaled(out, scales_bytes, value);
		break;
	case UNIT_SAMPLES:
		format_scaled(out, scales_samples, value);
		break;
	}
}

void format_ns(struct buffer *out, uint64_t value_ns)
{
	format_scaled(out, scales_ns, value_ns);
}

uint64_t format_ppm(uint64_t part, uint64_t whole)
{
	if (!whole)
		return 0;
	return ((unsigned __int128)part * 1000000 + whole / 2) / whole;
}

void format_percent(struct buffer *out, uint64_t part, uint64_t whole)
{
	uint64_t ppm = format_ppm(part, whole);

	if (!whole)
		buffer_string(out, "-");
	else
		format_ratio(out, ppm, 10000, !part || ppm >= 1000 ? 1 : 2);
}

void format_share(struct buffer *out, uint64_t part, uint64_t whole)
{
	uint64_t ppm = format_ppm(part, whole);

	if (!whole && part)
		buffer_string(out, "unknown");
	else if (part && ppm < 100)
		buffer_string(out, "< 0.01 %");
	else if (!part)
		buffer_string(out, "0 %");
	else {
		format_ratio(out, ppm, 10000, ppm >= 99500 ? 0 : ppm >= 1000 ? 1 : 2);
		buffer_string(out, " %");
	}
}

/* The integer part of the square root. */
static uint64_t format_root(unsigned __int128 value)
{
	uint64_t root = 0;

	for (int bit = 62; bit >= 0; bit--) {
		uint64_t tried = root | 1ull << bit;

		if ((unsigned __int128)tried * tried <= value)
			root = tried;
	}
	return root;
}

uint32_t format_error_permille(uint64_t hits, uint64_t samples)
{
	/* z = 1.96; z * z = 3.8416, so in ten-thousandths: 38416. */
	const uint64_t z2 = 38416;
	unsigned __int128 inner, half;
	uint64_t root;

	if (!samples)
		return 1000;
	if (hits > samples)
		hits = samples;
	/*
	 * z * sqrt(h (n - h) / n + z2 / 4) / (n + z2), with everything under the root scaled by
	 * 10^8 so that its root has four decimals.
	 */
	inner = (unsigned __int128)hits * (samples - hits) * 100000000 / samples + z2 * 2500;
	root = format_root(inner);
	half = (unsigned __int128)root * 196 * 1000 / 100;
	inner = (unsigned __int128)samples * 10000 + z2;
	return (half + inner - 1) / inner;
}

static const char *format_base_name(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash && slash[1] ? slash + 1 : file;
}

/* Behind the last "/NAME/", or NULL. */
static const char *format_behind(const char *file, const char *name)
{
	const char *found = NULL, *at = file;

	while ((at = strstr(at, name))) {
		at += strlen(name);
		found = at;
	}
	return found;
}

/* Behind "/lib/python3.N/" or "/lib64/python3.N/", or NULL. */
static const char *format_behind_standard(const char *file)
{
	const char *behind = format_behind(file, "/lib/python3.");

	if (!behind)
		behind = format_behind(file, "/lib64/python3.");
	if (!behind)
		return NULL;
	while (*behind && *behind != '/')
		behind++;
	return *behind && behind[1] ? behind + 1 : NULL;
}

static const char *format_behind_site(const char *file)
{
	const char *behind = format_behind(file, "/site-packages/");

	return behind ? behind : format_behind(file, "/dist-packages/");
}

/* The last components of `file` that `module` spells; NULL where they do not agree. */
static const char *format_file_of_module(const char *file, const char *module)
{
	const char *at = strrchr(file, '/');
	const char *part = module + strlen(module);

	if (!at)
		return NULL;
	if (!strncmp(at, "/__init__.", 10)) {
		if (at == file)
			return NULL;
		at = memrchr(file, '/', at - file);
	}
	for (; at && part > module; at = memrchr(file, '/', at - file)) {
		const char *dot = memrchr(module, '.', part - module);
		const char *name = dot ? dot + 1 : module;
		size_t length = part - name;

		if (strncmp(at + 1, name, length) || !strchr("/.", at[1 + length]))
			return NULL;
		part = dot ? dot : module;
		if (part == module)
			return at + 1;
	}
	return NULL;
}

const char *format_file(const struct profile *profile, const struct profile_function *function)
{
	const char *file = profile_text(profile, function->file);
	const char *module = profile_text(profile, function->module);
	const char *shorter = NULL;

	if (*file == '<')
		return file;
	if (function->kind == FRAME_PYTHON && *module)
		shorter = format_file_of_module(file, module);
	if (!shorter)
		shorter = format_behind_site(file);
	if (!shorter && function->kind == FRAME_PYTHON)
		shorter = format_behind_standard(file);
	return shorter ? shorter : format_base_name(file);
}

enum frame_origin format_origin(const struct profile *profile,
				const struct profile_function *function)
{
	const char *file = profile_text(profile, function->file);

	switch (function->kind) {
	case FRAME_NATIVE:
		return ORIGIN_NATIVE;
	case FRAME_KERNEL:
		return ORIGIN_KERNEL;
	case FRAME_NOTE:
		return ORIGIN_NOTE;
	case FRAME_PYTHON:
		break;
	}
	if (format_behind_site(file))
		return ORIGIN_LIBRARY;
	if (format_behind_standard(file) || !strncmp(file, "<frozen ", 8))
		return ORIGIN_STANDARD;
	return ORIGIN_APPLICATION;
}

const char *format_kind(enum frame_kind kind)
{
	switch (kind) {
	case FRAME_PYTHON:
		return "python";
	case FRAME_NATIVE:
		return "native";
	case FRAME_KERNEL:
		return "kernel";
	case FRAME_NOTE:
		return "note";
	}
	return "python";
}

const char *format_unit(enum profile_unit unit)
{
	switch (unit) {
	case UNIT_NS:
		return "ns";
	case UNIT_BYTES:
		return "bytes";
	case UNIT_SAMPLES:
		return "samples";
	}
	return "samples";
}
