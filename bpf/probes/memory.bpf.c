/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocations and frees: a probe where each function of the allocator begins, and a return probe on
 * those that hand out a block. Blocks that are alive are kept here, by address, so that a free tells what
 * its block's allocation knew, and one of a block never recorded costs a look and no more.
 *
 * A block is taken out of the map before the allocator can hand its address out again: a free is
 * seen on entry; a realloc takes the old block out on entry and puts it, or its successor, in on
 * return.
 */
#include "core/account.h"
#include "core/blocks.h"
#include "core/memory.h"
#include "core/sample_points.h"
#include "core/session.h"
#include "core/target.h"

#include <bpf/bpf_tracing.h>

const volatile __u64 memory_min_size; /* smaller blocks are not recorded */

enum {
	MEMORY_PENDING = 4,		 /* calls in progress of one thread; a power of two */
	MEMORY_NO_DISTANCE = 0xffffffff, /* another thread's, or it is not known */
};

/* The most that struct memory_block can tell; what is larger, 4 TiB that nobody ever has, counts as this. */
#define MEMORY_SIZE_MAX ((1ull << (64 - MEMORY_TID_BITS)) - 1)

/* A call into the allocator that has not come back yet. */
struct memory_pending {
	__u64 sp; /* on entry: tells it from others */
	__u64 size;
	__u64 address;	/* the block given; posix_memalign: where its result is put */
	__u64 old_size; /* mremap: of the mapping given */
	struct memory_block old;
	__u32 call;	/* enum memory_call */
	__u32 known;	/* `old` was taken out of the map */
	__u32 recorded; /* what it hands out is to be recorded */
	__u32 detail;
	__u32 serial;  /* of the process: an exec leaves nothing pending */
	__u32 probe;   /* its number */
	__u32 objects; /* of CPython's own allocator: what that calls meanwhile is for itself */
	__u32 reserved;
};

struct memory_task {
	__u64 until_sample; /* bytes */
	__u64 object_freed; /* the last block that CPython's own allocator was given back */
	__u32 draws;	    /* until_sample has been drawn */
	__u32 depth;
	__u32 ordinal;
	__u32 reserved;
	struct target_memo target; /* its process */
	struct memory_pending pending[MEMORY_PENDING];
	struct memory_memo memo[MEMORY_MEMO_SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct memory_task);
} memory_tasks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ABI_MEMORY_PROBES);
	__type(key, __u32);
	__type(value, struct memory_probe);
} memory_probes SEC(".maps");

/*
 * The call number `depth` that is in progress. The compiler may know that the number is small where the
 * verifier of Linux 6.1, which forgets it over a copy, does not: it must not leave the mask out.
 */
static __always_inline struct memory_pending *pending_at(struct memory_task *task, __u32 depth)
{
	barrier_var(depth);
	return &task->pending[depth & (MEMORY_PENDING - 1)];
}

/* As memory_send(), of the current thread. */
static __always_inline long memory_tell(const struct memory_task *task,
					struct record_memory *record, __u64 time_ns)
{
	record->header.time_ns = time_ns;
	record->header.pid = task->target.pid_tid >> 32;
	record->header.tid = (__u32)task->target.pid_tid;
	record->header.serial = task->target.target.serial;
	record->header.kind = RECORD_MEMORY;
	record->header.cpu = bpf_get_smp_processor_id();
	return memory_emit(record);
}

/* The barriers keep each load of the context one of a fixed offset. */
#define ARGUMENT_CASE(number, name)                                                                \
	case number:                                                                               \
		value = ctx->name;                                                                 \
		barrier_var(value);                                                                \
		return value
static __always_inline __u64 argument(struct pt_regs *ctx, const struct memory_probe *probe,
				      __u32 number)
{
	__u64 value;

	switch (number + probe->first_argument) {
		ARGUMENT_CASE(0, di);
		ARGUMENT_CASE(1, si);
		ARGUMENT_CASE(2, dx);
		ARGUMENT_CASE(3, cx);
		ARGUMENT_CASE(4, r8);
	}
	return 0;
}

/* A call from inside the allocator, as when a realloc has a block allocated and the old one freed. */
static __always_inline bool memory_from_inside(struct pt_regs *ctx,
					       const struct memory_probe *probe)
{
	__u64 bias = ctx->ip - probe->address, caller = 0;

	if (probe->first_argument || read_user(&caller, 8, ctx->sp))
		return true;
	return caller - bias >= probe->inside_start && caller - bias < probe->inside_end;
}

/* ---- sampling by bytes ---- */

static __always_inline bool memory_is_sampled(struct memory_task *task, __u64 size)
{
	if (!memory_sample_bytes)
		return size >= memory_min_size;
	if (!task->draws) {
		task->draws = 1;
		task->until_sample = memory_next_sample();
	}
	if (task->until_sample >= size) {
		task->until_sample -= size;
		return false;
	}
	task->until_sample = memory_next_sample();
	return true;
}

/* ---- blocks ---- */

static __always_inline __u32 memory_distance(const struct memory_task *task,
					     const struct memory_block *block)
{
	__u32 tid = block->size_tid & ((1 << MEMORY_TID_BITS) - 1);

	return (__u32)task->target.pid_tid == tid ? task->ordinal - block->ordinal :
						    MEMORY_NO_DISTANCE;
}

static __always_inline void memory_free_send(const struct memory_task *task,
					     const struct memory_block *block, __u64 address,
					     __u64 time_ns, __u32 distance, __u32 resized)
{
	struct record_memory record = {
		.size = memory_block_size(block),
		.address = address,
		.born_ns = block->born_ns,
		.stack_id = block->stack_id,
		.distance = distance,
		.kind = MEMORY_FREED,
		.resized = resized,
	};

	memory_tell(task, &record, time_ns);
}

static __always_inline void memory_unknown_count(void)
{
	struct kernel_stats *counts = stats_get();

	if (counts)
		counts->unknown_frees++;
}

/* Some free the old block by a call when a realloc ends: it was taken out when that began. */
static __always_inline bool memory_is_pending(struct memory_task *task, __u64 address, __u64 sp,
					      __u32 serial)
{
	const struct memory_pending *pending;

	if (!task->depth)
		return false;
	pending = pending_at(task, task->depth - 1);
	return pending->address == address && pending->sp >= sp && pending->serial == serial;
}

static __always_inline void memory_freed(struct pt_regs *ctx, const struct memory_probe *probe,
					 struct memory_task *task, __u32 serial)
{
	struct memory_block_key key = { .address = argument(ctx, probe, 0), .serial = serial };
	struct memory_block block;

	if (!key.address || memory_is_pending(task, key.address, ctx->sp, serial))
		return;
	if (memory_take(&key, &block))
		memory_free_send(task, &block, key.address, bpf_ktime_get_ns(),
				 memory_distance(task, &block), 0);
	else if (probe->first_argument || task->object_freed != key.address)
		memory_unknown_count();
	/* CPython's allocator gives a large block back to the C library: no second, unknown one. */
	task->object_freed = probe->first_argument ? key.address : 0;
}

/* 0: it got lost. */
static __always_inline __u32 memory_stack_here(const struct python_target *target,
					       struct memory_task *task)
{
	struct memory_scratch *scratch = scratch_take(&memory_scratches);
	__u32 stack_id;

	if (!scratch)
		return 0;
	stack_id = memory_stack_id_memo(target, scratch, task->memo);
	scratch_give(scratch);
	return stack_id;
}

/* Puts a block in that is alive from now on. */
static __always_inline void memory_allocated(struct memory_task *task,
					     const struct memory_pending *pending, __u64 address,
					     __u64 time_ns, const struct python_target *target)
{
	struct memory_block_key key = { .address = address, .serial = target->serial };
	struct record_memory record = {
		.size = pending->size,
		.address = address,
		.born_ns = pending->known ? pending->old.born_ns : time_ns,
		.kind = MEMORY_ALLOCATED,
		.resized = pending->known,
	};
	struct memory_block block = { .born_ns = record.born_ns, .ordinal = ++task->ordinal };
	struct memory_block stale;

	if (record.size > MEMORY_SIZE_MAX)
		record.size = MEMORY_SIZE_MAX;
	block.size_tid = record.size << MEMORY_TID_BITS | (__u32)task->target.pid_tid;
	block.stack_id = memory_stack_here(target, task);
	record.stack_id = block.stack_id;
	/* One whose end was not seen: freed by a way we do not know, or while nobody looked. */
	if (memory_may_hold(&key) && memory_take(&key, &stale))
		memory_free_send(task, &stale, address, time_ns, MEMORY_NO_DISTANCE, 0);
	if (memory_keep(&key, &block))
		drop(DROP_MEMORY_TABLE_FULL);
	else if (memory_tell(task, &record, time_ns))
		memory_take(&key, &stale);
}

/* ---- calls ---- */

/* What a call asks for; *size saturates. */
static __always_inline void memory_ask(struct pt_regs *ctx, const struct memory_probe *probe,
				       struct memory_pending *pending)
{
	__u64 count, most;

	switch (probe->call) {
	case MEMORY_MALLOC:
	case MEMORY_SBRK:
		pending->size = argument(ctx, probe, 0);
		return;
	case MEMORY_REALLOC:
		pending->address = argument(ctx, probe, 0);
		pending->size = argument(ctx, probe, 1);
		return;
	case MEMORY_ALIGNED_ALLOC:
		pending->size = argument(ctx, probe, 1);
		return;
	case MEMORY_POSIX_MEMALIGN:
		pending->address = argument(ctx, probe, 0);
		pending->size = argument(ctx, probe, 2);
		return;
	case MEMORY_MMAP:
		pending->size = argument(ctx, probe, 1);
		pending->detail = argument(ctx, probe, 3);
		return;
	case MEMORY_MREMAP:
		pending->address = argument(ctx, probe, 0);
		pending->old_size = argument(ctx, probe, 1);
		pending->size = argument(ctx, probe, 2);
		return;
	case MEMORY_CALLOC:
		count = argument(ctx, probe, 0);
		pending->size = argument(ctx, probe, 1);
		break;
	default: /* MEMORY_REALLOCARRAY */
		pending->address = argument(ctx, probe, 0);
		count = argument(ctx, probe, 1);
		pending->size = argument(ctx, probe, 2);
		break;
	}
	/* Where the product does not fit the allocator refuses. */
	most = count ? -1ull / count : -1ull;
	barrier_var(most); /* else the compiler multiplies with 128 bits, which BPF has not */
	pending->size = pending->size > most ? -1ull : pending->size * count;
}

static __always_inline bool memory_resizes(__u32 call)
{
	return call == MEMORY_REALLOC || call == MEMORY_REALLOCARRAY;
}

/* Mappings, unlike blocks, are always recorded: they are few and large. */
static __always_inline bool memory_maps(__u32 call)
{
	return call == MEMORY_MMAP || call == MEMORY_MREMAP || call == MEMORY_SBRK;
}

/*
 * Forgets calls that were left by a jump or an exec: the stack has gone back to where it was before them. The
 * kernel forgets their returns by the same rule. A function that is jumped to from another one has its sp.
 */
static __always_inline void memory_pending_trim(struct pt_regs *ctx, __u32 probe,
						struct memory_task *task, __u32 serial)
{
	__u32 depth = task->depth;

	for (__u32 i = 0; i < MEMORY_PENDING && depth; i++) {
		const struct memory_pending *pending = pending_at(task, depth - 1);

		if (pending->serial == serial) {
			if (ctx->sp < pending->sp ||
			    (ctx->sp == pending->sp && pending->probe != probe))
				break;
			drop(DROP_MEMORY_UNFINISHED);
		}
		depth--;
	}
	task->depth = depth;
}

/* Whether its return is awaited. */
static __always_inline bool memory_begin(struct pt_regs *ctx, const struct memory_probe *probe,
					 __u32 index, struct memory_task *task, __u32 serial)
{
	__u32 depth = task->depth;
	struct memory_pending *pending;

	if (depth) {
		pending = pending_at(task, depth - 1);
		/*
		 * A jump from one function of the allocator to another is no call of its own, and what it
		 * maps is for its blocks.
		 */
		if (pending->sp == ctx->sp || pending->objects || memory_maps(probe->call) ||
		    memory_from_inside(ctx, probe))
			return false;
		if (depth >= MEMORY_PENDING) {
			drop(DROP_MEMORY_UNFINISHED);
			depth = 0;
		}
	}
	pending = pending_at(task, depth);
	pending->sp = ctx->sp;
	pending->call = probe->call;
	pending->address = 0;
	pending->known = 0;
	pending->detail = 0;
	pending->serial = serial;
	pending->probe = index;
	pending->objects = probe->first_argument;
	memory_ask(ctx, probe, pending);
	if (memory_maps(probe->call))
		pending->recorded = 1;
	else
		pending->recorded = memory_is_sampled(task, pending->size);
	if (memory_resizes(probe->call) && pending->address) {
		struct memory_block_key key = { .address = pending->address, .serial = serial };

		pending->known = memory_take(&key, &pending->old);
		if (!pending->known)
			memory_unknown_count();
	}
	if (pending->recorded || pending->known)
		depth++;
	task->depth = depth;
	return pending->recorded || pending->known;
}

static __always_inline void memory_unmapped(struct pt_regs *ctx, const struct memory_probe *probe,
					    const struct memory_task *task, __u64 time_ns)
{
	struct record_memory record = {
		.address = argument(ctx, probe, 0),
		.size = argument(ctx, probe, 1),
		.kind = MEMORY_UNMAPPED,
	};

	memory_tell(task, &record, time_ns);
}

/* The result is there. */
static __always_inline void memory_mapped(struct memory_task *task,
					  const struct memory_pending *pending, __u64 address,
					  __u64 time_ns, const struct python_target *target)
{
	struct record_memory record = { .kind = MEMORY_UNMAPPED };

	if (address >= -4095ull)
		return;
	if (pending->call == MEMORY_MREMAP) {
		record.address = pending->address;
		record.size = pending->old_size;
		memory_tell(task, &record, time_ns);
	}
	record.kind = MEMORY_MAPPED;
	record.address = address;
	record.size = pending->size;
	record.detail = pending->detail;
	if (pending->call == MEMORY_SBRK && (__s64)pending->size <= 0) {
		/* It shrinks, or only asks where the end is; the result is the old end. */
		if (!pending->size)
			return;
		record.kind = MEMORY_UNMAPPED;
		record.size = -pending->size;
		record.address = address - record.size;
		memory_tell(task, &record, time_ns);
		return;
	}
	record.stack_id = memory_stack_here(target, task);
	memory_tell(task, &record, time_ns);
}

static __always_inline void memory_failed(struct memory_task *task,
					  const struct memory_pending *pending, __u64 time_ns,
					  const struct python_target *target)
{
	struct record_memory record = { .size = pending->size, .kind = MEMORY_FAILED };

	record.stack_id = memory_stack_here(target, task);
	memory_tell(task, &record, time_ns);
}

/* A realloc: what became of the block that was given. */
static __always_inline void memory_old_end(struct memory_task *task,
					   const struct memory_pending *pending, __u64 result,
					   __u64 time_ns, __u32 serial)
{
	struct memory_block_key key = { .address = pending->address, .serial = serial };
	struct memory_block old = pending->old;

	if (!result && pending->size) {
		/* It could not be had: the old block is alive. */
		if (memory_keep(&key, &old))
			drop(DROP_MEMORY_TABLE_FULL);
		return;
	}
	memory_free_send(task, &old, pending->address, time_ns, memory_distance(task, &old),
			 result && pending->recorded);
}

static __always_inline void memory_end(struct pt_regs *ctx, struct memory_task *task,
				       const struct memory_pending *pending, __u64 time_ns,
				       const struct python_target *target)
{
	__u64 result = ctx->ax;

	if (memory_maps(pending->call)) {
		memory_mapped(task, pending, result, time_ns, target);
		return;
	}
	if (pending->call == MEMORY_POSIX_MEMALIGN &&
	    (result || read_user(&result, 8, pending->address)))
		result = 0;
	if (pending->known)
		memory_old_end(task, pending, result, time_ns, target->serial);
	if (!pending->recorded)
		return;
	if (result)
		memory_allocated(task, pending, result, time_ns, target);
	else if (pending->size)
		memory_failed(task, pending, time_ns, target);
}

/* Any but a free. Whether its return is awaited. */
static __always_inline bool memory_called(struct pt_regs *ctx, const struct memory_probe *probe,
					  __u32 index, struct memory_task *task, __u32 serial)
{
	if (task->depth)
		memory_pending_trim(ctx, index, task, serial);
	if (probe->call != MEMORY_MUNMAP)
		return memory_begin(ctx, probe, index, task, serial);
	if (!task->depth)
		memory_unmapped(ctx, probe, task, bpf_ktime_get_ns());
	return false;
}

/* Whether its return is awaited. */
static __always_inline bool memory_entered(struct pt_regs *ctx)
{
	__u64 start_ns = account_hit();
	__u32 index = bpf_get_attach_cookie(ctx);
	const struct memory_probe *probe = bpf_map_lookup_elem(&memory_probes, &index);
	struct memory_task *task = bpf_task_storage_get(&memory_tasks, bpf_get_current_task_btf(),
							0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	const struct python_target *target;
	bool awaited = false;

	if (!task) {
		drop(DROP_MEMORY_EVENTS);
		return false;
	}
	if (!probe)
		return false;
	account_stepped(probe);
	target = target_memo_get(&task->target);
	if (!target)
		return false;
	if (probe->call == MEMORY_FREE)
		memory_freed(ctx, probe, task, target->serial);
	else
		awaited = memory_called(ctx, probe, index, task, target->serial);
	account_end(start_ns);
	return awaited;
}

static __always_inline void memory_left(struct pt_regs *ctx)
{
	__u64 start_ns = account_hit();
	struct memory_task *task =
		bpf_task_storage_get(&memory_tasks, bpf_get_current_task_btf(), 0, 0);
	struct memory_pending *pending = NULL;
	const struct python_target *target;
	__u32 depth;

	if (!task)
		return;
	depth = task->depth;
	for (__u32 i = 0; i < MEMORY_PENDING && depth; i++, depth--) {
		pending = pending_at(task, depth - 1);
		/* It lies where the return address was, which is gone by now. */
		if (pending->sp == ctx->sp - 8)
			break;
		pending = NULL;
	}
	target = target_memo_get(&task->target);
	if (pending && target && pending->serial == target->serial) {
		/* Those above it were left by a jump. */
		if (depth != task->depth)
			drop(DROP_MEMORY_UNFINISHED);
		task->depth = depth - 1;
		memory_end(ctx, task, pending, bpf_ktime_get_ns(), target);
	}
	account_end(start_ns);
}

SEC("?uprobe")
int memory__enter(struct pt_regs *ctx)
{
	memory_entered(ctx);
	return 0;
}

SEC("?uretprobe")
int memory__leave(struct pt_regs *ctx)
{
	memory_left(ctx);
	return 0;
}

/* Written by user space: returns are awaited for nothing, to see what they cost. */
volatile bool memory_awaits_all;

/*
 * Both in one, where the kernel has such links (6.13): a return that nobody awaits, of a block that is not
 * recorded, then costs no trap.
 */
SEC("?uprobe")
int memory__session(struct pt_regs *ctx)
{
	if (session_is_return(ctx)) {
		memory_left(ctx);
		return 0;
	}
	if (memory_entered(ctx) || memory_awaits_all)
		return 0;
	return 1;
}

/* The interpreter is up and about to run its program: from here on its stacks can be read. */
SEC("?uprobe")
int memory__start(struct pt_regs *ctx)
{
	__u32 index = bpf_get_attach_cookie(ctx);
	const struct memory_probe *probe = bpf_map_lookup_elem(&memory_probes, &index);

	if (probe && !target_get())
		target_found(ctx->ip - probe->address, probe->inside_start);
	return 0;
}
