// SPDX-License-Identifier: GPL-2.0-only
/* Rows, added up by hand from six stacks. */
#include <criterion/criterion.h>

#include "model/rollup.h"

enum { MAIN_THREAD, WORKER_THREAD };

static struct profile *profile;
/* In the order of their ids. */
enum { MODULE, RUN, FIB, DUMPS, NATIVE };

static void add_function(const char *name, const char *class_name, const char *module,
			 const char *file, int32_t line, enum frame_kind kind)
{
	struct profile_function function = {
		.name = profile_string(profile, name),
		.class_name = profile_string(profile, class_name),
		.module = profile_string(profile, module),
		.file = profile_string(profile, file),
		.line = line,
		.kind = kind,
	};

	profile_add_function(profile, &function);
}

static uint32_t push(uint32_t stack, uint32_t function, int32_t line)
{
	return profile_add_stack(profile, stack, profile_add_frame(profile, function, line));
}

/*
 *	thread  stack                                            samples, of 10 each
 *	main    <module>:30 > run:12                             10
 *	main    <module>:30 > run:13 > fib:21 > fib:22           60
 *	main    <module>:30 > run:13 > fib:21                    10
 *	worker  run:14 > dumps:238 > write                       15
 *	worker  run:14 > dumps:238                                4
 *	worker  (nothing)                                         1
 */
static void make_profile(void)
{
	uint32_t process, module, run, dumps, fib;

	profile = profile_new("cpu", UNIT_NS);
	add_function("<module>", NULL, "__main__", "/srv/app.py", 1, FRAME_PYTHON);
	add_function("Worker.run", "Worker", "app.jobs", "/srv/jobs.py", 10, FRAME_PYTHON);
	add_function("fib", NULL, "app.jobs", "/srv/jobs.py", 20, FRAME_PYTHON);
	add_function("dumps", NULL, NULL, "/usr/lib/json.py", 183, FRAME_PYTHON);
	add_function("write", NULL, "libc.so.6", "/lib/libc.so.6", 0, FRAME_NATIVE);
	process = profile_add_process(profile, 1, 100);
	profile_add_thread(profile, process, 100);
	profile_add_thread(profile, process, 101);
	module = push(0, MODULE, 30);
	profile_add_sample(profile, MAIN_THREAD, push(module, RUN, 12), 10, 100);
	fib = push(push(module, RUN, 13), FIB, 21);
	profile_add_sample(profile, MAIN_THREAD, push(fib, FIB, 22), 60, 600);
	profile_add_sample(profile, MAIN_THREAD, fib, 10, 100);
	run = push(0, RUN, 14);
	dumps = push(run, DUMPS, 238);
	profile_add_sample(profile, WORKER_THREAD, push(dumps, NATIVE, 0), 15, 150);
	profile_add_sample(profile, WORKER_THREAD, dumps, 4, 40);
	profile_add_sample(profile, WORKER_THREAD, 0, 1, 10);
}

static void free_profile(void)
{
	profile_free(profile);
}

TestSuite(rollup, .init = make_profile, .fini = free_profile);

struct row_case {
	uint32_t function;
	int32_t line;
	uint32_t thread;
	uint64_t self;
	uint64_t total;
};

static void expect_rows(const struct rollup *rollup, const struct row_case *cases, size_t count)
{
	cr_assert_eq(rollup->row_count, count, "%u rows", rollup->row_count);
	for (size_t i = 0; i < count; i++) {
		const struct rollup_row *row = &rollup->rows[i];

		cr_expect_eq(row->function, cases[i].function, "row %zu: function %u", i,
			     row->function);
		cr_expect_eq(row->line, cases[i].line, "row %zu: line %d", i, row->line);
		cr_expect_eq(row->thread, cases[i].thread, "row %zu: thread %u", i, row->thread);
		cr_expect_eq(row->self, cases[i].self, "row %zu: self %lu", i, row->self);
		cr_expect_eq(row->total, cases[i].total, "row %zu: total %lu", i, row->total);
		cr_expect_eq(row->self_samples * 10, cases[i].self);
		cr_expect_eq(row->total_samples * 10, cases[i].total);
	}
	cr_expect_eq(rollup->value, 1000);
	cr_expect_eq(rollup->samples, 100);
}

#define EXPECT_ROWS(rollup, cases) expect_rows(rollup, cases, sizeof(cases) / sizeof((cases)[0]))

Test(rollup, recursion_counts_once_in_total)
{
	static const struct row_case WANT[] = {
		{ FIB, 20, PROFILE_NONE, 700, 700 }, { NATIVE, 0, PROFILE_NONE, 150, 150 },
		{ RUN, 10, PROFILE_NONE, 100, 990 }, { DUMPS, 183, PROFILE_NONE, 40, 190 },
		{ MODULE, 1, PROFILE_NONE, 0, 800 },
	};
	struct rollup rollup;

	cr_assert_eq(rollup_build(profile, ROLLUP_FUNCTION, ROLLUP_SORT_SELF, false, &rollup), 0);
	EXPECT_ROWS(&rollup, WANT);
	rollup_release(&rollup);
	rollup_release(NULL);
}

Test(rollup, sorts_by_total_and_by_name)
{
	static const struct row_case BY_TOTAL[] = {
		{ RUN, 10, PROFILE_NONE, 100, 990 },   { MODULE, 1, PROFILE_NONE, 0, 800 },
		{ FIB, 20, PROFILE_NONE, 700, 700 },   { DUMPS, 183, PROFILE_NONE, 40, 190 },
		{ NATIVE, 0, PROFILE_NONE, 150, 150 },
	};
	static const struct row_case BY_NAME[] = {
		{ MODULE, 1, PROFILE_NONE, 0, 800 },   { RUN, 10, PROFILE_NONE, 100, 990 },
		{ DUMPS, 183, PROFILE_NONE, 40, 190 }, { FIB, 20, PROFILE_NONE, 700, 700 },
		{ NATIVE, 0, PROFILE_NONE, 150, 150 },
	};
	struct rollup rollup;

	cr_assert_eq(rollup_build(profile, ROLLUP_FUNCTION, ROLLUP_SORT_TOTAL, false, &rollup), 0);
	EXPECT_ROWS(&rollup, BY_TOTAL);
	rollup_release(&rollup);
	cr_assert_eq(rollup_build(profile, ROLLUP_FUNCTION, ROLLUP_SORT_NAME, false, &rollup), 0);
	EXPECT_ROWS(&rollup, BY_NAME);
	rollup_release(&rollup);
}

Test(rollup, lines_are_those_that_were_executed)
{
	static const struct row_case WANT[] = {
		{ FIB, 22, PROFILE_NONE, 600, 600 },   { NATIVE, 0, PROFILE_NONE, 150, 150 },
		{ FIB, 21, PROFILE_NONE, 100, 700 },   { RUN, 12, PROFILE_NONE, 100, 100 },
		{ DUMPS, 238, PROFILE_NONE, 40, 190 }, { MODULE, 30, PROFILE_NONE, 0, 800 },
		{ RUN, 13, PROFILE_NONE, 0, 700 },     { RUN, 14, PROFILE_NONE, 0, 190 },
	};
	struct rollup rollup;

	cr_assert_eq(rollup_build(profile, ROLLUP_LINE, ROLLUP_SORT_SELF, false, &rollup), 0);
	EXPECT_ROWS(&rollup, WANT);
	rollup_release(&rollup);
}

/* fib has no class but the module of Worker.run: classes keep them apart, modules do not. */
Test(rollup, classes_and_modules_gather_functions)
{
	static const struct row_case CLASSES[] = {
		{ FIB, 20, PROFILE_NONE, 700, 700 }, { NATIVE, 0, PROFILE_NONE, 150, 150 },
		{ RUN, 10, PROFILE_NONE, 100, 990 }, { DUMPS, 183, PROFILE_NONE, 40, 190 },
		{ MODULE, 1, PROFILE_NONE, 0, 800 },
	};
	static const struct row_case MODULES[] = {
		{ RUN, 10, PROFILE_NONE, 800, 990 },
		{ NATIVE, 0, PROFILE_NONE, 150, 150 },
		{ DUMPS, 183, PROFILE_NONE, 40, 190 },
		{ MODULE, 1, PROFILE_NONE, 0, 800 },
	};
	struct rollup rollup;

	cr_assert_eq(rollup_build(profile, ROLLUP_CLASS, ROLLUP_SORT_SELF, false, &rollup), 0);
	EXPECT_ROWS(&rollup, CLASSES);
	rollup_release(&rollup);
	cr_assert_eq(rollup_build(profile, ROLLUP_MODULE, ROLLUP_SORT_SELF, false, &rollup), 0);
	EXPECT_ROWS(&rollup, MODULES);
	rollup_release(&rollup);
}

/* Samples without a stack belong to their thread all the same. */
Test(rollup, threads_and_processes_count_every_sample)
{
	static const struct row_case THREADS[] = {
		{ PROFILE_NONE, 0, MAIN_THREAD, 800, 800 },
		{ PROFILE_NONE, 0, WORKER_THREAD, 200, 200 },
	};
	static const struct row_case PROCESSES[] = {
		{ PROFILE_NONE, 0, PROFILE_NONE, 1000, 1000 },
	};
	struct rollup rollup;

	cr_assert_eq(rollup_build(profile, ROLLUP_THREAD, ROLLUP_SORT_SELF, false, &rollup), 0);
	EXPECT_ROWS(&rollup, THREADS);
	cr_assert_eq(rollup.rows[1].process, 0);
	rollup_release(&rollup);
	cr_assert_eq(rollup_build(profile, ROLLUP_PROCESS, ROLLUP_SORT_SELF, false, &rollup), 0);
	EXPECT_ROWS(&rollup, PROCESSES);
	rollup_release(&rollup);
}

Test(rollup, split_by_thread_gives_each_thread_its_row)
{
	static const struct row_case WANT[] = {
		{ FIB, 20, MAIN_THREAD, 700, 700 }, { NATIVE, 0, WORKER_THREAD, 150, 150 },
		{ RUN, 10, MAIN_THREAD, 100, 800 }, { DUMPS, 183, WORKER_THREAD, 40, 190 },
		{ MODULE, 1, MAIN_THREAD, 0, 800 }, { RUN, 10, WORKER_THREAD, 0, 190 },
	};
	struct rollup rollup;

	cr_assert_eq(rollup_build(profile, ROLLUP_FUNCTION, ROLLUP_SORT_SELF, true, &rollup), 0);
	EXPECT_ROWS(&rollup, WANT);
	rollup_release(&rollup);
}

Test(rollup, only_functions_that_match_are_listed)
{
	static const struct row_case WANT[] = {
		{ FIB, 20, PROFILE_NONE, 700, 700 },
		{ RUN, 10, PROFILE_NONE, 100, 990 },
	};
	const char *glob = "app.jobs:*";
	struct rollup rollup;

	cr_assert_eq(rollup_build_matching(profile, ROLLUP_FUNCTION, ROLLUP_SORT_SELF, false, &glob,
					   1, &rollup),
		     0);
	EXPECT_ROWS(&rollup, WANT);
	rollup_release(&rollup);
}

Test(rollup, globs_match_module_and_name_or_name_or_file)
{
	static const struct {
		const char *glob;
		uint32_t function;
		bool matches;
	} CASES[] = {
		{ "app.jobs:Worker.run", RUN, true },
		{ "app.*:Worker.*", RUN, true },
		{ "Worker.run", RUN, true },
		{ "*/jobs.py", RUN, true },
		{ "run", RUN, false },
		{ "app:*", RUN, false },
		{ ":dumps", DUMPS, true }, /* its module is unknown */
		{ "*:write", NATIVE, true },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		cr_expect_eq(
			profile_function_matches(profile, CASES[i].function, &CASES[i].glob, 1),
			CASES[i].matches, "%s", CASES[i].glob);
}

Test(rollup, filter_keeps_whole_stacks_that_hold_a_match)
{
	const char *const GLOBS[] = { "dumps", "nothing*" };
	struct rollup rollup;
	uint64_t dropped = 0;

	cr_assert_eq(profile_filter(profile, GLOBS, 2, &dropped), 0);
	cr_assert_eq(dropped, 81);
	cr_assert_eq(profile->sample_count, 19);
	cr_assert_eq(profile->sum_count, 2);
	cr_assert_eq(rollup_build(profile, ROLLUP_FUNCTION, ROLLUP_SORT_TOTAL, false, &rollup), 0);
	cr_assert_eq(rollup.value, 190);
	cr_assert_eq(rollup.row_count, 3);
	cr_assert_eq(rollup.rows[0].function, DUMPS);
	cr_assert_eq(rollup.rows[1].function, RUN, "callers stay");
	cr_assert_eq(rollup.rows[2].function, NATIVE, "callees stay");
	rollup_release(&rollup);
}

/* The sums can still be added to, and are found. */
Test(rollup, filter_leaves_a_profile_that_can_grow)
{
	const char *glob = "dumps";
	uint64_t dropped;
	uint32_t stack;

	cr_assert_eq(profile_filter(profile, &glob, 1, &dropped), 0);
	stack = profile->sums[1].stack;
	cr_assert_eq(profile_add_sample(profile, WORKER_THREAD, stack, 1, 10), 0);
	cr_assert_eq(profile->sum_count, 2);
	cr_assert_eq(profile->sums[1].samples, 5);
	cr_assert_eq(profile_add_sample(profile, MAIN_THREAD, stack, 1, 10), 0);
	cr_assert_eq(profile->sum_count, 3);
	cr_assert_eq(profile->sample_count, 21);
}
