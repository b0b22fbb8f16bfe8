// SPDX-License-Identifier: GPL-2.0-only
/* See resident.h. */
#include "meter/resident.h"

#include <errno.h>
#include <stdlib.h>

#include "base/grow.h"
#include "base/map64.h"

enum {
	/* The kernel maps pages of files around the one that is asked for, in blocks of as many. */
	AROUND_PAGES = 16,
};

struct resident_space {
	uint32_t space;
	struct page_sites pages;
	/* Made resident at no known address since, by this site. */
	uint32_t loose_site;
	uint64_t loose_pages;
};

struct resident_meter {
	struct memory *memory;
	struct page_sites_room room;
	struct map64 *by_space; /* -> index of spaces */
	struct resident_space *spaces;
	uint32_t count, capacity;
};

struct resident_meter *resident_meter_new(struct memory *memory, uint32_t lists_max)
{
	struct resident_meter *meter = calloc(1, sizeof(*meter));

	if (!meter)
		return NULL;
	meter->memory = memory;
	meter->room.lists_max = lists_max;
	meter->by_space = map64_new();
	if (meter->by_space)
		return meter;
	free(meter);
	return NULL;
}

void resident_meter_free(struct resident_meter *meter)
{
	if (!meter)
		return;
	for (uint32_t i = 0; i < meter->count; i++)
		page_sites_release(&meter->spaces[i].pages);
	free(meter->spaces);
	map64_free(meter->by_space);
	free(meter);
}

static struct resident_space *space_find(const struct resident_meter *meter, uint32_t space)
{
	uint64_t index;

	return map64_get(meter->by_space, space, &index) ? &meter->spaces[index] : NULL;
}

static struct resident_space *space_of(struct resident_meter *meter, uint32_t space)
{
	struct resident_space *found = space_find(meter, space);
	uint64_t *slot;

	if (found)
		return found;
	if (GROW(meter->spaces, meter->capacity, meter->count))
		return NULL;
	found = &meter->spaces[meter->count];
	*found = (struct resident_space){ .space = space, .loose_site = PAGE_SITES_NONE };
	if (page_sites_init(&found->pages, &meter->room))
		return NULL;
	slot = map64_slot(meter->by_space, space, NULL);
	if (!slot) {
		page_sites_release(&found->pages);
		return NULL;
	}
	*slot = meter->count++;
	return found;
}

static void loosen(struct resident_space *space, uint32_t site, uint64_t pages)
{
	if (space->loose_site != site)
		space->loose_pages = 0;
	space->loose_site = site;
	space->loose_pages += pages;
}

/* Large pages lie at multiples of their size, which is a power of two. */
static uint64_t block_pages(uint64_t pages)
{
	uint64_t block = 1;

	while (block < pages)
		block *= 2;
	return block;
}

int resident_meter_faulted(struct resident_meter *meter, uint32_t space, uint32_t site,
			   uint64_t address, uint64_t bytes, enum memory_page_kind kind)
{
	struct memory_amount *amount = &meter->memory->sites[site].amounts[MEMORY_VIEW_FAULTED];
	struct resident_space *its = space_of(meter, space);
	const uint64_t page = address >> RESIDENT_PAGE_SHIFT, pages = bytes >> RESIDENT_PAGE_SHIFT;
	uint64_t block = block_pages(pages);

	if (!its)
		return -ENOMEM;
	amount->blocks++;
	amount->bytes += bytes;
	if (!address) {
		loosen(its, site, pages);
		return 0;
	}
	if (pages == 1)
		return page_sites_set(&its->pages, page, 1, site);
	if (kind == MEMORY_PAGE_ANONYMOUS)
		return page_sites_set(&its->pages, page & ~(block - 1), block, site);
	/* Some of those around may have been there before, and some may not be in the file. */
	if (block < AROUND_PAGES)
		block = AROUND_PAGES;
	if (page_sites_set(&its->pages, page, 1, site))
		return -ENOMEM;
	return page_sites_set_free(&its->pages, page & ~(block - 1), block, site);
}

int resident_meter_populated(struct resident_meter *meter, uint32_t space, uint32_t site,
			     uint64_t address, uint64_t bytes)
{
	struct resident_space *its = space_find(meter, space);
	uint64_t pages = bytes >> RESIDENT_PAGE_SHIFT;

	if (!its || its->loose_site != site)
		return 0;
	if (pages > its->loose_pages)
		pages = its->loose_pages;
	its->loose_pages -= pages;
	return page_sites_set(&its->pages, address >> RESIDENT_PAGE_SHIFT, pages, site);
}

int resident_meter_moved(struct resident_meter *meter, uint32_t space, uint64_t from, uint64_t to,
			 uint64_t bytes)
{
	struct resident_space *its = space_find(meter, space);
	const uint64_t mask = (1ull << RESIDENT_PAGE_SHIFT) - 1;

	if (!its)
		return 0;
	return page_sites_move(&its->pages, from >> RESIDENT_PAGE_SHIFT, to >> RESIDENT_PAGE_SHIFT,
			       (bytes + mask) >> RESIDENT_PAGE_SHIFT);
}

int resident_meter_look(struct resident_meter *meter, uint32_t space, struct page_look *look)
{
	struct resident_space *its = space_find(meter, space);

	return its ? page_sites_look(&its->pages, look) : 0;
}

uint32_t resident_meter_regions(const struct resident_meter *meter, uint32_t space)
{
	const struct resident_space *its = space_find(meter, space);

	return its ? its->pages.count : 0;
}

static void space_place(struct resident_meter *meter, struct resident_space *place)
{
	*place = meter->spaces[meter->count];
	/* It is there already: no memory is taken. */
	*map64_slot(meter->by_space, place->space, NULL) = place - meter->spaces;
}

static void run_count(void *arg, uint64_t page, uint32_t count, uint32_t site)
{
	struct memory *memory = arg;
	struct memory_amount *amount = &memory->sites[site].amounts[MEMORY_VIEW_RESIDENT];

	(void)page;
	amount->blocks += count;
	amount->bytes += (uint64_t)count << RESIDENT_PAGE_SHIFT;
}

void resident_meter_ended(struct resident_meter *meter, uint32_t space)
{
	struct resident_space *its = space_find(meter, space);

	if (!its)
		return;
	page_sites_each(&its->pages, run_count, meter->memory);
	page_sites_release(&its->pages);
	map64_remove(meter->by_space, space);
	/* The last one takes its place. */
	if (its != &meter->spaces[--meter->count])
		space_place(meter, its);
}

void resident_meter_finish(struct resident_meter *meter)
{
	for (uint32_t i = 0; i < meter->count; i++)
		page_sites_each(&meter->spaces[i].pages, run_count, meter->memory);
}

bool resident_meter_is_coarse(const struct resident_meter *meter)
{
	return meter->room.exceeded;
}
