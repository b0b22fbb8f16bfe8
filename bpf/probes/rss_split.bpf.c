/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who makes the resident size grow, before Linux 6.2: a counter is a sum and what each thread has yet to
 * add to it, which happens every 64 faults and is all that the kernel's hook tells. So a fault is looked
 * at when it has been resolved: what the thread has not added is then what it has made resident.
 */
#include "core/peak.h"
#include "core/rss.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

enum {
	RSS_SPLIT_SPACES = 2048,    /* tuned before loading */
	RSS_SPLIT_SYNC_EVENTS = 65, /* from then on a fault begins with adding */
};

/* What is known of a thread's own part. */
struct rss_own {
	__s32 part[RSS_KINDS];	 /* not added, and told */
	__s32 direct[RSS_KINDS]; /* added at once, by a huge page, and not told yet */
	__u32 serial;
	__s32 events; /* its faults since its part was added, at the last one */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct rss_own);
} rss_owns SEC(".maps");

struct rss_split_sums {
	__s64 sum[RSS_KINDS];
	__u32 serial;
	__u32 reserved;
};

/* By the address of the struct mm_struct. Only those of targets are in. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, RSS_SPLIT_SPACES);
	__type(key, __u64);
	__type(value, struct rss_split_sums);
} rss_split_sums SEC(".maps");

/* 0 where the kernel counts otherwise: then none of this is ever attached. */
static __always_inline __s32 rss_own_part(struct task_struct *task, __u32 member)
{
	__u64 from = (__u64)task;
	__s32 part = 0;

	if (!bpf_core_type_exists(struct task_rss_stat))
		return 0;
	from += bpf_core_field_offset(struct task_struct___split, rss_stat.count);
	bpf_probe_read_kernel(&part, sizeof(part), (void *)(from + member * sizeof(part)));
	return part;
}

static __always_inline __s32 rss_own_events(struct task_struct *task)
{
	__u64 from = (__u64)task;
	__s32 events = 0;

	if (!bpf_core_type_exists(struct task_rss_stat))
		return 0;
	from += bpf_core_field_offset(struct task_struct___split, rss_stat.events);
	bpf_probe_read_kernel(&events, sizeof(events), (void *)from);
	return events;
}

static __always_inline __s64 rss_split_sum_read(__u64 space, __u32 member)
{
	__s64 sum = 0;

	if (!bpf_core_type_exists(struct mm_rss_stat))
		return 0;
	space += bpf_core_field_offset(struct mm_struct___split, rss_stat.count);
	bpf_probe_read_kernel(&sum, sizeof(sum), (void *)(space + member * sizeof(sum)));
	return sum;
}

static __noinline void rss_split_learn(__u64 space, __u32 serial)
{
	struct rss_split_sums sums = { .serial = serial };

	for (__u32 member = 0; member < RSS_KINDS; member++)
		sums.sum[member] = rss_split_sum_read(space, member);
	bpf_map_update_elem(&rss_split_sums, &space, &sums, BPF_ANY);
	peak_before_exec_note(bpf_get_current_task_btf());
}

/* A thread's first fault as that target's: a new thread has none behind it. */
static __always_inline void rss_own_begin(struct rss_own *own, struct task_struct *task,
					  __u32 serial)
{
	struct rss_split_sums *sums;
	__u64 space = (__u64)task->mm;
	bool is_new = rss_own_events(task) <= 1;

	for (__u32 member = 0; member < RSS_KINDS; member++) {
		own->part[member] = is_new ? 0 : rss_own_part(task, member);
		own->direct[member] = 0;
	}
	own->serial = serial;
	own->events = rss_own_events(task) - 1;
	sums = bpf_map_lookup_elem(&rss_split_sums, &space);
	if (!sums || sums->serial != serial)
		rss_split_learn(space, serial);
}

/* Each fault is one more, unless the thread's part has been added in between: nothing is left of it. */
static __always_inline void rss_own_follow(struct rss_own *own, struct task_struct *task)
{
	__s32 events = rss_own_events(task);

	if (events != own->events + 1) {
		for (__u32 member = 0; member < RSS_KINDS; member++)
			own->part[member] = 0;
	}
	own->events = events;
}

/* What the thread has made resident since it was asked last. */
static __always_inline __s64 rss_own_growth(struct rss_own *own, struct task_struct *task,
					    __u32 member)
{
	__s32 part = rss_own_part(task, member);
	__s64 pages = part - own->part[member] + own->direct[member];

	own->part[member] = part;
	own->direct[member] = 0;
	return pages;
}

SEC("?fexit/handle_mm_fault")
int BPF_PROG(rss_split__resolved, struct vm_area_struct *area, unsigned long address)
{
	struct python_target *target = rss_target();
	__u32 member = RSS_ANONYMOUS;
	__s64 file, pages, shared;
	struct task_struct *task;
	struct rss_own *own;
	__u64 start_ns;

	if (!target)
		return 0;
	start_ns = bpf_ktime_get_ns();
	task = bpf_get_current_task_btf();
	own = bpf_task_storage_get(&rss_owns, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!own) {
		drop(DROP_MEMORY_EVENTS);
		return 0;
	}
	if (own->serial != target->serial)
		rss_own_begin(own, task, target->serial);
	rss_own_follow(own, task);
	file = rss_own_growth(own, task, RSS_FILE);
	pages = rss_own_growth(own, task, RSS_ANONYMOUS);
	shared = rss_own_growth(own, task, RSS_SHARED);
	/* The first write to a page of a file that is mapped privately makes a copy: nothing grows. */
	if (pages > 0 && (file == -1 || shared == -1))
		pages--;
	/* A fault is about one area of memory, which is of one kind. */
	if (file > 0) {
		pages = file;
		member = RSS_FILE;
	} else if (shared > 0) {
		pages = shared;
		member = RSS_SHARED;
	}
	if (pages > 0)
		rss_send(target, address, pages, member);
	rss_account(start_ns);
	return 0;
}

/*
 * A sum changes: by a thread's own part, which has been told and is the thread's no more, or at once, as
 * huge pages are counted. Smaller changes than theirs are others' that come in between.
 */
SEC("?tp_btf/rss_stat")
int BPF_PROG(rss_split__change, struct mm_struct *mm, int member)
{
	__u64 space = (__u64)mm;
	struct rss_split_sums *sums = bpf_map_lookup_elem(&rss_split_sums, &space);
	struct task_struct *task;
	struct rss_own *own;
	__s64 sum, growth;
	__s32 part;

	if (!sums || member < 0 || member >= RSS_KINDS)
		return 0;
	sum = rss_split_sum_read(space, member);
	growth = sum - __sync_lock_test_and_set(&sums->sum[rss_index(member)], sum);
	task = bpf_get_current_task_btf();
	if ((__u64)task->mm != space)
		return 0;
	own = bpf_task_storage_get(&rss_owns, task, 0, 0);
	if (!own)
		return 0;
	part = rss_own_part(task, member);
	if (part && (growth == part || rss_own_events(task) > RSS_SPLIT_SYNC_EVENTS))
		own->part[rss_index(member)] = 0;
	else if (growth >= RSS_HUGE_PAGES)
		own->direct[rss_index(member)] += growth / RSS_HUGE_PAGES * RSS_HUGE_PAGES;
	return 0;
}
