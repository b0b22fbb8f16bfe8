/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose memory it is: the current thread's stack as a number, so that each allocation and each page
 * fault need not carry it. A stack is sent once, at first sight, and known by a hash of its frames
 * from then on; what the map forgets is sent again, under another number.
 */
#ifndef PYBPFPROF_BPF_MEMORY_H
#define PYBPFPROF_BPF_MEMORY_H

#include "core/native.h"
#include "core/scratch.h"
#include "core/stack.h"

const volatile bool memory_native __weak; /* copy the user stack for unwinding */

#define MEMORY_HASH_FACTOR 0x9e3779b97f4a7c15ull

struct memory_scratch {
	__u32 locked; /* first: scratch_take() */
	__u32 reserved;
	struct stack_scratch stack;
	struct record_native native;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCRATCH_SLOTS);
	__type(key, __u32);
	__type(value, struct memory_scratch);
} memory_scratches SEC(".maps") __weak;

/* A stack of one thread: what is known of its number tells whose it is. */
struct memory_stack_key {
	__u64 hash;
	__u32 serial;
	__u32 tid;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, struct memory_stack_key);
	__type(value, __u32);
} memory_stacks SEC(".maps") __weak;

__u32 next_memory_stack_id __weak;

/*
 * Of the frames and the instructions they are at. With native frames: also of the place that called the
 * allocator and of how deep the native stack is there, which tells apart what C code went through.
 */
static __always_inline __u64 memory_stack_hash(const struct stack_scratch *scratch)
{
	const __u64 *frames = (const __u64 *)scratch->record.frames;
	__u64 hash = (scratch->count + 1) * MEMORY_HASH_FACTOR ^ scratch->status;
	struct pt_regs *regs;

	for (__u32 i = 0; i < ABI_STACK_FRAMES; i++) {
		if (i >= scratch->count)
			break;
		hash = (hash ^ frames[i]) * MEMORY_HASH_FACTOR;
		hash ^= hash >> 29;
	}
	if (memory_native) {
		regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
		hash = (hash ^ regs->ip) * MEMORY_HASH_FACTOR;
		hash ^= hash >> 29;
		hash = (hash ^ regs->sp) * MEMORY_HASH_FACTOR;
		hash ^= hash >> 29;
	}
	return hash;
}

/* 0 or the reason it is not there. */
static __always_inline bool memory_native_send(struct memory_scratch *scratch)
{
	struct record_native *native = &scratch->native;
	__u64 bytes;

	native->header = scratch->stack.record.header;
	native->header.kind = RECORD_NATIVE;
	native->kernel_count = 0;
	native->stack_bytes = 0;
	native_user_read(native);
	bytes = native->stack_bytes;
	BOUND(bytes, ABI_USER_STACK_BYTES);
	return !emit(native, __builtin_offsetof(struct record_native, stack) + bytes);
}

/* Sends the stack in scratch under a new number. 0: it could not be. */
static __noinline __u32 memory_stack_send(const struct python_target *target,
					  struct memory_scratch *scratch)
{
	struct record_sample *record = &scratch->stack.record;
	__u64 count = scratch->stack.count;

	header_fill(&record->header, RECORD_MEMORY_STACK, bpf_ktime_get_ns(), target->serial);
	record->stack_id = __sync_fetch_and_add(&next_memory_stack_id, 1) + 1;
	record->status = scratch->stack.status;
	record->in_kernel = 0;
	record->reserved = 0;
	record->reserved_2 = 0;
	record->has_native = 0;
	if (memory_native)
		record->has_native = memory_native_send(scratch) ? 1 : 2;
	record->frame_count = count;
	BOUND(count, ABI_STACK_FRAMES);
	if (emit(record, __builtin_offsetof(struct record_sample, frames) +
				 count * sizeof(struct record_frame)))
		return 0;
	return record->stack_id;
}

static __always_inline __u32 memory_stack_find(const struct python_target *target,
					       struct memory_scratch *scratch, __u64 hash)
{
	struct memory_stack_key key = { .hash = hash, .serial = target->serial };
	__u32 *known, id;

	key.tid = (__u32)bpf_get_current_pid_tgid();
	known = bpf_map_lookup_elem(&memory_stacks, &key);
	if (known)
		return *known;
	id = memory_stack_send(target, scratch);
	if (id)
		bpf_map_update_elem(&memory_stacks, &key, &id, BPF_ANY);
	return id;
}

enum { MEMORY_MEMO_SLOTS = 16 }; /* a power of two */

/* The stacks a thread was at lately, its own: cheaper to ask than the map. */
struct memory_memo {
	__u64 hash;
	__u32 serial;
	__u32 stack_id;
};

/* The number of the current thread's stack, which is sent when it is new. 0: it got lost. */
static __always_inline __u32 memory_stack_id(const struct python_target *target,
					     struct memory_scratch *scratch)
{
	scratch->stack.record.is_python = stack_walk(target, &scratch->stack);
	return memory_stack_find(target, scratch, memory_stack_hash(&scratch->stack));
}

/* The same, with the thread's MEMORY_MEMO_SLOTS to ask first. */
static __always_inline __u32 memory_stack_id_memo(const struct python_target *target,
						  struct memory_scratch *scratch,
						  struct memory_memo *memo)
{
	__u64 hash;
	__u32 id;

	scratch->stack.record.is_python = stack_walk(target, &scratch->stack);
	hash = memory_stack_hash(&scratch->stack);
	memo += hash >> 32 & (MEMORY_MEMO_SLOTS - 1);
	if (memo->hash == hash && memo->serial == target->serial)
		return memo->stack_id;
	id = memory_stack_find(target, scratch, hash);
	memo->hash = hash;
	memo->serial = id ? target->serial : 0;
	memo->stack_id = id;
	return id;
}

/* Sends `record`. What is lost is counted as such. */
static __always_inline long memory_emit(struct record_memory *record)
{
	/* How full the ring is, is asked now and then only. */
	bool wakes = !(record->header.time_ns >> 4 & 15) && ring_is_filling();
	long error = bpf_ringbuf_output(&records, record, sizeof(*record),
					wakes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);

	if (error)
		drop(DROP_MEMORY_EVENTS);
	return error;
}

/* The same; its own fields are filled. */
static __always_inline long memory_send(struct record_memory *record, __u64 time_ns, __u32 serial)
{
	header_fill(&record->header, RECORD_MEMORY, time_ns, serial);
	return memory_emit(record);
}

#endif
