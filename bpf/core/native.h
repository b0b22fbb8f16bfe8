/* SPDX-License-Identifier: GPL-2.0-only */
/* What unwinding by tables in user space needs of the current thread. */
#ifndef PYBPFPROF_BPF_NATIVE_H
#define PYBPFPROF_BPF_NATIVE_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "pybpfprof/abi.h"

/*
 * Registers and the top of the user stack. Whether a system call or an interrupt brought the thread into
 * the kernel, its user registers lie at the same place.
 */
static __always_inline void native_user_read(struct record_native *native)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	__u64 bytes = ABI_USER_STACK_BYTES;

	native->ip = regs->ip;
	native->sp = regs->sp;
	native->bp = regs->bp;
	native->rbx = regs->bx;
	native->r12 = regs->r12;
	native->r13 = regs->r13;
	native->r14 = regs->r14;
	native->r15 = regs->r15;
	/* Near the stack's base less than the whole can be read: halve until it fits. */
	for (__u32 i = 0; i < 8; i++) {
		if (!bpf_probe_read_user(native->stack, bytes, (void *)native->sp)) {
			native->stack_bytes = bytes;
			return;
		}
		bytes /= 2;
	}
}

#endif
