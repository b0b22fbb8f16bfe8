// SPDX-License-Identifier: GPL-2.0-only
/* Collections added up: sums, the worst, the timeline, rows by where they began. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "model/collections_rollup.h"

#define MS(count) ((count)*1000000ull)

static struct profile *profile;
static struct collections *collections;

static void begin(void)
{
	profile = profile_new("gc", UNIT_NS);
	profile->collections = collections = collections_new();
	profile_add_thread(profile, profile_add_process(profile, 1, 100), 100);
	profile_add_thread(profile, 0, 101);
}

static void end(void)
{
	profile_free(profile);
}

TestSuite(collections, .init = begin, .fini = end);

static uint32_t push(uint32_t stack, const char *name, int32_t line, enum frame_kind kind)
{
	struct profile_function function = {
		.name = profile_string(profile, name),
		.file = profile_string(profile, "/srv/app.py"),
		.line = 1,
		.kind = kind,
	};

	return profile_add_stack(
		profile, stack,
		profile_add_frame(profile, profile_add_function(profile, &function), line));
}

static void add(uint32_t site, unsigned int generation, uint64_t start_ns, uint64_t pause_ns)
{
	const struct gc_collection collection = {
		.start_ns = start_ns,
		.pause_ns = pause_ns,
		.collected = 10,
		.uncollectable = generation,
		.site = site,
		.generation = generation,
		.asked = generation == 2,
	};

	cr_assert_eq(collections_add(collections, &collection), 0);
}

Test(collections, sums_are_by_generation_and_of_all)
{
	uint32_t site = collections_site_of(collections, 0, 0);

	add(site, 0, 0, 30);
	add(site, 0, 100, 10);
	add(site, 2, 200, 500);
	cr_expect_eq(collections->generations[0].amount.count, 2);
	cr_expect_eq(collections->generations[0].amount.min_ns, 10);
	cr_expect_eq(collections->generations[0].amount.max_ns, 30);
	cr_expect_eq(collections->generations[1].amount.count, 0);
	cr_expect_eq(collections->generations[2].amount.asked, 1);
	cr_expect_eq(collections->generations[2].amount.uncollectable, 2);
	cr_expect_eq(collections->amount.count, 3);
	cr_expect_eq(collections->amount.pause_ns, 540);
	cr_expect_eq(collections->amount.collected, 30);
	cr_expect_eq(collections_site_of(collections, 0, 0), site);
}

Test(collections, the_worst_are_the_longest_of_all_longest_first)
{
	uint32_t site = collections_site_of(collections, 0, 0);

	/* Every pause from 1 to 1000 once, in no order. */
	for (uint64_t i = 0; i < 1000; i++)
		add(site, 0, i, i * 389 % 1000 + 1);
	collections_sort(collections);
	cr_assert_eq(collections->worst_count, GC_WORST_MAX);
	for (uint64_t i = 0; i < GC_WORST_MAX; i++)
		cr_expect_eq(collections->worst[i].pause_ns, 1000 - i);
	cr_expect_eq(collections->listed_count, 1000);
}

Test(collections, a_pause_is_of_all_the_spans_it_lies_in)
{
	uint32_t site = collections_site_of(collections, 0, 0);

	collections->span_ns = 100;
	add(site, 0, 50, 200);
	cr_expect_eq(collections->span_count, 3);
	cr_expect_eq(collections->spans[0].pause_ns, 50);
	cr_expect_eq(collections->spans[1].pause_ns, 100);
	cr_expect_eq(collections->spans[2].pause_ns, 50);
	cr_expect_eq(collections->spans[0].collections, 1);
	cr_expect_eq(collections->spans[1].collections, 0);
	cr_expect_eq(collections->spans[0].max_ns, 200);
}

Test(collections, a_run_longer_than_the_timeline_has_wider_spans)
{
	uint32_t site = collections_site_of(collections, 0, 0);
	uint64_t count = 0, pause_ns = 0;

	for (uint64_t i = 0; i < 5000; i++)
		add(site, 0, i * MS(1), 1000);
	cr_expect_leq(collections->span_count, GC_SPANS);
	cr_expect_geq(collections->span_count, GC_SPANS / 2);
	for (uint32_t i = 0; i < collections->span_count; i++) {
		count += collections->spans[i].collections;
		pause_ns += collections->spans[i].pause_ns;
	}
	cr_expect_eq(count, 5000);
	cr_expect_eq(pause_ns, 5000 * 1000);
}

/* main (line 10) calls work; work at 20 and 21; native code innermost once. */
static void fill(void)
{
	uint32_t main = push(0, "main", 10, FRAME_PYTHON);
	uint32_t work = push(main, "work", 20, FRAME_PYTHON);
	uint32_t again = push(main, "work", 21, FRAME_PYTHON);
	uint32_t native = push(work, "gc_alloc", 0, FRAME_NATIVE);

	add(collections_site_of(collections, 0, main), 0, 0, 5);
	add(collections_site_of(collections, 0, work), 0, 10, 100);
	add(collections_site_of(collections, 1, native), 1, 20, 300);
	add(collections_site_of(collections, 0, again), 2, 30, 40);
}

static struct gc_rollup rollup(enum rollup_by by, enum gc_sort sort, const char *glob)
{
	struct gc_rollup rollup;

	cr_assert_eq(gc_rollup_build(profile, by, sort, false, &glob, glob ? 1 : 0, &rollup), 0);
	return rollup;
}

Test(collections, a_line_is_that_of_the_innermost_python_frame)
{
	struct gc_rollup lines;

	fill();
	lines = rollup(ROLLUP_LINE, GC_SORT_PAUSE, NULL);
	cr_assert_eq(lines.row_count, 3);
	cr_expect_eq(lines.rows[0].line, 20);
	cr_expect_eq(lines.rows[0].amount.count, 2);
	cr_expect_eq(lines.rows[0].amount.pause_ns, 400);
	cr_expect_eq(lines.rows[0].amounts[1].count, 1);
	cr_expect_eq(lines.rows[1].line, 21);
	cr_expect_eq(lines.rows[2].line, 10);
	cr_expect_eq(lines.amount.pause_ns, 445);
	gc_rollup_release(&lines);
}

Test(collections, rows_are_by_function_thread_and_process_as_well)
{
	static const struct {
		enum rollup_by by;
		uint32_t rows;
		uint64_t first_count;
	} cases[] = { { ROLLUP_FUNCTION, 2, 3 },
		      { ROLLUP_THREAD, 2, 1 },
		      { ROLLUP_PROCESS, 1, 4 } };

	fill();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gc_rollup rows = rollup(cases[i].by, GC_SORT_PAUSE, NULL);

		cr_expect_eq(rows.row_count, cases[i].rows, "%zu", i);
		cr_expect_eq(rows.rows[0].amount.count, cases[i].first_count, "%zu", i);
		gc_rollup_release(&rows);
	}
}

Test(collections, a_glob_keeps_what_has_the_function_anywhere_in_the_stack)
{
	struct gc_rollup rows;

	fill();
	rows = rollup(ROLLUP_LINE, GC_SORT_COUNT, "work");
	cr_expect_eq(rows.row_count, 2);
	cr_expect_eq(rows.amount.count, 3);
	gc_rollup_release(&rows);
	rows = rollup(ROLLUP_LINE, GC_SORT_COUNT, "main");
	cr_expect_eq(rows.amount.count, 4);
	gc_rollup_release(&rows);
}

Test(collections, stacks_weigh_their_pauses)
{
	uint64_t sum = 0;

	fill();
	cr_assert_eq(collections_to_stacks(collections, profile), 0);
	cr_expect_eq(profile->sum_count, 4);
	cr_expect_eq(profile->sample_count, 4);
	for (uint32_t i = 0; i < profile->sum_count; i++)
		sum += profile->sums[i].value;
	cr_expect_eq(sum, 445);
}

Test(collections, increments_are_named_as_what_they_are)
{
	cr_expect_str_eq(gc_generation_name(1, false), "generation 1");
	cr_expect_str_eq(gc_generation_name(1, true), "increment");
	cr_expect_str_eq(gc_generation_name(GC_GENERATION_UNKNOWN, false), "unknown");
}
