/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The most that was ever resident of a process, as the kernel remembers it when the process ends. That
 * counts what it was before its last exec, too: a child that vfork() made is, until then, as large as
 * its parent. So that is noted, and what is not more than that tells nothing.
 */
#ifndef PYBPFPROF_BPF_PEAK_H
#define PYBPFPROF_BPF_PEAK_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

/* pid -> pages, before it ran what it runs. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} peaks_before_exec SEC(".maps") __weak;

/* At an exec, or at any time after it. */
static __always_inline void peak_before_exec_note(struct task_struct *task)
{
	__u32 pid = task->tgid;
	__u64 pages = task->signal->maxrss;

	bpf_map_update_elem(&peaks_before_exec, &pid, &pages, BPF_ANY);
}

/* A fork has had no exec of its own, and its count starts at 0. */
static __always_inline void peak_before_exec_none(__u32 pid)
{
	__u64 pages = 0;

	bpf_map_update_elem(&peaks_before_exec, &pid, &pages, BPF_ANY);
}

/* In pages, at the end of the last thread; 0: not known. */
static __always_inline __u64 peak_take(struct task_struct *task)
{
	__u32 pid = task->tgid;
	__u64 *before = bpf_map_lookup_elem(&peaks_before_exec, &pid);
	__u64 pages = task->signal->maxrss;

	if (!before || pages <= *before)
		pages = 0;
	bpf_map_delete_elem(&peaks_before_exec, &pid);
	return pages;
}

#endif
