/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The live line of long work: elapsed, samples or events a second, lost, cost. At most four times a
 * second, only on a terminal and not with -q (base/log sees to both).
 */
#ifndef PYBPFPROF_CLI_LIVE_H
#define PYBPFPROF_CLI_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

/* Counts since the start; times in nanoseconds. */
struct live_counts {
	uint64_t elapsed_ns;
	uint64_t duration_ns; /* -d; 0: no end is known */
	bool exact;	      /* `samples` are calls and returns */
	uint64_t samples;
	uint64_t lost;
	uint64_t target_cpu_ns;	  /* of all targets; 0 not known yet */
	uint64_t target_cost_ns;  /* what our programs or probes took of it */
	uint64_t profiler_cpu_ns; /* of pybpfprof */
};

/* Zeroed is ready. */
struct live {
	struct live_counts shown; /* as the line was last written */
	uint64_t rate_milli_hz;	  /* samples a second over the time between two lines */
};

/* Writes the line when a quarter of a second has passed since the last one. */
void live_update(struct live *live, const struct live_counts *counts);
/* Wipes the line. */
void live_end(const struct live *live);

/* The text of the line, for live_update(). */
void live_append(struct buffer *out, const struct live *live, const struct live_counts *counts);

#endif
