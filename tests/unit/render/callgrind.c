// SPDX-License-Identifier: GPL-2.0-only
/* callgrind files: one made by hand, and what would break a reader. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "sample_calls.h"

/* From sample_calls.h, added up by hand; a call costs what outermost activations of its callee do. */
static const char BODY[] = "positions: line\n"
			   "event: Wall_ns : wall time in ns\n"
			   "event: Cpu_ns : CPU time in ns\n"
			   "events: Wall_ns Cpu_ns\n"
			   "summary: 220000000 120000000\n"
			   "\n"
			   "ob=(10) __main__\n"
			   "fl=(7) /srv/app/app.py\n"
			   "fn=(1) <module>\n"
			   "1 10000000 9000000\n"
			   "cob=(11) app.jobs\n"
			   "cfi=(8) /srv/app/jobs.py\n"
			   "cfn=(2) fib\n"
			   "calls=1 20\n"
			   "1 90000000 90000000\n"
			   "cob=(11)\n"
			   "cfi=(8)\n"
			   "cfn=(3) even\n"
			   "calls=2 30\n"
			   "1 18000000 18000000\n"
			   "\n"
			   "ob=(11)\n"
			   "fl=(8)\n"
			   "fn=(2)\n"
			   "20 92000000 92000000\n"
			   "cfn=(2)\n"
			   "calls=6 20\n"
			   "20 0 0\n"
			   "\n"
			   "fn=(3)\n"
			   "30 12000000 12000000\n"
			   "cfn=(4) odd\n"
			   "calls=2 40\n"
			   "30 13000000 13000000\n"
			   "\n"
			   "fn=(4)\n"
			   "40 6000000 6000000\n"
			   "cfn=(3)\n"
			   "calls=2 30\n"
			   "40 0 0\n"
			   "\n"
			   "fn=(5) Worker.run\n"
			   "10 100000000 1000000\n"
			   "cfn=(2)\n"
			   "calls=1 20\n"
			   "10 2000000 2000000\n"
			   "\n"
			   "ob=(12) [processes]\n"
			   "fl=(9) ???\n"
			   "fn=(6) pid 100: python3 app.py\n"
			   "cob=(10)\n"
			   "cfi=(7)\n"
			   "cfn=(1)\n"
			   "calls=1 1\n"
			   "0 118000000 117000000\n"
			   "cob=(11)\n"
			   "cfi=(8)\n"
			   "cfn=(5)\n"
			   "calls=1 10\n"
			   "0 102000000 3000000\n";

static const char *body_of(const struct buffer *out)
{
	const char *body = strstr(out->bytes, "\npositions: line\n");

	cr_assert_not_null(body, "%s", out->bytes);
	return body + 1;
}

static bool has_line(const struct buffer *out, const char *line)
{
	size_t length = strlen(line);

	for (const char *at = out->bytes; (at = strstr(at, line)); at++) {
		if ((at == out->bytes || at[-1] == '\n') && at[length] == '\n')
			return true;
	}
	return false;
}

Test(callgrind, exact_calls_add_up)
{
	struct profile *profile = exchange_calls_new();
	struct render_options options = sample_options();
	struct buffer out;

	sample_render("callgrind", profile, &options, &out);
	cr_expect_eq(strncmp(out.bytes, "# callgrind format\nversion: 1\n", 30), 0);
	cr_expect(has_line(&out, "pid: 100"));
	cr_expect(has_line(&out, "cmd: python3 app.py"));
	cr_expect_not_null(strstr(out.bytes, "\ndesc: cost: "));
	cr_expect_str_eq(body_of(&out), BODY, "%s", body_of(&out));
	buffer_release(&out);
	profile_free(profile);
}

/* Roots are processes, or threads where these are told apart. */
Test(callgrind, threads_can_be_roots)
{
	struct profile *profile = exchange_calls_new();
	struct render_options options = sample_options();
	struct buffer out;

	options.split_threads = true;
	sample_render("callgrind", profile, &options, &out);
	cr_expect_not_null(strstr(out.bytes, " pid 100, thread 100: python3\n"
					     "cob=(11)\ncfi=(8)\ncfn=(1)\ncalls=1 1\n"
					     "0 118000000 117000000\n"));
	cr_expect_not_null(strstr(out.bytes, " pid 100, thread 101: worker\n"));
	cr_expect_null(strstr(out.bytes, "python3 app.py\ncob"));
	buffer_release(&out);
	profile_free(profile);
}

/* What -F lets through costs; who calls it and whom it calls is there, and costs nothing itself. */
Test(callgrind, selected_functions_keep_their_neighbours)
{
	static const char *const GLOBS[] = { "odd" };
	struct profile *profile = exchange_calls_new();
	struct render_options options = sample_options();
	struct buffer out;

	options.globs = GLOBS;
	options.glob_count = 1;
	sample_render("callgrind", profile, &options, &out);
	cr_expect(has_line(&out, "summary: 6000000 6000000"));
	cr_expect_null(strstr(out.bytes, "fib"));
	/* even has no cost of its own, and is called by <module> no more. */
	cr_expect_not_null(
		strstr(out.bytes, " even\ncfn=(4) odd\ncalls=2 40\n30 13000000 13000000\n"));
	buffer_release(&out);
	profile_free(profile);
}

/*
 * From samples: the lines executed have the cost; a recursive function's calls from outside cost
 * what was below them, those from itself nothing.
 */
Test(callgrind, samples_have_lines)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	struct buffer out;

	sample_render("callgrind", profile, &options, &out);
	cr_expect(has_line(&out, "events: Cpu_ns Samples"));
	cr_expect(has_line(&out, "summary: 1000000000 100"));
	cr_expect(has_line(&out, "desc: sampled: counts of calls are counts of samples"));
	/* fib: 10 samples at line 21, 60 at 22, where 21 called. */
	cr_expect_not_null(strstr(
		out.bytes, "\n21 100000000 10\n22 600000000 60\ncfn=(3)\ncalls=60 20\n21 0 0\n"));
	/* Worker.run's line 13 called it. */
	cr_expect_not_null(strstr(out.bytes, "calls=70 20\n13 700000000 70\n"));
	/* The sample without a frame is the process' own. */
	cr_expect_not_null(strstr(out.bytes, " pid 100: python3 app.py\n0 10000000 1\n"));
	buffer_release(&out);
	profile_free(profile);
}

/* Every line of the body is one that the format knows; "events:" is where KCachegrind looks. */
Test(callgrind, names_never_become_syntax)
{
	static const char *const STARTS[] = { "ob=(",	 "fl=(",     "fn=(",	 "cob=(",
					      "cfi=(",	 "cfn=(",    "calls=",	 "positions:",
					      "event: ", "events: ", "summary: " };
	struct profile *profile = exchange_hostile_new();
	struct render_options options = sample_options();
	const char *events;
	struct buffer out;
	char *line;

	sample_render("callgrind", profile, &options, &out);
	events = strstr(out.bytes, "events:");
	cr_assert_not_null(events);
	cr_expect_eq(events[-1], '\n');
	cr_expect_lt(events - out.bytes, 2000);
	cr_expect_null(strchr(out.bytes, '\x1b'));
	for (line = strtok((char *)body_of(&out), "\n"); line; line = strtok(NULL, "\n")) {
		unsigned long number, wall, cpu;
		bool known = sscanf(line, "%lu %lu %lu", &number, &wall, &cpu) == 3;

		for (size_t i = 0; i < sizeof(STARTS) / sizeof(STARTS[0]); i++)
			known |= !strncmp(line, STARTS[i], strlen(STARTS[i]));
		cr_expect(known, "%s", line);
	}
	buffer_release(&out);
	profile_free(profile);
}

/* Readers know a function by its name, its file, its object: no two may share these. */
Test(callgrind, functions_of_one_name_are_told_apart)
{
	struct profile *profile = exchange_hostile_new();
	struct render_options options = sample_options();
	struct buffer out;

	sample_render("callgrind", profile, &options, &out);
	cr_expect_not_null(strstr(out.bytes, ") <lambda>:1\n"));
	cr_expect_not_null(strstr(out.bytes, ") <lambda>:2#17\n"));
	cr_expect_not_null(strstr(out.bytes, ") <lambda>:2#18\n"));
	/* In modules of their own they need no more. */
	cr_expect_not_null(strstr(out.bytes, ") main\n"));
	cr_expect_null(strstr(out.bytes, "main:7"));
	buffer_release(&out);
	profile_free(profile);
}

/* A header that readers find, whatever stands in it. */
Test(callgrind, a_header_stays_short)
{
	struct profile *profile = exchange_calls_new();
	struct render_options options = sample_options();
	static char command[100000];
	const char *events;
	struct buffer out;

	for (size_t i = 0; i + 2 < sizeof(command); i += 2)
		memcpy(command + i, "\xc3\xa9", 2);
	profile->processes[0].command = profile_string(profile, command);
	for (unsigned int i = 0; i < DROP_COUNT; i++)
		profile->lost[i] = profile->partial[i] = 1000000000000;
	sample_render("callgrind", profile, &options, &out);
	events = strstr(out.bytes, "\nevents:");
	cr_assert_not_null(events);
	cr_expect_lt(events - out.bytes, 2000);
	/* What did not fit is still in the file. */
	cr_expect_not_null(strstr(events, "\n# "));
	buffer_release(&out);
	profile_free(profile);
}
