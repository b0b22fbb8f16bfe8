/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exact calls: a probe where Python functions are entered and one where they are left, and the
 * scheduler's switches, so that every call's CPU time is known besides its wall time.
 *
 * The way taken at full speed reads nothing from the target: the frame is in a register, and so is
 * what tells the code object. Everything else happens once for each function, thread or site.
 */
#include "core/calls.h"
#include "core/registers.h"
#include "core/scope.h"
#include "core/scratch.h"
#include "core/stack.h"
#include "core/target.h"

#include <bpf/bpf_tracing.h>

enum {
	CALL_PROOFS_A_WAKEUP = 16,
	CALL_MEMO_NOTHING = 0xff,		    /* in call_memo.kind: no function is entered */
	CODE_FLAGS_RESUMABLE = 0x20 | 0x80 | 0x200, /* generator, coroutine, async generator */
};

struct call_scratch {
	__u32 locked; /* first: scratch_take() */
	__u32 reserved;
	__u64 frame, key; /* of call_learn() */
	struct stack_scratch stack;
	union {
		struct record_call_stack frames;
		struct record_call_proof proof;
	};
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCRATCH_SLOTS);
	__type(key, __u32);
	__type(value, struct call_scratch);
} call_scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ABI_CALL_SITES);
	__type(key, __u32);
	__type(value, struct call_site);
} call_sites SEC(".maps");

static __always_inline void call_thread_init(struct call_thread *thread,
					     const struct python_target *target)
{
	header_fill(&thread->record.header, RECORD_CALLS, 0, target->serial);
	thread->record.event_count = 0;
	thread->serial = target->serial;
	thread->sequence = 0;
	thread->generation = 0;
	thread->memo_off = !(target->flags & PYTHON_TARGET_DEATHS_SEEN);
	thread->frame_code = target->layout.frame_code;
	thread->code_tag_mask = target->layout.pointer_tag_mask;
}

/* The first hit of a thread. NULL: it is none of a target's. */
static __always_inline struct call_thread *call_thread_begin(struct pt_regs *ctx,
							     const struct call_site *site)
{
	struct python_target *target = target_get();
	struct call_thread *thread;

	if (!target)
		target = target_found(ctx->ip - site->address, site->call_template);
	if (!target)
		return NULL;
	if (!(target->flags & PYTHON_TARGET_CALLS))
		return NULL;
	thread = bpf_task_storage_get(&call_threads, bpf_get_current_task_btf(), 0,
				      BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!thread) {
		calls_lost(1);
		return NULL;
	}
	call_thread_init(thread, target);
	return thread;
}

static __always_inline struct call_thread *call_thread_get(struct pt_regs *ctx,
							   const struct call_site *site)
{
	struct call_thread *thread =
		bpf_task_storage_get(&call_threads, bpf_get_current_task_btf(), 0, 0);

	return thread ? thread : call_thread_begin(ctx, site);
}

/* All registers, without a loop over offsets of the context that the verifier could not follow. */
static __always_inline void registers_copy(struct pt_regs *ctx, __u64 *to)
{
	to[0] = ctx->ax;
	to[1] = ctx->cx;
	to[2] = ctx->dx;
	to[3] = ctx->bx;
	to[4] = ctx->sp;
	to[5] = ctx->bp;
	to[6] = ctx->si;
	to[7] = ctx->di;
	to[8] = ctx->r8;
	to[9] = ctx->r9;
	to[10] = ctx->r10;
	to[11] = ctx->r11;
	to[12] = ctx->r12;
	to[13] = ctx->r13;
	to[14] = ctx->r14;
	to[15] = ctx->r15;
}

/* One raw frame into scratch->frames. A function of its own, as stack_step() is. 0: go on. */
__noinline int call_stack_step(const struct python_target *target, struct call_scratch *scratch,
			       __u64 entering)
{
	struct record_call_stack *record;
	struct call_stack_frame *frame;
	struct stack_scratch *stack;
	__u32 before, count;

	if (!target || !scratch)
		return 1;
	record = &scratch->frames;
	stack = &scratch->stack;
	before = stack->count;
	if (before >= ABI_STACK_FRAMES) {
		stack->status = DROP_STACK_CUT;
		return 1;
	}
	if (stack_step(target, stack))
		return 1;
	count = record->frame_count;
	if (stack->count == before || stack->walk.frame == entering || count >= ABI_STACK_FRAMES)
		return 0;
	frame = &record->frames[count & (ABI_STACK_FRAMES - 1)];
	frame->frame = stack->walk.frame;
	frame->code_id = stack->record.frames[before].code_id & ~FRAME_ENTRY_BIT;
	frame->lasti = stack->record.frames[before].lasti;
	record->frame_count = count + 1;
	return 0;
}

/*
 * Sends the frames that run now, but for `entering`, and has the thread start anew from them. The
 * thread state is in scratch->stack.thread.
 */
__noinline int call_stack_send(const struct python_target *target, struct call_scratch *scratch,
			       struct call_thread *thread, __u64 entering)
{
	struct record_call_stack *record;
	struct stack_scratch *stack;
	__u64 count;

	if (!target || !scratch || !thread)
		return 0;
	record = &scratch->frames;
	stack = &scratch->stack;
	record->frame_count = 0;
	stack->count = 0;
	stack->status = DROP_NONE;
	stack->unproven = 0; /* at a call or return the thread state is never half made */
	walk_start(&stack->walk, stack->thread.frame);
	for (__u32 i = 0; i < ABI_WALK_FRAMES; i++) {
		if (call_stack_step(target, scratch, entering))
			break;
	}
	header_fill(&record->header, RECORD_CALL_STACK, bpf_ktime_get_ns(), target->serial);
	record->sequence = thread->sequence;
	record->status = stack->status;
	record->reserved = 0;
	count = record->frame_count;
	BOUND(count, ABI_STACK_FRAMES);
	thread->generation = *(volatile __u32 *)&calls_generation;
	call_send(thread, record, __builtin_offsetof(struct record_call_stack, frames) + count * 16,
		  0, ring_wakeup());
	return 0;
}

/*
 * The code object of `frame` into scratch->stack.walk, its number in *code_id (0: none could be had),
 * and whether it starts or goes on in *kind.
 */
static __always_inline void call_frame_read(const struct python_target *target,
					    struct call_scratch *scratch, __u64 frame,
					    __u32 *code_id, __u32 *kind)
{
	struct stack_scratch *stack = &scratch->stack;
	struct code_value value = {};
	__s64 offset;

	*code_id = 0;
	*kind = CALL_ENTER;
	walk_start(&stack->walk, frame);
	stack->walk.code = 0;
	stack->walk.ip = 0;
	if (walk_step(target, &stack->walk) != WALK_FRAME)
		return;
	if (code_find(target, stack, &value))
		return;
	*code_id = value.code_id;
	if (target->layout.ip_kind == PYTHON_IP_POINTER)
		offset = (__s64)(stack->walk.ip - stack->walk.code - target->layout.code_adaptive) -
			 value.first_bytes - 1;
	else
		offset = (__s32)stack->walk.ip;
	if (offset >= 0)
		*kind = CALL_RESUME;
}

static __always_inline __u32 call_memo_slot(__u64 key)
{
	return (key >> 1 ^ key >> 5 ^ key >> 12) & (CALL_MEMO_SLOTS - 1);
}

/* Whether the instruction at or right before `ip` is the site's, and enters no function. */
static __always_inline bool call_is_skipped(const struct call_site *site, __u64 ip)
{
	__u16 units[2] = {};
	__u16 unit;

	if (!site->skip_mask || !ip || read_user(units, sizeof(units), ip - 2))
		return false;
	unit = (units[0] & 0xff) == site->opcode ? units[0] : units[1];
	return (unit & 0xff) == site->opcode && (unit >> 8 & site->skip_mask) == site->skip_value;
}

/* An entry whose code object is not remembered: `frame` and `key` in the scratch. */
__noinline int call_learn(const struct python_target *target, struct call_scratch *scratch,
			  struct call_thread *thread, const struct call_site *site)
{
	__u64 epoch = *(volatile __u64 *)&code_epoch;
	struct call_memo *memo;
	__u64 frame, key;

	if (!target || !scratch || !thread || !site)
		return 0;
	frame = scratch->frame;
	key = scratch->key;
	memo = &thread->memo[call_memo_slot(key)];
	memo->key = 0;
	call_frame_read(target, scratch, frame, &memo->code_id, &memo->kind);
	if (site->ip_register != ABI_NO_REGISTER && call_is_skipped(site, key))
		memo->kind = CALL_MEMO_NOTHING;
	/* Known by its code alone, a function that can be resumed is asked each time. */
	if (key == scratch->stack.walk.code &&
	    (code_head_read(target, &scratch->stack.head, key) ||
	     code_field32(&scratch->stack.head, target->layout.code_flags) & CODE_FLAGS_RESUMABLE))
		return 0;
	memo->epoch = epoch;
	memo->key = memo->code_id ? key : 0;
	return 0;
}

/* Whether what leaves is a frame, and whose callee it is. */
static __always_inline void call_leaving_read(const struct python_target *target,
					      struct call_scratch *scratch,
					      struct record_call_proof *proof)
{
	struct walk *walk = &scratch->stack.walk;

	walk_start(walk, proof->frame);
	if (walk_step(target, walk) != WALK_FRAME ||
	    code_head_read(target, &scratch->stack.head, walk->code))
		return;
	proof->code = walk->code;
	proof->ip = walk->next;
}

/* A hit at a site that is not proven: all there is to know, for user space to prove it by. */
__noinline int call_proof_send(const struct python_target *target, struct call_scratch *scratch,
			       struct call_thread *thread, const struct call_site *site,
			       __u32 site_index)
{
	struct record_call_proof *proof;
	struct kernel_stats *counts;

	if (!target || !scratch || !thread || !site)
		return 0;
	proof = &scratch->proof;
	header_fill(&proof->header, RECORD_CALL_PROOF, proof->header.time_ns, target->serial);
	proof->site = site_index;
	proof->sequence = thread->sequence;
	proof->code = 0;
	proof->ip = 0;
	proof->code_id = 0;
	if (site->kind == CALL_ENTER) {
		call_frame_read(target, scratch, proof->frame, &proof->code_id, &proof->kind);
		proof->code = scratch->stack.walk.code;
		proof->ip = scratch->stack.walk.ip;
	} else if (site->kind == CALL_THROW) {
		call_frame_read(target, scratch, proof->frame, &proof->code_id, &proof->kind);
		proof->kind = CALL_THROW;
	} else if (proof->frame) {
		call_leaving_read(target, scratch, proof);
	}
	counts = stats_get();
	if (counts) {
		counts->hits += thread->hits;
		counts->call_hits += thread->hits;
	}
	thread->hits = 0;
	/* Each costs as much as many later ones: to be acted upon soon. But who wakes us may have to wait. */
	call_send(thread, proof, sizeof(*proof), 1,
		  thread->sequence % CALL_PROOFS_A_WAKEUP ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* Left because of an exception: what the site's registers or the thread state tell. */
static __always_inline __u32 call_leave_kind(struct pt_regs *ctx, const struct call_site *site,
					     const struct call_thread *thread)
{
	__u64 exception = 0;

	if (site->result_register != ABI_NO_REGISTER)
		return register_get(ctx, site->result_register) ? site->kind : CALL_UNWIND;
	if (site->check_exception && thread->exception_address &&
	    !read_user(&exception, 8, thread->exception_address) && exception)
		return CALL_UNWIND;
	return site->kind;
}

static __always_inline bool call_is_throw(struct pt_regs *ctx, const struct call_site *site)
{
	return site->throw_register != ABI_NO_REGISTER &&
	       (__u32)register_get(ctx, site->throw_register);
}

/*
 * Everything that is not the way taken at full speed: the thread's first event, a stack to be sent, a
 * site to be proven. True: the event itself is still to be appended.
 */
static __always_inline bool call_slow(struct pt_regs *ctx, struct call_thread *thread,
				      const struct call_site *site, bool proven, __u32 site_index,
				      __u64 now_ns, __u64 off_ns)
{
	const __u32 generation = *(volatile __u32 *)&calls_generation;
	struct python_target *target = target_get();
	bool entering = site->kind == CALL_ENTER || site->kind == CALL_THROW;
	struct call_scratch *scratch;
	__u64 current, frame;

	if (!target)
		return false;
	if (target->serial != thread->serial)
		call_thread_init(thread, target); /* another program runs here by now */
	scratch = scratch_take(&call_scratches);
	if (!scratch) {
		calls_lost(1);
		thread->generation = 0;
		return false;
	}
	thread_state_find(target, &scratch->stack.thread, task_fsbase());
	current = scratch->stack.thread.frame;
	if (scratch->stack.thread.address && target->layout.tstate_exception != ABI_NO_OFFSET)
		thread->exception_address =
			scratch->stack.thread.address + target->layout.tstate_exception;
	frame = entering ? current : 0;
	if (site->frame_register != ABI_NO_REGISTER)
		frame = register_get(ctx, site->frame_register);
	call_flush(thread);
	if (thread->generation != generation)
		call_stack_send(target, scratch, thread, entering ? frame : 0);
	if (!proven) {
		scratch->proof.header.time_ns = now_ns;
		scratch->proof.off_cpu_ns = off_ns;
		if (off_ns)
			__sync_fetch_and_sub(&thread->off_ns, off_ns);
		thread->went = 0;
		scratch->proof.current_frame = current;
		scratch->proof.frame = frame;
		scratch->proof.kind = entering ? site->kind : call_leave_kind(ctx, site, thread);
		registers_copy(ctx, scratch->proof.registers);
		call_proof_send(target, scratch, thread, site, site_index);
	}
	scratch_give(scratch);
	return proven;
}

/* What an entry is of, from the memo or, the first time, from the frame. */
static __always_inline __u32 call_code(struct call_thread *thread, const struct call_site *site,
				       __u64 frame, __u64 ip, __u32 *kind)
{
	__u64 epoch = *(volatile __u64 *)&code_epoch;
	struct call_scratch *scratch;
	struct python_target *target;
	struct call_memo *memo;
	__u64 key = ip;

	if (!key && !read_user(&key, 8, frame + thread->frame_code))
		key &= ~(__u64)thread->code_tag_mask;
	memo = &thread->memo[call_memo_slot(key)];
	if (memo->key == key && key && memo->epoch == epoch && !thread->memo_off) {
		*kind = memo->kind;
		return memo->code_id;
	}
	*kind = CALL_ENTER;
	target = target_get();
	scratch = target ? scratch_take(&call_scratches) : NULL;
	if (!scratch)
		return 0;
	scratch->frame = frame;
	scratch->key = key;
	call_learn(target, scratch, thread, site);
	scratch_give(scratch);
	*kind = memo->kind;
	return memo->code_id;
}

SEC("?uprobe")
int calls__enter(struct pt_regs *ctx)
{
	struct call_thread *thread;
	__u32 site_index, code_id, kind;
	__u64 now_ns, off_ns, frame, ip = 0;
	struct call_site *site;
	bool proven; /* read once: user space may change its mind at any time */

	site_index = bpf_get_attach_cookie(ctx);
	site = bpf_map_lookup_elem(&call_sites, &site_index);
	if (!site)
		return 0;
	thread = call_thread_get(ctx, site);
	if (!thread)
		return 0;
	call_busy(thread, 1);
	thread->hits++;
	now_ns = call_time(thread, &off_ns);
	if (site->kind == CALL_THROW && site->throw_register != ABI_NO_REGISTER &&
	    !call_is_throw(ctx, site))
		goto out;
	proven = *(volatile __u8 *)&site->proven;
	if (!proven || thread->generation != *(volatile __u32 *)&calls_generation) {
		if (!proven && site->ip_register != ABI_NO_REGISTER &&
		    call_is_skipped(site, register_get(ctx, site->ip_register)))
			goto out;
		if (!call_slow(ctx, thread, site, proven, site_index, now_ns, off_ns))
			goto out;
	}
	frame = register_get(ctx, site->frame_register);
	if (site->ip_register != ABI_NO_REGISTER)
		ip = register_get(ctx, site->ip_register);
	code_id = call_code(thread, site, frame, ip, &kind);
	if (kind == CALL_MEMO_NOTHING)
		goto out;
	/* Only what goes on can be thrown into; elsewhere the register is not kept for long. */
	if (site->kind == CALL_THROW || (kind == CALL_RESUME && call_is_throw(ctx, site)))
		kind = CALL_THROW;
	call_off_cpu_append(thread, now_ns, off_ns);
	call_append(thread, now_ns, code_id, (frame & ~7ull) | kind);
	thread->went = 0;
out:
	call_busy(thread, 0);
	return 0;
}

SEC("?uprobe")
int calls__leave(struct pt_regs *ctx)
{
	struct call_thread *thread;
	__u64 now_ns, off_ns, frame = 0;
	__u32 site_index, kind;
	struct call_site *site;
	bool proven; /* as above */

	site_index = bpf_get_attach_cookie(ctx);
	site = bpf_map_lookup_elem(&call_sites, &site_index);
	if (!site)
		return 0;
	thread = call_thread_get(ctx, site);
	if (!thread)
		return 0;
	call_busy(thread, 1);
	thread->hits++;
	now_ns = call_time(thread, &off_ns);
	proven = *(volatile __u8 *)&site->proven;
	if (!proven || thread->generation != *(volatile __u32 *)&calls_generation) {
		if (!call_slow(ctx, thread, site, proven, site_index, now_ns, off_ns))
			goto out;
	}
	if (site->frame_register != ABI_NO_REGISTER)
		frame = register_get(ctx, site->frame_register);
	kind = call_leave_kind(ctx, site, thread);
	call_off_cpu_append(thread, now_ns, off_ns);
	call_append(thread, now_ns, site->stepped, (frame & ~7ull) | kind);
	if (site->stepped) {
		struct kernel_stats *counts = stats_get();

		if (counts)
			counts->stepped++;
	}
	thread->went = 0;
out:
	call_busy(thread, 0);
	return 0;
}

static __always_inline void call_switch_out(struct call_thread *thread, struct task_struct *task,
					    __u64 now_ns)
{
	call_in_missed(thread, task, now_ns);
	thread->out_cpu_ns = task->se.sum_exec_runtime;
	thread->out_ns = now_ns;
	if (*(volatile __u32 *)&thread->busy)
		return;
	if (!thread->went && thread->generation) {
		call_append(thread, now_ns, CALL_OFF_CPU_GOES, CALL_OFF_CPU);
		thread->went = 1;
	}
	call_flush(thread);
}

SEC("?tp_btf/sched_switch")
int BPF_PROG(calls__switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct call_thread *thread = bpf_task_storage_get(&call_threads, prev, 0, 0);
	__u64 now_ns;

	if (thread)
		call_switch_out(thread, prev, bpf_ktime_get_ns());
	thread = bpf_task_storage_get(&call_threads, next, 0, 0);
	if (!thread || !thread->out_ns)
		return 0;
	now_ns = bpf_ktime_get_ns();
	__sync_fetch_and_add(&thread->off_ns, now_ns - thread->out_ns);
	thread->out_ns = 0;
	return 0;
}

/* The clock may tick in the middle of it. */
static __always_inline void call_last_send(struct call_thread *thread)
{
	call_busy(thread, 1);
	call_back_tell(thread, bpf_ktime_get_ns());
	call_flush(thread);
	call_busy(thread, 0);
}

/* Another program from here on: what the thread was is over. */
SEC("?tp_btf/sched_process_exec")
int BPF_PROG(calls__exec, struct task_struct *task)
{
	struct call_thread *thread = bpf_task_storage_get(&call_threads, task, 0, 0);

	if (!thread)
		return 0;
	call_last_send(thread);
	bpf_task_storage_delete(&call_threads, task);
	return 0;
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(calls__exit, struct task_struct *task)
{
	struct call_thread *thread = bpf_task_storage_get(&call_threads, task, 0, 0);

	if (thread)
		call_last_send(thread);
	return 0;
}

/*
 * A thread that makes no calls for a while, on a CPU of its own, has its last ones here, and tells
 * that it has a CPU: it may not come to tell it otherwise before we go.
 */
SEC("?perf_event")
int calls__tick(struct bpf_perf_event_data *ctx)
{
	struct call_thread *thread =
		bpf_task_storage_get(&call_threads, bpf_get_current_task_btf(), 0, 0);

	if (!thread || *(volatile __u32 *)&thread->busy)
		return 0;
	call_back_tell(thread, bpf_ktime_get_ns());
	call_flush(thread);
	return 0;
}
