/* SPDX-License-Identifier: GPL-2.0-only */
/* What is read of the kernel's own task structures, and every workaround for their renames. */
#ifndef PYBPFPROF_BPF_TASK_H
#define PYBPFPROF_BPF_TASK_H

#include "vmlinux.h"

#include "python/thread.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* The thread pointer of the current task: CPython's thread_id. */
static __always_inline __u64 task_fsbase(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return task->thread.fsbase;
}

/*
 * The registers of the current thread in user space. Whether a system call or an interrupt brought
 * it into the kernel, they lie at the same place.
 */
static __always_inline void task_registers(struct thread_registers *registers)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());

	registers->sp = regs->sp;
	registers->general[0] = regs->ax;
	registers->general[1] = regs->cx;
	registers->general[2] = regs->dx;
	registers->general[3] = regs->bx;
	registers->general[4] = regs->bp;
	registers->general[5] = regs->si;
	registers->general[6] = regs->di;
	registers->general[7] = regs->r8;
	registers->general[8] = regs->r9;
	registers->general[9] = regs->r10;
	registers->general[10] = regs->r11;
	registers->general[11] = regs->r12;
	registers->general[12] = regs->r13;
	registers->general[13] = regs->r14;
	registers->general[14] = regs->r15;
}

#endif
