// SPDX-License-Identifier: GPL-2.0-only
/* Page faults by site: what became resident, and what of it still is. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "meter/resident.h"

enum { PAGE = 4096, SPACE = 9, HERE = 0x7f0000000000 / PAGE };

static struct memory *memory;
static struct resident_meter *meter;
static uint32_t one, two;

static void setup(void)
{
	memory = memory_new();
	one = memory_site_of(memory, 0, 1);
	two = memory_site_of(memory, 0, 2);
	meter = resident_meter_new(memory, RESIDENT_LISTS_MAX);
	cr_assert_not_null(meter);
}

static void teardown(void)
{
	resident_meter_free(meter);
	memory_free(memory);
}

TestSuite(resident, .init = setup, .fini = teardown);

static void fault(uint32_t site, uint64_t page, uint64_t pages, enum memory_page_kind kind)
{
	cr_assert_eq(resident_meter_faulted(meter, SPACE, site, page * PAGE, pages * PAGE, kind),
		     0);
}

static uint64_t bytes(uint32_t site, enum memory_view view)
{
	return memory->sites[site].amounts[view].bytes;
}

/* Pages [from, end) of SPACE are in memory, no others. */
struct kept {
	uint64_t from, end;
};

static int kept_read(void *arg, uint64_t page, uint64_t *bits)
{
	const struct kept *kept = arg;

	memset(bits, 0, PAGE_SITES_REGION / 8);
	for (uint64_t i = 0; i < PAGE_SITES_REGION; i++) {
		if (page + i >= kept->from && page + i < kept->end)
			bits[i / 64] |= 1ull << i % 64;
	}
	return 0;
}

static void look_at(uint64_t from, uint64_t end)
{
	struct kept kept = { from, end };
	struct page_look look = {
		.read = kept_read, .arg = &kept, .final = true, .regions_max = UINT32_MAX
	};

	cr_assert_eq(resident_meter_look(meter, SPACE, &look), 0);
}

Test(resident, every_fault_counts_and_a_page_is_resident_once)
{
	for (int i = 0; i < 3; i++)
		fault(one, HERE, 1, MEMORY_PAGE_ANONYMOUS);
	resident_meter_finish(meter);
	cr_expect_eq(bytes(one, MEMORY_VIEW_FAULTED), 3 * PAGE);
	cr_expect_eq(memory->sites[one].amounts[MEMORY_VIEW_FAULTED].blocks, 3);
	cr_expect_eq(bytes(one, MEMORY_VIEW_RESIDENT), PAGE);
}

Test(resident, what_was_given_back_is_not_resident)
{
	for (uint64_t i = 0; i < 100; i++)
		fault(i < 60 ? one : two, HERE + i, 1, MEMORY_PAGE_ANONYMOUS);
	look_at(HERE + 50, HERE + 100);
	resident_meter_finish(meter);
	cr_expect_eq(bytes(one, MEMORY_VIEW_FAULTED), 60 * PAGE);
	cr_expect_eq(bytes(one, MEMORY_VIEW_RESIDENT), 10 * PAGE);
	cr_expect_eq(bytes(two, MEMORY_VIEW_RESIDENT), 40 * PAGE);
}

Test(resident, what_came_after_the_last_look_is_resident)
{
	fault(one, HERE, 1, MEMORY_PAGE_ANONYMOUS);
	look_at(0, 0);
	fault(two, HERE, 1, MEMORY_PAGE_ANONYMOUS);
	resident_meter_finish(meter);
	cr_expect_eq(bytes(one, MEMORY_VIEW_RESIDENT), 0);
	cr_expect_eq(bytes(two, MEMORY_VIEW_RESIDENT), PAGE);
}

Test(resident, a_huge_page_covers_all_around_the_fault)
{
	fault(one, HERE + 137, 512, MEMORY_PAGE_ANONYMOUS);
	look_at(HERE, HERE + 512);
	resident_meter_finish(meter);
	cr_expect_eq(bytes(one, MEMORY_VIEW_RESIDENT), 512 * PAGE);
}

Test(resident, pages_of_a_file_come_with_those_around_unless_they_are_somebodys)
{
	fault(one, HERE + 2, 1, MEMORY_PAGE_FILE);
	fault(two, HERE + 5, 12, MEMORY_PAGE_FILE);
	look_at(HERE, HERE + 13);
	resident_meter_finish(meter);
	cr_expect_eq(bytes(one, MEMORY_VIEW_RESIDENT), PAGE);
	cr_expect_eq(bytes(two, MEMORY_VIEW_RESIDENT), 12 * PAGE);
}

Test(resident, processes_have_pages_of_their_own)
{
	fault(one, HERE, 1, MEMORY_PAGE_ANONYMOUS);
	cr_assert_eq(resident_meter_faulted(meter, SPACE + 1, two, (uint64_t)HERE * PAGE, PAGE,
					    MEMORY_PAGE_ANONYMOUS),
		     0);
	resident_meter_finish(meter);
	cr_expect_eq(bytes(one, MEMORY_VIEW_RESIDENT), PAGE);
	cr_expect_eq(bytes(two, MEMORY_VIEW_RESIDENT), PAGE);
	cr_expect_eq(resident_meter_regions(meter, SPACE), 1);
	cr_expect_eq(resident_meter_regions(meter, SPACE + 2), 0);
}

Test(resident, a_mapping_filled_at_once_is_where_it_was_mapped)
{
	for (int i = 0; i < 10; i++)
		fault(one, 0, 1, MEMORY_PAGE_ANONYMOUS);
	cr_assert_eq(resident_meter_populated(meter, SPACE, one, (uint64_t)HERE * PAGE, 10 * PAGE),
		     0);
	look_at(HERE, HERE + 8);
	resident_meter_finish(meter);
	cr_expect_eq(bytes(one, MEMORY_VIEW_FAULTED), 10 * PAGE);
	cr_expect_eq(bytes(one, MEMORY_VIEW_RESIDENT), 8 * PAGE);
}

Test(resident, a_mapping_has_no_more_than_was_filled_by_its_site)
{
	fault(two, 0, 5, MEMORY_PAGE_ANONYMOUS);
	resident_meter_populated(meter, SPACE, one, (uint64_t)HERE * PAGE, 10 * PAGE);
	resident_meter_populated(meter, SPACE, two, (uint64_t)HERE * PAGE, 10 * PAGE);
	resident_meter_populated(meter, SPACE, two, (uint64_t)(HERE + 100) * PAGE, 10 * PAGE);
	resident_meter_finish(meter);
	cr_expect_eq(bytes(one, MEMORY_VIEW_RESIDENT), 0);
	cr_expect_eq(bytes(two, MEMORY_VIEW_RESIDENT), 5 * PAGE);
}

Test(resident, what_is_made_resident_nobody_knows_where_is_faulted_only)
{
	fault(one, 0, 7, MEMORY_PAGE_ANONYMOUS);
	resident_meter_finish(meter);
	cr_expect_eq(bytes(one, MEMORY_VIEW_FAULTED), 7 * PAGE);
	cr_expect_eq(bytes(one, MEMORY_VIEW_RESIDENT), 0);
}

Test(resident, a_block_that_was_moved_is_still_its_sites)
{
	for (uint64_t i = 0; i < 10; i++)
		fault(one, HERE + i, 1, MEMORY_PAGE_ANONYMOUS);
	cr_assert_eq(resident_meter_moved(meter, SPACE, (uint64_t)HERE * PAGE,
					  (uint64_t)(HERE + 7000) * PAGE, 9 * PAGE + 1),
		     0);
	look_at(HERE + 7000, HERE + 7010);
	resident_meter_finish(meter);
	cr_expect_eq(bytes(one, MEMORY_VIEW_RESIDENT), 10 * PAGE);
}

Test(resident, a_process_that_ended_keeps_what_it_had_and_no_other_loses_anything)
{
	uint32_t spaces[] = { SPACE, SPACE + 1, SPACE + 2 };

	for (int i = 0; i < 3; i++)
		cr_assert_eq(resident_meter_faulted(meter, spaces[i], i == 1 ? two : one,
						    (uint64_t)HERE * PAGE, PAGE,
						    MEMORY_PAGE_ANONYMOUS),
			     0);
	resident_meter_ended(meter, SPACE + 1);
	resident_meter_ended(meter, SPACE + 1);
	cr_expect_eq(bytes(two, MEMORY_VIEW_RESIDENT), PAGE);
	cr_expect_eq(resident_meter_regions(meter, SPACE + 1), 0);
	cr_expect_eq(resident_meter_regions(meter, SPACE + 2), 1);
	resident_meter_ended(meter, SPACE + 2);
	resident_meter_ended(meter, SPACE);
	resident_meter_finish(meter);
	cr_expect_eq(bytes(one, MEMORY_VIEW_RESIDENT), 2 * PAGE);
	cr_expect_eq(bytes(two, MEMORY_VIEW_RESIDENT), PAGE);
}

Test(resident, it_is_said_when_pages_cannot_be_told_apart)
{
	resident_meter_free(meter);
	meter = resident_meter_new(memory, 0);
	fault(one, HERE, 1, MEMORY_PAGE_ANONYMOUS);
	fault(one, HERE + 1, 1, MEMORY_PAGE_ANONYMOUS);
	cr_expect_not(resident_meter_is_coarse(meter));
	fault(two, HERE + 2, 1, MEMORY_PAGE_ANONYMOUS);
	cr_expect(resident_meter_is_coarse(meter));
}
