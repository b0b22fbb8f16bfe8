/* SPDX-License-Identifier: GPL-2.0-only */
/* The general registers at a probe, by their numbers in instructions: a plan says which holds what. */
#ifndef PYBPFPROF_BPF_REGISTERS_H
#define PYBPFPROF_BPF_REGISTERS_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

/* 0 for a number that is none. The barriers keep each load of the context one of a fixed offset. */
#define REGISTER_CASE(number, name)                                                                \
	case number:                                                                               \
		value = ctx->name;                                                                 \
		barrier_var(value);                                                                \
		return value
static __always_inline __u64 register_get(struct pt_regs *ctx, __u8 number)
{
	__u64 value;

	switch (number) {
		REGISTER_CASE(0, ax);
		REGISTER_CASE(1, cx);
		REGISTER_CASE(2, dx);
		REGISTER_CASE(3, bx);
		REGISTER_CASE(4, sp);
		REGISTER_CASE(5, bp);
		REGISTER_CASE(6, si);
		REGISTER_CASE(7, di);
		REGISTER_CASE(8, r8);
		REGISTER_CASE(9, r9);
		REGISTER_CASE(10, r10);
		REGISTER_CASE(11, r11);
		REGISTER_CASE(12, r12);
		REGISTER_CASE(13, r13);
		REGISTER_CASE(14, r14);
		REGISTER_CASE(15, r15);
	}
	return 0;
}

#endif
