/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sample points among the bytes that are allocated, as the points of a Poisson process: how far it is
 * to the next one. Integers only, since BPF has no others.
 */
#ifndef PYBPFPROF_BPF_SAMPLE_POINTS_H
#define PYBPFPROF_BPF_SAMPLE_POINTS_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

const volatile __u64 memory_sample_bytes
	__weak; /* one sample point in so many bytes on average; 0: all */

/*
 * Neither log2 below has a branch, or the verifier would follow each of 2^21 ways through the two: that of
 * Linux 6.1 was not done after a minute and a half.
 */

/* log2(x) of 0 < x < 2^32, rounded down. */
static __always_inline __u64 log2_whole(__u64 x)
{
	__u64 result = 0;

	for (__u32 step = 16; step; step /= 2) {
		__u64 sign = -(x >> step), shift;

		barrier_var(sign);
		shift = (sign >> 63) * step;
		x >>= shift;
		result += shift;
	}
	return result;
}

/*
 * Bytes up to the next sample point: exponentially distributed, -ln(u) * mean, so that points lie
 * independently of one another and of what is allocated.
 */
static __noinline __u64 memory_next_sample(void)
{
	__u64 random = (__u64)bpf_get_prandom_u32() + 1, whole = log2_whole(random), log2 = whole;
	/* random / 2^whole, 31 bits behind the point */
	__u64 mantissa = (random << 31) >> whole;

	for (__u32 i = 0; i < 16; i++) {
		__u64 carry;

		mantissa = (mantissa * mantissa) >> 31;
		carry = mantissa >> 32;
		barrier_var(carry);
		mantissa >>= carry;
		log2 = log2 * 2 + carry;
	}
	/* -log2(u), 16 bits behind the point; * ln(2), 16 bits behind the point: 45426 */
	return (((32ull << 16) - log2) * 45426 >> 16) * memory_sample_bytes >> 16;
}

#endif
