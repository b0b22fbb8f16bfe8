/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one way these headers look at the target's memory. The kernel's answer is below; a unit test
 * defines PYTHON_READ_FAKE and brings its own read_user(), so that the very same walker text runs
 * under a sanitizer over memory that is good, cyclic, torn or hostile.
 */
#ifndef PYBPFPROF_BPF_READ_H
#define PYBPFPROF_BPF_READ_H

#ifndef PYTHON_READ_FAKE
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

/* 0, or an error when any byte of it is unreadable without a page fault. */
static __always_inline long read_user(void *to, __u32 size, __u64 address)
{
	return bpf_probe_read_user(to, size, (const void *)address);
}
#endif

#include "pybpfprof/abi.h"

/*
 * Bounds a __u64 length where the verifier can see it. The comparison and the register that it bounds
 * must not come apart: left to itself, the compiler puts the length on the stack, compares a copy and
 * takes it back from the stack. That the two are the same is known to later verifiers, not to that of
 * Linux 6.1.
 */
#ifdef PYTHON_READ_FAKE
#define BOUND(length, limit)                                                                       \
	do {                                                                                       \
		if ((length) > (limit))                                                            \
			(length) = (limit);                                                        \
	} while (0)
#else
#define BOUND(length, limit)                                                                       \
	do {                                                                                       \
		_Static_assert(sizeof(length) == 8, "compared as 64 bits");                        \
		asm volatile("if %0 <= %1 goto +1\n%0 = %1"                                        \
			     : "+r"(length)                                                        \
			     : "ri"((__u64)(limit)));                                              \
	} while (0)
#endif

#endif
