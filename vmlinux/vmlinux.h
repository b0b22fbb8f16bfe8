/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel types our BPF programs read, kept by hand: only the fields we use, found by name on
 * the running kernel through CO-RE. `make vmlinux` dumps the whole of a kernel's types beside this
 * file for looking things up; it is not compiled.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __le16;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;
typedef _Bool bool;

#define NULL ((void *)0)
#define true 1
#define false 0

/* The parts of linux/bpf.h that BPF programs need (UAPI: their numbers never change). */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_CGROUP_ARRAY = 8,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_LRU_PERCPU_HASH = 10,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_RB_AVAIL_DATA = 0, /* of bpf_ringbuf_query() */
	BPF_RB_RING_SIZE = 1,
	BPF_RB_NO_WAKEUP = 1,
	BPF_RB_FORCE_WAKEUP = 2,
	BPF_F_NO_PREALLOC = 1,
	BPF_F_MMAPABLE = 1 << 10,
	BPF_LOCAL_STORAGE_GET_F_CREATE = 1,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* User or kernel registers at an interrupt, a probe or a system call (x86_64). */
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax;
	unsigned long ip, cs, flags, sp, ss;
};

/* thread.fsbase is the thread pointer: CPython's thread_id on glibc and musl alike. */
struct thread_struct {
	unsigned long fsbase;
};

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	__s64 counter;
} atomic64_t;

/*
 * live: threads not yet exited; group_exit_code: what waitpid() will tell of the process; maxrss: pages,
 * the most that was resident before the last exec, and from the last thread's exit on, ever.
 */
struct signal_struct {
	atomic_t live;
	int group_exit_code;
	unsigned long maxrss;
};

/* The pages of a process by kind. Linux 6.2+: a sum, and what each CPU has yet to add to it. */
struct percpu_counter {
	__s64 count;
	__s32 *counters;
};

struct mm_struct {
	struct percpu_counter rss_stat[4];
};

/* Before 6.2: a sum, and what each thread has yet to add to it. */
struct mm_rss_stat {
	atomic64_t count[4];
};

struct mm_struct___split {
	struct mm_rss_stat rss_stat;
};

struct task_rss_stat {
	int events; /* page faults since this thread's share was last added */
	int count[4];
};

struct task_struct___split {
	struct task_rss_stat rss_stat;
};

struct sched_entity {
	__u64 sum_exec_runtime; /* CPU time of the thread's whole life */
};

struct task_struct {
	int pid;
	int tgid;
	int exit_code;
	char comm[16];
	__u64 start_boottime;
	struct sched_entity se;
	int pagefault_disabled; /* a fault of the kernel is not going to be resolved */
	struct mm_struct *mm;
	struct signal_struct *signal;
	struct task_struct *group_leader;
	struct thread_struct thread;
};

struct linux_binprm;
struct vm_area_struct;

/* Of a per-CPU array: where each element lies, before what is added to it on each CPU. */
struct bpf_array {
	void *pptrs[1];
};

/* Its `uid` tells which arguments the tracepoint has. */
struct trace_event_raw_mark_victim {
	__u32 uid;
};

#pragma clang attribute pop

/* What a perf_event program gets: the registers where the clock interrupt hit. */
struct bpf_perf_event_data {
	struct user_regs_x86 {
		unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8;
		unsigned long ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
	} regs;
	__u64 sample_period;
	__u64 addr;
};

#endif
