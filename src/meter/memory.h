/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The question "who allocates, what lives": allocations and frees, in the order they happened, into
 * a struct memory. It keeps nothing by address: a free tells what its block's allocation knew.
 *
 * In a run that samples by bytes, a block of s bytes stands for 1 / (1 - exp(-s / sample_bytes)) blocks.
 *
 * Sites' amounts, and what follows from them, are in the struct memory after memory_meter_finish().
 * MEMORY_VIEW_RESIDENT, _FAULTED and _MAPPED are not of this meter: it leaves them as they are.
 */
#ifndef PYBPFPROF_METER_MEMORY_H
#define PYBPFPROF_METER_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "model/memory.h"

struct memory_meter;

/*
 * `memory` is borrowed, with what was asked for filled in (sample_bytes, temporary_...). Times
 * from here on are CLOCK_MONOTONIC nanoseconds; the run starts at start_ns. NULL: out of memory.
 */
struct memory_meter *memory_meter_new(struct memory *memory, uint64_t start_ns);
void memory_meter_free(struct memory_meter *meter); /* takes NULL */

/*
 * `resized`: it takes the place of a block that is told as freed, resized as well; born_ns is when the
 * first block of that chain was allocated. 0 or -ENOMEM.
 */
int memory_meter_allocated(struct memory_meter *meter, uint32_t site_index, uint64_t time_ns,
			   uint64_t born_ns, uint64_t size, bool resized);
struct memory_free {
	uint64_t time_ns;
	uint64_t born_ns;
	uint64_t size;
	uint32_t distance; /* allocations of the thread since the block's own; UINT32_MAX unknown */
	bool resized;
};
/* The site is the one that allocated it. */
int memory_meter_freed(struct memory_meter *meter, uint32_t site_index,
		       const struct memory_free *freed);
void memory_meter_failed(struct memory_meter *meter, uint32_t site_index);

/*
 * The site's process has ended, or runs another program: what it still has is gone from now on for the
 * timeline and for peaks to come. It stays what the site had in the end. 0 or -ENOMEM.
 */
int memory_meter_gone(struct memory_meter *meter, uint32_t site_index, uint64_t time_ns);

/*
 * A block that the site's process still had when it ended, at ended_ns: by the kernel's own list, which
 * does not have it any more. What is told here is not told by memory_meter_alive(). 0 or -ENOMEM.
 */
int memory_meter_left(struct memory_meter *meter, uint32_t site_index, uint64_t born_ns,
		      uint64_t size, uint64_t ended_ns);

/*
 * A reading of the clock and of the targets' resident size, some ten times a second: makes the
 * timeline. 0 or -ENOMEM.
 */
int memory_meter_tick(struct memory_meter *meter, uint64_t time_ns, uint64_t resident_bytes);

/* What is alive now, by what was told so far. */
struct memory_amount memory_meter_live(const struct memory_meter *meter);

/*
 * The end, in this order: memory_meter_end(), no more events, the run ended at end_ns. For each block
 * that is alive by the kernel's own list, memory_meter_alive(); 0 or -ENOMEM. memory_meter_finish(),
 * once, puts right what lost records had left wrong (live amounts are those of the list) and derives
 * sums, peaks, ages, survivors and trends; 0 or -ENOMEM. Where memory_meter_end() is left out, the run
 * ended with the latest event or tick.
 */
void memory_meter_end(struct memory_meter *meter, uint64_t end_ns);
int memory_meter_alive(struct memory_meter *meter, uint32_t site_index, uint64_t born_ns,
		       uint64_t size);
int memory_meter_finish(struct memory_meter *meter, uint64_t end_ns);

#endif
