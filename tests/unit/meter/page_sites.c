// SPDX-License-Identifier: GPL-2.0-only
/* Pages and their sites: runs, lists, moves, looks; against a plain array of every page. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "meter/page_sites.h"

enum { REGION = PAGE_SITES_REGION, PLENTY = 1000 };

static struct page_sites_room room;
static struct page_sites pages;

static void setup(void)
{
	room = (struct page_sites_room){ .lists_max = PLENTY };
	cr_assert_eq(page_sites_init(&pages, &room), 0);
}

static void teardown(void)
{
	page_sites_release(&pages);
	cr_assert_eq(room.lists, 0);
}

TestSuite(page_sites, .init = setup, .fini = teardown);

static void add_count(void *arg, uint64_t page, uint32_t count, uint32_t site)
{
	uint64_t *counts = arg;

	(void)page;
	counts[site] += count;
}

static uint64_t count_of(uint32_t site)
{
	uint64_t counts[16] = { 0 };

	page_sites_each(&pages, add_count, counts);
	return counts[site];
}

Test(page_sites, nothing_is_anybodys_before)
{
	cr_expect_eq(page_sites_get(&pages, 0), PAGE_SITES_NONE);
	cr_expect_eq(page_sites_get(&pages, 1ull << 45), PAGE_SITES_NONE);
}

Test(page_sites, an_array_filled_in_order_by_one_site_needs_no_list)
{
	for (uint64_t i = 0; i < 100 * REGION; i++)
		cr_assert_eq(page_sites_set(&pages, 7 * REGION + 5 + i, 1, 3), 0);
	cr_expect_eq(room.lists, 0);
	cr_expect_eq(pages.count, 101);
	cr_expect_eq(count_of(3), 100 * REGION);
	cr_expect_eq(page_sites_get(&pages, 7 * REGION + 4), PAGE_SITES_NONE);
	cr_expect_eq(page_sites_get(&pages, 7 * REGION + 5), 3);
}

Test(page_sites, a_stack_that_grows_downwards_needs_no_list)
{
	for (uint64_t i = 0; i < 3 * REGION; i++)
		cr_assert_eq(page_sites_set(&pages, 9 * REGION - i, 1, 3), 0);
	cr_expect_eq(room.lists, 0);
	cr_expect_eq(count_of(3), 3 * REGION);
}

Test(page_sites, the_last_site_has_a_page)
{
	page_sites_set(&pages, 10, 6, 1);
	page_sites_set(&pages, 12, 2, 2);
	cr_expect_eq(count_of(1), 4);
	cr_expect_eq(count_of(2), 2);
	cr_expect_eq(page_sites_get(&pages, 11), 1);
	cr_expect_eq(page_sites_get(&pages, 13), 2);
	cr_expect_eq(page_sites_get(&pages, 14), 1);
}

Test(page_sites, a_whole_region_set_anew_is_a_run_again)
{
	page_sites_set(&pages, 1, 1, 1);
	page_sites_set(&pages, 3, 1, 2);
	cr_expect_eq(room.lists, 1);
	page_sites_set(&pages, 0, REGION, 4);
	cr_expect_eq(room.lists, 0);
	cr_expect_eq(count_of(4), REGION);
}

Test(page_sites, what_is_somebodys_stays_his_when_only_free_ones_are_set)
{
	page_sites_set(&pages, 4, 2, 1);
	page_sites_set_free(&pages, 0, 16, 2);
	cr_expect_eq(count_of(1), 2);
	cr_expect_eq(count_of(2), 14);
}

struct memory_kept {
	uint64_t first, end; /* pages in memory */
	uint32_t looks;
	int answer;
};

static int kept_read(void *arg, uint64_t page, uint64_t *bits)
{
	struct memory_kept *kept = arg;

	kept->looks++;
	if (kept->answer)
		return kept->answer;
	memset(bits, 0, REGION / 8);
	for (uint64_t i = 0; i < REGION; i++) {
		if (page + i >= kept->first && page + i < kept->end)
			bits[i / 64] |= 1ull << i % 64;
	}
	return 0;
}

static int look(struct memory_kept *kept, uint32_t *regions_max, bool final, uint64_t second)
{
	struct page_look look = {
		.read = kept_read,
		.arg = kept,
		.now_ns = second * 1000000000,
		.final = final,
		.regions_max = *regions_max,
	};
	int result = page_sites_look(&pages, &look);

	*regions_max = look.regions_max;
	return result;
}

Test(page_sites, what_is_not_in_memory_any_more_is_forgotten)
{
	struct memory_kept kept = { .first = 3, .end = REGION + 10 };
	uint32_t most = PLENTY;

	page_sites_set(&pages, 0, 3 * REGION, 1);
	cr_assert_eq(look(&kept, &most, true, 1), 0);
	cr_expect_eq(count_of(1), REGION + 7);
	cr_expect_eq(most, PLENTY - 3);
	cr_expect_eq(room.lists, 0);
}

Test(page_sites, a_list_that_is_one_run_after_a_look_is_none_any_more)
{
	struct memory_kept kept = { .first = 20, .end = 30 };
	uint32_t most = PLENTY;

	page_sites_set(&pages, 0, 15, 1);
	page_sites_set(&pages, 20, 10, 2);
	page_sites_set(&pages, 40, 10, 1);
	cr_expect_eq(room.lists, 1);
	look(&kept, &most, true, 1);
	cr_expect_eq(room.lists, 0);
	cr_expect_eq(count_of(1), 0);
	cr_expect_eq(count_of(2), 10);
	cr_expect_eq(page_sites_get(&pages, 19), PAGE_SITES_NONE);
	cr_expect_eq(page_sites_get(&pages, 20), 2);
}

Test(page_sites, a_look_that_may_not_see_all_goes_on_where_it_ended)
{
	struct memory_kept kept = { 0 };
	uint32_t most;

	page_sites_set(&pages, 0, 10 * REGION, 1);
	for (uint32_t i = 0; i < 5; i++) {
		most = 2;
		cr_assert_eq(look(&kept, &most, true, 1), 0);
		cr_expect_eq(most, 0);
	}
	cr_expect_eq(kept.looks, 10);
	cr_expect_eq(count_of(1), 0);
	most = PLENTY;
	look(&kept, &most, true, 1);
	cr_expect_eq(kept.looks, 10, "empty regions are not asked about");
}

Test(page_sites, a_look_that_fails_forgets_nothing)
{
	struct memory_kept kept = { .answer = -3 };
	uint32_t most = PLENTY;

	page_sites_set(&pages, 0, 10, 1);
	cr_expect_eq(look(&kept, &most, true, 1), -3);
	cr_expect_eq(count_of(1), 10);
}

Test(page_sites, what_is_missed_once_is_not_counted_and_not_forgotten)
{
	struct memory_kept kept = { .first = 0, .end = 10 }, all = { .first = 0, .end = REGION };
	uint32_t most = PLENTY;

	page_sites_set(&pages, 0, 100, 1);
	look(&kept, &most, false, 1);
	cr_expect_eq(count_of(1), 10);
	cr_expect_eq(page_sites_get(&pages, 50), 1);
	look(&all, &most, false, 3);
	cr_expect_eq(count_of(1), 100, "they are back");
}

Test(page_sites, what_is_missed_twice_is_forgotten_but_not_too_soon)
{
	struct memory_kept kept = { .first = 0, .end = 10 };
	uint32_t most = PLENTY;

	page_sites_set(&pages, 0, 100, 1);
	look(&kept, &most, false, 1);
	look(&kept, &most, false, 1);
	cr_expect_eq(page_sites_get(&pages, 50), 1);
	cr_expect_eq(kept.looks, 1, "it is too soon to ask");
	look(&kept, &most, false, 2);
	cr_expect_eq(page_sites_get(&pages, 50), PAGE_SITES_NONE);
	cr_expect_eq(count_of(1), 10);
}

Test(page_sites, what_is_set_again_was_not_missed)
{
	struct memory_kept kept = { .first = 0, .end = 10 };
	uint32_t most = PLENTY;

	page_sites_set(&pages, 0, 100, 1);
	look(&kept, &most, false, 1);
	page_sites_set(&pages, 40, 20, 2);
	cr_expect_eq(count_of(2), 20);
	kept.first = 40, kept.end = 60;
	look(&kept, &most, false, 3);
	cr_expect_eq(count_of(2), 20);
	cr_expect_eq(count_of(1), 0);
	cr_expect_eq(page_sites_get(&pages, 5), 1, "missed for the first time");
	cr_expect_eq(page_sites_get(&pages, 39), PAGE_SITES_NONE);
}

Test(page_sites, what_was_missed_and_is_moved_by_then_is_there)
{
	struct memory_kept kept = { .first = 7000, .end = 7100 };
	uint32_t most = PLENTY;

	page_sites_set(&pages, 0, 100, 1);
	look(&kept, &most, false, 1);
	cr_expect_eq(count_of(1), 0);
	page_sites_move(&pages, 0, 7000, 100);
	cr_expect_eq(count_of(1), 100);
	look(&kept, &most, false, 3);
	look(&kept, &most, false, 5);
	cr_expect_eq(count_of(1), 100);
}

Test(page_sites, moved_pages_take_their_sites_along_and_replace_what_was_known_there)
{
	page_sites_set(&pages, 100, 50, 1);
	page_sites_set(&pages, 150, 50, 2);
	page_sites_set(&pages, 9000, 1000, 5); /* of a mapping that is gone */
	cr_assert_eq(page_sites_move(&pages, 100, 9100, 100), 0);
	cr_expect_eq(count_of(1), 50);
	cr_expect_eq(count_of(2), 50);
	cr_expect_eq(count_of(5), 900);
	cr_expect_eq(page_sites_get(&pages, 100), PAGE_SITES_NONE);
	cr_expect_eq(page_sites_get(&pages, 9100), 1);
	cr_expect_eq(page_sites_get(&pages, 9150), 2);
	cr_expect_eq(page_sites_get(&pages, 9200), 5);
}

Test(page_sites, moving_a_terabyte_of_nothing_costs_nothing)
{
	page_sites_set(&pages, 7, 1, 1);
	cr_assert_eq(page_sites_move(&pages, 0, 1ull << 33, 1ull << 28), 0);
	cr_expect_eq(page_sites_get(&pages, (1ull << 33) + 7), 1);
	cr_expect(pages.count <= 2);
}

Test(page_sites, without_room_for_lists_the_last_site_has_the_run_and_it_is_said)
{
	room.lists_max = 1;
	page_sites_set(&pages, 0, 1, 1);
	page_sites_set(&pages, 2, 1, 2);
	cr_expect_not(room.exceeded);
	page_sites_set(&pages, REGION, 1, 1);
	page_sites_set(&pages, REGION + 2, 1, 2);
	cr_expect(room.exceeded);
	cr_expect_eq(room.lists, 1);
	cr_expect_eq(page_sites_get(&pages, REGION), 2);
	cr_expect_eq(page_sites_get(&pages, REGION + 2), 2);
}

/* ---- random ---- */

enum { SPAN = 6 * REGION, STEPS = 20000 };

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static void plain_set(uint32_t *plain, uint64_t page, uint64_t count, uint32_t site)
{
	for (uint64_t i = page; i < page + count; i++)
		plain[i] = site;
}

static void plain_look(uint32_t *plain, const struct memory_kept *kept)
{
	for (uint64_t i = 0; i < SPAN; i++) {
		if (i < kept->first || i >= kept->end)
			plain[i] = PAGE_SITES_NONE;
	}
}

static void step(uint32_t *plain, uint32_t *state)
{
	const uint32_t what = next_random(state) % 100, site = next_random(state) % 5;
	uint64_t page = next_random(state) % SPAN, count = 1 + next_random(state) % 40;
	uint64_t to = next_random(state) % SPAN;
	struct memory_kept kept;
	uint32_t most = PLENTY;

	if (what < 2)
		count = next_random(state) % (2 * REGION) + 1;
	if (page + count > SPAN)
		count = SPAN - page;
	if (what < 80) {
		cr_assert_eq(page_sites_set(&pages, page, count, site), 0);
		plain_set(plain, page, count, site);
	} else if (what < 97) {
		uint64_t apart = page < to ? to - page : page - to;

		if (apart < count)
			return;
		if (to + count > SPAN)
			count = SPAN - to;
		cr_assert_eq(page_sites_move(&pages, page, to, count), 0);
		memcpy(plain + to, plain + page, count * sizeof(*plain));
		plain_set(plain, page, count, PAGE_SITES_NONE);
	} else {
		kept = (struct memory_kept){ .first = page / 8, .end = SPAN - to / 8 };
		cr_assert_eq(look(&kept, &most, true, 1), 0);
		plain_look(plain, &kept);
	}
}

Test(page_sites, any_order_of_things_leaves_what_a_plain_array_has)
{
	uint32_t *plain = malloc(SPAN * sizeof(*plain)), state = 4711, wrong = 0;

	for (uint32_t i = 0; i < SPAN; i++)
		plain[i] = PAGE_SITES_NONE;
	for (uint32_t i = 0; i < STEPS; i++) {
		step(plain, &state);
		if (i % 100)
			continue;
		for (uint32_t page = 0; page < SPAN; page++)
			wrong += page_sites_get(&pages, page) != plain[page];
		cr_assert_eq(wrong, 0, "after step %u", i);
	}
	free(plain);
}
