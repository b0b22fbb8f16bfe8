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
 * Bounds a length where the verifier can see it: the compiler must not move the comparison away
 * from the use, or do it on a copy the verifier does not connect with this one.
 */
#define BOUND(length, limit)                                                                       \
	do {                                                                                       \
		asm volatile("" : "+r"(length));                                                   \
		if ((length) > (limit))                                                            \
			(length) = (limit);                                                        \
	} while (0)

#endif
