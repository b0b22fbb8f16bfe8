/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processes and threads beginning and ending. A forked child of a target is a target at once, in
 * the kernel, before it can run; an exec takes the old interpreter away at once.
 */
#include "core/maps.h"
#include "core/peak.h"
#include "core/scope.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

struct ending {
	__u32 serial;
	__u32 reserved;
	__u64 cpu_ns; /* at the time of its exit */
};

/* tid -> a thread of a target that has exited but whose last CPU time is not counted yet. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct ending);
} endings SEC(".maps");

struct leaving {
	__u64 group; /* the kernel's own name for this life of the pid */
	__u32 serial;
	__u32 reserved;
};

/*
 * pid -> a target whose end was told while threads of it were still on their way out: the count of
 * living threads reaches 0 some time before the last of them comes past here.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct leaving);
} leavings SEC(".maps");

/* User space numbers the targets it finds from 1, forked ones are numbered here. */
__u32 next_fork_serial = 0x80000000;

static __always_inline void process_fill(struct record_process *record, __u16 kind,
					 struct task_struct *task, __u32 serial)
{
	header_fill(&record->header, kind, bpf_ktime_get_ns(), serial);
	record->header.pid = task->tgid;
	record->header.tid = task->pid;
	record->start_ns = task->start_boottime;
	record->cpu_ns = task->se.sum_exec_runtime;
	bpf_probe_read_kernel(record->comm, sizeof(record->comm), task->comm);
}

SEC("?tp_btf/sched_process_fork")
int BPF_PROG(lifecycle__fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 parent_pid = parent->tgid, pid = child->tgid, one = 1;
	struct python_target *target, copy;
	struct record_process record = {};

	if (pid == parent_pid)
		return 0; /* a thread */
	target = bpf_map_lookup_elem(&targets, &parent_pid);
	if (bpf_map_lookup_elem(&followed, &parent_pid)) {
		if (bpf_map_update_elem(&followed, &pid, &one, BPF_ANY))
			drop(DROP_PROCESS_TABLE_FULL);
	} else if (!target || scope_kind == SCOPE_TARGETS) {
		return 0;
	}
	process_fill(&record, RECORD_PROCESS_FORK, child, 0);
	peak_before_exec_none(pid);
	record.parent_pid = parent_pid;
	if (target) {
		copy = *target;
		copy.serial = __sync_fetch_and_add(&next_fork_serial, 1);
		record.parent_serial = target->serial;
		record.header.serial = copy.serial;
		if (bpf_map_update_elem(&targets, &pid, &copy, BPF_ANY)) {
			/* Nobody would tell its end: it must not be waited for. */
			drop(DROP_PROCESS_TABLE_FULL);
			return 0;
		}
	}
	emit_now(&record, sizeof(record));
	return 0;
}

SEC("?tp_btf/sched_process_exec")
int BPF_PROG(lifecycle__exec, struct task_struct *task)
{
	__u32 pid = task->tgid;
	struct python_target *target = bpf_map_lookup_elem(&targets, &pid);
	struct record_process record = {};
	__u32 serial = 0;

	if (target)
		serial = target->serial;
	else if (!scope_holds(pid))
		return 0;
	process_fill(&record, RECORD_PROCESS_EXEC, task, serial);
	peak_before_exec_note(task);
	bpf_map_delete_elem(&targets, &pid);
	__sync_fetch_and_add(&targets_generation, 1);
	bpf_map_delete_elem(&questions, &pid);
	emit_now(&record, sizeof(record));
	return 0;
}

static __always_inline void thread_exit_send(struct record_process *record, __u32 serial)
{
	struct ending ending = { .serial = serial, .cpu_ns = record->cpu_ns };
	__u32 tid = record->header.tid;

	emit(record, sizeof(*record));
	if (serial)
		bpf_map_update_elem(&endings, &tid, &ending, BPF_ANY);
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(lifecycle__exit, struct task_struct *task)
{
	struct leaving leaving = { .group = (__u64)task->signal }, *left;
	struct record_process record = {};
	struct python_target *target;
	__u32 pid = task->tgid;

	target = bpf_map_lookup_elem(&targets, &pid);
	left = bpf_map_lookup_elem(&leavings, &pid);
	if (target)
		leaving.serial = target->serial;
	else if (left && left->group == leaving.group)
		leaving.serial = left->serial;
	else if (!bpf_map_lookup_elem(&followed, &pid))
		return 0;
	process_fill(&record, RECORD_THREAD_EXIT, task, leaving.serial);
	thread_exit_send(&record, leaving.serial);
	if (task->signal->live.counter > 0 || (left && left->group == leaving.group))
		return 0;
	record.header.kind = RECORD_PROCESS_EXIT;
	record.exit_code = task->signal->group_exit_code;
	if (!record.exit_code)
		record.exit_code = task->exit_code;
	record.maxrss = peak_take(task);
	if (target)
		bpf_map_update_elem(&leavings, &pid, &leaving, BPF_ANY);
	bpf_map_delete_elem(&targets, &pid);
	if (target)
		__sync_fetch_and_add(&targets_generation, 1);
	bpf_map_delete_elem(&followed, &pid);
	bpf_map_delete_elem(&questions, &pid);
	emit_now(&record, sizeof(record));
	return 0;
}

/*
 * The scheduler adds to a thread's CPU time at ticks and switches: a thread that lived two
 * milliseconds may have none to its name when it exits. By now it has switched away for good.
 */
SEC("?tp_btf/sched_process_free")
int BPF_PROG(lifecycle__free, struct task_struct *task)
{
	__u32 tid = task->pid;
	struct ending *ending = bpf_map_lookup_elem(&endings, &tid);
	struct record_process record = {};

	/* The first thread of a process is the last one the kernel lets go of. */
	if (task->pid == task->tgid)
		bpf_map_delete_elem(&leavings, &tid);
	if (!ending)
		return 0;
	process_fill(&record, RECORD_THREAD_FREE, task, ending->serial);
	record.cpu_ns -= ending->cpu_ns;
	bpf_map_delete_elem(&endings, &tid);
	emit(&record, sizeof(record));
	return 0;
}

/*
 * The OOM killer has chosen a process: its end by SIGKILL, which follows, is explained. Older kernels
 * tell the number of one of its threads only, most often the first one.
 */
SEC("?tp_btf/mark_victim")
int lifecycle__oom(__u64 *ctx)
{
	struct record_process record = {};
	struct python_target *target;
	__u32 pid;

	if (bpf_core_field_exists(struct trace_event_raw_mark_victim, uid))
		pid = ((struct task_struct *)ctx[0])->tgid;
	else
		pid = ctx[0];
	target = bpf_map_lookup_elem(&targets, &pid);
	if (!target)
		return 0;
	header_fill(&record.header, RECORD_PROCESS_OOM, bpf_ktime_get_ns(), target->serial);
	record.header.pid = pid;
	record.header.tid = pid;
	emit_now(&record, sizeof(record));
	return 0;
}
