/* SPDX-License-Identifier: GPL-2.0-only */
/* What hits of the probes cost the targets, measured before a run for what its modes put in. */
#ifndef PYBPFPROF_CLI_RUN_COST_H
#define PYBPFPROF_CLI_RUN_COST_H

#include <stdint.h>

#include "capture/capture.h"
#include "cli/config.h"

/* What a hit of a probe costs the target, nanoseconds; 0: not known. */
struct calling_cost {
	uint32_t enter_ns;
	uint32_t leave_ns;
	uint32_t stepped_ns; /* where the kernel single-steps the instruction */
};

struct run_cost {
	struct calling_cost calls; /* of probes on calls, all of it */
	struct calling_cost
		traps; /* of all others, whose programs measure themselves: without these */
};

/* To be called before anything is attached: see cli/calibrate.h. What cannot be measured is said. */
void run_cost_measure(const struct config *config, struct capture *capture, struct run_cost *cost);

#endif
