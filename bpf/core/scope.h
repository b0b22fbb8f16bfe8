/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which processes are looked at, and asking user space what an unknown one is. A process in scope
 * that burns CPU is asked about at once, then at growing intervals: it may load an interpreter
 * long after it started, and one that never does must cost nothing.
 */
#ifndef PYBPFPROF_BPF_SCOPE_H
#define PYBPFPROF_BPF_SCOPE_H

#include "core/emit.h"

#include <bpf/bpf_helpers.h>

enum scope_kind {
	SCOPE_TARGETS, /* what user space named, and the descent it asked to follow */
	SCOPE_ALL,
	SCOPE_CGROUP,
};

const volatile __u32 scope_kind __weak = SCOPE_TARGETS;
const volatile __u32 scope_self_pid __weak; /* pybpfprof never looks at itself */

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} scope_cgroup SEC(".maps") __weak;

enum {
	SCOPE_FIRST_WAIT_NS = 1000000, /* an interpreter is up some milliseconds after exec */
	SCOPE_LAST_WAIT_NS = 2000000000,
};

static __always_inline bool scope_holds(__u32 pid)
{
	if (pid == scope_self_pid)
		return false;
	if (bpf_map_lookup_elem(&followed, &pid))
		return true;
	if (scope_kind == SCOPE_ALL)
		return true;
	if (scope_kind == SCOPE_CGROUP)
		return bpf_current_task_under_cgroup(&scope_cgroup, 0) == 1;
	return false;
}

/* Asks user space to classify the current process, not too often. */
static __always_inline void scope_ask(__u32 pid, __u64 now_ns)
{
	struct process_question first = { .ask_again_ns = now_ns + SCOPE_FIRST_WAIT_NS,
					  .wait_ns = SCOPE_FIRST_WAIT_NS };
	struct process_question *question;
	struct record_process record = {};

	if (!scope_holds(pid))
		return;
	question = bpf_map_lookup_elem(&questions, &pid);
	if (!question) {
		bpf_map_update_elem(&questions, &pid, &first, BPF_ANY);
	} else {
		if (now_ns < question->ask_again_ns)
			return;
		question->wait_ns *= 2;
		if (question->wait_ns > SCOPE_LAST_WAIT_NS)
			question->wait_ns = SCOPE_LAST_WAIT_NS;
		question->ask_again_ns = now_ns + question->wait_ns;
	}
	header_fill(&record.header, RECORD_PROCESS_NEW, now_ns, 0);
	bpf_get_current_comm(record.comm, sizeof(record.comm));
	emit_now(&record, sizeof(record));
}

#endif
