/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs of session links run at a function's entry and at its return. The kernel has functions to ask
 * which it is (bpf_session_is_return() and bpf_session_cookie()), but gave them an argument in Linux 7.0,
 * and libbpf 1.1 refuses the whole object, whatever is used of it, when a declaration is not the kernel's.
 */
#ifndef PYBPFPROF_BPF_SESSION_H
#define PYBPFPROF_BPF_SESSION_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

/* At its return a thread is behind the call, no longer at the instruction that has the probe. */
static __always_inline bool session_is_return(struct pt_regs *ctx)
{
	return bpf_get_func_ip(ctx) != ctx->ip;
}

#endif
