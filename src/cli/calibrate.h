/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one hit of the probes on calls or allocators costs a process on this machine, measured before the run on a
 * process of our own: trap, program and return, all of it.
 */
#ifndef PYBPFPROF_CLI_CALIBRATE_H
#define PYBPFPROF_CLI_CALIBRATE_H

#include "capture/capture.h"
#include "cli/run_cost.h"

/*
 * To be called before anything is attached: drops whatever records there are, and sets the kernel
 * side's counts back to 0. Takes some 50 ms, at most CALIBRATE_PATIENCE_MS more.
 * 0; or -errno, *cost is untouched then.
 */
int calibrate_calls(struct capture *capture, struct calling_cost *cost);
/*
 * The same for the probes of a family on allocators, PROBE_MEMORY or PROBE_LIFETIME, of a process that is no
 * target: what the programs do for one they measure themselves.
 */
int calibrate_memory(struct capture *capture, enum probe_family family, struct calling_cost *cost);

enum { CALIBRATE_PATIENCE_MS = 500 };

#endif
