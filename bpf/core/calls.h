/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is kept of a thread whose calls are followed, and how its events leave: appended to a batch of
 * its own, so that they are in order whatever CPU it runs on, and sent when the batch is full, when
 * the thread leaves its CPU, and by a slow clock.
 *
 * A probe's program can be preempted, and then the scheduler's hook finds the batch half written:
 * `busy` tells it to keep its hands off. Nobody else ever touches another thread's batch.
 */
#ifndef PYBPFPROF_BPF_CALLS_H
#define PYBPFPROF_BPF_CALLS_H

#include "core/emit.h"
#include "python/read.h"

enum {
	CALL_MEMO_SLOTS = 128, /* a power of two */
	CALL_DELTA_MAX_NS = 0xf0000000,
};

/* Which code object an instruction pointer (or a code pointer) of an entry meant. */
struct call_memo {
	__u64 key;
	__u64 epoch; /* code_epoch, while which it holds */
	__u32 code_id;
	__u32 kind; /* enum call_event_kind */
};

struct call_thread {
	__u32 serial;	  /* of the target */
	__u32 generation; /* calls_generation when its stack was last sent; 0 never */
	__u32 sequence;
	__u32 busy;
	__u32 went; /* nothing has happened since CALL_OFF_CPU_GOES */
	__u32 hits; /* of probes, not in the counts yet */
	__u16 frame_code;
	__u16 code_tag_mask;
	__u32 memo_off; /* the ends of code objects are not seen: nothing may be remembered */
	__u64 exception_address; /* of the thread state's pending exception; 0 unknown */
	__u64 out_ns;		 /* when it left its CPU last; 0: it is on one */
	__u64 out_cpu_ns;	 /* CPU time of its life by then */
	__u64 off_ns;		 /* off the CPU, and not told yet */
	struct record_calls record;
	struct call_memo memo[CALL_MEMO_SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct call_thread);
} call_threads SEC(".maps") __weak;

/* Grows when every thread's stack must be taken anew. Written by user space; starts at 1. */
__u32 calls_generation __weak = 1;

static __always_inline void calls_lost(__u64 count)
{
	struct kernel_stats *counts = stats_get();

	if (counts)
		counts->drops[DROP_CALL_EVENTS] += count;
}

static __always_inline __u64 ring_wakeup(void)
{
	return ring_is_filling() ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* Sends a record of the thread's own numbering. What is lost makes the thread start anew. */
static __always_inline void call_send(struct call_thread *thread, void *record, __u64 size,
				      __u64 event_count, __u64 flags)
{
	thread->sequence++;
	if (!bpf_ringbuf_output(&records, record, size, flags))
		return;
	calls_lost(event_count);
	thread->generation = 0;
}

static __always_inline void call_flush(struct call_thread *thread)
{
	__u64 count = thread->record.event_count;
	struct kernel_stats *counts;

	if (!count)
		return;
	BOUND(count, ABI_CALL_EVENTS);
	thread->record.sequence = thread->sequence;
	thread->record.header.cpu = bpf_get_smp_processor_id();
	call_send(thread, &thread->record,
		  __builtin_offsetof(struct record_calls, events) + count * 16, count,
		  ring_wakeup());
	thread->record.event_count = 0;
	counts = stats_get();
	if (counts) {
		counts->hits += thread->hits;
		counts->call_hits += thread->hits;
	}
	thread->hits = 0;
}

/* Room for one more is there when it returns, and the batch's clock fits `now_ns`. */
static __always_inline struct call_event *call_event_next(struct call_thread *thread, __u64 now_ns)
{
	__u32 count = thread->record.event_count;

	if (count >= ABI_CALL_EVENTS ||
	    (count && now_ns - thread->record.header.time_ns > CALL_DELTA_MAX_NS)) {
		call_flush(thread);
		count = 0;
	}
	if (!count)
		thread->record.header.time_ns = now_ns;
	thread->record.event_count = count + 1;
	return &thread->record.events[count & 63];
}

static __always_inline void call_append(struct call_thread *thread, __u64 now_ns, __u32 code_id,
					__u64 what)
{
	struct call_event *event = call_event_next(thread, now_ns);
	__u64 delta_ns = now_ns - thread->record.header.time_ns;

	event->delta_ns = delta_ns > CALL_DELTA_MAX_NS ? 0 : delta_ns;
	event->code_id = code_id;
	event->what = what;
}

/*
 * `task` runs. Kernels do not tell each switch: in 6.18 some of those from a user's thread or the idle
 * one to the next are missing, and the time off would be CPU time. The scheduler's own count tells what
 * the thread has had since, but for the part since the last tick.
 */
static __always_inline void call_in_missed(struct call_thread *thread, struct task_struct *task,
					   __u64 now_ns)
{
	__u64 out_ns = *(volatile __u64 *)&thread->out_ns, on_ns;

	if (!out_ns)
		return;
	on_ns = task->se.sum_exec_runtime - thread->out_cpu_ns;
	/* A switch in between has reckoned already. */
	if (__sync_val_compare_and_swap(&thread->out_ns, out_ns, 0) == out_ns &&
	    now_ns - out_ns > on_ns)
		__sync_fetch_and_add(&thread->off_ns, now_ns - out_ns - on_ns);
}

/* The time and how long the thread was off the CPU before it, read so that they belong together. */
static __always_inline __u64 call_time(struct call_thread *thread, __u64 *off_ns)
{
	volatile __u64 *off = &thread->off_ns;
	__u64 now_ns;

	if (*(volatile __u64 *)&thread->out_ns)
		call_in_missed(thread, bpf_get_current_task_btf(), bpf_ktime_get_ns());
	*off_ns = *off;
	now_ns = bpf_ktime_get_ns();
	if (*off != *off_ns) {
		*off_ns = *off;
		now_ns = bpf_ktime_get_ns();
	}
	return now_ns;
}

static __always_inline void call_off_cpu_append(struct call_thread *thread, __u64 now_ns,
						__u64 off_ns)
{
	if (!off_ns)
		return;
	__sync_fetch_and_sub(&thread->off_ns, off_ns);
	call_append(thread, now_ns, CALL_OFF_CPU_WAS, off_ns << 3 | CALL_OFF_CPU);
}

/* On a CPU again since CALL_OFF_CPU_GOES, and no call or return has said so. */
static __always_inline void call_back_tell(struct call_thread *thread, __u64 now_ns)
{
	call_in_missed(thread, bpf_get_current_task_btf(), now_ns);
	if (!thread->went || !thread->generation)
		return;
	call_off_cpu_append(thread, now_ns, *(volatile __u64 *)&thread->off_ns);
	thread->went = 0;
}

static __always_inline void call_busy(struct call_thread *thread, __u32 busy)
{
	*(volatile __u32 *)&thread->busy = busy;
	asm volatile("" ::: "memory");
}

#endif
