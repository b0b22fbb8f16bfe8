// SPDX-License-Identifier: GPL-2.0-only
/* Folded stacks: a golden made by hand, and names that would be read as the format's syntax. */
#include <criterion/criterion.h>
#include <string.h>

#include "sample.h"

Test(folded, stacks_are_added_up_and_sorted)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	struct buffer out;

	sample_render("folded", profile, &options, &out);
	sample_expect_golden("folded.txt", &out);
	buffer_release(&out);
	options.split_threads = true;
	sample_render("folded", profile, &options, &out);
	sample_expect_golden("folded_threads.txt", &out);
	buffer_release(&out);
	profile_free(profile);
}

/* One stack of one frame, what it reads as. */
Test(folded, names_never_become_syntax)
{
	static const struct {
		const char *name;
		const char *file;
		enum frame_kind kind;
		int32_t line;
		const char *want;
	} CASES[] = {
		{ "f", "a.py", FRAME_PYTHON, 3, "f (a.py:3) 7\n" },
		{ "f", "a.py", FRAME_PYTHON, 0, "f (a.py) 7\n" },
		{ "a;b;", "c;d.py", FRAME_PYTHON, 3, "a:b: (c:d.py:3) 7\n" },
		{ "two\nlines\r\tx", "a.py", FRAME_PYTHON, 3, "two lines  x (a.py:3) 7\n" },
		{ "foo 12", "", FRAME_NATIVE, 0, "foo_12 7\n" },
		{ "foo 1.5", "", FRAME_NATIVE, 0, "foo_1.5 7\n" },
		{ "12", "", FRAME_NATIVE, 0, "12 7\n" },
		{ "  spaced  ", "", FRAME_NATIVE, 0, "spaced 7\n" },
		{ "", "", FRAME_NATIVE, 0, "? 7\n" },
		{ " ", "", FRAME_NOTE, 0, "? 7\n" },
		{ "caf\xc3\xa9", "\xc3\xa9.py", FRAME_PYTHON, 1,
		  "caf\xc3\xa9 (\xc3\xa9.py:1) 7\n" },
		{ "\x1b[1m\xff", "a.py", FRAME_PYTHON, 1, "\\x1b[1m\\xff (a.py:1) 7\n" },
		{ "vfs_read", "", FRAME_KERNEL, 0, "vfs_read_[k] 7\n" },
		{ "[starting]", "", FRAME_NOTE, 0, "[starting] 7\n" },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct profile *profile = profile_new("cpu", UNIT_NS);
		struct render_options options = sample_options();
		struct profile_function function = {
			.name = profile_string(profile, CASES[i].name),
			.file = profile_string(profile, CASES[i].file),
			.kind = CASES[i].kind,
		};
		uint32_t frame,
			thread = profile_add_thread(profile, profile_add_process(profile, 1, 1), 1);
		struct buffer out;

		profile->period_ns = 1000;
		frame = profile_add_frame(profile, profile_add_function(profile, &function),
					  CASES[i].line);
		profile_add_sample(profile, thread, profile_add_stack(profile, 0, frame), 7, 7000);
		sample_render("folded", profile, &options, &out);
		cr_expect_str_eq(out.bytes, CASES[i].want, "case %zu: %s", i, out.bytes);
		buffer_release(&out);
		profile_free(profile);
	}
}

/* Two functions that read alike are one box in every viewer: they must be one line. */
Test(folded, stacks_that_read_alike_meet)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	struct profile_function again = profile->functions[0];
	struct buffer out;
	uint32_t stack;

	again.class_name = profile_string(profile, "Other");
	stack = profile_add_stack(
		profile, 0, profile_add_frame(profile, profile_add_function(profile, &again), 30));
	stack = profile_add_stack(profile, stack, profile_add_frame(profile, 1, 12));
	profile_add_sample(profile, 1, stack, 5, 50000000);
	sample_render("folded", profile, &options, &out);
	cr_expect_not_null(
		strstr(out.bytes, "<module> (app.py:30);Worker.run (app/jobs.py:12) 15\n"));
	cr_expect_null(strstr(out.bytes, "(app/jobs.py:12) 10\n"));
	buffer_release(&out);
	profile_free(profile);
}

/* What is not sampled by time counts in its own unit. */
Test(folded, other_units_count_their_value)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	struct buffer out;

	profile->unit = UNIT_BYTES;
	sample_render("folded", profile, &options, &out);
	cr_expect_not_null(strstr(out.bytes, "(app/jobs.py:12) 100000000\n"));
	buffer_release(&out);
	profile_free(profile);
}
