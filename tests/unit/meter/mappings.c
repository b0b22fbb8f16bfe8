// SPDX-License-Identifier: GPL-2.0-only
/* Ranges that are cut, split, replaced and taken away, as mmap(2) and munmap(2) say what becomes of them. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "meter/mappings.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum { PAGE = 4096, PROCESS = 7, OTHER = 9, SITES = 4, FLAGS = MAP_PRIVATE | MAP_ANONYMOUS };

static struct memory *memory;
static struct mappings *mappings;

static void setup(void)
{
	memory = memory_new();
	for (uint32_t i = 0; i < SITES; i++)
		cr_assert_eq(memory_site_of(memory, 0, 10 + i), i);
	mappings = mappings_new(memory);
	cr_assert(mappings);
}

static void teardown(void)
{
	mappings_free(mappings);
	memory_free(memory);
}

TestSuite(mappings, .init = setup, .fini = teardown);

static void map(uint32_t process, uint32_t site, uint64_t page, uint64_t pages)
{
	cr_assert_eq(mappings_mapped(mappings, process, site, page * PAGE, pages * PAGE, FLAGS), 0);
}

static void expect(uint32_t site, enum memory_view view, uint64_t blocks, uint64_t pages)
{
	const struct memory_amount *amount = &memory->sites[site].amounts[view];

	cr_expect_eq(amount->blocks, blocks, "site %u: %lu mappings, not %lu", site, amount->blocks,
		     blocks);
	cr_expect_eq(amount->bytes, pages * PAGE, "site %u: %lu bytes, not %lu", site,
		     amount->bytes, pages * PAGE);
}

/* Of a mapping of the pages 10 to 19. */
struct cut_case {
	const char *what;
	uint64_t page, pages;
	uint64_t left_blocks, left_pages;
};

static const struct cut_case CUTS[] = {
	{ "all of it", 10, 10, 0, 0 },
	{ "more than it", 5, 100, 0, 0 },
	{ "its beginning", 8, 5, 1, 7 },
	{ "its end", 17, 9, 1, 7 },
	{ "its middle", 13, 4, 2, 6 },
	{ "its first page", 10, 1, 1, 9 },
	{ "its last page", 19, 1, 1, 9 },
	{ "right before it", 5, 5, 1, 10 },
	{ "right behind it", 20, 5, 1, 10 },
	{ "nothing", 15, 0, 1, 10 },
	{ "all there is", 0, UINT64_MAX / PAGE, 0, 0 },
};

Test(mappings, what_is_unmapped_is_cut_out)
{
	for (size_t i = 0; i < COUNT_OF(CUTS); i++) {
		const struct cut_case *cut = &CUTS[i];
		uint32_t process = 100 + i;
		struct memory_amount *amount = &memory->sites[0].amounts[MEMORY_VIEW_MAPPED];

		memset(amount, 0, sizeof(*amount));
		map(process, 0, 10, 10);
		cr_assert_eq(
			mappings_unmapped(mappings, process, cut->page * PAGE, cut->pages * PAGE),
			0);
		cr_expect_eq(mappings_bytes(mappings, process), cut->left_pages * PAGE, "%s",
			     cut->what);
		mappings_end(mappings, process);
		cr_expect_eq(amount->blocks, cut->left_blocks, "%s", cut->what);
		cr_expect_eq(amount->bytes, cut->left_pages * PAGE, "%s", cut->what);
	}
}

Test(mappings, a_later_one_replaces_what_was_there)
{
	map(PROCESS, 0, 10, 10);
	map(PROCESS, 1, 20, 10);
	map(PROCESS, 2, 15, 10); /* MAP_FIXED over the end of one and the beginning of the other */
	cr_expect_eq(mappings_bytes(mappings, PROCESS), 20 * PAGE);
	mappings_finish(mappings);
	expect(0, MEMORY_VIEW_MAPPED, 1, 5);
	expect(1, MEMORY_VIEW_MAPPED, 1, 5);
	expect(2, MEMORY_VIEW_MAPPED, 1, 10);
}

Test(mappings, one_unmap_takes_several)
{
	for (uint32_t i = 0; i < 8; i++)
		map(PROCESS, i % SITES, 10 + 4 * (7 - i), 2); /* not in the order of addresses */
	cr_assert_eq(mappings_unmapped(mappings, PROCESS, 15 * PAGE, 20 * PAGE), 0);
	/* 10, 11 and 14 below it; 35, 38 and 39 above. */
	cr_expect_eq(mappings_bytes(mappings, PROCESS), 6 * PAGE);
}

Test(mappings, sizes_are_of_whole_pages)
{
	cr_assert_eq(mappings_mapped(mappings, PROCESS, 0, 10 * PAGE, 1, FLAGS), 0);
	cr_assert_eq(mappings_mapped(mappings, PROCESS, 1, 20 * PAGE, PAGE + 1, FLAGS), 0);
	mappings_finish(mappings);
	expect(0, MEMORY_VIEW_MAPPED, 1, 1);
	expect(1, MEMORY_VIEW_MAPPED, 1, 2);
}

Test(mappings, processes_have_address_spaces_of_their_own)
{
	map(PROCESS, 0, 10, 10);
	map(OTHER, 1, 10, 10);
	cr_assert_eq(mappings_unmapped(mappings, OTHER, 12 * PAGE, 8 * PAGE), 0);
	cr_assert_eq(mappings_unmapped(mappings, 1234, 10 * PAGE, 8 * PAGE), 0);
	cr_expect_eq(mappings_bytes(mappings, PROCESS), 10 * PAGE);
	cr_expect_eq(mappings_bytes(mappings, OTHER), 2 * PAGE);
	cr_expect_eq(mappings_bytes(mappings, 1234), 0);
}

Test(mappings, sizes_that_nobody_can_have_do_not_wrap)
{
	static const struct {
		uint64_t address, size;
	} FORGED[] = {
		{ 10 * PAGE, UINT64_MAX },
		{ UINT64_MAX, UINT64_MAX },
		{ UINT64_MAX - PAGE, 2 * PAGE },
		{ 0, 0 },
		{ UINT64_MAX, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(FORGED); i++) {
		map(200 + i, 0, 5, 10);
		cr_expect_eq(mappings_mapped(mappings, 200 + i, 1, FORGED[i].address,
					     FORGED[i].size, FLAGS),
			     0);
		cr_expect_eq(
			mappings_unmapped(mappings, 200 + i, FORGED[i].address, FORGED[i].size), 0);
		/* What lies below is as it was. */
		cr_expect_eq(mappings_bytes(mappings, 200 + i), (i ? 10 : 5) * PAGE, "case %zu", i);
	}
}

Test(mappings, arenas_are_told_by_their_beginning)
{
	const uint64_t arenas[] = { 30 * PAGE, 10 * PAGE, 21 * PAGE, 99 * PAGE };

	map(PROCESS, 0, 10, 4);
	map(PROCESS, 1, 20, 4); /* one that is said to begin in its middle is none */
	map(PROCESS, 2, 30, 4);
	mappings_arenas(mappings, PROCESS, arenas, COUNT_OF(arenas));
	mappings_arenas(mappings, OTHER, arenas, COUNT_OF(arenas));
	cr_expect_eq(mappings_bytes(mappings, PROCESS), 4 * PAGE);
	mappings_finish(mappings);
	expect(0, MEMORY_VIEW_ARENAS, 1, 4);
	expect(0, MEMORY_VIEW_MAPPED, 0, 0);
	expect(1, MEMORY_VIEW_MAPPED, 1, 4);
	expect(2, MEMORY_VIEW_ARENAS, 1, 4);
}

Test(mappings, arenas_of_the_dead_are_told_by_size_and_flags)
{
	static const struct {
		uint64_t pages;
		uint32_t flags;
		bool arena;
	} CASES[] = {
		{ 64, MAP_PRIVATE | MAP_ANONYMOUS, true },
		{ 63, MAP_PRIVATE | MAP_ANONYMOUS, false },
		{ 64, MAP_SHARED | MAP_ANONYMOUS, false },
		{ 64, MAP_PRIVATE, false },
		{ 64, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, false },
	};
	uint64_t bytes = 0;

	for (size_t i = 0; i < COUNT_OF(CASES); i++) {
		cr_assert_eq(mappings_mapped(mappings, PROCESS, 0, (1 + i) * 1000 * PAGE,
					     CASES[i].pages * PAGE, CASES[i].flags),
			     0);
		bytes += CASES[i].arena ? 0 : CASES[i].pages * PAGE;
	}
	mappings_arenas_like(mappings, PROCESS, 256 << 10);
	cr_expect_eq(mappings_bytes(mappings, PROCESS), bytes);
}

Test(mappings, what_a_process_had_when_it_ended_stays_counted)
{
	map(PROCESS, 0, 10, 4);
	map(OTHER, 1, 10, 6);
	map(11, 2, 10, 8);
	mappings_end(mappings, PROCESS);
	mappings_end(mappings, PROCESS);
	mappings_end(mappings, 1234);
	cr_expect_eq(mappings_bytes(mappings, PROCESS), 0);
	/* The others are found as before. */
	cr_expect_eq(mappings_bytes(mappings, OTHER), 6 * PAGE);
	cr_expect_eq(mappings_bytes(mappings, 11), 8 * PAGE);
	/* The number again: another process. */
	map(PROCESS, 3, 10, 2);
	mappings_finish(mappings);
	for (uint32_t site = 0; site < 3; site++)
		expect(site, MEMORY_VIEW_MAPPED, 1, 4 + 2 * site);
	expect(3, MEMORY_VIEW_MAPPED, 1, 2);
}
