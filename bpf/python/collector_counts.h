/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPython's cyclic collector: what it has counted. It adds to its counters right before it ends, holding
 * the GIL, whichever way the compiler arranged its code: what they grew by between two looks of the thread
 * that collects is what was collected, and where they did not grow there was no collection.
 * Source: Modules/gcmodule.c up to 3.13, Python/gc.c from 3.14 on; 3.15's rings: measured with 3.15.0.
 */
#ifndef PYBPFPROF_BPF_COLLECTOR_COUNTS_H
#define PYBPFPROF_BPF_COLLECTOR_COUNTS_H

#include "python/read.h"

/* The address of the state of the collector that serves the interpreter. */
static __always_inline __u64 collector_address(const struct gc_layout *layout, __u64 runtime,
					       __u64 interpreter)
{
	return (layout->in_runtime ? runtime : interpreter) + layout->collector;
}

/* All generations; false: a part was unreadable. */
static __always_inline bool collector_counts_read(const struct gc_layout *layout, __u64 collector,
						  struct gc_counts *counts)
{
	__u64 base = collector + layout->stats, entry;
	__u8 index;

	if (layout->by_pointer && (read_user(&base, 8, base) || !base))
		return false;
	for (__u32 i = 0; i < ABI_GC_GENERATIONS; i++) {
		entry = base + layout->generations[i] + layout->counts;
		index = 0;
		if (layout->indexes[i] != ABI_NO_OFFSET &&
		    read_user(&index, 1, base + layout->indexes[i]))
			return false;
		if (index >= layout->entry_counts[i])
			return false;
		if (read_user(&counts[i], sizeof(counts[i]),
			      entry + (__u64)index * layout->entry_bytes))
			return false;
	}
	return true;
}

/*
 * Whether a collection that is about to begin has not been called for by the number of new objects: it
 * was asked for. (The other way round nothing is certain: it may be asked for when it is due.)
 */
static __always_inline bool collector_is_asked(const struct gc_layout *layout, __u64 collector)
{
	__u64 youngest = collector + layout->youngest;
	__s32 enabled = 0, threshold = 0, count = 0;

	if (read_user(&enabled, sizeof(enabled), collector + layout->enabled) ||
	    read_user(&threshold, sizeof(threshold), youngest + layout->threshold) ||
	    read_user(&count, sizeof(count), youngest + layout->count))
		return false;
	return !enabled || !threshold || count <= threshold;
}

/*
 * The generation whose collections have grown by one, all others not at all; GC_GENERATION_UNKNOWN: none,
 * or more than that.
 */
static __always_inline __u32 collector_generation(const struct gc_counts *before,
						  const struct gc_counts *after)
{
	__u32 generation = GC_GENERATION_UNKNOWN;
	__u64 grown = 0;

	for (__u32 i = 0; i < ABI_GC_GENERATIONS; i++) {
		__u64 growth = after[i].collections - before[i].collections;

		grown |= growth;
		if (!growth)
			continue;
		if (generation != GC_GENERATION_UNKNOWN)
			return GC_GENERATION_UNKNOWN;
		generation = i;
	}
	return grown == 1 ? generation : GC_GENERATION_UNKNOWN;
}

#endif
