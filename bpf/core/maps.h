/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps every probe family shares. Weak, so that each object may define them and the linker
 * keeps one. Sizes are tuned by `capture` before loading.
 */
#ifndef PYBPFPROF_BPF_MAPS_H
#define PYBPFPROF_BPF_MAPS_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "pybpfprof/abi.h"

/* Records to user space, in the order they were reserved on all CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} records SEC(".maps") __weak;

/* pid -> the CPython in it. Written by user space; copied to the child at fork. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct python_target);
} targets SEC(".maps") __weak;

/*
 * Grows when a target is changed or taken away: what a thread remembers of its process is then stale.
 * User space adds to it, too.
 */
__u32 targets_generation __weak = 1;

/* pid -> its descent is followed, whatever it runs (value: 1). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u32);
} followed SEC(".maps") __weak;

struct process_question {
	__u64 ask_again_ns; /* not before this time */
	__u64 wait_ns;	    /* doubles with every question */
};

/* pid -> when user space was last asked whether this process in scope is Python. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct process_question);
} questions SEC(".maps") __weak;

struct code_key {
	__u64 code;
	__u32 serial;
	__u32 deaths_seen; /* what was learned without is not trusted with */
};

struct code_value {
	__u64 identity; /* 0 where deaths are seen */
	__u32 code_id;
	__s32 first_bytes; /* offset of the first instruction that counts as started */
};

/* The code objects whose names user space has. The least used are forgotten, and sent again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct code_key);
	__type(value, struct code_value);
} codes SEC(".maps") __weak;

/* What the programs did and could not do; one per CPU, summed by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kernel_stats);
} stats SEC(".maps") __weak;

/* Grows with every code object that ends: what a CPU remembers of code objects is then stale. */
__u64 code_epoch __weak;

#endif
