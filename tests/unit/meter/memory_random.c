// SPDX-License-Identifier: GPL-2.0-only
/* Random streams of allocations and frees against a slow account that keeps everything. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "meter/memory.h"

enum { SITES = 6, BLOCKS = 64, EVENTS = 4000 };

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (random_state >> 33) % limit;
}

struct slow_block {
	uint32_t site;
	uint64_t size, born_ns;
	bool alive;
};

struct slow {
	struct slow_block blocks[BLOCKS];
	struct memory_amount live[SITES], at_peak[SITES], allocated[SITES], freed[SITES];
	bool gone[SITES];
	uint64_t peak_bytes, peak_ns;
};

/* The whole picture is looked at after each event. */
static void slow_look(struct slow *slow, uint64_t time_ns)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < SITES; i++)
		bytes += slow->gone[i] ? 0 : slow->live[i].bytes;
	if (bytes <= slow->peak_bytes)
		return;
	slow->peak_bytes = bytes;
	slow->peak_ns = time_ns;
	for (uint32_t i = 0; i < SITES; i++)
		slow->at_peak[i] = slow->gone[i] ? (struct memory_amount){ 0 } : slow->live[i];
}

static void random_allocate(struct slow *slow, struct memory_meter *meter, uint64_t time_ns)
{
	struct slow_block *block = &slow->blocks[random_below(BLOCKS)];

	if (block->alive)
		return;
	*block = (struct slow_block){ random_below(SITES), random_below(5) * 100, time_ns, true };
	slow->live[block->site].blocks++;
	slow->live[block->site].bytes += block->size;
	slow->allocated[block->site].blocks++;
	slow->allocated[block->site].bytes += block->size;
	cr_assert_eq(
		memory_meter_allocated(meter, block->site, time_ns, time_ns, block->size, false),
		0);
}

static void random_free(struct slow *slow, struct memory_meter *meter, uint64_t time_ns)
{
	struct slow_block *block = &slow->blocks[random_below(BLOCKS)];
	struct memory_free freed = { time_ns, block->born_ns, block->size, 0, random_below(2) };

	if (!block->alive)
		return;
	block->alive = false;
	slow->live[block->site].blocks--;
	slow->live[block->site].bytes -= block->size;
	slow->freed[block->site].blocks++;
	slow->freed[block->site].bytes += block->size;
	cr_assert_eq(memory_meter_freed(meter, block->site, &freed), 0);
}

static void random_run(struct slow *slow, struct memory_meter *meter)
{
	/* It swings: now more comes than goes, now the other way round. */
	uint32_t allocations = 50;

	for (uint64_t now_ns = 1; now_ns < EVENTS; now_ns++) {
		uint32_t site = random_below(SITES);

		if (random_below(100) == 0)
			allocations = 20 + random_below(60);
		if (random_below(100) < allocations)
			random_allocate(slow, meter, now_ns);
		else
			random_free(slow, meter, now_ns);
		if (random_below(EVENTS / 2) == 0) {
			slow->gone[site] = true;
			cr_assert_eq(memory_meter_gone(meter, site, now_ns), 0);
		}
		slow_look(slow, now_ns);
	}
	memory_meter_end(meter, EVENTS);
	for (uint32_t i = 0; i < BLOCKS; i++) {
		const struct slow_block *block = &slow->blocks[i];

		if (block->alive)
			cr_assert_eq(
				memory_meter_alive(meter, block->site, block->born_ns, block->size),
				0);
	}
	cr_assert_eq(memory_meter_finish(meter, EVENTS), 0);
}

static void expect_equal(const struct memory_amount *got, const struct memory_amount *want,
			 const char *what, uint64_t seed)
{
	cr_expect_eq(got->blocks, want->blocks, "%s: %lu blocks, not %lu, seed %lu", what,
		     got->blocks, want->blocks, seed);
	cr_expect_eq(got->bytes, want->bytes, "%s: %lu bytes, not %lu, seed %lu", what, got->bytes,
		     want->bytes, seed);
}

Test(memory_random, as_the_slow_account_has_it)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct memory *memory = memory_new();
		struct memory_meter *meter = memory_meter_new(memory, 0);
		struct slow *slow = calloc(1, sizeof(*slow));

		random_state = seed;
		for (uint32_t i = 0; i < SITES; i++)
			memory_site_of(memory, i, i);
		random_run(slow, meter);
		cr_expect_eq(memory->peak_at_ns, slow->peak_ns, "seed %lu", seed);
		cr_expect_eq(memory->amounts[MEMORY_VIEW_PEAK].bytes, slow->peak_bytes, "seed %lu",
			     seed);
		for (uint32_t i = 0; i < SITES; i++) {
			const struct memory_site *site = &memory->sites[i];

			expect_equal(&site->amounts[MEMORY_VIEW_PEAK], &slow->at_peak[i], "peak",
				     seed);
			expect_equal(&site->amounts[MEMORY_VIEW_LIVE], &slow->live[i], "live",
				     seed);
			expect_equal(&site->amounts[MEMORY_VIEW_ALLOCATED], &slow->allocated[i],
				     "allocated", seed);
			expect_equal(&site->freed, &slow->freed[i], "freed", seed);
		}
		memory_meter_free(meter);
		memory_free(memory);
		free(slow);
	}
}
