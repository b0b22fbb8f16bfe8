// SPDX-License-Identifier: GPL-2.0-only
/* The collector's counters as the kernel side reads them, in rows and in rings, good and hostile. */
#include <criterion/criterion.h>

#include "unit/walk/memory.h"

#include "python/collector_counts.h"

#define COLLECTOR 0x10000
#define RINGS 0x20000

static char state[512], rings[2048];
static struct memory memory;
static struct gc_counts counts[ABI_GC_GENERATIONS];

static const struct gc_layout rows = {
	.stats = 128,
	.generations = { 0, 24, 48 },
	.indexes = { ABI_NO_OFFSET, ABI_NO_OFFSET, ABI_NO_OFFSET },
	.entry_counts = { 1, 1, 1 },
	.enabled = 12,
	.youngest = 24,
	.threshold = 16,
	.count = 20,
};

static const struct gc_layout by_ring = {
	.stats = 104,
	.by_pointer = 1,
	.generations = { 0, 712, 912 },
	.indexes = { 704, 904, 1104 },
	.entry_bytes = 64,
	.counts = 16,
	.entry_counts = { 11, 3, 3 },
};

static void begin(void)
{
	memory = (struct memory){
		.regions = { { COLLECTOR, sizeof(state), state }, { RINGS, sizeof(rings), rings } },
		.count = 2,
	};
	memset(state, 0, sizeof(state));
	memset(rings, 0, sizeof(rings));
	memory_current = &memory;
}

TestSuite(collector_counts, .init = begin);

static void put_counts(uint64_t address, uint64_t collections)
{
	memory_put64(&memory, address, collections);
	memory_put64(&memory, address + 8, 10 * collections);
	memory_put64(&memory, address + 16, 100 * collections);
}

static void expect_counts(unsigned int generation, uint64_t collections)
{
	cr_expect_eq(counts[generation].collections, collections);
	cr_expect_eq(counts[generation].collected, 10 * collections);
	cr_expect_eq(counts[generation].uncollectable, 100 * collections);
}

Test(collector_counts, lie_in_a_row)
{
	for (unsigned int i = 0; i < 3; i++)
		put_counts(COLLECTOR + 128 + 24 * i, 5 + i);
	cr_assert(collector_counts_read(&rows, COLLECTOR, counts));
	for (unsigned int i = 0; i < 3; i++)
		expect_counts(i, 5 + i);
}

Test(collector_counts, are_the_newest_of_a_ring)
{
	static const unsigned char newest[] = { 10, 0, 2 };

	memory_put64(&memory, COLLECTOR + 104, RINGS);
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t ring = RINGS + by_ring.generations[i];

		for (unsigned int j = 0; j < by_ring.entry_counts[i]; j++)
			put_counts(ring + 64 * j + 16, 20 * i + j);
		memory_put(&memory, RINGS + by_ring.indexes[i], &newest[i], 1);
	}
	cr_assert(collector_counts_read(&by_ring, COLLECTOR, counts));
	for (unsigned int i = 0; i < 3; i++)
		expect_counts(i, 20 * i + newest[i]);
}

Test(collector_counts, are_none_where_memory_lies)
{
	unsigned char beyond = 3;

	cr_expect_not(collector_counts_read(&by_ring, COLLECTOR, counts), "no ring");
	memory_put64(&memory, COLLECTOR + 104, 0xdead0000);
	cr_expect_not(collector_counts_read(&by_ring, COLLECTOR, counts), "unreadable");
	memory_put64(&memory, COLLECTOR + 104, RINGS);
	memory_put(&memory, RINGS + 904, &beyond, 1);
	cr_expect_not(collector_counts_read(&by_ring, COLLECTOR, counts), "beyond the ring");
	cr_expect_not(collector_counts_read(&rows, 0x5000, counts), "no state");
}

Test(collector_counts, that_grow_by_one_tell_the_generation)
{
	static const struct {
		uint64_t growth[3];
		uint32_t generation;
	} cases[] = {
		{ { 0, 0, 0 }, GC_GENERATION_UNKNOWN },
		{ { 1, 0, 0 }, 0 },
		{ { 0, 1, 0 }, 1 },
		{ { 0, 0, 1 }, 2 },
		{ { 1, 1, 0 }, GC_GENERATION_UNKNOWN },
		{ { 2, 0, 0 }, GC_GENERATION_UNKNOWN },
		{ { 0, 0, -1 }, GC_GENERATION_UNKNOWN },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gc_counts before[3] = { 0 }, after[3] = { 0 };

		for (unsigned int j = 0; j < 3; j++) {
			before[j].collections = 40;
			after[j].collections = 40 + cases[i].growth[j];
		}
		cr_expect_eq(collector_generation(before, after), cases[i].generation, "%zu", i);
	}
}

Test(collector_counts, a_collection_is_asked_for_where_none_was_due)
{
	static const struct {
		uint32_t enabled, threshold, count;
		bool asked;
	} cases[] = {
		{ 1, 700, 701, false }, { 1, 700, 700, true }, { 1, 700, 3, true },
		{ 0, 700, 9000, true }, { 1, 0, 9000, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memory_put32(&memory, COLLECTOR + 12, cases[i].enabled);
		memory_put32(&memory, COLLECTOR + 24 + 16, cases[i].threshold);
		memory_put32(&memory, COLLECTOR + 24 + 20, cases[i].count);
		cr_expect_eq(collector_is_asked(&rows, COLLECTOR), cases[i].asked, "%zu", i);
	}
}
