/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who makes the resident size grow, Linux 6.2 and later: a page fault says where, the change of the
 * process's counter says that something really became resident, and how much. One fault may map many
 * pages, and many faults map none.
 *
 * A counter is a sum and what each CPU has yet to add to it. The hook comes right behind the change, on
 * the same CPU, and is told neither by how much nor what the counter is now; so what this CPU had not
 * added at its last change is kept here. Everything is a difference to what was seen before: a change
 * that is missed or mistaken is made good by the next one.
 */
#include "core/peak.h"
#include "core/rss.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

enum {
	RSS_SPACES = 2048, /* tuned before loading */
	RSS_FAULT_PRESENT =
		1, /* in a fault's error code: the page is there, it may not be used so */
};

#define RSS_USER_END (1ull << 56)

/* The last page fault of a thread, and what it was doing. */
struct rss_fault {
	__u64 address;
	__u64 ip, sp;
	__u64 call; /* system call it is in, -1: none */
	__u32 error_code;
	__u32 replaced; /* pages of a file that it has taken away, to put private ones there */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct rss_fault);
} rss_faults SEC(".maps");

/* What this CPU had not added to the sums of an address space when it changed last. */
struct rss_parts {
	__s32 part[RSS_KINDS];
	__s32 told[RSS_KINDS]; /* pages of this CPU's that another has told of */
	__u32 serial;	       /* of the target; 0: nothing known */
	__u32 reserved;
};

struct rss_sums {
	__s64 sum[RSS_KINDS];
	__u32 serial;
	__u32 reserved;
};

/* By the address of the struct mm_struct. Only those of targets are in. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, RSS_SPACES);
	__type(key, __u64);
	__type(value, struct rss_parts);
} rss_parts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, RSS_SPACES);
	__type(key, __u64);
	__type(value, struct rss_sums);
} rss_sums SEC(".maps");

/*
 * What to add to the address of what each CPU has for itself. Not every kernel lets its own variable for
 * that be found by name, but for an array of our own both addresses are there to be seen.
 */
struct rss_cpu {
	__u64 number;
	__u64 offset; /* 0: not known yet */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rss_cpu);
} rss_cpus SEC(".maps");

static __always_inline __u64 rss_cpu_offset(void)
{
	__u64 element = 0, array;
	__u32 zero = 0;
	struct rss_cpu *cpu = bpf_map_lookup_elem(&rss_cpus, &zero);

	if (!cpu)
		return 0;
	if (cpu->offset)
		return cpu->offset;
	/* By way of memory pointers become numbers. */
	*(volatile __u64 *)&cpu->number = (__u64)&rss_cpus;
	array = *(volatile __u64 *)&cpu->number;
	bpf_probe_read_kernel(&element, sizeof(element),
			      (void *)(array + bpf_core_field_offset(struct bpf_array, pptrs)));
	*(volatile __u64 *)&cpu->number = (__u64)cpu;
	cpu->offset = *(volatile __u64 *)&cpu->number - element;
	return cpu->offset;
}

static __always_inline __u64 rss_counter(__u64 space, __u32 member)
{
	return space + bpf_core_field_offset(struct mm_struct, rss_stat) +
	       member * bpf_core_type_size(struct percpu_counter);
}

static __always_inline __s64 rss_sum_read(__u64 counter)
{
	__s64 sum = 0;

	bpf_probe_read_kernel(
		&sum, sizeof(sum),
		(void *)(counter + bpf_core_field_offset(struct percpu_counter, count)));
	return sum;
}

static __always_inline __s32 rss_part_read(__u64 counter)
{
	__u64 parts = 0;
	__s32 part = 0;

	bpf_probe_read_kernel(
		&parts, sizeof(parts),
		(void *)(counter + bpf_core_field_offset(struct percpu_counter, counters)));
	bpf_probe_read_kernel(&part, sizeof(part), (void *)(parts + rss_cpu_offset()));
	return part;
}

/* A target's address space is seen on this CPU for the first time. */
static __noinline void rss_learn(__u64 space, __u32 serial)
{
	struct rss_parts parts = { .serial = serial };
	struct rss_sums sums = { .serial = serial }, *known;

	for (__u32 member = 0; member < RSS_KINDS; member++) {
		parts.part[member] = rss_part_read(rss_counter(space, member));
		sums.sum[member] = rss_sum_read(rss_counter(space, member));
	}
	known = bpf_map_lookup_elem(&rss_sums, &space);
	if (!known || known->serial != serial) {
		bpf_map_update_elem(&rss_sums, &space, &sums, BPF_ANY);
		peak_before_exec_note(bpf_get_current_task_btf());
	}
	bpf_map_update_elem(&rss_parts, &space, &parts, BPF_ANY);
}

/* What the sum has grown by since anybody asked. Only whoever has added to it asks. */
static __always_inline __s64 rss_sum_growth(__u64 space, __u32 member)
{
	struct rss_sums *sums = bpf_map_lookup_elem(&rss_sums, &space);
	__s64 sum = rss_sum_read(rss_counter(space, member));

	if (!sums)
		return 0;
	return sum - __sync_lock_test_and_set(&sums->sum[rss_index(member)], sum);
}

/*
 * The pages by which the counter changed. A CPU whose part grew too large has added it to the sum, and
 * its part is 0. Should another CPU have done so at the same time, the first one here takes the growth of
 * both. The other finds none, and that what it had is gone: it keeps that as told already.
 */
static __always_inline __s64 rss_change(__u64 space, __u32 member, struct rss_parts *parts,
					bool in_fault)
{
	__s32 part = rss_part_read(rss_counter(space, member)), *before, *told;
	__s64 pages, growth = 0;

	before = &parts->part[rss_index(member)];
	told = &parts->told[rss_index(member)];
	pages = part - *before;
	if (!part)
		growth = rss_sum_growth(space, member);
	/* A fault takes nothing away, so this is no unmapping. */
	if (!part && !growth && *before > 0 && in_fault)
		*told += *before;
	*before = part;
	pages += growth;
	if (pages <= 0 || *told <= 0)
		return pages;
	if (pages <= *told) {
		*told -= pages;
		return 0;
	}
	pages -= *told;
	*told = 0;
	return pages;
}

static __always_inline void rss_fault_begin(__u64 address, __u32 error_code)
{
	struct python_target *target = rss_target();
	struct task_struct *task;
	struct rss_parts *parts;
	struct rss_fault *fault;
	struct pt_regs *regs;
	__u64 space, start_ns;

	if (!target)
		return;
	start_ns = bpf_ktime_get_ns();
	task = bpf_get_current_task_btf();
	fault = bpf_task_storage_get(&rss_faults, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!fault) {
		drop(DROP_MEMORY_EVENTS);
		return;
	}
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	fault->address = address;
	fault->ip = regs->ip;
	fault->sp = regs->sp;
	fault->call = regs->orig_ax;
	fault->error_code = error_code;
	fault->replaced = 0;
	space = (__u64)task->mm;
	parts = bpf_map_lookup_elem(&rss_parts, &space);
	if (!parts || parts->serial != target->serial)
		rss_learn(space, target->serial);
	rss_account(start_ns);
}

SEC("?tp_btf/page_fault_user")
int BPF_PROG(rss__fault_user, unsigned long address, struct pt_regs *regs, unsigned long error_code)
{
	rss_fault_begin(address, error_code);
	return 0;
}

/* System calls that fill fresh memory. Other readers, ours included, would rather fail than fault. */
SEC("?tp_btf/page_fault_kernel")
int BPF_PROG(rss__fault_kernel, unsigned long address, struct pt_regs *regs,
	     unsigned long error_code)
{
	if (address < RSS_USER_END && !bpf_get_current_task_btf()->pagefault_disabled)
		rss_fault_begin(address, error_code);
	return 0;
}

/*
 * The fault that is being resolved; NULL: something else goes on, since nobody tells the end of a fault.
 * Its thread has not moved since.
 */
static __always_inline struct rss_fault *rss_fault_current(struct task_struct *task)
{
	struct rss_fault *fault = bpf_task_storage_get(&rss_faults, task, 0, 0);
	struct pt_regs *regs;

	if (!fault)
		return NULL;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	return fault->ip == regs->ip && fault->sp == regs->sp && fault->call == regs->orig_ax ?
		       fault :
		       NULL;
}

/* The first write to a page of a file that is mapped privately makes a copy: nothing grows. */
static __always_inline __s64 rss_replaced(struct rss_fault *fault, __u32 member, __s64 pages)
{
	if (!(fault->error_code & RSS_FAULT_PRESENT))
		return pages;
	if (pages == -1 && member != RSS_ANONYMOUS)
		fault->replaced = 1;
	if (pages > 0 && member == RSS_ANONYMOUS) {
		pages -= fault->replaced;
		fault->replaced = 0;
	}
	return pages;
}

/* Reclaim, huge pages made in the background: no thread's of its own, but known about afterwards. */
static __always_inline void rss_change_by_others(__u64 space, __u32 member)
{
	struct rss_parts *parts = bpf_map_lookup_elem(&rss_parts, &space);

	if (parts && parts->serial)
		rss_change(space, member, parts, false);
}

SEC("?tp_btf/rss_stat")
int BPF_PROG(rss__change, struct mm_struct *mm, int member)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 space = (__u64)mm, start_ns;
	struct python_target *target;
	struct rss_fault *fault;
	struct rss_parts *parts;
	__s64 pages;

	if (member == RSS_SWAPPED || member < 0 || member >= RSS_KINDS)
		return 0;
	if ((__u64)task->mm != space) {
		rss_change_by_others(space, member);
		return 0;
	}
	target = rss_target();
	if (!target)
		return 0;
	start_ns = bpf_ktime_get_ns();
	parts = bpf_map_lookup_elem(&rss_parts, &space);
	fault = rss_fault_current(task);
	if (parts && parts->serial == target->serial) {
		pages = rss_change(space, member, parts, fault);
	} else {
		rss_learn(space, target->serial);
		pages = fault ? 1 : 0;
	}
	if (fault)
		pages = rss_replaced(fault, member, pages);
	if (pages > 0)
		rss_send(target, fault ? fault->address : 0, pages, member);
	rss_account(start_ns);
	return 0;
}
