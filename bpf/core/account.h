/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What probes cost that are hit very often: each hit is counted, one of some is timed, since to read the clock
 * twice costs as much as all else.
 */
#ifndef PYBPFPROF_BPF_ACCOUNT_H
#define PYBPFPROF_BPF_ACCOUNT_H

#include "core/emit.h"

enum {
	ACCOUNT_SHIFT = 5, /* of so many hits one is timed, as a power of two */
	ACCOUNT_FACTOR = 0x9e3779b1,
};

/* Counts a hit. The time by the clock where this one is timed, for account_end(); else 0. */
static __always_inline __u64 account_hit(void)
{
	struct kernel_stats *counts = stats_get();

	if (!counts)
		return 0;
	counts->hits++;
	/* Every so often, but never in step with what a program does over and over. */
	if ((__u32)(counts->hits * ACCOUNT_FACTOR) >> (32 - ACCOUNT_SHIFT))
		return 0;
	return bpf_ktime_get_ns();
}

/* Whoever hits an instruction that is single-stepped pays for it, a target or not. */
static __always_inline void account_stepped(const struct memory_probe *probe)
{
	struct kernel_stats *counts;

	if (!probe->stepped)
		return;
	counts = stats_get();
	if (counts)
		counts->stepped++;
}

static __always_inline void account_end(__u64 start_ns)
{
	struct kernel_stats *counts;

	if (!start_ns)
		return;
	counts = stats_get();
	if (counts)
		counts->target_ns += (bpf_ktime_get_ns() - start_ns) << ACCOUNT_SHIFT;
}

#endif
