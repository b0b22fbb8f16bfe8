// SPDX-License-Identifier: GPL-2.0-only
/* Quantities and places in words. */
#include <criterion/criterion.h>

#include "render/format.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void expect(struct buffer *got, const char *want)
{
	cr_expect_str_eq(got->bytes, want, "got %s, not %s", got->bytes, want);
	buffer_release(got);
	buffer_init(got);
}

Test(format, values_have_three_digits_and_a_unit)
{
	static const struct {
		enum profile_unit unit;
		uint64_t value;
		const char *want;
	} CASES[] = {
		{ UNIT_NS, 0, "0" },
		{ UNIT_NS, 999, "999 ns" },
		{ UNIT_NS, 1000, "1.00 \xc2\xb5s" },
		{ UNIT_NS, 12345, "12.3 \xc2\xb5s" },
		{ UNIT_NS, 123456789, "123 ms" },
		{ UNIT_NS, 999600000, "1.00 s" },
		{ UNIT_NS, 9870000000, "9.87 s" },
		{ UNIT_NS, 3600000000000, "3600 s" },
		{ UNIT_NS, UINT64_MAX, "18446744074 s" },
		{ UNIT_BYTES, 1023, "1023 B" },
		{ UNIT_BYTES, 1536, "1.50 KiB" },
		{ UNIT_BYTES, 5ull << 30, "5.00 GiB" },
		{ UNIT_SAMPLES, 12345678, "12345678" },
	};
	struct buffer got;

	buffer_init(&got);
	for (size_t i = 0; i < COUNT(CASES); i++) {
		format_value(&got, CASES[i].unit, CASES[i].value);
		expect(&got, CASES[i].want);
	}
}

Test(format, percents_and_shares)
{
	static const struct {
		uint64_t part;
		uint64_t whole;
		const char *percent;
		const char *share;
	} CASES[] = {
		{ 0, 0, "-", "0 %" },		{ 1, 0, "-", "unknown" },
		{ 0, 10, "0.0", "0 %" },	{ 1, 1, "100.0", "100 %" },
		{ 13, 1000, "1.3", "1.3 %" },	{ 4, 1000, "0.4", "0.4 %" },
		{ 5, 10000, "0.05", "0.05 %" }, { 1, 100000000, "0.00", "< 0.01 %" },
		{ 2, 3, "66.7", "67 %" },	{ UINT64_MAX / 2, UINT64_MAX, "50.0", "50 %" },
	};
	struct buffer got;

	buffer_init(&got);
	for (size_t i = 0; i < COUNT(CASES); i++) {
		format_percent(&got, CASES[i].part, CASES[i].whole);
		expect(&got, CASES[i].percent);
		format_share(&got, CASES[i].part, CASES[i].whole);
		expect(&got, CASES[i].share);
	}
}

/* Worked out with floating point from the formula, then rounded up. */
Test(format, errors_are_wilsons)
{
	static const struct {
		uint64_t hits;
		uint64_t samples;
		uint32_t permille;
	} CASES[] = {
		{ 0, 100, 19 }, { 10, 100, 60 },   { 70, 100, 89 }, { 100, 100, 19 },
		{ 1, 10, 194 }, { 500, 1000, 31 }, { 0, 1, 397 },   { 0, 0, 1000 },
	};

	for (size_t i = 0; i < COUNT(CASES); i++)
		cr_expect_eq(format_error_permille(CASES[i].hits, CASES[i].samples),
			     CASES[i].permille, "%lu of %lu: %u", CASES[i].hits, CASES[i].samples,
			     format_error_permille(CASES[i].hits, CASES[i].samples));
}

Test(format, files_are_named_as_people_name_them)
{
	static const struct {
		const char *file;
		const char *module;
		enum frame_kind kind;
		const char *want;
		enum frame_origin origin;
	} CASES[] = {
		{ "/srv/app/app.py", "__main__", FRAME_PYTHON, "app.py", ORIGIN_APPLICATION },
		{ "/srv/app/jobs.py", "app.jobs", FRAME_PYTHON, "app/jobs.py", ORIGIN_APPLICATION },
		{ "/srv/app/jobs.py", "jobs", FRAME_PYTHON, "jobs.py", ORIGIN_APPLICATION },
		{ "/srv/app/__init__.py", "app", FRAME_PYTHON, "app/__init__.py",
		  ORIGIN_APPLICATION },
		{ "/srv/other/jobs.py", "app.jobs", FRAME_PYTHON, "jobs.py", ORIGIN_APPLICATION },
		{ "jobs.py", "jobs", FRAME_PYTHON, "jobs.py", ORIGIN_APPLICATION },
		{ "/usr/lib/python3.11/json/decoder.py", "", FRAME_PYTHON, "json/decoder.py",
		  ORIGIN_STANDARD },
		{ "/usr/lib/python3/dist-packages/six.py", "", FRAME_PYTHON, "six.py",
		  ORIGIN_LIBRARY },
		{ "/v/lib/python3.12/site-packages/a/b.py", "a.b", FRAME_PYTHON, "a/b.py",
		  ORIGIN_LIBRARY },
		{ "/v/lib/python3.12/site-packages/a/b.py", "", FRAME_PYTHON, "a/b.py",
		  ORIGIN_LIBRARY },
		{ "<frozen importlib._bootstrap>", "importlib._bootstrap", FRAME_PYTHON,
		  "<frozen importlib._bootstrap>", ORIGIN_STANDARD },
		{ "<string>", "__main__", FRAME_PYTHON, "<string>", ORIGIN_APPLICATION },
		{ "", "", FRAME_PYTHON, "", ORIGIN_APPLICATION },
		{ "/", "x", FRAME_PYTHON, "/", ORIGIN_APPLICATION },
		{ "/__init__.py", "x", FRAME_PYTHON, "__init__.py", ORIGIN_APPLICATION },
		{ "/usr/lib/libc.so.6", "libc.so.6", FRAME_NATIVE, "libc.so.6", ORIGIN_NATIVE },
		{ "", "", FRAME_KERNEL, "", ORIGIN_KERNEL },
		{ "", "", FRAME_NOTE, "", ORIGIN_NOTE },
	};
	struct profile *profile = profile_new("cpu", UNIT_NS);

	for (size_t i = 0; i < COUNT(CASES); i++) {
		struct profile_function function = {
			.module = profile_string(profile, CASES[i].module),
			.file = profile_string(profile, CASES[i].file),
			.kind = CASES[i].kind,
		};

		cr_expect_str_eq(format_file(profile, &function), CASES[i].want, "%s of %s: %s",
				 CASES[i].file, CASES[i].module, format_file(profile, &function));
		cr_expect_eq(format_origin(profile, &function), CASES[i].origin, "%s",
			     CASES[i].file);
	}
	profile_free(profile);
}
