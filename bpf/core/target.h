/* SPDX-License-Identifier: GPL-2.0-only */
/* The current process as a target; one that nobody has looked at yet is made one here. */
#ifndef PYBPFPROF_BPF_TARGET_H
#define PYBPFPROF_BPF_TARGET_H

#include "core/scope.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ABI_TEMPLATES);
	__type(key, __u32);
	__type(value, struct python_template);
} templates SEC(".maps") __weak;

/* User space numbers the targets it finds from 1, forked ones have numbers of their own. */
__u32 next_found_serial __weak = 0x40000000;

static __always_inline struct python_target *target_get(void)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	return bpf_map_lookup_elem(&targets, &pid);
}

/*
 * A process in scope that nobody has looked at: the interpreter it runs is known, by the probe it has
 * hit, and where it lies in memory (`bias` above its file's addresses), by the address. NULL: it is not
 * ours to follow. Not inline: what it has on the stack would leave too little for the walk, where each
 * function has no stack of its own (before Linux 6.13).
 */
static __noinline struct python_target *target_found(__u64 bias, __u32 template_index)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct record_process record = {};
	const struct python_template *like;
	struct python_target target;

	if (!scope_holds(pid))
		return NULL;
	like = bpf_map_lookup_elem(&templates, &template_index);
	if (!like || !like->known) {
		scope_ask(pid, bpf_ktime_get_ns());
		return NULL;
	}
	target = like->target;
	target.runtime += bias;
	target.code_type += bias;
	target.serial = __sync_fetch_and_add(&next_found_serial, 1);
	if (bpf_map_update_elem(&targets, &pid, &target, BPF_NOEXIST)) {
		if (!target_get())
			drop(DROP_PROCESS_TABLE_FULL);
		return target_get();
	}
	header_fill(&record.header, RECORD_PROCESS_FOUND, bpf_ktime_get_ns(), target.serial);
	record.parent_serial = template_index;
	record.cpu_ns = bpf_get_current_task_btf()->se.sum_exec_runtime;
	emit_now(&record, sizeof(record));
	return target_get();
}

/* What a thread remembers of its process: probes that are hit very often need not look it up. */
struct target_memo {
	__u32 generation; /* targets_generation while which it holds; 0: it never did */
	__u32 reserved;
	__u64 pid_tid; /* an exec may change that, too */
	struct python_target target;
};

/*
 * Written by user space: from now on all is as if the probes on allocators and objects were gone. They go
 * one by one, so that some would still see what is made and others no longer what ends.
 */
volatile bool target_memo_over __weak;

/* The current thread's process, if its allocations or objects are looked at. NULL: they are not. */
static __always_inline const struct python_target *target_memo_get(struct target_memo *memo)
{
	__u32 generation = *(volatile __u32 *)&targets_generation;
	const struct python_target *target;

	if (memo->generation == generation)
		return &memo->target;
	target = target_get();
	if (!target || target_memo_over || !(target->flags & PYTHON_TARGET_MEMORY))
		return NULL;
	memo->target = *target;
	memo->pid_tid = bpf_get_current_pid_tgid();
	memo->generation = generation;
	return &memo->target;
}

#endif
