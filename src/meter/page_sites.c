// SPDX-License-Identifier: GPL-2.0-only
/* See page_sites.h. */
#include "meter/page_sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"

enum {
	REGION_WORDS = PAGE_SITES_REGION / 64,
	MISSED_NS = 1000000000, /* records are not under way for longer */
};

static bool bit_is_set(const uint64_t *bits, uint32_t bit)
{
	return bits[bit / 64] >> bit % 64 & 1;
}

int page_sites_init(struct page_sites *pages, struct page_sites_room *room)
{
	*pages = (struct page_sites){ .room = room, .by_number = map64_new() };
	return pages->by_number ? 0 : -ENOMEM;
}

static void region_clear(struct page_sites *pages, struct page_region *region)
{
	if (region->sites)
		pages->room->lists--;
	free(region->sites);
	free(region->missed);
	region->sites = NULL;
	region->missed = NULL;
	region->count = 0;
}

void page_sites_release(struct page_sites *pages)
{
	for (uint32_t i = 0; i < pages->count; i++)
		region_clear(pages, &pages->regions[i]);
	free(pages->regions);
	map64_free(pages->by_number);
	*pages = (struct page_sites){ .room = pages->room };
}

static struct page_region *region_find(const struct page_sites *pages, uint64_t number)
{
	uint64_t index;

	return map64_get(pages->by_number, number, &index) ? &pages->regions[index] : NULL;
}

/* Regions that are empty stay: memory that was used once is used again. */
static struct page_region *region_of(struct page_sites *pages, uint64_t number)
{
	struct page_region *region = region_find(pages, number);
	uint64_t *slot;

	if (region)
		return region;
	if (GROW(pages->regions, pages->capacity, pages->count))
		return NULL;
	slot = map64_slot(pages->by_number, number, NULL);
	if (!slot)
		return NULL;
	*slot = pages->count;
	region = &pages->regions[pages->count++];
	*region = (struct page_region){ .number = number };
	return region;
}

static uint32_t region_get(const struct page_region *region, uint32_t page)
{
	if (region->sites)
		return region->sites[page] ? region->sites[page] - 1 : PAGE_SITES_NONE;
	return page - region->first < region->count ? region->site : PAGE_SITES_NONE;
}

/* From a run to a list. False: there is no room. */
static bool region_list(struct page_sites *pages, struct page_region *region)
{
	if (pages->room->lists >= pages->room->lists_max)
		return false;
	region->sites = calloc(PAGE_SITES_REGION, sizeof(*region->sites));
	if (!region->sites)
		return false;
	pages->room->lists++;
	for (uint32_t i = region->first; i < (uint32_t)region->first + region->count; i++)
		region->sites[i] = region->site + 1;
	return true;
}

/* Is [first, first + count) together with the run a run again? */
static bool run_continues(const struct page_region *region, uint32_t first, uint32_t count)
{
	return first <= (uint32_t)region->first + region->count && first + count >= region->first;
}

static void run_extend(struct page_region *region, uint32_t first, uint32_t count)
{
	uint32_t end = region->first + region->count;

	if (end < first + count)
		end = first + count;
	if (region->first > first)
		region->first = first;
	region->count = end - region->first;
}

static void missed_clear(struct page_region *region, uint32_t first, uint32_t count)
{
	for (uint32_t i = first; region->missed && i < first + count; i++)
		region->missed[i / 64] &= ~(1ull << i % 64);
}

static void region_set(struct page_sites *pages, struct page_region *region, uint32_t first,
		       uint32_t count, uint32_t site)
{
	if (count == PAGE_SITES_REGION)
		region_clear(pages, region);
	missed_clear(region, first, count);
	if (!region->sites && !region->count) {
		region->first = first;
		region->count = count;
		region->site = site;
		return;
	}
	if (!region->sites && region->site == site && run_continues(region, first, count)) {
		run_extend(region, first, count);
		return;
	}
	if (!region->sites && !region_list(pages, region)) {
		pages->room->exceeded = true;
		run_extend(region, first, count);
		region->site = site;
		return;
	}
	for (uint32_t i = first; i < first + count; i++)
		region->sites[i] = site + 1;
}

/* The part of [page, page + count) that is in the first page's region. */
static uint32_t part_in_region(uint64_t page, uint64_t count)
{
	uint32_t room = PAGE_SITES_REGION - page % PAGE_SITES_REGION;

	return count < room ? count : room;
}

int page_sites_set(struct page_sites *pages, uint64_t page, uint64_t count, uint32_t site)
{
	while (count) {
		struct page_region *region = region_of(pages, page / PAGE_SITES_REGION);
		uint32_t part = part_in_region(page, count);

		if (!region)
			return -ENOMEM;
		region_set(pages, region, page % PAGE_SITES_REGION, part, site);
		page += part;
		count -= part;
	}
	return 0;
}

int page_sites_set_free(struct page_sites *pages, uint64_t page, uint64_t count, uint32_t site)
{
	for (uint64_t i = page; i < page + count; i++) {
		struct page_region *region = region_of(pages, i / PAGE_SITES_REGION);

		if (!region)
			return -ENOMEM;
		if (region_get(region, i % PAGE_SITES_REGION) == PAGE_SITES_NONE)
			region_set(pages, region, i % PAGE_SITES_REGION, 1, site);
	}
	return 0;
}

uint32_t page_sites_get(const struct page_sites *pages, uint64_t page)
{
	const struct page_region *region = region_find(pages, page / PAGE_SITES_REGION);

	return region ? region_get(region, page % PAGE_SITES_REGION) : PAGE_SITES_NONE;
}

/* Those of [first, first + count) are nobody's. */
static void region_forget(struct page_sites *pages, struct page_region *region, uint32_t first,
			  uint32_t count)
{
	uint32_t end = first + count, run_end = region->first + region->count;

	if (!region->sites) {
		if (!region->count || first >= run_end || end <= region->first)
			return;
		if (first > region->first && end < run_end && !region_list(pages, region)) {
			/* A hole in a run: rather too much than too little. */
			pages->room->exceeded = true;
			return;
		}
	}
	if (region->sites) {
		memset(&region->sites[first], 0, count * sizeof(*region->sites));
		return;
	}
	if (first <= region->first) {
		uint32_t start = end < run_end ? end : run_end;

		region->first = start;
		region->count = run_end - start;
	} else {
		region->count = first - region->first;
	}
}

static void pages_forget(struct page_sites *pages, uint64_t page, uint64_t count)
{
	while (count) {
		struct page_region *region = region_find(pages, page / PAGE_SITES_REGION);
		uint32_t part = part_in_region(page, count);

		if (region)
			region_forget(pages, region, page % PAGE_SITES_REGION, part);
		page += part;
		count -= part;
	}
}

/* Runs of one site in [first, first + count) of a region: the next one from *at on. 0: no more. */
static uint32_t region_run(const struct page_region *region, uint32_t *at, uint32_t end,
			   uint32_t *site)
{
	uint32_t start;

	while (*at < end && region_get(region, *at) == PAGE_SITES_NONE)
		(*at)++;
	start = *at;
	if (start >= end)
		return 0;
	*site = region_get(region, start);
	while (*at < end && region_get(region, *at) == *site)
		(*at)++;
	return *at - start;
}

/* What of the region lies in [from, from + count), put where that is now. The region is left empty there. */
static int region_move(struct page_sites *pages, uint32_t index, uint64_t from, uint64_t to,
		       uint64_t count)
{
	const uint64_t base = pages->regions[index].number * PAGE_SITES_REGION;
	uint32_t at = from > base ? from - base : 0, end = PAGE_SITES_REGION, site, run;
	const uint32_t first = at;

	if (from + count < base + PAGE_SITES_REGION)
		end = from + count - base;
	/* The array may move, and the region with it. */
	while ((run = region_run(&pages->regions[index], &at, end, &site))) {
		int error = page_sites_set(pages, to + (base + at - run - from), run, site);

		if (error)
			return error;
	}
	region_forget(pages, &pages->regions[index], first, end - first);
	return 0;
}

/* Address space is large and mostly never touched: it is the regions that are gone through. */
int page_sites_move(struct page_sites *pages, uint64_t from, uint64_t to, uint64_t count)
{
	const uint32_t region_count = pages->count;
	int error = 0;

	if (from == to)
		return 0;
	for (uint32_t i = 0; i < region_count; i++) {
		const uint64_t base = pages->regions[i].number * PAGE_SITES_REGION;

		if (base + PAGE_SITES_REGION > to && base < to + count) {
			const uint64_t first = base > to ? base : to;
			const uint64_t end = base + PAGE_SITES_REGION < to + count ?
						     base + PAGE_SITES_REGION :
						     to + count;

			pages_forget(pages, first, end - first);
		}
	}
	for (uint32_t i = 0; i < region_count && !error; i++) {
		const uint64_t base = pages->regions[i].number * PAGE_SITES_REGION;

		if (base + PAGE_SITES_REGION > from && base < from + count)
			error = region_move(pages, i, from, to, count);
	}
	return error;
}

static void run_trim(struct page_region *region, const uint64_t *bits)
{
	while (region->count && !bit_is_set(bits, region->first)) {
		region->first++;
		region->count--;
	}
	while (region->count && !bit_is_set(bits, region->first + region->count - 1))
		region->count--;
}

/* Those are gone whose bits are not set. */
static void region_keep(struct page_sites *pages, struct page_region *region, const uint64_t *bits)
{
	uint32_t at = 0, site, run, runs = 0;

	if (!region->sites)
		run_trim(region, bits);
	for (uint32_t i = 0; i < PAGE_SITES_REGION; i++) {
		if (!bit_is_set(bits, i) && region_get(region, i) != PAGE_SITES_NONE)
			region_forget(pages, region, i, 1);
	}
	if (!region->sites)
		return;
	/* What is one run again needs no list. */
	while (runs < 2 && (run = region_run(region, &at, PAGE_SITES_REGION, &site))) {
		region->first = at - run;
		region->count = run;
		region->site = site;
		runs++;
	}
	if (runs > 1)
		return;
	pages->room->lists--;
	free(region->sites);
	region->sites = NULL;
	if (!runs)
		region->count = 0;
}

/* Pages that are somebody's and whose bits are not set. False: none are. */
static bool region_misses(const struct page_region *region, const uint64_t *bits, uint64_t *missed)
{
	bool any = false;

	memset(missed, 0, REGION_WORDS * sizeof(*missed));
	for (uint32_t i = 0; i < PAGE_SITES_REGION; i++) {
		if (bit_is_set(bits, i) || region_get(region, i) == PAGE_SITES_NONE)
			continue;
		missed[i / 64] |= 1ull << i % 64;
		any = true;
	}
	return any;
}

/* What is missed for the first time is only noted. */
static void region_note(struct page_sites *pages, struct page_region *region, uint64_t *bits,
			uint64_t now_ns)
{
	uint64_t missed[REGION_WORDS];

	if (region->missed) {
		for (uint32_t i = 0; i < REGION_WORDS; i++)
			missed[i] = bits[i] | ~region->missed[i];
		region_keep(pages, region, missed);
	}
	if (!region_misses(region, bits, missed)) {
		free(region->missed);
		region->missed = NULL;
		return;
	}
	if (!region->missed)
		region->missed = malloc(sizeof(missed));
	if (!region->missed)
		return;
	memcpy(region->missed, missed, sizeof(missed));
	region->missed_ns = now_ns;
}

static bool region_is_due(const struct page_region *region, const struct page_look *look)
{
	if (!region->sites && !region->count)
		return false;
	return look->final || !region->missed || look->now_ns - region->missed_ns >= MISSED_NS;
}

int page_sites_look(struct page_sites *pages, struct page_look *look)
{
	uint64_t bits[REGION_WORDS];
	int result;

	for (uint32_t i = 0; i < pages->count && look->regions_max; i++) {
		struct page_region *region;

		pages->next_look = (pages->next_look + 1) % pages->count;
		region = &pages->regions[pages->next_look];
		if (!region_is_due(region, look))
			continue;
		look->regions_max--;
		result = look->read(look->arg, region->number * PAGE_SITES_REGION, bits);
		if (result)
			return result;
		if (!look->final) {
			region_note(pages, region, bits, look->now_ns);
			continue;
		}
		free(region->missed);
		region->missed = NULL;
		region_keep(pages, region, bits);
	}
	return 0;
}

/* The runs of what is there, where some of a run is missed. */
static void run_visit(const struct page_region *region, uint32_t first, uint32_t count,
		      uint32_t site, page_sites_visit_fn visit, void *arg)
{
	const uint64_t base = region->number * PAGE_SITES_REGION;
	uint32_t at = first, start;

	if (!region->missed) {
		visit(arg, base + first, count, site);
		return;
	}
	while (at < first + count) {
		while (at < first + count && bit_is_set(region->missed, at))
			at++;
		start = at;
		while (at < first + count && !bit_is_set(region->missed, at))
			at++;
		if (at > start)
			visit(arg, base + start, at - start, site);
	}
}

void page_sites_each(const struct page_sites *pages, page_sites_visit_fn visit, void *arg)
{
	for (uint32_t i = 0; i < pages->count; i++) {
		const struct page_region *region = &pages->regions[i];
		uint32_t at = 0, site, run;

		while ((run = region_run(region, &at, PAGE_SITES_REGION, &site)))
			run_visit(region, at - run, run, site, visit, arg);
	}
}
