// SPDX-License-Identifier: GPL-2.0-only
/* Records of collections, told by the counters they carry: what was seen, what is missing, what began before. */
#include <criterion/criterion.h>

#include "meter/collections.h"
#include "model/profile.h"

#define START 1000000000ull
#define COLLECTOR 0x7000

enum { PARENT = 1, CHILD = 2 };

static struct collections *collections;
static struct collection_meter *meter;
static uint64_t unseen, too_early;

static void begin(void)
{
	collections = collections_new();
	meter = collection_meter_new(collections, START);
	collections_site_of(collections, 0, 0);
}

static void end(void)
{
	collection_meter_free(meter);
	collections_free(collections);
}

TestSuite(collection_meter, .init = begin, .fini = end);

static const struct gc_counts *counts(uint64_t zero, uint64_t one, uint64_t two)
{
	static struct gc_counts all[ABI_GC_GENERATIONS];

	all[0].collections = zero;
	all[1].collections = one;
	all[2].collections = two;
	return all;
}

/* One of `generation`, after which the counters are these; GC_GENERATION_UNKNOWN: its start was not seen. */
static void ended(uint32_t serial, unsigned int generation, uint64_t zero, uint64_t one,
		  uint64_t two)
{
	bool seen = generation != GC_GENERATION_UNKNOWN;
	const struct record_gc record = {
		.header = { .serial = serial, .time_ns = START + 500 },
		.start_ns = seen ? START + 200 : 0,
		.collected = seen ? 7 : 0,
		.collector = COLLECTOR,
		.collections = { zero, one, two },
		.generation = generation,
	};

	cr_assert_eq(collection_meter_ended(meter, &record, serial - 1, seen ? 0 : UINT32_MAX), 0);
}

static const struct gc_process *finish(uint32_t serial)
{
	cr_assert_eq(collection_meter_finish(meter, &unseen, &too_early), 0);
	return collections_process_of(collections, serial - 1);
}

static void expect(const uint64_t *got, uint64_t zero, uint64_t one, uint64_t two)
{
	cr_expect_eq(got[0], zero, "%lu", got[0]);
	cr_expect_eq(got[1], one, "%lu", got[1]);
	cr_expect_eq(got[2], two, "%lu", got[2]);
}

Test(collection_meter, each_is_counted_once_by_its_generation)
{
	const struct gc_process *row;

	collection_meter_before(meter, PARENT, 0, COLLECTOR, counts(10, 2, 1));
	ended(PARENT, 0, 11, 2, 1);
	ended(PARENT, 1, 11, 3, 1);
	ended(PARENT, 0, 12, 3, 1);
	collection_meter_after(meter, PARENT, 0, COLLECTOR, counts(12, 3, 1));
	row = finish(PARENT);
	expect(row->before, 10, 2, 1);
	expect(row->real, 2, 1, 0);
	expect(row->seen, 2, 1, 0);
	cr_expect_eq(unseen, 0);
	cr_expect_eq(too_early, 0);
	cr_expect_eq(collections->amount.count, 3);
	cr_expect_eq(collections->amount.collected, 21);
	cr_expect_eq(collections->listed[0].start_ns, 200);
	cr_expect_eq(collections->listed[0].pause_ns, 300);
}

Test(collection_meter, a_gap_between_records_is_what_was_not_seen)
{
	const struct gc_process *row;

	collection_meter_before(meter, PARENT, 0, COLLECTOR, counts(0, 0, 0));
	ended(PARENT, 0, 1, 0, 0);
	ended(PARENT, 0, 5, 1, 0);
	row = finish(PARENT);
	expect(row->real, 5, 1, 0);
	expect(row->seen, 2, 0, 0);
	cr_expect_eq(unseen, 4);
}

Test(collection_meter, what_the_end_tells_and_no_record_was_not_seen)
{
	collection_meter_before(meter, PARENT, 0, COLLECTOR, counts(3, 0, 0));
	ended(PARENT, 0, 4, 0, 0);
	collection_meter_after(meter, PARENT, 0, COLLECTOR, counts(6, 0, 1));
	expect(finish(PARENT)->real, 3, 0, 1);
	cr_expect_eq(unseen, 3);
}

Test(collection_meter, records_may_come_after_the_end_was_read)
{
	collection_meter_before(meter, PARENT, 0, COLLECTOR, counts(0, 0, 0));
	collection_meter_after(meter, PARENT, 0, COLLECTOR, counts(2, 0, 0));
	ended(PARENT, 0, 1, 0, 0);
	ended(PARENT, 0, 2, 0, 0);
	ended(PARENT, 0, 3, 0, 0);
	expect(finish(PARENT)->seen, 3, 0, 0);
	cr_expect_eq(unseen, 0);
}

Test(collection_meter, one_that_began_before_is_counted_and_not_timed)
{
	const struct gc_process *row;

	collection_meter_before(meter, PARENT, 0, COLLECTOR, counts(8, 0, 0));
	ended(PARENT, GC_GENERATION_UNKNOWN, 8, 0, 1);
	row = finish(PARENT);
	expect(row->real, 0, 0, 1);
	expect(row->seen, 0, 0, 0);
	cr_expect_eq(too_early, 1);
	cr_expect_eq(unseen, 0);
	cr_expect_eq(collections->amount.count, 0);
}

/* Where the function is watched, its return is not awaited by who came in before. */
Test(collection_meter, one_that_ends_unseen_before_the_first_record_began_before)
{
	collection_meter_before(meter, PARENT, 0, COLLECTOR, counts(8, 0, 0));
	ended(PARENT, 0, 10, 0, 0);
	expect(finish(PARENT)->real, 2, 0, 0);
	cr_expect_eq(too_early, 1);
	cr_expect_eq(unseen, 0);
}

Test(collection_meter, a_record_from_before_the_counters_were_read_is_the_beginning)
{
	const struct gc_process *row;

	collection_meter_before(meter, PARENT, 0, COLLECTOR, counts(10, 0, 0));
	ended(PARENT, 0, 9, 0, 0);
	ended(PARENT, 0, 10, 0, 0);
	ended(PARENT, 0, 11, 0, 0);
	row = finish(PARENT);
	expect(row->before, 8, 0, 0);
	expect(row->seen, 3, 0, 0);
	cr_expect_eq(unseen + too_early, 0);
}

Test(collection_meter, who_is_first_heard_of_by_a_record_begins_with_it)
{
	const struct gc_process *row;

	ended(PARENT, 0, 1, 0, 0);
	ended(PARENT, 2, 1, 0, 1);
	row = finish(PARENT);
	expect(row->before, 0, 0, 0);
	expect(row->real, 1, 0, 1);
	cr_expect_eq(unseen + too_early, 0);
}

Test(collection_meter, a_child_begins_with_what_its_parent_had_counted)
{
	collection_meter_before(meter, PARENT, 0, COLLECTOR, counts(4, 0, 0));
	ended(PARENT, 0, 5, 0, 0);
	cr_assert_eq(collection_meter_fork(meter, PARENT, CHILD), 0);
	ended(PARENT, 0, 6, 0, 0);
	ended(CHILD, 0, 6, 0, 0);
	ended(CHILD, 1, 6, 1, 0);
	expect(finish(CHILD)->before, 5, 0, 0);
	expect(collections->processes[1].real, 1, 1, 0);
	expect(collections->processes[0].real, 2, 0, 0);
	cr_expect_eq(unseen + too_early, 0);
}

Test(collection_meter, a_child_that_never_collects_has_no_row)
{
	collection_meter_before(meter, PARENT, 0, COLLECTOR, counts(4, 0, 0));
	cr_assert_eq(collection_meter_fork(meter, PARENT, CHILD), 0);
	finish(PARENT);
	cr_expect_eq(collections->process_count, 1);
}

Test(collection_meter, interpreters_of_a_process_are_apart)
{
	struct record_gc record = {
		.header = { .serial = PARENT, .time_ns = START + 2 },
		.start_ns = START + 1,
		.collector = COLLECTOR + 0x1000,
		.collections = { 1, 0, 0 },
	};

	collection_meter_before(meter, PARENT, 0, COLLECTOR, counts(50, 0, 0));
	cr_assert_eq(collection_meter_ended(meter, &record, 0, 0), 0);
	ended(PARENT, 0, 51, 0, 0);
	expect(finish(PARENT)->seen, 2, 0, 0);
	expect(collections->processes[0].before, 50, 0, 0);
	cr_expect_eq(unseen + too_early, 0);
}
