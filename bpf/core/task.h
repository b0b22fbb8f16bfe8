/* SPDX-License-Identifier: GPL-2.0-only */
/* What is read of the kernel's own task structures, and every workaround for their renames. */
#ifndef PYBPFPROF_BPF_TASK_H
#define PYBPFPROF_BPF_TASK_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* The thread pointer of the current task: CPython's thread_id. */
static __always_inline __u64 task_fsbase(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return task->thread.fsbase;
}

#endif
