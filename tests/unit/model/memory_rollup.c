// SPDX-License-Identifier: GPL-2.0-only
/* Rows of memory, added up by hand from seven sites. */
#include <criterion/criterion.h>

#include "model/memory_rollup.h"

enum { MAIN_THREAD, WORKER_THREAD };
/* In the order of their ids. */
enum { MODULE, RUN, FIB, LOADS, GROW_LIST, NOTE };

static struct profile *profile;

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

/* Every amount is another multiple of `blocks` and of `bytes`, so that no two can be mixed up. */
static struct memory_site *add_site(uint32_t thread, uint32_t stack, uint64_t blocks,
				    uint64_t bytes)
{
	uint32_t id = memory_site_of(profile->memory, thread, stack);
	struct memory_site *site = &profile->memory->sites[id];

	for (unsigned int view = 0; view < MEMORY_VIEW_COUNT; view++)
		site->amounts[view] =
			(struct memory_amount){ blocks * (view + 1), bytes * (view + 1) };
	site->freed = (struct memory_amount){ blocks * 10, bytes * 10 };
	site->resized = blocks * 11;
	site->failed = blocks * 12;
	for (unsigned int age = 0; age < MEMORY_AGES; age++)
		site->ages[age] = (struct memory_amount){ blocks * (20 + age), bytes * (20 + age) };
	site->survivors = (struct memory_amount){ blocks * 30, bytes * 30 };
	site->first_half_blocks = blocks * 31;
	site->oldest_ns = bytes * 32;
	site->allocated_variance = bytes;
	site->live_variance = bytes * 2;
	return site;
}

/*
 *	thread  stack                                          blocks  bytes
 *	main    <module>:30 > run:12                                1     10
 *	main    <module>:30 > run:13 > fib:21 > fib:22              6    600
 *	main    <module>:30 > run:13 > fib:21                       2    100
 *	worker  run:14 > loads:238 > list_resize (native)           3   1500
 *	worker  run:14 > loads:238                                  4     40
 *	worker  list_resize                                         5      5
 *	worker  (nothing)                                           7      7
 */
static void make_profile(void)
{
	uint32_t process, module, run, loads, fib;

	profile = profile_new("memory", UNIT_BYTES);
	profile->memory = memory_new();
	add_function("<module>", NULL, "__main__", "/srv/app.py", 1, FRAME_PYTHON);
	add_function("Worker.run", "Worker", "app.jobs", "/srv/jobs.py", 10, FRAME_PYTHON);
	add_function("fib", NULL, "app.jobs", "/srv/jobs.py", 20, FRAME_PYTHON);
	add_function("loads", NULL, NULL, "/usr/lib/json.py", 183, FRAME_PYTHON);
	add_function("list_resize", NULL, "python3.11", "/usr/bin/python3.11", 0, FRAME_NATIVE);
	process = profile_add_process(profile, 1, 100);
	profile_add_thread(profile, process, 100);
	profile_add_thread(profile, process, 101);
	module = push(0, MODULE, 30);
	add_site(MAIN_THREAD, push(module, RUN, 12), 1, 10);
	fib = push(push(module, RUN, 13), FIB, 21);
	add_site(MAIN_THREAD, push(fib, FIB, 22), 6, 600);
	add_site(MAIN_THREAD, fib, 2, 100);
	run = push(0, RUN, 14);
	loads = push(run, LOADS, 238);
	add_site(WORKER_THREAD, push(loads, GROW_LIST, 0), 3, 1500);
	add_site(WORKER_THREAD, loads, 4, 40);
	add_site(WORKER_THREAD, push(0, GROW_LIST, 0), 5, 5);
	add_site(WORKER_THREAD, 0, 7, 7);
}

static void drop_profile(void)
{
	profile_free(profile);
}

TestSuite(memory_rollup, .init = make_profile, .fini = drop_profile);

static void build(enum rollup_by by, enum memory_sort sort, bool split, struct memory_rollup *out)
{
	cr_assert_eq(memory_rollup_build(profile, by, sort, split, NULL, 0, out), 0);
}

/* Peak bytes are the site's own; see add_site(). */
struct want {
	uint32_t function;
	int32_t line;
	uint64_t self, total;
};

static void expect_rows(const struct memory_rollup *rollup, const struct want *wants, size_t count)
{
	cr_assert_eq(rollup->row_count, count, "%u rows", rollup->row_count);
	for (size_t i = 0; i < count; i++) {
		const struct memory_row *row = &rollup->rows[i];

		cr_expect_eq(row->function, wants[i].function, "row %zu: function %u", i,
			     row->function);
		cr_expect_eq(row->line, wants[i].line, "row %zu: line %d", i, row->line);
		cr_expect_eq(row->self.amounts[MEMORY_VIEW_PEAK].bytes, wants[i].self,
			     "row %zu: self %lu", i,
			     (unsigned long)row->self.amounts[MEMORY_VIEW_PEAK].bytes);
		cr_expect_eq(row->total.amounts[MEMORY_VIEW_PEAK].bytes, wants[i].total,
			     "row %zu: total %lu", i,
			     (unsigned long)row->total.amounts[MEMORY_VIEW_PEAK].bytes);
	}
}

Test(memory_rollup, native_code_takes_no_bytes_from_the_line_that_called_it)
{
	static const struct want wants[] = {
		{ LOADS, 238, 1540, 1540 }, { FIB, 22, 600, 600 },     { FIB, 21, 100, 700 },
		{ RUN, 12, 10, 10 },	    { PROFILE_NONE, 0, 7, 7 }, { GROW_LIST, 0, 5, 1505 },
		{ RUN, 14, 0, 1540 },	    { MODULE, 30, 0, 710 },    { RUN, 13, 0, 700 },
	};
	struct memory_rollup rollup;

	build(ROLLUP_LINE, MEMORY_SORT_PEAK, false, &rollup);
	expect_rows(&rollup, wants, sizeof(wants) / sizeof(wants[0]));
	cr_expect_eq(rollup.sum.amounts[MEMORY_VIEW_PEAK].bytes, 2262);
	cr_expect_eq(rollup.sum.amounts[MEMORY_VIEW_PEAK].blocks, 28);
	memory_rollup_release(&rollup);
}

Test(memory_rollup, recursion_counts_once)
{
	static const struct want wants[] = {
		{ LOADS, 183, 1540, 1540 }, { FIB, 20, 700, 700 },     { RUN, 10, 10, 2250 },
		{ PROFILE_NONE, 0, 7, 7 },  { GROW_LIST, 0, 5, 1505 }, { MODULE, 1, 0, 710 },
	};
	struct memory_rollup rollup;

	build(ROLLUP_FUNCTION, MEMORY_SORT_PEAK, false, &rollup);
	expect_rows(&rollup, wants, sizeof(wants) / sizeof(wants[0]));
	memory_rollup_release(&rollup);
}

Test(memory_rollup, every_amount_of_a_row_is_that_of_its_sites)
{
	struct memory_rollup rollup;
	const struct memory_sum *self;

	build(ROLLUP_FUNCTION, MEMORY_SORT_PEAK, false, &rollup);
	self = &rollup.rows[0].self;
	for (unsigned int view = 0; view < MEMORY_VIEW_COUNT; view++) {
		cr_expect_eq(self->amounts[view].blocks, 7 * (view + 1));
		cr_expect_eq(self->amounts[view].bytes, 1540 * (view + 1));
	}
	cr_expect_eq(self->freed.blocks, 70);
	cr_expect_eq(self->freed.bytes, 15400);
	cr_expect_eq(self->resized, 77);
	cr_expect_eq(self->failed, 84);
	for (unsigned int age = 0; age < MEMORY_AGES; age++) {
		cr_expect_eq(self->ages[age].blocks, 7 * (20 + age));
		cr_expect_eq(self->ages[age].bytes, 1540 * (20 + age));
	}
	cr_expect_eq(self->survivors.blocks, 210);
	cr_expect_eq(self->survivors.bytes, 46200);
	cr_expect_eq(self->first_half_blocks, 217);
	/* The oldest of both, not the sum. */
	cr_expect_eq(self->oldest_ns, 1500 * 32);
	cr_expect_eq(self->allocated_variance, 1540);
	cr_expect_eq(self->live_variance, 3080);
	memory_rollup_release(&rollup);
}

Test(memory_rollup, classes_modules_threads_and_processes)
{
	struct memory_rollup rollup;

	build(ROLLUP_CLASS, MEMORY_SORT_PEAK, false, &rollup);
	/* No class: <module>, fib, loads and list_resize are of different modules. */
	cr_expect_eq(rollup.row_count, 6);
	memory_rollup_release(&rollup);
	build(ROLLUP_MODULE, MEMORY_SORT_TOTAL, false, &rollup);
	cr_assert_eq(rollup.row_count, 5);
	cr_expect_eq(rollup.rows[0].function, RUN);
	cr_expect_eq(rollup.rows[0].self.amounts[MEMORY_VIEW_PEAK].bytes, 710);
	cr_expect_eq(rollup.rows[0].total.amounts[MEMORY_VIEW_PEAK].bytes, 2250);
	memory_rollup_release(&rollup);
	build(ROLLUP_THREAD, MEMORY_SORT_PEAK, true, &rollup);
	cr_assert_eq(rollup.row_count, 2);
	cr_expect_eq(rollup.rows[0].thread, WORKER_THREAD);
	cr_expect_eq(rollup.rows[0].self.amounts[MEMORY_VIEW_PEAK].bytes, 1552);
	cr_expect_eq(rollup.rows[1].thread, MAIN_THREAD);
	cr_expect_eq(rollup.rows[1].total.amounts[MEMORY_VIEW_PEAK].bytes, 710);
	memory_rollup_release(&rollup);
	build(ROLLUP_PROCESS, MEMORY_SORT_PEAK, false, &rollup);
	cr_assert_eq(rollup.row_count, 1);
	cr_expect_eq(rollup.rows[0].process, 0);
	cr_expect_eq(rollup.rows[0].self.amounts[MEMORY_VIEW_PEAK].bytes, 2262);
	memory_rollup_release(&rollup);
}

Test(memory_rollup, split_by_thread)
{
	struct memory_rollup rollup;

	build(ROLLUP_FUNCTION, MEMORY_SORT_TOTAL, true, &rollup);
	/* run was on both threads: 710 below main's, 1540 below the worker's. */
	cr_assert_geq(rollup.row_count, 4);
	cr_expect_eq(rollup.row_count, 7);
	cr_expect_eq(rollup.rows[0].total.amounts[MEMORY_VIEW_PEAK].bytes, 1540);
	for (uint32_t i = 0; i < rollup.row_count; i++) {
		const struct memory_row *row = &rollup.rows[i];

		if (row->function != RUN)
			continue;
		cr_expect_eq(row->total.amounts[MEMORY_VIEW_PEAK].bytes,
			     row->thread == MAIN_THREAD ? 710 : 1540);
	}
	memory_rollup_release(&rollup);
}

Test(memory_rollup, globs_choose_rows_not_the_whole)
{
	static const char *const globs[] = { "app.jobs:*" };
	static const struct want wants[] = { { FIB, 20, 700, 700 }, { RUN, 10, 10, 2250 } };
	struct memory_rollup rollup;

	cr_assert_eq(memory_rollup_build(profile, ROLLUP_FUNCTION, MEMORY_SORT_PEAK, false, globs,
					 1, &rollup),
		     0);
	expect_rows(&rollup, wants, 2);
	cr_expect_eq(rollup.sum.amounts[MEMORY_VIEW_PEAK].bytes, 2262);
	memory_rollup_release(&rollup);
	/* Of threads: what has a function that matches in its stack. */
	cr_assert_eq(memory_rollup_build(profile, ROLLUP_THREAD, MEMORY_SORT_PEAK, false, globs, 1,
					 &rollup),
		     0);
	cr_assert_eq(rollup.row_count, 2);
	cr_expect_eq(rollup.rows[0].self.amounts[MEMORY_VIEW_PEAK].bytes, 1540);
	cr_expect_eq(rollup.rows[1].self.amounts[MEMORY_VIEW_PEAK].bytes, 710);
	memory_rollup_release(&rollup);
}

/* Which of two functions comes first, where all but one thing would put the other one there. */
static void expect_first(enum memory_sort sort, uint32_t first)
{
	struct memory_rollup rollup;

	build(ROLLUP_FUNCTION, sort, false, &rollup);
	cr_expect_eq(rollup.rows[0].function, first, "sort %d: function %u comes first", sort,
		     rollup.rows[0].function);
	memory_rollup_release(&rollup);
}

Test(memory_rollup, sorts_by_any_column)
{
	struct memory_site *run = &profile->memory->sites[0];
	struct memory_site saved = *run;

	for (unsigned int view = 0; view < MEMORY_VIEW_COUNT; view++) {
		run->amounts[view].bytes = 1000000;
		expect_first((enum memory_sort)view, RUN);
		*run = saved;
	}
	run->freed.bytes = 1000000;
	expect_first(MEMORY_SORT_FREED, RUN);
	*run = saved;
	run->amounts[MEMORY_VIEW_ALLOCATED].blocks = 1000;
	expect_first(MEMORY_SORT_ALLOCATIONS, RUN);
	*run = saved;
	/* 30 bytes in 3 blocks; loads has 4620 in 21. */
	expect_first(MEMORY_SORT_SIZE, LOADS);
	run->amounts[MEMORY_VIEW_ALLOCATED] = (struct memory_amount){ 1, 1000 };
	expect_first(MEMORY_SORT_SIZE, RUN);
	expect_first(MEMORY_SORT_TOTAL, RUN);
	expect_first(MEMORY_SORT_NAME, PROFILE_NONE);
	*run = saved;
}

Test(memory_rollup, total_is_that_of_the_view_shown)
{
	profile->memory->view = MEMORY_VIEW_LIVE;
	profile->memory->sites[2].amounts[MEMORY_VIEW_LIVE].bytes = 1000000;
	profile->memory->sites[0].amounts[MEMORY_VIEW_PEAK].bytes = 9000000;
	expect_first(MEMORY_SORT_TOTAL, RUN);
	/* Only loads is not below <module>. */
	profile->memory->sites[4].amounts[MEMORY_VIEW_LIVE].bytes = 2000000;
	profile->memory->sites[3].amounts[MEMORY_VIEW_LIVE].bytes = 2000000;
	expect_first(MEMORY_SORT_LIVE, LOADS);
}

static void set_trend(uint32_t site, double slope, double confidence)
{
	profile->memory->sites[site].trend = (struct memory_trend){
		.bytes_per_second = slope,
		.confidence = confidence,
		.points = 32,
	};
}

Test(memory_rollup, what_surely_grows_comes_first)
{
	struct memory_rollup rollup;

	set_trend(1, 1000000, 0.6); /* fib: steep, and chance */
	set_trend(3, 10, 0.99);	    /* loads */
	set_trend(0, 20, 0.97);	    /* run */
	set_trend(5, -5, 0);
	build(ROLLUP_LINE, MEMORY_SORT_GROWTH, false, &rollup);
	cr_expect_eq(rollup.rows[0].function, RUN);
	cr_expect_eq(rollup.rows[0].line, 12);
	cr_expect_eq(rollup.rows[1].function, LOADS);
	cr_expect_eq(rollup.rows[2].function, FIB);
	cr_expect_eq(rollup.rows[2].line, 22);
	cr_expect_eq(rollup.rows[rollup.row_count - 1].function, GROW_LIST);
	memory_rollup_release(&rollup);
}

Test(memory_rollup, slopes_add_up_and_the_steepest_tells_how_sure)
{
	struct memory_rollup rollup;

	set_trend(3, 100, 0.99);
	set_trend(4, -30, 0.1);
	build(ROLLUP_FUNCTION, MEMORY_SORT_GROWTH, false, &rollup);
	cr_assert_eq(rollup.rows[0].function, LOADS);
	cr_expect_float_eq(rollup.rows[0].self.trend.bytes_per_second, 70, 1e-9);
	cr_expect_float_eq(rollup.rows[0].self.trend.confidence, 0.99, 1e-9);
	cr_expect_eq(rollup.rows[0].self.trend.points, 32);
	memory_rollup_release(&rollup);
	/* The other way round: it shrinks, however sure the smaller part grows. */
	set_trend(3, -100, 0.2);
	set_trend(4, 30, 0.999);
	build(ROLLUP_FUNCTION, MEMORY_SORT_PEAK, false, &rollup);
	cr_assert_eq(rollup.rows[0].function, LOADS);
	cr_expect_float_eq(rollup.rows[0].self.trend.bytes_per_second, -70, 1e-9);
	cr_expect_float_eq(rollup.rows[0].self.trend.confidence, 0.2, 1e-9);
	cr_expect_not(memory_trend_grows(&rollup.rows[0].self.trend));
	memory_rollup_release(&rollup);
}

Test(memory_rollup, sizes_are_those_of_a_rows_own_sites)
{
	struct memory_rollup rollup;
	uint64_t octaves[HISTOGRAM_OCTAVES] = { 0 };

	for (uint64_t size = 1; size <= 4; size++)
		histogram_add(&profile->memory->sites[3].sizes, size * 100);
	histogram_add(&profile->memory->sites[4].sizes, 8);
	histogram_add(&profile->memory->sites[0].sizes, 1 << 20);
	build(ROLLUP_FUNCTION, MEMORY_SORT_PEAK, false, &rollup);
	cr_assert_eq(rollup.rows[0].function, LOADS);
	histogram_octaves(&rollup.rows[0].sizes, octaves);
	cr_expect_eq(octaves[3], 1); /* 8 */
	cr_expect_eq(octaves[6], 1); /* 100 */
	cr_expect_eq(octaves[7], 1); /* 200 */
	cr_expect_eq(octaves[8], 2); /* 300, 400 */
	cr_expect_eq(histogram_count(&rollup.rows[0].sizes), 5);
	memory_rollup_release(&rollup);
}

Test(memory_rollup, owners_of_stacks)
{
	uint32_t note, python = push(push(0, MODULE, 30), RUN, 12);

	add_function("[starting]", NULL, NULL, NULL, 0, FRAME_NOTE);
	note = push(0, NOTE, 0);
	cr_expect_eq(memory_rollup_frame(profile, 0), PROFILE_NONE);
	cr_expect_eq(memory_rollup_frame(profile, note), profile->stacks[note].frame);
	cr_expect_eq(memory_rollup_frame(profile, push(note, GROW_LIST, 0)),
		     profile_add_frame(profile, GROW_LIST, 0));
	cr_expect_eq(memory_rollup_frame(profile, push(push(python, GROW_LIST, 0), NOTE, 0)),
		     profile_add_frame(profile, RUN, 12));
}

Test(memory_rollup, errors_are_half_of_the_95_percent_interval)
{
	cr_expect_eq(memory_error_bytes(0), 0);
	cr_expect_eq(memory_error_bytes(1000000), 1960);
	cr_expect_eq(memory_error_bytes(4e12), 3920000);
	cr_expect_eq(memory_mean_bytes(&(struct memory_amount){ 0, 0 }), 0);
	cr_expect_eq(memory_mean_bytes(&(struct memory_amount){ 4, 10 }), 2);
}

Test(memory_rollup, nothing_has_no_rows)
{
	struct memory_rollup rollup;

	profile_free(profile);
	profile = profile_new("memory", UNIT_BYTES);
	profile->memory = memory_new();
	build(ROLLUP_LINE, MEMORY_SORT_PEAK, true, &rollup);
	cr_expect_eq(rollup.row_count, 0);
	memory_rollup_release(&rollup);
	memory_rollup_release(NULL);
}
