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

static __always_inline void sample_send(struct bpf_perf_event_data *ctx,
					const struct python_target *target,
					struct sample_scratch *scratch, __u64 time_ns)
{
	struct record_sample *record = &scratch->stack.record;
	__u64 count;

	header_fill(&record->header, RECORD_SAMPLE, time_ns, target->serial);
	record->in_kernel = sample_in_kernel(ctx);
	record->is_python = stack_walk(target, &scratch->stack);
	record->status = scratch->stack.status;
	record->reserved = 0;
	record->has_native = 0;
	if (sample_native || sample_kernel)
		record->has_native = native_send(ctx, scratch) ? 1 : 2;
	count = scratch->stack.count;
	record->frame_count = count;
	BOUND(count, ABI_STACK_FRAMES);
	emit(record, __builtin_offsetof(struct record_sample, frames) +
			     count * sizeof(struct record_frame));
}

SEC("?perf_event")
int sample__tick(struct bpf_perf_event_data *ctx)
{
	__u64 start_ns = bpf_ktime_get_ns();
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct python_target *target;
	struct sample_scratch *scratch;
	struct kernel_stats *counts;
	__u32 cpu = bpf_get_smp_processor_id();

	if (!pid)
		return 0;
	target = bpf_map_lookup_elem(&targets, &pid);
	if (!target) {
		scope_ask(pid, start_ns);
		return 0;
	}
	scratch = bpf_map_lookup_elem(&sample_by_cpu, &cpu);
	counts = stats_get();
	if (!scratch || !counts)
		return 0;
	sample_send(ctx, target, scratch, start_ns);
	counts->hits++;
	counts->target_ns += bpf_ktime_get_ns() - start_ns;
	return 0;
}
