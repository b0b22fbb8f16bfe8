/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Room for programs that can be preempted: another thread's may then run on the same CPU, so that a
 * slot by CPU would not be its own. Slots are taken and given back; each begins with its lock.
 */
#ifndef PYBPFPROF_BPF_SCRATCH_H
#define PYBPFPROF_BPF_SCRATCH_H

#include "core/emit.h"

enum {
	SCRATCH_SLOTS = 16, /* max_entries of such a map */
	SCRATCH_TRIES = 8,
};

/* A slot of `map`, an array of SCRATCH_SLOTS; NULL: all that were tried are in use, and counted. */
static __always_inline void *scratch_take(void *map)
{
	__u32 index = bpf_get_smp_processor_id();
	__u32 *locked;

	for (__u32 i = 0; i < SCRATCH_TRIES; i++) {
		index %= SCRATCH_SLOTS;
		locked = bpf_map_lookup_elem(map, &index);
		if (locked && !__sync_val_compare_and_swap(locked, 0, 1))
			return locked;
		index++;
	}
	drop(DROP_SCRATCH_BUSY);
	return NULL;
}

static __always_inline void scratch_give(void *slot)
{
	/* What was read and written in it is over by then: x86 keeps stores in order. */
	asm volatile("" ::: "memory");
	*(volatile __u32 *)slot = 0;
}

#endif
