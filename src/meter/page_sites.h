/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pages of one address space and the site that made each resident: the last one wins. Memory is
 * touched in runs, so a region of 512 pages is a run of one site, and becomes a list only when it is not:
 * an array of a gibibyte, filled in order by one line, costs 40 KiB. Lists take from a common room; when
 * that is used up, a region stays one run and its last site has all of it.
 */
#ifndef PYBPFPROF_METER_PAGE_SITES_H
#define PYBPFPROF_METER_PAGE_SITES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map64.h"

enum { PAGE_SITES_REGION = 512, PAGE_SITES_NONE = UINT32_MAX };

struct page_region {
	uint64_t number;       /* of the address space: its first page / 512 */
	uint64_t *missed;      /* bits: not in memory when it was looked; NULL: all were */
	uint64_t missed_ns;    /* when */
	uint32_t *sites;       /* site + 1 of each page, 0 none; NULL: a run */
	uint16_t first, count; /* the run; count 0: nothing */
	uint32_t site;
};

/* How many lists all address spaces together may have. */
struct page_sites_room {
	uint32_t lists, lists_max;
	bool exceeded; /* some region has one site that should have several */
};

struct page_sites {
	struct page_sites_room *room; /* borrowed */
	struct map64 *by_number;      /* number -> index of regions */
	struct page_region *regions;
	uint32_t count, capacity;
	uint32_t next_look; /* index of regions */
};

int page_sites_init(struct page_sites *pages, struct page_sites_room *room);
void page_sites_release(struct page_sites *pages); /* also what is all zeros */

/* `count` pages from `page` on are the site's. 0 or -ENOMEM. */
int page_sites_set(struct page_sites *pages, uint64_t page, uint64_t count, uint32_t site);
/* Only those of them that are nobody's. */
int page_sites_set_free(struct page_sites *pages, uint64_t page, uint64_t count, uint32_t site);
uint32_t page_sites_get(const struct page_sites *pages, uint64_t page); /* PAGE_SITES_NONE */
/* They lie elsewhere now, and nothing of what was known about there is true any more. 0 or -ENOMEM. */
int page_sites_move(struct page_sites *pages, uint64_t from, uint64_t to, uint64_t count);

/*
 * Which of the 512 pages of the region that begins at `page` are in memory: bits. Non-zero: it cannot be
 * told, and ends the look.
 */
typedef int (*page_sites_read_fn)(void *arg, uint64_t page, uint64_t *bits);

struct page_look {
	page_sites_read_fn read;
	void *arg;
	uint64_t now_ns;
	bool final;	      /* nothing more will be told of these pages */
	uint32_t regions_max; /* to look at; the call takes off what it did */
};

/*
 * Finds what is not in memory any more, going on where the last call ended. What is missed is forgotten
 * when it is missed again a while later and was not set in between: it may have been moved, which is told
 * only then. A final look forgets it at once. What look->read returned.
 */
int page_sites_look(struct page_sites *pages, struct page_look *look);

/* Visits runs of pages of one site, in no order; what was missed at the last look is left out. */
typedef void (*page_sites_visit_fn)(void *arg, uint64_t page, uint32_t count, uint32_t site);
void page_sites_each(const struct page_sites *pages, page_sites_visit_fn visit, void *arg);

#endif
