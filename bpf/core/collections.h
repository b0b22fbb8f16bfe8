/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The collections that are running: a collection begins, and when it ends, what it was is known. Shared by
 * those who want to know of either.
 */
#ifndef PYBPFPROF_BPF_COLLECTIONS_H
#define PYBPFPROF_BPF_COLLECTIONS_H

#include "core/memory.h"
#include "core/target.h"
#include "python/collector_counts.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ABI_GC_SITES);
	__type(key, __u32);
	__type(value, struct gc_site);
} gc_sites SEC(".maps") __weak;

/* A thread runs one collection at a time. What a process leaves when it ends, user space takes out. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct gc_running_key);
	__type(value, struct gc_running);
} gc_running SEC(".maps") __weak;

static __always_inline struct gc_running_key collection_key(const struct python_target *target)
{
	return (struct gc_running_key){
		.serial = target->serial,
		.tid = (__u32)bpf_get_current_pid_tgid(),
	};
}

/* Of the interpreter that the thread in scratch is of; 0: it is of none. */
static __always_inline __u64 collection_collector(const struct python_target *target,
						  const struct gc_layout *layout,
						  const struct thread_state *thread)
{
	if (!thread->address)
		return 0;
	return collector_address(layout, target->runtime,
				 thread_field(thread, target->layout.tstate_interp));
}

/* The current thread is about to collect. `sp`: see struct gc_running. */
static __noinline void collection_begin(const struct python_target *target,
					const struct gc_layout *layout,
					struct memory_scratch *scratch, __u64 sp)
{
	struct gc_running_key key = collection_key(target);
	struct gc_running running = { .sp = sp };

	running.stack_id = memory_stack_id(target, scratch);
	running.collector = collection_collector(target, layout, &scratch->stack.thread);
	if (!running.collector ||
	    !collector_counts_read(layout, running.collector, running.counts)) {
		drop(DROP_GC_UNREADABLE);
		return;
	}
	running.asked = collector_is_asked(layout, running.collector);
	/* Last: what was done so far was not the collector's. */
	running.start_ns = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&gc_running, &key, &running, BPF_ANY))
		drop(DROP_GC_TABLE_FULL);
}

/* It has ended. False: there was none, or nobody can tell. */
static __always_inline bool collection_end(const struct gc_layout *layout,
					   const struct gc_running *running,
					   struct record_gc *record)
{
	struct gc_counts after[ABI_GC_GENERATIONS] = {};
	__u32 generation;

	if (!collector_counts_read(layout, running->collector, after)) {
		drop(DROP_GC_UNREADABLE);
		return false;
	}
	generation = collector_generation(running->counts, after);
	record->start_ns = running->start_ns;
	record->collector = running->collector;
	record->stack_id = running->stack_id;
	record->asked = running->asked;
	record->generation = generation;
	for (__u32 i = 0; i < ABI_GC_GENERATIONS; i++) {
		record->collections[i] = after[i].collections;
		if (i != generation)
			continue;
		record->collected = after[i].collected - running->counts[i].collected;
		record->uncollectable = after[i].uncollectable - running->counts[i].uncollectable;
	}
	return generation != GC_GENERATION_UNKNOWN;
}

#endif
