/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The question "who made the resident size grow": page faults into the sites' MEMORY_VIEW_FAULTED, all
 * that were, and MEMORY_VIEW_RESIDENT, what of them is still in memory at the end. Which pages are, the
 * caller finds out: for a process that ends that is what it was at the last look, and all that came since.
 *
 * Bytes of FAULTED may have no address (nobody tells which page mlock() brings in): these are never
 * RESIDENT.
 */
#ifndef PYBPFPROF_METER_RESIDENT_H
#define PYBPFPROF_METER_RESIDENT_H

#include <stdbool.h>
#include <stdint.h>

#include "meter/page_sites.h"
#include "model/memory.h"
#include "pybpfprof/abi.h"

enum {
	RESIDENT_PAGE_SHIFT = 12,
	/* Of 2 KiB each: 128 MiB of ours, in the worst case for 128 GiB of the targets'. */
	RESIDENT_LISTS_MAX = 65536,
};

struct resident_meter;

/* `memory` is borrowed. NULL: out of memory. */
struct resident_meter *resident_meter_new(struct memory *memory, uint32_t lists_max);
void resident_meter_free(struct resident_meter *meter); /* takes NULL */

/*
 * `space` names an address space: the serial of a process. `address` is that of the fault, 0 unknown;
 * `bytes` became resident there. 0 or -ENOMEM.
 */
int resident_meter_faulted(struct resident_meter *meter, uint32_t space, uint32_t site,
			   uint64_t address, uint64_t bytes, enum memory_page_kind kind);
/*
 * `site` has mapped memory that was filled right away: what it made resident at no known address just
 * before lies there. 0 or -ENOMEM.
 */
int resident_meter_populated(struct resident_meter *meter, uint32_t space, uint32_t site,
			     uint64_t address, uint64_t bytes);
/* The pages lie elsewhere now (mremap). 0 or -ENOMEM. */
int resident_meter_moved(struct resident_meter *meter, uint32_t space, uint64_t from, uint64_t to,
			 uint64_t bytes);

/* See page_sites_look(). */
int resident_meter_look(struct resident_meter *meter, uint32_t space, struct page_look *look);
/* The pages of that address space, as far as they are known; 2 MiB each. */
uint32_t resident_meter_regions(const struct resident_meter *meter, uint32_t space);

/* That process has ended: what it had is MEMORY_VIEW_RESIDENT, and is kept no longer. */
void resident_meter_ended(struct resident_meter *meter, uint32_t space);
/* The same for all others. Once, after the last look and before sites are summed. */
void resident_meter_finish(struct resident_meter *meter);
/* Some pages could not be told apart, and the site that touched their region last has them all. */
bool resident_meter_is_coarse(const struct resident_meter *meter);

#endif
