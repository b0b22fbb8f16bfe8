// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading several objects of a page at once: what is found is what lies there now, whatever was
 * guessed, and the guess saves reads.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "unit/walk/memory.h"

#include "python/layout.h"
#include "python/walk.h"

enum { HEAP_PAGES = 24, HEAP_BYTES = HEAP_PAGES * PAGES_BYTES, OBJECT_BYTES = 112 };

#define HEAP 0x7f3300000000ull

static struct memory memory;
static struct pages *pages;

static void setup(void)
{
	memory = (struct memory){ .count = 1 };
	memory.regions[0] = (struct region){ HEAP, HEAP_BYTES, calloc(1, HEAP_BYTES) };
	memory_current = &memory;
	pages = calloc(1, sizeof(*pages));
}

static void teardown(void)
{
	free(memory.regions[0].memory);
	free(pages);
}

TestSuite(pages, .init = setup, .fini = teardown);

/* The number of reads one visit took that wanted the objects at these addresses. */
static unsigned int reads_of(const uint64_t *addresses, size_t count)
{
	unsigned int before = memory.reads;

	pages_visit(pages);
	for (size_t i = 0; i < count; i++) {
		cr_assert_eq(pages_fill(pages, addresses[i], OBJECT_BYTES), 0, "%zu", i);
		for (uint64_t at = addresses[i]; at <= addresses[i] + OBJECT_BYTES - 8; at += 8) {
			uint64_t word;

			memcpy(&word, memory.regions[0].memory + (at - HEAP), 8);
			cr_assert_eq(pages_word(pages, at), word, "%zu at %lx", i, at);
			cr_assert_eq(pages_byte(pages, at + 7), word >> 56);
		}
	}
	return memory.reads - before;
}

static void memory_shuffle(void)
{
	for (size_t i = 0; i < HEAP_BYTES; i++)
		memory.regions[0].memory[i] = rand();
}

#define READS_OF(...)                                                                              \
	reads_of((const uint64_t[]){ __VA_ARGS__ },                                                \
		 sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

Test(pages, the_second_visit_reads_neighbours_together)
{
	memory_shuffle();
	cr_expect_eq(READS_OF(HEAP + 0x200, HEAP + 0x400, HEAP + 0x40, HEAP + 0x800), 4);
	cr_expect_eq(READS_OF(HEAP + 0x200, HEAP + 0x400, HEAP + 0x40, HEAP + 0x800), 1);
	cr_expect_eq(READS_OF(HEAP + 0x800, HEAP + 0x40), 1, "in whatever order");
}

Test(pages, what_an_older_visit_read_is_never_looked_at)
{
	for (int i = 0; i < 5; i++) {
		memory_shuffle();
		/* Compares every word with what lies there now. */
		READS_OF(HEAP + 0x200, HEAP + 0x400);
	}
}

Test(pages, a_single_object_is_read_alone)
{
	READS_OF(HEAP + 0x200, HEAP + PAGES_BYTES, HEAP + 0x400);
	cr_expect_eq(READS_OF(HEAP + 0x200), 1);
	/* The last visit wanted one object there: no more is read than that one. */
	cr_expect_eq(READS_OF(HEAP + 0x200, HEAP + 0x400), 2);
}

Test(pages, what_was_not_guessed_is_read_too)
{
	memory_shuffle();
	READS_OF(HEAP + 0x400, HEAP + 0x200);
	cr_expect_eq(READS_OF(HEAP + 0x300, HEAP + 0x900, HEAP + 0x200, HEAP + 0x8), 3);
}

Test(pages, more_pages_than_windows_are_still_read_right)
{
	uint64_t addresses[3 * PAGES_WINDOWS];

	for (size_t i = 0; i < 3 * PAGES_WINDOWS; i++)
		addresses[i] = HEAP + i % (PAGES_WINDOWS + 1) * PAGES_BYTES + i * 0x80;
	for (int i = 0; i < 4; i++) {
		memory_shuffle();
		reads_of(addresses, 3 * PAGES_WINDOWS);
	}
}

Test(pages, pages_that_are_remembered_in_the_same_place_are_not_mixed_up)
{
	const uint64_t far = HEAP + (uint64_t)PAGES_KNOWN * PAGES_KNOWN * PAGES_BYTES;

	memory.regions[1] = (struct region){ far, PAGES_BYTES, calloc(1, PAGES_BYTES) };
	memory.count = 2;
	for (int i = 0; i < 3; i++) {
		pages_visit(pages);
		memory_put64(&memory, HEAP + 0x200, 1 + i);
		memory_put64(&memory, far + 0x200, 100 + i);
		cr_assert_eq(pages_fill(pages, HEAP + 0x200, OBJECT_BYTES), 0);
		cr_expect_eq(pages_word(pages, HEAP + 0x200), 1 + i);
		cr_assert_eq(pages_fill(pages, far + 0x200, OBJECT_BYTES), 0);
		cr_expect_eq(pages_word(pages, far + 0x200), 100 + i);
		cr_assert_eq(pages_fill(pages, HEAP + 0x200, OBJECT_BYTES), 0);
		cr_expect_eq(pages_word(pages, HEAP + 0x200), 1 + i);
	}
	free(memory.regions[1].memory);
}

Test(pages, nothing_behind_a_page_is_read_for_its_sake)
{
	const uint64_t end = HEAP + HEAP_BYTES;

	for (int i = 0; i < 3; i++)
		READS_OF(end - OBJECT_BYTES, end - PAGES_BYTES, end - 0x800);
	cr_expect_neq(pages_fill(pages, end - OBJECT_BYTES + 8, OBJECT_BYTES), 0);
	cr_expect_neq(pages_fill(pages, end, OBJECT_BYTES), 0);
	/* Across two pages that are there. */
	memory_shuffle();
	READS_OF(HEAP + PAGES_BYTES - 8, HEAP + PAGES_BYTES - 0x100, HEAP + PAGES_BYTES - 0x200);
	READS_OF(HEAP + PAGES_BYTES - 8, HEAP + PAGES_BYTES - 0x100, HEAP + PAGES_BYTES - 0x200);
}

Test(pages, a_page_that_has_gone_is_unreadable)
{
	READS_OF(HEAP + 0x200, HEAP + 0x400);
	pages_visit(pages);
	memory.count = 0;
	cr_expect_neq(pages_fill(pages, HEAP + 0x200, OBJECT_BYTES), 0);
	cr_expect_neq(pages_fill(pages, HEAP + 0x400, OBJECT_BYTES), 0);
	memory.count = 1;
	memory_shuffle();
	READS_OF(HEAP + 0x200, HEAP + 0x400);
}

Test(pages, whatever_is_wanted_is_what_lies_there)
{
	srand(7);
	for (int visit = 0; visit < 2000; visit++) {
		uint64_t addresses[40];
		unsigned int spread = 1 + rand() % HEAP_PAGES;

		memory.regions[0].memory[rand() % HEAP_BYTES] ^= rand();
		for (size_t i = 0; i < 40; i++)
			addresses[i] = HEAP + (rand() % (spread * PAGES_BYTES - OBJECT_BYTES) & ~7);
		reads_of(addresses, 1 + rand() % 40);
	}
}

Test(pages, frames_that_are_objects_are_walked_the_same)
{
	struct python_target target = { .layout = layout_of(10)->walk };
	struct walk *walk = calloc(1, sizeof(*walk));

	for (unsigned int n = 0; n < 20; n++) {
		uint64_t frame = HEAP + n * 0x200;

		memory_put64(&memory, frame + target.layout.frame_back, n ? frame - 0x200 : 0);
		memory_put64(&memory, frame + target.layout.frame_code, 0x1000 + n);
	}
	for (int round = 0; round < 3; round++) {
		memory.reads = 0;
		walk_start(walk, HEAP + 19 * 0x200);
		for (unsigned int n = 20; n-- > 0;) {
			cr_assert_eq(walk_step(&target, walk), WALK_FRAME);
			cr_expect_eq(walk->frame, HEAP + n * 0x200);
			cr_expect_eq(walk->code, 0x1000 + n);
		}
		cr_expect_eq(walk_step(&target, walk), WALK_END);
		cr_expect_eq(memory.reads, round ? 3 : 20, "round %d", round);
	}
	free(walk);
}

Test(pages, frames_that_are_near_are_walked_the_same)
{
	struct python_target target = { .layout = layout_of(10)->walk };
	struct walk *walk = calloc(1, sizeof(*walk));
	struct walk_frame seen;

	for (unsigned int n = 0; n < 20; n++) {
		uint64_t frame = HEAP + n * 0x200;

		memory_put64(&memory, frame + target.layout.frame_back, n ? frame - 0x200 : 0);
	}
	for (int round = 0; round < 4; round++) {
		unsigned int near = 0;

		memory.reads = 0;
		walk_start(walk, HEAP + 19 * 0x200);
		for (unsigned int n = 20; n-- > 0;) {
			/* Each round has others. */
			memory_put64(&memory, HEAP + n * 0x200 + target.layout.frame_code,
				     0x1000 * round + n);
		}
		for (unsigned int n = 20; n-- > 0;) {
			if (walk_near(&target, walk, true, &seen)) {
				near++;
				walk_near_pass(&target, walk, true, &seen);
			} else {
				cr_assert_eq(walk_step(&target, walk), WALK_FRAME);
				seen.code = walk->code;
			}
			cr_expect_eq(walk->frame, HEAP + n * 0x200);
			cr_expect_eq(seen.code, 0x1000 * round + n);
		}
		cr_expect_not(walk_near(&target, walk, true, &seen), "behind the outermost");
		/* What was near counts for what the next visit reads at once. */
		cr_expect_eq(memory.reads, round ? 3 : 20, "round %d", round);
		cr_expect_eq(near, round ? 17 : 0, "round %d", round);
	}
	free(walk);
}

Test(pages, nothing_is_near_what_was_read_alone)
{
	cr_assert_eq(pages_fill(pages, HEAP + 0x200, OBJECT_BYTES), 0);
	cr_expect_not(pages_near(pages, HEAP + 0x200));
	cr_expect_not(pages_near(pages, 0));
	cr_expect_neq(pages_fill(pages, HEAP - 0x200, OBJECT_BYTES), 0);
	cr_expect_not(pages_near(pages, HEAP - 0x200));
}
