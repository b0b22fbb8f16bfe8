// SPDX-License-Identifier: GPL-2.0-only
/* Allocations and frees, one after the other: what each of them changes. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "meter/memory.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum { START = 5000000, SITES = 8 };

static struct memory *memory;
static struct memory_meter *meter;

static void setup(void)
{
	memory = memory_new();
	for (uint32_t i = 0; i < SITES; i++)
		cr_assert_eq(memory_site_of(memory, 0, 10 + i), i);
	meter = memory_meter_new(memory, START);
}

static void teardown(void)
{
	memory_meter_free(meter);
	memory_free(memory);
}

TestSuite(memory_meter, .init = setup, .fini = teardown);

static void allocate(uint32_t site, uint64_t time_ns, uint64_t size)
{
	cr_assert_eq(
		memory_meter_allocated(meter, site, START + time_ns, START + time_ns, size, false),
		0);
}

static void release(uint32_t site, uint64_t time_ns, uint64_t size)
{
	struct memory_free freed = { START + time_ns, START, size, UINT32_MAX, false };

	cr_assert_eq(memory_meter_freed(meter, site, &freed), 0);
}

static void alive(uint32_t site, uint64_t born_ns, uint64_t size)
{
	cr_assert_eq(memory_meter_alive(meter, site, START + born_ns, size), 0);
}

static void finish(uint64_t end_ns)
{
	cr_assert_eq(memory_meter_finish(meter, START + end_ns), 0);
}

static void expect_amount(const struct memory_amount *amount, uint64_t blocks, uint64_t bytes)
{
	cr_expect_eq(amount->blocks, blocks, "%lu blocks, not %lu", amount->blocks, blocks);
	cr_expect_eq(amount->bytes, bytes, "%lu bytes, not %lu", amount->bytes, bytes);
}

Test(memory_meter, what_is_not_freed_is_alive)
{
	const struct memory_site *site = &memory->sites[2];

	allocate(2, 10, 100);
	allocate(2, 20, 30);
	release(2, 30, 100);
	allocate(5, 40, 7);
	expect_amount(&(struct memory_amount[]){ memory_meter_live(meter) }[0], 2, 37);
	alive(2, 20, 30);
	alive(5, 40, 7);
	finish(100);
	expect_amount(&site->amounts[MEMORY_VIEW_ALLOCATED], 2, 130);
	expect_amount(&site->freed, 1, 100);
	expect_amount(&site->amounts[MEMORY_VIEW_LIVE], 1, 30);
	expect_amount(&memory->amounts[MEMORY_VIEW_ALLOCATED], 3, 137);
	expect_amount(&memory->freed, 1, 100);
	expect_amount(&memory->amounts[MEMORY_VIEW_LIVE], 2, 37);
}

Test(memory_meter, of_equal_peaks_the_first_counts)
{
	allocate(0, 10, 100);
	release(0, 20, 100);
	allocate(1, 30, 100);
	release(1, 40, 100);
	finish(100);
	cr_expect_eq(memory->peak_at_ns, 10);
	expect_amount(&memory->sites[0].amounts[MEMORY_VIEW_PEAK], 1, 100);
	expect_amount(&memory->sites[1].amounts[MEMORY_VIEW_PEAK], 0, 0);
	expect_amount(&memory->amounts[MEMORY_VIEW_PEAK], 1, 100);
}

Test(memory_meter, a_block_of_no_bytes_is_a_block)
{
	allocate(0, 10, 0);
	alive(0, 10, 0);
	finish(100);
	expect_amount(&memory->amounts[MEMORY_VIEW_ALLOCATED], 1, 0);
	expect_amount(&memory->amounts[MEMORY_VIEW_LIVE], 1, 0);
}

/* Records of two processors may come in the wrong order. */
Test(memory_meter, a_free_told_before_its_allocation_is_no_harm)
{
	release(3, 21, 1000);
	expect_amount(&(struct memory_amount[]){ memory_meter_live(meter) }[0], 0, 0);
	cr_assert_eq(memory_meter_tick(meter, START + 21, 0), 0);
	allocate(3, 20, 1000);
	allocate(4, 30, 50);
	alive(4, 30, 50);
	finish(100);
	expect_amount(&memory->sites[3].amounts[MEMORY_VIEW_ALLOCATED], 1, 1000);
	expect_amount(&memory->sites[3].freed, 1, 1000);
	expect_amount(&memory->sites[3].amounts[MEMORY_VIEW_PEAK], 0, 0);
	expect_amount(&memory->amounts[MEMORY_VIEW_PEAK], 1, 50);
	cr_expect_eq(memory->points[0].live_bytes, 0);
}

Test(memory_meter, a_time_before_the_start_is_the_start)
{
	struct memory_free freed = { START - 5, START - 90, 10, 0, true };

	cr_assert_eq(memory_meter_allocated(meter, 0, START - 10, START - 20, 10, false), 0);
	cr_assert_eq(memory_meter_freed(meter, 0, &freed), 0);
	cr_assert_eq(memory_meter_allocated(meter, 0, START - 5, UINT64_MAX, 20, true), 0);
	cr_assert_eq(memory_meter_alive(meter, 0, UINT64_MAX, 20), 0);
	finish(1000);
	expect_amount(&memory->sites[0].amounts[MEMORY_VIEW_LIVE], 1, 20);
	cr_expect_eq(memory->peak_at_ns, 0);
	cr_expect_eq(memory->sites[0].oldest_ns, 0);
}

/* What says it came up in the future came up now: the run does not become longer. */
Test(memory_meter, a_birth_in_the_future_is_now)
{
	uint64_t step = 1 << 20;

	for (uint64_t i = 0; i < 64; i++)
		cr_assert_eq(
			memory_meter_allocated(meter, 0, START + i * step, UINT64_MAX / 2, 8, true),
			0);
	memory_meter_end(meter, START + 64 * step);
	for (uint64_t i = 0; i < 64; i++)
		alive(0, i * step, 8);
	finish(64 * step);
	cr_expect_eq(memory->sites[0].first_half_blocks, 32);
	cr_expect_eq(memory->sites[0].trend.points, 15);
}

Test(memory_meter, resizes_and_failures_are_counted)
{
	struct memory_free freed = { START + 20, START + 10, 64, 0, true };

	allocate(0, 10, 64);
	cr_assert_eq(memory_meter_freed(meter, 0, &freed), 0);
	cr_assert_eq(memory_meter_allocated(meter, 1, START + 20, START + 10, 128, true), 0);
	memory_meter_failed(meter, 1);
	alive(1, 10, 128);
	finish(100);
	cr_expect_eq(memory->sites[0].resized, 0);
	cr_expect_eq(memory->sites[1].resized, 1);
	cr_expect_eq(memory->resized, 1);
	cr_expect_eq(memory->sites[1].failed, 1);
	cr_expect_eq(memory->failed, 1);
	expect_amount(&memory->sites[1].amounts[MEMORY_VIEW_ALLOCATED], 1, 128);
}

static const struct {
	uint64_t distance_max, max_ns;
	uint32_t distance;
	uint64_t age_ns;
	bool resized, temporary;
} TEMPORARIES[] = {
	/* By distance. */
	{ 1, 0, 0, 500, false, true },
	{ 1, 0, 1, 500, false, true },
	{ 1, 0, 2, 500, false, false },
	{ 100, 0, 100, 500, false, true },
	{ 100, 0, 101, 500, false, false },
	{ 1, 0, 0, 500, true, false },
	{ 1, 0, UINT32_MAX, 500, false, false },
	{ UINT64_MAX, 0, UINT32_MAX, 500, false, false },
	/* By time. */
	{ 0, 400, 0, 400, false, true },
	{ 0, 400, 0, 401, false, false },
	{ 0, 400, UINT32_MAX, 10, false, true },
	{ 0, 400, UINT32_MAX, 10, true, false },
	/* By either, and by none. */
	{ 1, 400, 7, 10, false, true },
	{ 1, 400, 1, 999, false, true },
	{ 1, 400, 7, 999, false, false },
	{ 0, 0, 0, 0, false, false },
};

Test(memory_meter, what_is_freed_soon_is_temporary)
{
	for (size_t i = 0; i < COUNT_OF(TEMPORARIES); i++) {
		struct memory_free freed = { START + 1000, START + 1000 - TEMPORARIES[i].age_ns, 48,
					     TEMPORARIES[i].distance, TEMPORARIES[i].resized };
		uint64_t want = TEMPORARIES[i].temporary;

		teardown();
		setup();
		memory->temporary_distance = TEMPORARIES[i].distance_max;
		memory->temporary_ns = TEMPORARIES[i].max_ns;
		allocate(0, 1000 - TEMPORARIES[i].age_ns, 48);
		cr_assert_eq(memory_meter_freed(meter, 0, &freed), 0);
		finish(2000);
		cr_expect_eq(memory->amounts[MEMORY_VIEW_TEMPORARY].blocks, want, "row %zu", i);
		cr_expect_eq(memory->amounts[MEMORY_VIEW_TEMPORARY].bytes, 48 * want, "row %zu", i);
	}
}

/* ---- the timeline ---- */

Test(memory_meter, a_point_knows_the_peak_since_the_last)
{
	const struct memory_point *points = memory->points;

	allocate(0, 10, 900);
	release(0, 20, 900);
	allocate(0, 30, 100);
	cr_assert_eq(memory_meter_tick(meter, START + 100000000, 5000), 0);
	cr_assert_eq(memory_meter_tick(meter, START + 200000000, 4000), 0);
	cr_assert_eq(memory->point_count, 2);
	cr_expect_eq(points[0].time_ns, 100000000);
	cr_expect_eq(points[0].live_bytes, 100);
	cr_expect_eq(points[0].peak_bytes, 900);
	cr_expect_eq(points[0].resident_bytes, 5000);
	cr_expect_eq(points[1].live_bytes, 100);
	cr_expect_eq(points[1].peak_bytes, 100);
	cr_expect_eq(points[1].resident_bytes, 4000);
}

/* ---- sizes ---- */

Test(memory_meter, sizes_have_quantiles)
{
	for (uint64_t i = 1; i <= 100; i++)
		allocate(i % SITES, i, i * 10);
	finish(1000);
	cr_expect_eq(histogram_count(&memory->sizes), 100);
	cr_expect_leq(labs((long)histogram_quantile(&memory->sizes, 0.5) - 500), 16);
	cr_expect_leq(labs((long)histogram_quantile(&memory->sizes, 0.9) - 900), 29);
	/* Of site 0: 80, 160, ... 960, without the middle step's error. */
	cr_expect_eq(histogram_count(&memory->sites[0].sizes), 12);
	cr_expect_leq(labs((long)histogram_quantile(&memory->sites[0].sizes, 0.5) - 480), 16);
}

/* ---- processes that end ---- */

/* One after the other they have the same memory: never both. */
Test(memory_meter, a_peak_is_of_processes_that_are_there_together)
{
	allocate(0, 10, 1000);
	cr_assert_eq(memory_meter_gone(meter, 0, START + 20), 0);
	expect_amount(&(struct memory_amount[]){ memory_meter_live(meter) }[0], 0, 0);
	allocate(1, 30, 700);
	allocate(1, 40, 400);
	alive(0, 10, 1000);
	alive(1, 30, 700);
	alive(1, 40, 400);
	finish(100);
	cr_expect_eq(memory->peak_at_ns, 40);
	expect_amount(&memory->amounts[MEMORY_VIEW_PEAK], 2, 1100);
	expect_amount(&memory->sites[0].amounts[MEMORY_VIEW_PEAK], 0, 0);
	expect_amount(&memory->sites[0].amounts[MEMORY_VIEW_LIVE], 1, 1000);
	expect_amount(&memory->amounts[MEMORY_VIEW_LIVE], 3, 2100);
	/* How old it had become. */
	cr_expect_eq(memory->sites[0].oldest_ns, 10);
}

Test(memory_meter, what_goes_away_after_a_peak_was_part_of_it)
{
	allocate(0, 10, 1000);
	allocate(1, 20, 10);
	cr_assert_eq(memory_meter_gone(meter, 0, START + 30), 0);
	cr_assert_eq(memory_meter_gone(meter, 0, START + 40), 0);
	/* Told late. */
	release(0, 25, 1000);
	alive(1, 20, 10);
	finish(100);
	cr_expect_eq(memory->peak_at_ns, 20);
	expect_amount(&memory->sites[0].amounts[MEMORY_VIEW_PEAK], 1, 1000);
	expect_amount(&memory->amounts[MEMORY_VIEW_PEAK], 2, 1010);
	expect_amount(&memory->amounts[MEMORY_VIEW_LIVE], 1, 10);
}

/* ---- the end ---- */

static const struct {
	const char *what;
	int allocations, frees, list; /* blocks of 10 bytes: told, told, in the list */
	uint64_t allocated, freed;
} LOSSES[] = {
	{ "nothing lost", 10, 4, 6, 10, 4 },	    { "two frees lost", 10, 4, 4, 10, 6 },
	{ "all frees lost", 10, 0, 0, 10, 10 },	    { "three allocations lost", 7, 4, 6, 10, 4 },
	{ "all allocations lost", 0, 4, 6, 10, 4 }, { "only its block is known", 0, 0, 1, 1, 0 },
};

Test(memory_meter, the_list_of_live_blocks_is_right)
{
	for (size_t i = 0; i < COUNT_OF(LOSSES); i++) {
		uint64_t live = LOSSES[i].list;

		teardown();
		setup();
		for (int j = 0; j < LOSSES[i].allocations; j++)
			allocate(1, j, 10);
		for (int j = 0; j < LOSSES[i].frees; j++)
			release(1, 50 + j, 10);
		for (int j = 0; j < LOSSES[i].list; j++)
			alive(1, j, 10);
		finish(100);
		cr_expect_eq(memory->sites[1].amounts[MEMORY_VIEW_LIVE].bytes, 10 * live, "%s",
			     LOSSES[i].what);
		cr_expect_eq(memory->sites[1].amounts[MEMORY_VIEW_ALLOCATED].blocks,
			     LOSSES[i].allocated, "%s", LOSSES[i].what);
		cr_expect_eq(memory->sites[1].freed.blocks, LOSSES[i].freed, "%s", LOSSES[i].what);
		cr_expect_eq(memory->sites[1].freed.bytes, 10 * LOSSES[i].freed, "%s",
			     LOSSES[i].what);
		cr_expect_geq(memory->amounts[MEMORY_VIEW_PEAK].bytes, 10 * live, "%s",
			      LOSSES[i].what);
	}
}

/* A block whose allocation never was told may be of a site that is found only now. */
Test(memory_meter, a_site_may_be_new_at_the_end)
{
	uint32_t site;

	allocate(0, 10, 5);
	alive(0, 10, 5);
	site = memory_site_of(memory, 1, 99);
	alive(site, 20, 70);
	finish(100);
	expect_amount(&memory->sites[site].amounts[MEMORY_VIEW_LIVE], 1, 70);
	expect_amount(&memory->amounts[MEMORY_VIEW_LIVE], 2, 75);
}

Test(memory_meter, ages_are_counted_from_the_end)
{
	static const uint64_t BORN_SECONDS_AGO[] = { 0, 1, 9, 10, 59, 60, 599, 600, 900 };
	static const uint64_t WANT[MEMORY_AGES] = { 1, 2, 2, 2, 2 };
	uint64_t second = 1000000000, end = 1000 * second;

	for (size_t i = 0; i < COUNT_OF(BORN_SECONDS_AGO); i++)
		allocate(0, end - BORN_SECONDS_AGO[COUNT_OF(BORN_SECONDS_AGO) - 1 - i] * second, 8);
	memory_meter_end(meter, START + end);
	for (size_t i = 0; i < COUNT_OF(BORN_SECONDS_AGO); i++)
		alive(0, end - BORN_SECONDS_AGO[i] * second, 8);
	finish(end);
	for (size_t i = 0; i < MEMORY_AGES; i++)
		expect_amount(&memory->sites[0].ages[i], WANT[i], 8 * WANT[i]);
	cr_expect_eq(memory->sites[0].oldest_ns, 900 * second);
	/* 900, 600 and 599 s ago was in the first half. */
	expect_amount(&memory->sites[0].survivors, 3, 24);
	cr_expect_eq(memory->sites[0].first_half_blocks, 3);
}

Test(memory_meter, survivors_are_of_the_first_half)
{
	/* So that a span ends right in the middle. */
	uint64_t step = 1 << 20, end = 1024 * step;

	/* Of the first half each eighth stays, of the second all do. */
	for (uint64_t i = 0; i < 1024; i++) {
		allocate(0, i * step, 16);
		if (i < 512 && i % 8)
			release(0, i * step + 10, 16);
	}
	memory_meter_end(meter, START + end);
	for (uint64_t i = 0; i < 1024; i++) {
		if (i >= 512 || i % 8 == 0)
			alive(0, i * step, 16);
	}
	finish(end);
	cr_expect_eq(memory->sites[0].first_half_blocks, 512);
	expect_amount(&memory->sites[0].survivors, 64, 64 * 16);
}

static void left(uint32_t site, uint64_t born_ns, uint64_t size, uint64_t ended_ns)
{
	cr_assert_eq(memory_meter_left(meter, site, START + born_ns, size, START + ended_ns), 0);
}

/* The same as if it had stayed in the list until the run ended. */
Test(memory_meter, what_an_ended_process_had_is_alive_with_its_age_at_that_end)
{
	uint64_t second = 1000000000;

	allocate(0, second, 100);
	allocate(0, 2 * second, 100);
	allocate(1, 3 * second, 7);
	cr_assert_eq(memory_meter_gone(meter, 0, START + 12 * second), 0);
	left(0, second, 100, 12 * second);
	left(0, 2 * second, 100, 12 * second);
	memory_meter_end(meter, START + 1000 * second);
	alive(1, 3 * second, 7);
	finish(1000 * second);
	expect_amount(&memory->sites[0].amounts[MEMORY_VIEW_LIVE], 2, 200);
	expect_amount(&memory->sites[0].amounts[MEMORY_VIEW_ALLOCATED], 2, 200);
	expect_amount(&memory->sites[0].freed, 0, 0);
	expect_amount(&memory->amounts[MEMORY_VIEW_LIVE], 3, 207);
	expect_amount(&memory->sites[0].ages[2], 2, 200);
	cr_expect_eq(memory->sites[0].oldest_ns, 11 * second);
}

/* Told in the middle of the run, when nobody knew where that is; the spans have grown since. */
Test(memory_meter, what_an_ended_process_had_may_be_of_the_first_half)
{
	uint64_t step = 1 << 20;

	for (uint64_t i = 0; i < 64; i++) {
		uint64_t born = i * 16 * step;

		allocate(0, born, 16);
		left(0, born, 16, born + step);
		if (i % 8 == 0)
			left(1, born, 5, born + step);
	}
	finish(1024 * step);
	expect_amount(&memory->sites[0].survivors, 32, 32 * 16);
	expect_amount(&memory->sites[1].survivors, 4, 20);
	expect_amount(&memory->sites[1].amounts[MEMORY_VIEW_LIVE], 8, 40);
}

/* 17.5 spans of 2^26 ns: the middle is in the ninth, nearer its end. */
Test(memory_meter, the_halves_meet_where_a_span_ends)
{
	uint64_t span = 1 << 26;

	allocate(0, 8 * span + span / 2, 16);
	allocate(0, 9 * span + 1, 16);
	memory_meter_end(meter, START + 17 * span + span / 2 + 1);
	alive(0, 8 * span + span / 2, 16);
	alive(0, 9 * span + 1, 16);
	finish(17 * span + span / 2 + 1);
	expect_amount(&memory->sites[0].survivors, 1, 16);
	cr_expect_eq(memory->sites[0].first_half_blocks, 1);
}

/* A list that grows: allocated at one place, resized at another, again and again. */
Test(memory_meter, a_chain_of_reallocs_is_one_block_of_the_first_half)
{
	uint64_t ms = 1000000;
	uint32_t site = 0;

	allocate(0, ms, 8);
	for (uint64_t i = 2; i < 100; i++) {
		struct memory_free freed = { START + i * ms, START + ms, 8 * (i - 1), 0, true };

		cr_assert_eq(memory_meter_freed(meter, site, &freed), 0);
		site = 1;
		cr_assert_eq(memory_meter_allocated(meter, site, START + i * ms, START + ms, 8 * i,
						    true),
			     0);
	}
	memory_meter_end(meter, START + 100 * ms);
	alive(1, ms, 8 * 99);
	finish(100 * ms);
	cr_expect_eq(memory->sites[0].first_half_blocks, 0);
	cr_expect_eq(memory->sites[1].first_half_blocks, 1);
	expect_amount(&memory->sites[1].survivors, 1, 8 * 99);
	expect_amount(&memory->sites[1].freed, 97, 8 * (98 * 99 / 2 - 1));
}

Test(memory_meter, nothing_at_all_is_no_error)
{
	finish(100);
	expect_amount(&memory->amounts[MEMORY_VIEW_ALLOCATED], 0, 0);
	expect_amount(&memory->amounts[MEMORY_VIEW_PEAK], 0, 0);
	cr_expect_eq(memory->peak_at_ns, 0);
	memory_meter_free(NULL);
}
