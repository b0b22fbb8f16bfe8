/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Delivery: the one place that knows the ring buffer's wake-up policy, and the one that counts
 * what could not be delivered. User space drains by the clock; only records it must act upon at
 * once wake it, since a wake-up for each record would make the profiler profile itself.
 */
#ifndef PYBPFPROF_BPF_EMIT_H
#define PYBPFPROF_BPF_EMIT_H

#include "core/maps.h"

static __always_inline struct kernel_stats *stats_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&stats, &zero);
}

static __always_inline void drop(__u32 reason)
{
	struct kernel_stats *counts = stats_get();

	if (counts && reason < DROP_COUNT)
		counts->drops[reason]++;
}

static __always_inline long emit_flags(void *record, __u64 size, __u64 flags)
{
	long error = bpf_ringbuf_output(&records, record, size, flags);

	if (error)
		drop(DROP_RING_FULL);
	return error;
}

/* Over a quarter full: a program that makes code all the time outruns the clock. */
static __always_inline bool ring_is_filling(void)
{
	return bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) >
	       bpf_ringbuf_query(&records, BPF_RB_RING_SIZE) / 4;
}

static __always_inline long emit(void *record, __u64 size)
{
	return emit_flags(record, size, ring_is_filling() ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

static __always_inline long emit_now(void *record, __u64 size)
{
	return emit_flags(record, size, BPF_RB_FORCE_WAKEUP);
}

static __always_inline void header_fill(struct record_header *header, __u16 kind, __u64 time_ns,
					__u32 serial)
{
	__u64 pid_tid = bpf_get_current_pid_tgid();

	header->time_ns = time_ns;
	header->pid = pid_tid >> 32;
	header->tid = (__u32)pid_tid;
	header->serial = serial;
	header->kind = kind;
	header->cpu = bpf_get_smp_processor_id();
}

#endif
