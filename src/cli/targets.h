/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finding what a run is about, before it begins: the processes named, all there are, the COMMAND
 * that is about to start.
 */
#ifndef PYBPFPROF_CLI_TARGETS_H
#define PYBPFPROF_CLI_TARGETS_H

#include <stdbool.h>

#include "capture/capture.h"
#include "cli/config.h"
#include "cli/launch.h"
#include "cli/run_modes.h"
#include "cli/signals.h"
#include "cli/watch.h"

/* All borrowed. */
struct targets {
	const struct config *config;
	struct capture *capture;
	struct watch *watch;
	struct run_modes *modes;
	struct signals *signals;
	struct launch *launch; /* NULL: no COMMAND */
	/* Called between two processes: those that were found run on. True: no more are wanted. */
	bool (*turn)(void *arg);
	void *turn_arg;
};

/* 0, or the exit status with the reason said. */
int targets_find(const struct targets *targets);

#endif
