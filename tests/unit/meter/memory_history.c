// SPDX-License-Identifier: GPL-2.0-only
/* The spans of a site: against all its events, and as trends through the meter. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "meter/memory.h"
#include "meter/memory_history.h"

static uint64_t random_state;

static double random_fraction(void)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return ((random_state >> 11) + 0.5) * 0x1p-53;
}

static uint32_t random_below(uint32_t limit)
{
	return random_fraction() * limit;
}

/* ---- against all events ---- */

enum { EVENTS = 400, TIMES = 4096 };

/*
 * The least that was alive in [start, end): what there was when it began, and after each event in it.
 */
static int64_t slow_low(const int64_t *live_after, const uint32_t *times, uint32_t count,
			uint32_t start, uint32_t end)
{
	int64_t before = 0, low = INT64_MAX;

	for (uint32_t i = 0; i < count && times[i] < end; i++) {
		if (times[i] < start)
			before = live_after[i];
		else if (live_after[i] < low)
			low = live_after[i];
	}
	return before < low ? before : low;
}

static int64_t slow_born(const uint32_t *born, const int64_t *blocks, uint32_t count, uint32_t end)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += born[i] < end ? blocks[i] : 0;
	return sum;
}

static void expect_history(uint64_t seed)
{
	int64_t live_after[EVENTS], blocks[EVENTS], live = 0;
	uint32_t times[EVENTS], born[EVENTS], shift = 3, now = random_below(TIMES / 2);
	uint32_t count = 1 + random_below(EVENTS), first;
	struct history history = { 0 };

	for (uint32_t i = 0; i < count; i++) {
		now += random_below(8) ? random_below(6) : random_below(200);
		times[i] = now;
		born[i] = random_below(4) ? now : random_below(now + 1);
		blocks[i] = (int)random_below(3) - 1;
		for (; now >> shift >= HISTORY_SPANS; shift++)
			history_halve(&history);
		if (!history_is_in(&history, now >> shift))
			cr_assert_eq(history_enter(&history, now >> shift, live), 0);
		cr_assert_eq(history_add_born(&history, born[i] >> shift, blocks[i]), 0);
		live += (int)random_below(101) - 50;
		live_after[i] = live;
		history_see(&history, live);
	}
	first = times[0] >> shift;
	cr_expect_eq(history.first_span, first, "seed %lu", seed);
	cr_expect_eq(history.span, now >> shift, "seed %lu", seed);
	for (uint32_t span = first + 1; span < history.span; span++)
		cr_expect_eq(history.table->low_bytes[span],
			     slow_low(live_after, times, count, span << shift, (span + 1) << shift),
			     "span %u, seed %lu", span, seed);
	if (history.span > first)
		cr_expect_eq(history.low_bytes,
			     slow_low(live_after, times, count, history.span << shift, UINT32_MAX),
			     "seed %lu", seed);
	for (uint32_t span = 0; span <= HISTORY_SPANS; span++)
		cr_expect_eq(history_born_before(&history, span),
			     slow_born(born, blocks, count, span << shift), "span %u, seed %lu",
			     span, seed);
	history_release(&history);
}

Test(memory_history, spans_are_as_all_events_say)
{
	for (uint64_t seed = 1; seed <= 300; seed++) {
		random_state = seed;
		expect_history(seed);
	}
}

/* ---- trends of programs, through the meter ---- */

#define MS 1000000ull

enum { RUN_MS = 20000, BLOCKS_MAX = 1 << 18, FIFO_BLOCKS = 512 };

struct run {
	struct memory *memory;
	struct memory_meter *meter;
	uint64_t born_ns[BLOCKS_MAX]; /* of blocks that are alive, oldest first */
	uint32_t first, count;
};

static void run_allocate(struct run *run, uint64_t now_ns)
{
	run->born_ns[run->first + run->count++] = now_ns;
	cr_assert_eq(memory_meter_allocated(run->meter, 0, now_ns, now_ns, 1000, false), 0);
}

static void run_free_oldest(struct run *run, uint64_t now_ns)
{
	struct memory_free freed = { now_ns, run->born_ns[run->first], 1000, UINT32_MAX, false };

	run->first++;
	run->count--;
	cr_assert_eq(memory_meter_freed(run->meter, 0, &freed), 0);
}

/* Allocations at `now_ms`: one each, and what the program does with those it has. */
typedef void program(struct run *run, uint64_t now_ms);

static void leaks_one_in_ten(struct run *run, uint64_t now_ms)
{
	run_allocate(run, now_ms * MS);
	if (now_ms % 10)
		run_free_oldest(run, now_ms * MS + 500);
}

static void never_frees(struct run *run, uint64_t now_ms)
{
	run_allocate(run, now_ms * MS);
}

/* A request's memory comes and goes, 0 to 300 blocks of it; a block of each tenth stays. */
static void leaks_among_noise(struct run *run, uint64_t now_ms)
{
	if (random_below(100) < 50) {
		for (uint32_t i = random_below(30); i; i--)
			run_allocate(run, now_ms * MS);
	}
	if (random_below(20) == 0) {
		while (run->count > now_ms / 10)
			run_free_oldest(run, now_ms * MS + 500);
	}
}

/* Full after a second. */
static void keeps_the_last_so_many(struct run *run, uint64_t now_ms)
{
	run_allocate(run, now_ms * MS);
	if (run->count > FIFO_BLOCKS)
		run_free_oldest(run, now_ms * MS + 500);
}

static void fills_once(struct run *run, uint64_t now_ms)
{
	if (run->count < FIFO_BLOCKS)
		run_allocate(run, now_ms * MS);
}

/* Emptied each 3 seconds. */
static void is_emptied_now_and_then(struct run *run, uint64_t now_ms)
{
	run_allocate(run, now_ms * MS);
	if (now_ms % 3000 == 2999) {
		while (run->count)
			run_free_oldest(run, now_ms * MS + 500);
	}
}

/* Two and a half times in the run: growing for long each time, also when it ends. */
static void is_emptied_twice(struct run *run, uint64_t now_ms)
{
	run_allocate(run, now_ms * MS);
	if (now_ms % 8000 == 7999) {
		while (run->count)
			run_free_oldest(run, now_ms * MS + 500);
	}
}

static void comes_and_goes(struct run *run, uint64_t now_ms)
{
	if (run->count && random_below(2))
		run_free_oldest(run, now_ms * MS);
	else if (run->count < 200)
		run_allocate(run, now_ms * MS);
}

static const struct {
	const char *what;
	program *program;
	bool leaks;
	double bytes_per_second; /* of those that leak */
} PROGRAMS[] = {
	{ "never frees", never_frees, true, 1000000 },
	{ "leaks one in ten", leaks_one_in_ten, true, 100000 },
	{ "leaks among noise", leaks_among_noise, true, 100000 },
	{ "keeps the last so many", keeps_the_last_so_many, false, 0 },
	{ "fills once", fills_once, false, 0 },
	{ "is emptied now and then", is_emptied_now_and_then, false, 0 },
	{ "is emptied twice", is_emptied_twice, false, 0 },
	{ "comes and goes", comes_and_goes, false, 0 },
};

static struct memory_trend trend_of_program(program *program)
{
	struct run *run = calloc(1, sizeof(*run));
	struct memory_trend trend;

	run->memory = memory_new();
	memory_site_of(run->memory, 0, 1);
	run->meter = memory_meter_new(run->memory, 0);
	for (uint64_t now_ms = 1; now_ms < RUN_MS; now_ms++)
		program(run, now_ms);
	memory_meter_end(run->meter, RUN_MS * MS);
	for (uint32_t i = 0; i < run->count; i++)
		cr_assert_eq(memory_meter_alive(run->meter, 0, run->born_ns[run->first + i], 1000),
			     0);
	cr_assert_eq(memory_meter_finish(run->meter, RUN_MS * MS), 0);
	trend = run->memory->sites[0].trend;
	memory_meter_free(run->meter);
	memory_free(run->memory);
	free(run);
	return trend;
}

Test(memory_history, leaks_are_told_from_what_only_lives)
{
	for (size_t i = 0; i < sizeof(PROGRAMS) / sizeof(PROGRAMS[0]); i++) {
		struct memory_trend trend;

		random_state = 7;
		trend = trend_of_program(PROGRAMS[i].program);
		/* 20 s are 18 whole spans of 2^30 ns; the first one is left out. */
		cr_expect_eq(trend.points, 17, "%s: %u", PROGRAMS[i].what, trend.points);
		if (!PROGRAMS[i].leaks) {
			cr_expect_lt(trend.confidence, 0.9, "%s: %g", PROGRAMS[i].what,
				     trend.confidence);
			continue;
		}
		cr_expect_gt(trend.confidence, 0.99, "%s: %g", PROGRAMS[i].what, trend.confidence);
		cr_expect_lt(fabs(trend.bytes_per_second / PROGRAMS[i].bytes_per_second - 1), 0.05,
			     "%s: %g", PROGRAMS[i].what, trend.bytes_per_second);
	}
}

/* Half of the frees got lost: what looks like a leak is none, as the list of live blocks tells. */
Test(memory_history, a_growth_that_is_not_there_is_no_trend)
{
	struct memory *memory = memory_new();
	struct memory_meter *meter;

	memory_site_of(memory, 0, 1);
	meter = memory_meter_new(memory, 0);
	for (uint64_t now_ms = 0; now_ms < RUN_MS; now_ms++) {
		struct memory_free freed = { now_ms * MS + 500, now_ms * MS, 1000, 0, false };

		cr_assert_eq(
			memory_meter_allocated(meter, 0, now_ms * MS, now_ms * MS, 1000, false), 0);
		if (now_ms % 2)
			cr_assert_eq(memory_meter_freed(meter, 0, &freed), 0);
	}
	cr_assert_eq(memory_meter_alive(meter, 0, 0, 1000), 0);
	cr_assert_eq(memory_meter_finish(meter, RUN_MS * MS), 0);
	cr_expect_gt(memory->sites[0].trend.bytes_per_second, 400000);
	cr_expect_eq(memory->sites[0].trend.confidence, 0);
	memory_meter_free(meter);
	memory_free(memory);
}

/* A child that leaked for five seconds and died does not look like one that stopped leaking. */
Test(memory_history, a_trend_ends_with_its_process)
{
	struct memory *memory = memory_new();
	struct memory_meter *meter;

	memory_site_of(memory, 0, 1);
	meter = memory_meter_new(memory, 0);
	for (uint64_t now_ms = 0; now_ms < 10000; now_ms++)
		cr_assert_eq(
			memory_meter_allocated(meter, 0, now_ms * MS, now_ms * MS, 1000, false), 0);
	cr_assert_eq(memory_meter_gone(meter, 0, 10000 * MS), 0);
	memory_meter_end(meter, RUN_MS * MS);
	for (uint64_t now_ms = 0; now_ms < 10000; now_ms++)
		cr_assert_eq(memory_meter_alive(meter, 0, now_ms * MS, 1000), 0);
	cr_assert_eq(memory_meter_finish(meter, RUN_MS * MS), 0);
	cr_expect_eq(memory->sites[0].trend.points, 8);
	cr_expect_gt(memory->sites[0].trend.confidence, 0.9);
	memory_meter_free(meter);
	memory_free(memory);
}
