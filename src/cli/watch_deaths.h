/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Having the ends of a target's code objects seen. An address that named a code object once names
 * it until its end; where ends are not seen, or not yet, every sample reads each frame's code object
 * anew and compares.
 */
#ifndef PYBPFPROF_CLI_WATCH_DEATHS_H
#define PYBPFPROF_CLI_WATCH_DEATHS_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/capture.h"
#include "python/python.h"

struct watch_unseen;

/* Targets that are sampled already and whose turn is still to come. Init'ed with its capture. */
struct watch_deaths {
	struct capture *capture; /* borrowed */
	struct watch_unseen *first, *last;
};

void watch_deaths_release(struct watch_deaths *deaths);
/*
 * Placing a probe takes the kernel some 20 ms for each interpreter file: that is for later, one at a
 * time, so that the first samples of fifty processes do not wait for it.
 */
void watch_deaths_later(struct watch_deaths *deaths, const struct python_process *process,
			uint32_t serial);
/* Places the next one. True when there are more. */
bool watch_deaths_next(struct watch_deaths *deaths);

#endif
