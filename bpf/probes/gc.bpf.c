/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Collections: where the collector starts and where it is done, by CPython's own probes, or at both ends of
 * the collector's function. Probes are on the file of an interpreter, whoever runs it.
 */
#include "core/collecting.h"
#include "core/collections.h"

#include <bpf/bpf_tracing.h>

static __always_inline void gc_account(__u64 start_ns)
{
	struct kernel_stats *counts = stats_get();

	if (!counts)
		return;
	counts->hits++;
	counts->target_ns += bpf_ktime_get_ns() - start_ns;
}

/* NULL: it is none of ours. */
static __always_inline struct python_target *gc_target(struct pt_regs *ctx,
						       const struct gc_site *site)
{
	struct python_target *target = target_get();

	if (!target)
		target = target_found(ctx->ip - site->address, site->template_index);
	return target && target->flags & PYTHON_TARGET_GC ? target : NULL;
}

/*
 * A finalizer that calls gc.collect() goes into the collector's function once more, and comes back at once:
 * what runs is the outer one. It lies higher on the stack; what lies lower has been left without a return.
 */
static __always_inline bool gc_is_inside(const struct python_target *target, __u64 sp)
{
	struct gc_running_key key = collection_key(target);
	const struct gc_running *running = bpf_map_lookup_elem(&gc_running, &key);

	return sp && running && running->sp > sp;
}

SEC("?uprobe")
int gc__start(struct pt_regs *ctx)
{
	__u64 begin_ns = bpf_ktime_get_ns(), sp;
	__u32 index = bpf_get_attach_cookie(ctx);
	const struct gc_site *site = bpf_map_lookup_elem(&gc_sites, &index);
	struct memory_scratch *scratch;
	struct python_target *target;

	if (!site)
		return 0;
	target = gc_target(ctx, site);
	if (!target)
		return 0;
	sp = site->kind == GC_SITE_ENTER ? ctx->sp : 0;
	if (gc_is_inside(target, sp))
		return 0;
	scratch = scratch_take(&memory_scratches);
	if (!scratch)
		return 0;
	collection_begin(target, &site->layout, scratch, sp);
	scratch_give(scratch);
	collecting_set(true);
	gc_account(begin_ns);
	return 0;
}

/* It had begun when nobody looked; which generation it is of, the counters tell whoever knew them. */
static __noinline void gc_ended_unbegun(const struct python_target *target,
					const struct gc_layout *layout, struct record_gc *record)
{
	struct memory_scratch *scratch = scratch_take(&memory_scratches);
	struct gc_counts after[ABI_GC_GENERATIONS] = {};

	if (!scratch)
		return;
	thread_state_find(target, &scratch->stack.thread, task_fsbase());
	record->collector = collection_collector(target, layout, &scratch->stack.thread);
	scratch_give(scratch);
	if (!record->collector || !collector_counts_read(layout, record->collector, after)) {
		drop(DROP_GC_UNREADABLE);
		return;
	}
	for (__u32 i = 0; i < ABI_GC_GENERATIONS; i++)
		record->collections[i] = after[i].collections;
	record->generation = GC_GENERATION_UNKNOWN;
	emit(record, sizeof(*record));
}

/* `sp`: where the function that returns was entered; 0: gc__done. */
static __always_inline void gc_ended(struct pt_regs *ctx, __u64 sp)
{
	__u64 now_ns = bpf_ktime_get_ns();
	__u32 index = bpf_get_attach_cookie(ctx);
	const struct gc_site *site = bpf_map_lookup_elem(&gc_sites, &index);
	struct python_target *target = target_get();
	struct gc_running_key key;
	struct gc_running *running;
	struct record_gc record = {};

	if (!site || !target || !(target->flags & PYTHON_TARGET_GC))
		return;
	key = collection_key(target);
	running = bpf_map_lookup_elem(&gc_running, &key);
	if (sp && (!running || running->sp != sp))
		return;
	collecting_set(false);
	header_fill(&record.header, RECORD_GC, now_ns, target->serial);
	if (!running) {
		gc_ended_unbegun(target, &site->layout, &record);
	} else {
		if (collection_end(&site->layout, running, &record))
			emit(&record, sizeof(record));
		bpf_map_delete_elem(&gc_running, &key);
	}
	gc_account(now_ns);
}

SEC("?uprobe")
int gc__done(struct pt_regs *ctx)
{
	gc_ended(ctx, 0);
	return 0;
}

/* The return address, which lay where the function was entered, is off the stack by now. */
SEC("?uretprobe")
int gc__leave(struct pt_regs *ctx)
{
	gc_ended(ctx, ctx->sp - 8);
	return 0;
}
