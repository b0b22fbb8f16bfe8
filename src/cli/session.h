/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One run of the profiler: the kernel side, the watch over the processes, the profile that grows,
 * and the loop that moves records from one to the other until there is a reason to stop.
 */
#ifndef PYBPFPROF_CLI_SESSION_H
#define PYBPFPROF_CLI_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cli/config.h"
#include "cli/launch.h"
#include "cli/signals.h"
#include "model/profile.h"

struct session;

/*
 * Loads the kernel side; nothing is sampled yet. 0, or the exit status with the reason already
 * said. `launch` is the prepared COMMAND, NULL without one; both it and `signals` are borrowed.
 */
int session_open(const struct config *config, struct launch *launch, struct signals *signals,
		 struct session **out);
/*
 * Finds the targets, samples until the run's end, then takes the probes away. 0 or an exit status,
 * reason said.
 */
int session_run(struct session *session);
/* The finished profile; borrowed from the session. */
struct profile *session_profile(struct session *session);
void session_free(struct session *session); /* takes NULL */

#endif
