// SPDX-License-Identifier: GPL-2.0-only
/* Rows of exact calls, added up by hand from a small tree. */
#include <criterion/criterion.h>
#include <string.h>

#include "model/call_rollup.h"

/* In the order of their ids. */
enum { MAIN, RUN, STEP, PARSE, HELPER };
enum { FIRST_THREAD, SECOND_THREAD };

static struct profile *profile;

static void add_function(const char *name, const char *class_name, const char *module,
			 const char *file, int32_t line)
{
	struct profile_function function = {
		.name = profile_string(profile, name),
		.class_name = profile_string(profile, class_name),
		.module = profile_string(profile, module),
		.file = profile_string(profile, file),
		.line = line,
	};

	profile_add_function(profile, &function);
}

static uint32_t add(uint32_t parent, uint32_t function, uint64_t call_count, uint64_t self_ns,
		    uint64_t total_ns)
{
	uint32_t id = calls_child(profile->calls, parent, function);
	struct call_node *node = &profile->calls->nodes[id];
	struct call_edge *edge = &profile->calls->edges[node->edge];

	node->times = (struct call_times){
		.calls = call_count,
		.exceptions = call_count / 2,
		.self_ns = self_ns,
		.total_ns = total_ns,
		.cpu_self_ns = self_ns / 10,
		.cpu_total_ns = total_ns / 10,
	};
	for (uint64_t i = 0; i < call_count; i++)
		histogram_add(&edge->durations, total_ns / call_count);
	edge->min_ns = edge->max_ns = total_ns / call_count;
	return id;
}

/*
 *	thread  path                            calls    self   total
 *	first   main                                1     100    1000
 *	        main > Worker.run                   2     200     900
 *	        main > run > Worker.step            4     300     700
 *	        main > run > step > parse           5      50     400
 *	        ... > parse > Worker.run            1     350     350
 *	second  (main, running already)             -      10      70
 *	        main > parse                        3      60      60
 */
static void setup(void)
{
	uint32_t process, node;

	profile = profile_new("time", UNIT_NS);
	profile->calls = calls_new();
	add_function("main", NULL, "app", "/srv/app.py", 1);
	add_function("Worker.run", "Worker", "jobs", "/srv/jobs.py", 10);
	add_function("Worker.step", "Worker", "jobs", "/srv/jobs.py", 20);
	add_function("parse", NULL, "jobs", "/srv/jobs.py", 90);
	add_function("helper", NULL, NULL, "/srv/helper.py", 5); /* never called */
	process = profile_add_process(profile, 1, 100);
	profile->processes[process].command = profile_string(profile, "app.py");
	profile_add_thread(profile, process, 100);
	profile_add_thread(profile, process, 101);
	profile->threads[SECOND_THREAD].name = profile_string(profile, "worker");
	node = add(calls_root(profile->calls, FIRST_THREAD), MAIN, 1, 100, 1000);
	node = add(add(node, RUN, 2, 200, 900), STEP, 4, 300, 700);
	add(add(node, PARSE, 5, 50, 400), RUN, 1, 350, 350);
	node = calls_child(profile->calls, calls_root(profile->calls, SECOND_THREAD), MAIN);
	profile->calls->nodes[node].times = (struct call_times){
		.self_ns = 10,
		.total_ns = 70,
		.cpu_self_ns = 1,
		.cpu_total_ns = 7,
	};
	profile->calls->nodes[node].running_count = 1;
	profile->calls->nodes[node].unfinished_count = 1;
	add(node, PARSE, 3, 60, 60);
	cr_assert_eq(calls_finish(profile->calls, profile->function_count), 0);
}

static void teardown(void)
{
	profile_free(profile);
}

TestSuite(call_rollup, .init = setup, .fini = teardown);

struct row_case {
	const char *name;
	uint32_t function, thread;
	uint64_t calls, recursive_calls, self_ns, total_ns;
};

static void expect_rows(enum call_rollup_by by, enum call_rollup_sort sort, bool split,
			const char *glob, const struct row_case *cases, size_t count)
{
	struct call_rollup rollup;

	cr_assert_eq(call_rollup_build(profile, by, sort, split, &glob, glob ? 1 : 0, &rollup), 0);
	cr_assert_eq(rollup.row_count, count, "%u rows", rollup.row_count);
	for (size_t i = 0; i < count; i++) {
		const struct call_rollup_row *row = &rollup.rows[i];
		const struct row_case *want = &cases[i];
		const char *name = profile_text(profile, row->name);

		cr_expect_str_eq(name, want->name, "row %zu: %s", i, name);
		cr_expect_eq(row->function, want->function, "row %zu: %u", i, row->function);
		cr_expect_eq(row->thread, want->thread, "row %zu: %u", i, row->thread);
		cr_expect_eq(row->times.calls, want->calls, "row %zu: %lu", i, row->times.calls);
		cr_expect_eq(row->recursive_calls, want->recursive_calls, "row %zu: %lu", i,
			     row->recursive_calls);
		cr_expect_eq(row->times.self_ns, want->self_ns, "row %zu: %lu", i,
			     row->times.self_ns);
		cr_expect_eq(row->times.total_ns, want->total_ns, "row %zu: %lu", i,
			     row->times.total_ns);
		cr_expect_eq(row->times.cpu_self_ns, want->self_ns / 10);
		cr_expect_leq(row->times.cpu_total_ns, want->total_ns / 10);
	}
	call_rollup_release(&rollup);
	call_rollup_release(NULL);
}

#define EXPECT_ROWS(by, sort, split, glob, cases)                                                  \
	expect_rows(by, sort, split, glob, cases, sizeof(cases) / sizeof((cases)[0]))

#define NONE CALLS_NONE

Test(call_rollup, functions_as_calls_finish_adds_them_up)
{
	static const struct row_case WANT[] = {
		{ "Worker.run", RUN, NONE, 3, 1, 550, 900 },
		{ "Worker.step", STEP, NONE, 4, 0, 300, 700 },
		{ "main", MAIN, NONE, 1, 0, 110, 1070 },
		{ "parse", PARSE, NONE, 8, 0, 110, 460 },
	};

	EXPECT_ROWS(CALL_ROLLUP_FUNCTION, CALL_SORT_SELF, false, NULL, WANT);
	for (size_t i = 0; i < sizeof(WANT) / sizeof(WANT[0]); i++) {
		const struct call_function *function = &profile->calls->functions[WANT[i].function];

		cr_expect_eq(function->times.total_ns, WANT[i].total_ns);
		cr_expect_eq(function->recursive_calls, WANT[i].recursive_calls);
	}
}

/* run and step of one class, and run again below: its time counts once, from the first. */
Test(call_rollup, a_class_that_calls_itself_counts_once)
{
	static const struct row_case CLASSES[] = {
		{ "Worker", RUN, NONE, 7, 5, 850, 900 },
		{ "", MAIN, NONE, 1, 0, 110, 1070 },
		{ "", PARSE, NONE, 8, 0, 110, 460 },
	};
	static const struct row_case MODULES[] = {
		{ "jobs", RUN, NONE, 15, 10, 960, 900 + 60 },
		{ "app", MAIN, NONE, 1, 0, 110, 1070 },
	};

	EXPECT_ROWS(CALL_ROLLUP_CLASS, CALL_SORT_SELF, false, NULL, CLASSES);
	EXPECT_ROWS(CALL_ROLLUP_MODULE, CALL_SORT_SELF, false, NULL, MODULES);
}

Test(call_rollup, threads_and_processes_have_all_their_functions)
{
	static const struct row_case THREADS[] = {
		{ "", NONE, FIRST_THREAD, 13, 0, 1000, 1000 },
		{ "worker", NONE, SECOND_THREAD, 3, 0, 70, 70 },
	};
	static const struct row_case PROCESSES[] = {
		{ "app.py", NONE, NONE, 16, 0, 1070, 1070 },
	};

	EXPECT_ROWS(CALL_ROLLUP_THREAD, CALL_SORT_SELF, false, NULL, THREADS);
	EXPECT_ROWS(CALL_ROLLUP_PROCESS, CALL_SORT_SELF, false, NULL, PROCESSES);
}

Test(call_rollup, split_by_thread_gives_each_thread_its_row)
{
	static const struct row_case WANT[] = {
		{ "Worker.run", RUN, FIRST_THREAD, 3, 1, 550, 900 },
		{ "Worker.step", STEP, FIRST_THREAD, 4, 0, 300, 700 },
		{ "main", MAIN, FIRST_THREAD, 1, 0, 100, 1000 },
		{ "parse", PARSE, SECOND_THREAD, 3, 0, 60, 60 },
		{ "parse", PARSE, FIRST_THREAD, 5, 0, 50, 400 },
		{ "main", MAIN, SECOND_THREAD, 0, 0, 10, 70 },
	};

	EXPECT_ROWS(CALL_ROLLUP_FUNCTION, CALL_SORT_SELF, true, NULL, WANT);
}

Test(call_rollup, only_functions_that_match_are_counted)
{
	static const struct row_case FUNCTIONS[] = {
		{ "Worker.run", RUN, NONE, 3, 1, 550, 900 },
		{ "Worker.step", STEP, NONE, 4, 0, 300, 700 },
	};
	static const struct row_case MODULES[] = { { "jobs", RUN, NONE, 7, 5, 850, 900 } };
	static const struct row_case THREADS[] = {
		{ "", NONE, FIRST_THREAD, 7, 0, 850, 850 },
	};

	EXPECT_ROWS(CALL_ROLLUP_FUNCTION, CALL_SORT_SELF, false, "jobs:Worker.*", FUNCTIONS);
	EXPECT_ROWS(CALL_ROLLUP_MODULE, CALL_SORT_SELF, false, "jobs:Worker.*", MODULES);
	EXPECT_ROWS(CALL_ROLLUP_THREAD, CALL_SORT_SELF, false, "jobs:Worker.*", THREADS);
}

Test(call_rollup, durations_of_a_class_are_those_of_its_functions)
{
	struct call_rollup rollup;

	cr_assert_eq(call_rollup_build(profile, CALL_ROLLUP_CLASS, CALL_SORT_SELF, false, NULL, 0,
				       &rollup),
		     0);
	/* Worker.step 4 times 175, Worker.run 350 once and 450 twice. */
	cr_expect_eq(rollup.rows[0].min_ns, 175);
	cr_expect_eq(rollup.rows[0].max_ns, 450);
	cr_expect_leq(rollup.rows[0].p50_ns, 180);
	cr_expect_geq(rollup.rows[0].p90_ns, 440);
	cr_expect_eq(rollup.rows[1].running, 1);
	cr_expect_eq(rollup.rows[1].unfinished, 1);
	cr_expect_eq(rollup.times.calls, 16);
	cr_expect_eq(rollup.times.self_ns, 1070);
	cr_expect_eq(rollup.times.total_ns, 1070);
	cr_expect_eq(rollup.times.exceptions, 0 + 1 + 2 + 2 + 0 + 1);
	call_rollup_release(&rollup);
}

Test(call_rollup, every_order_starts_with_its_largest)
{
	static const struct {
		enum call_rollup_sort sort;
		uint32_t order[4];
	} CASES[] = {
		{ CALL_SORT_CALLS, { PARSE, STEP, RUN, MAIN } },
		{ CALL_SORT_SELF, { RUN, STEP, MAIN, PARSE } },
		{ CALL_SORT_TOTAL, { MAIN, RUN, STEP, PARSE } },
		{ CALL_SORT_CPU, { RUN, STEP, MAIN, PARSE } },
		{ CALL_SORT_CPU_TOTAL, { MAIN, RUN, STEP, PARSE } },
		{ CALL_SORT_MIN, { MAIN, RUN, STEP, PARSE } },	/* 1000, 350, 175, 20 */
		{ CALL_SORT_MAX, { MAIN, RUN, STEP, PARSE } },	/* 1000, 450, 175, 80 */
		{ CALL_SORT_MEAN, { MAIN, RUN, STEP, PARSE } }, /* 1070, 450, 175, 57 */
		{ CALL_SORT_P50, { MAIN, RUN, STEP, PARSE } },
		{ CALL_SORT_P90, { MAIN, RUN, STEP, PARSE } },
		{ CALL_SORT_P99, { MAIN, RUN, STEP, PARSE } },
		{ CALL_SORT_EXCEPTIONS, { PARSE, STEP, RUN, MAIN } },
		{ CALL_SORT_NAME, { RUN, STEP, MAIN, PARSE } },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct call_rollup rollup;

		cr_assert_eq(call_rollup_build(profile, CALL_ROLLUP_FUNCTION, CASES[i].sort, false,
					       NULL, 0, &rollup),
			     0);
		for (size_t j = 0; j < 4; j++)
			cr_expect_eq(rollup.rows[j].function, CASES[i].order[j],
				     "order %zu, row %zu: %u", i, j, rollup.rows[j].function);
		call_rollup_release(&rollup);
	}
}
