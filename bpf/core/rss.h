/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages that became resident, on their way out: what the two ways of finding them share. How the kernel
 * counts a process's pages changed with Linux 6.2; each way of counting has its own family of probes.
 */
#ifndef PYBPFPROF_BPF_RSS_H
#define PYBPFPROF_BPF_RSS_H

#include "core/memory.h"

enum {
	RSS_PAGE_SHIFT = 12,
	RSS_HUGE_PAGES = 512, /* of a huge page */
	/* The kernel's kinds of counters, in its order. */
	RSS_FILE = 0,
	RSS_ANONYMOUS = 1,
	RSS_SWAPPED = 2,
	RSS_SHARED = 3,
	RSS_KINDS = 4,
};

/* As an index that the verifier sees to be one, whatever the compiler knows of it. */
static __always_inline __u64 rss_index(__u64 member)
{
	barrier_var(member);
	return member & (RSS_KINDS - 1);
}

static __always_inline struct python_target *rss_target(void)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	return bpf_map_lookup_elem(&targets, &pid);
}

static __always_inline enum memory_page_kind rss_page_kind(__u32 member)
{
	return member == RSS_FILE      ? MEMORY_PAGE_FILE :
	       member == RSS_ANONYMOUS ? MEMORY_PAGE_ANONYMOUS :
					 MEMORY_PAGE_SHARED;
}

/*
 * What a program took of the target's time. No hits: those are counted for what each costs besides, a
 * trap, and here there is none.
 */
static __always_inline void rss_account(__u64 start_ns)
{
	struct kernel_stats *counts = stats_get();

	if (counts)
		counts->target_ns += bpf_ktime_get_ns() - start_ns;
}

/* The current thread made `pages` of it resident; address 0: it is not known where. */
static __always_inline void rss_send(const struct python_target *target, __u64 address, __u64 pages,
				     __u32 member)
{
	struct record_memory record = {
		.size = pages << RSS_PAGE_SHIFT,
		.address = address >> RSS_PAGE_SHIFT << RSS_PAGE_SHIFT,
		.kind = MEMORY_FAULTED,
		.detail = rss_page_kind(member),
	};
	__u64 now_ns = bpf_ktime_get_ns();
	struct memory_scratch *scratch = scratch_take(&memory_scratches);

	if (scratch) {
		record.stack_id = memory_stack_id(target, scratch);
		scratch_give(scratch);
	}
	memory_send(&record, now_ns, target->serial);
}

#endif
