/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether the current thread is in a collection: told by the probes on the collector. */
#ifndef PYBPFPROF_BPF_COLLECTING_H
#define PYBPFPROF_BPF_COLLECTING_H

#include "core/maps.h"

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} collecting_tasks SEC(".maps") __weak;

/* In how many threads; one that was killed in the midst of it counts for ever, which costs a look. */
__u32 collecting_count __weak;

static __always_inline void collecting_set(bool collecting)
{
	__u32 *now = bpf_task_storage_get(&collecting_tasks, bpf_get_current_task_btf(), 0,
					  collecting ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);

	if (!now || *now == collecting)
		return;
	*now = collecting;
	__sync_fetch_and_add(&collecting_count, collecting ? 1 : -1);
}

static __always_inline bool collecting_here(void)
{
	const __u32 *now;

	if (!*(volatile __u32 *)&collecting_count)
		return false;
	now = bpf_task_storage_get(&collecting_tasks, bpf_get_current_task_btf(), 0, 0);
	return now && *now;
}

#endif
