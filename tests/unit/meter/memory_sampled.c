// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs that sample by bytes. The truth is the whole stream; sample points lie in it by a Poisson process,
 * independently of blocks, and a block with at least one in it is recorded.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "meter/memory.h"

enum { SAMPLE = 4096, BLOCKS = 3000, RUNS = 400 };

static uint64_t random_state;

static double random_fraction(void)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return ((random_state >> 11) + 0.5) * 0x1p-53;
}

/* Small ones mostly, some of about the distance of sample points, a few that are surely hit. */
static uint64_t random_size(void)
{
	double kind = random_fraction();

	if (kind < 0.8)
		return 16 + random_fraction() * 200;
	if (kind < 0.98)
		return 1000 + random_fraction() * 8000;
	return 40000 + random_fraction() * 100000;
}

struct truth {
	double allocated_bytes, allocated_blocks, live_bytes;
};

static double until_sample;

static bool is_hit(uint64_t size)
{
	bool hit = until_sample < size;

	until_sample = hit ? -log(random_fraction()) * SAMPLE : until_sample - size;
	return hit;
}

/* One stream, the same in every run, sampled anew. Every third block is freed. */
static struct truth stream_run(struct memory_meter *meter, uint64_t seed)
{
	static const uint64_t STREAM = 42;
	struct truth truth = { 0 };
	uint64_t sizes[BLOCKS];
	bool recorded[BLOCKS];

	random_state = STREAM;
	for (uint32_t i = 0; i < BLOCKS; i++)
		sizes[i] = random_size();
	random_state = seed * 7919 + 1;
	for (uint32_t i = 0; i < 10; i++)
		random_fraction();
	until_sample = -log(random_fraction()) * SAMPLE;
	for (uint32_t i = 0; i < BLOCKS; i++) {
		truth.allocated_bytes += sizes[i];
		truth.allocated_blocks++;
		truth.live_bytes += i % 3 ? sizes[i] : 0;
		recorded[i] = is_hit(sizes[i]);
		if (recorded[i])
			cr_assert_eq(memory_meter_allocated(meter, 0, i, i, sizes[i], false), 0);
	}
	for (uint32_t i = 0; i < BLOCKS; i++) {
		struct memory_free freed = { BLOCKS + i, i, sizes[i], UINT32_MAX, false };

		if (recorded[i] && i % 3 == 0)
			cr_assert_eq(memory_meter_freed(meter, 0, &freed), 0);
	}
	memory_meter_end(meter, 2 * BLOCKS);
	for (uint32_t i = 0; i < BLOCKS; i++) {
		if (recorded[i] && i % 3)
			cr_assert_eq(memory_meter_alive(meter, 0, i, sizes[i]), 0);
	}
	cr_assert_eq(memory_meter_finish(meter, 2 * BLOCKS), 0);
	return truth;
}

struct tally {
	double sum, squares, variances;
};

static void tally_add(struct tally *tally, double estimate, double variance)
{
	tally->sum += estimate;
	tally->squares += estimate * estimate;
	tally->variances += variance;
}

/* The mean of many estimates is the truth, within what so many of their spread allow. */
static void expect_unbiased(const struct tally *tally, double truth, const char *what)
{
	double mean = tally->sum / RUNS, spread = tally->squares / RUNS - mean * mean;

	cr_expect_lt(fabs(mean - truth), 4 * sqrt(spread / RUNS), "%s: %.0f, not %.0f", what, mean,
		     truth);
	/* It is told apart from the truth at all: one run is off by some percent. */
	cr_expect_lt(sqrt(spread), truth / 5, "%s", what);
	cr_expect_gt(spread, 0, "%s", what);
}

static void expect_variance(const struct tally *tally, const char *what)
{
	double mean = tally->sum / RUNS, spread = tally->squares / RUNS - mean * mean;
	double told = tally->variances / RUNS;

	cr_expect(told > 0.7 * spread && told < 1.4 * spread, "%s: %.3g told, %.3g it is", what,
		  told, spread);
}

Test(memory_sampled, estimates_are_right_on_average_and_know_their_error)
{
	struct tally bytes = { 0 }, blocks = { 0 }, live = { 0 };
	struct truth truth;

	for (uint64_t seed = 1; seed <= RUNS; seed++) {
		struct memory *memory = memory_new();
		const struct memory_site *site;
		struct memory_meter *meter;

		memory->sample_bytes = SAMPLE;
		memory_site_of(memory, 0, 1);
		meter = memory_meter_new(memory, 0);
		truth = stream_run(meter, seed);
		site = &memory->sites[0];
		tally_add(&bytes, site->amounts[MEMORY_VIEW_ALLOCATED].bytes,
			  site->allocated_variance);
		tally_add(&blocks, site->amounts[MEMORY_VIEW_ALLOCATED].blocks, 0);
		tally_add(&live, site->amounts[MEMORY_VIEW_LIVE].bytes, site->live_variance);
		cr_expect_eq(histogram_count(&site->sizes) + 1 >=
				     site->amounts[MEMORY_VIEW_ALLOCATED].blocks,
			     true);
		memory_meter_free(meter);
		memory_free(memory);
	}
	expect_unbiased(&bytes, truth.allocated_bytes, "allocated bytes");
	expect_unbiased(&blocks, truth.allocated_blocks, "allocated blocks");
	expect_unbiased(&live, truth.live_bytes, "live bytes");
	expect_variance(&bytes, "allocated bytes");
	expect_variance(&live, "live bytes");
}

Test(memory_sampled, what_was_freed_and_what_is_alive_add_up)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct memory *memory = memory_new();
		const struct memory_site *site;
		struct memory_meter *meter;

		memory->sample_bytes = SAMPLE;
		memory_site_of(memory, 0, 1);
		meter = memory_meter_new(memory, 0);
		stream_run(meter, seed);
		site = &memory->sites[0];
		cr_expect_eq(site->amounts[MEMORY_VIEW_ALLOCATED].bytes,
			     site->freed.bytes + site->amounts[MEMORY_VIEW_LIVE].bytes);
		cr_expect_eq(site->amounts[MEMORY_VIEW_ALLOCATED].blocks,
			     site->freed.blocks + site->amounts[MEMORY_VIEW_LIVE].blocks);
		/* All of it was there at once before the first was freed. */
		cr_expect_eq(site->amounts[MEMORY_VIEW_PEAK].bytes,
			     site->amounts[MEMORY_VIEW_ALLOCATED].bytes);
		memory_meter_free(meter);
		memory_free(memory);
	}
}

/* After each block was freed nothing is left of any estimate. */
Test(memory_sampled, a_free_takes_back_what_the_allocation_gave)
{
	struct memory *memory = memory_new();
	struct memory_meter *meter;

	memory->sample_bytes = SAMPLE;
	memory_site_of(memory, 0, 1);
	meter = memory_meter_new(memory, 0);
	for (uint64_t size = 0; size < 200000; size = size * 5 / 4 + 1) {
		struct memory_free freed = { size, size, size, UINT32_MAX, false };
		struct memory_amount live;

		cr_assert_eq(memory_meter_allocated(meter, 0, size, size, size, false), 0);
		cr_assert_eq(memory_meter_freed(meter, 0, &freed), 0);
		live = memory_meter_live(meter);
		cr_expect_eq(live.bytes, 0);
		cr_expect_eq(live.blocks, 0);
	}
	memory_meter_free(meter);
	memory_free(memory);
}

static const struct {
	uint64_t size, blocks, bytes;
} WEIGHTS[] = {
	/* size; 1 / (1 - exp(-size / 4096)), and that times the size, rounded */
	{ 16, 257, 4104 },	 /* 256.50032552, 4104.00521 */
	{ 4096, 2, 6480 },	 /* 1.58197671, 6479.77660 */
	{ 40960, 1, 40962 },	 /* 1.00004540, 40961.85969 */
	{ 1 << 20, 1, 1 << 20 }, /* nothing to add */
	{ 0, 1, 0 },
};

Test(memory_sampled, a_block_stands_for_those_that_were_not_hit)
{
	for (size_t i = 0; i < sizeof(WEIGHTS) / sizeof(WEIGHTS[0]); i++) {
		struct memory *memory = memory_new();
		struct memory_meter *meter;

		memory->sample_bytes = SAMPLE;
		memory_site_of(memory, 0, 1);
		meter = memory_meter_new(memory, 0);
		cr_assert_eq(memory_meter_allocated(meter, 0, 1, 1, WEIGHTS[i].size, false), 0);
		cr_assert_eq(memory_meter_finish(meter, 10), 0);
		cr_expect_eq(memory->amounts[MEMORY_VIEW_ALLOCATED].blocks, WEIGHTS[i].blocks);
		cr_expect_eq(memory->amounts[MEMORY_VIEW_ALLOCATED].bytes, WEIGHTS[i].bytes);
		memory_meter_free(meter);
		memory_free(memory);
	}
}
