/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sampling: a perf clock interrupt on each CPU, in the context of whatever thread runs there. The
 * thread is halted by the interrupt itself while its stack is read, so a stack is never torn.
 */
#include "core/maps.h"
#include "core/native.h"
#include "core/scope.h"
#include "core/stack.h"

#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

const volatile bool sample_native; /* copy the user stack and registers for unwinding */
const volatile bool sample_kernel; /* take the kernel's stack */

struct sample_scratch {
	/* The process that was met here last: most often it is the one that is met now. */
	__u32 pid;
	__u32 generation; /* targets_generation while which `target` holds; 0: it never did */
	__u32 sent;	  /* samples */
	__u32 reserved;
	struct python_target target;
	struct stack_scratch stack;
	struct record_native native;
};

/*
 * By CPU number: too large for a per-CPU map (32 KiB). An interrupt handler neither migrates nor
 * meets itself, so the slot is its own. One entry for each possible CPU, set before loading.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sample_scratch);
} sample_by_cpu SEC(".maps");

static __always_inline bool sample_in_kernel(const struct bpf_perf_event_data *ctx)
{
	return !(ctx->regs.cs & 3);
}

static __always_inline bool native_send(struct bpf_perf_event_data *ctx,
					struct sample_scratch *scratch)
{
	struct record_native *native = &scratch->native;
	__u64 bytes;
	long kernel_bytes;

	native->header = scratch->stack.record.header;
	native->header.kind = RECORD_NATIVE;
	native->kernel_count = 0;
	native->stack_bytes = 0;
	native->ip = 0;
	native->sp = 0;
	if (sample_kernel && scratch->stack.record.in_kernel) {
		kernel_bytes = bpf_get_stack(ctx, native->kernel, sizeof(native->kernel), 0);
		if (kernel_bytes > 0)
			native->kernel_count = kernel_bytes / 8;
	}
	if (sample_native)
		native_user_read(native);
	bytes = native->stack_bytes;
	BOUND(bytes, ABI_USER_STACK_BYTES);
	return !emit(native, __builtin_offsetof(struct record_native, stack) + bytes);
}

/* How full the ring is, is asked now and then only: a sample is a small part of it. */
static __always_inline void sample_emit(struct sample_scratch *scratch, __u64 frame_count)
{
	struct record_sample *record = &scratch->stack.record;
	bool wakes = !(scratch->sent++ & 15) && ring_is_filling();

	BOUND(frame_count, ABI_STACK_FRAMES);
	emit_flags(record,
		   __builtin_offsetof(struct record_sample, frames) +
			   frame_count * sizeof(struct record_frame),
		   wakes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

static __always_inline void sample_send(struct bpf_perf_event_data *ctx,
					struct sample_scratch *scratch, __u64 time_ns,
					__u64 pid_tid, __u32 cpu)
{
	const struct python_target *target = &scratch->target;
	struct record_sample *record = &scratch->stack.record;

	record->header = (struct record_header){
		.time_ns = time_ns,
		.pid = pid_tid >> 32,
		.tid = (__u32)pid_tid,
		.serial = target->serial,
		.kind = RECORD_SAMPLE,
		.cpu = cpu,
	};
	record->in_kernel = sample_in_kernel(ctx);
	record->is_python = stack_walk(target, &scratch->stack);
	record->status = scratch->stack.status;
	record->reserved = 0;
	record->has_native = 0;
	if (sample_native || sample_kernel)
		record->has_native = native_send(ctx, scratch) ? 1 : 2;
	record->frame_count = scratch->stack.count;
	sample_emit(scratch, scratch->stack.count);
}

/* Whether the current process, into scratch->target, is a target. */
static __always_inline bool sample_target_find(struct sample_scratch *scratch, __u32 pid)
{
	__u32 generation = *(volatile __u32 *)&targets_generation;
	const struct python_target *target;

	if (scratch->generation == generation && scratch->pid == pid)
		return true;
	target = bpf_map_lookup_elem(&targets, &pid);
	if (!target)
		return false;
	scratch->target = *target;
	scratch->pid = pid;
	scratch->generation = generation;
	return true;
}

SEC("?perf_event")
int sample__tick(struct bpf_perf_event_data *ctx)
{
	__u64 start_ns = bpf_ktime_get_ns();
	__u64 pid_tid = bpf_get_current_pid_tgid();
	struct sample_scratch *scratch;
	struct kernel_stats *counts;
	__u32 cpu = bpf_get_smp_processor_id();
	__u32 pid = pid_tid >> 32;

	if (!pid)
		return 0;
	scratch = bpf_map_lookup_elem(&sample_by_cpu, &cpu);
	if (!scratch)
		return 0;
	if (!sample_target_find(scratch, pid)) {
		scope_ask(pid, start_ns);
		return 0;
	}
	counts = stats_get();
	if (!counts)
		return 0;
	sample_send(ctx, scratch, start_ns, pid_tid, cpu);
	counts->hits++;
	counts->target_ns += bpf_ktime_get_ns() - start_ns;
	return 0;
}
