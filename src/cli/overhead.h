/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps what exact probes cost the targets within what the user allows: looks at the counts now and
 * then, and stops the run (--max-overhead) or takes the probes away for a while (--duty). When,
 * cli/budget says.
 */
#ifndef PYBPFPROF_CLI_OVERHEAD_H
#define PYBPFPROF_CLI_OVERHEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/capture.h"
#include "cli/budget.h"
#include "cli/config.h"
#include "cli/run_modes.h"
#include "cli/watch.h"
#include "model/profile.h"

struct overhead {
	/* Borrowed. */
	const struct config *config;
	struct capture *capture;
	struct watch *watch;
	struct run_modes *modes;
	struct profile *profile;

	uint32_t call_hit_ns; /* what one of a probe on calls costs; 0: not known */
	uint32_t stepped_ns;  /* one on an instruction that is stepped */
	uint32_t trap_ns;     /* of any other probe, besides its program, which measures itself */
	uint64_t start_ns;
	struct budget_reading last;
	struct budget budget; /* with a limit one of these two */
	struct duty duty;
};

/*
 * The probes are in, from now on it counts. Everything borrowed must be there and `cost` as
 * measured (0: not known, the limit is then kept by a guess that is rather too high).
 */
void overhead_start(struct overhead *overhead, const struct run_cost *cost, uint64_t now_ns);
/*
 * Looks when it is time to. *stop: the limit is exceeded and the profile says so, the caller is to
 * take the probes away and end the run. `backlog`: not all that has happened was handed over yet. 0
 * or -errno.
 */
int overhead_look(struct overhead *overhead, uint64_t now_ns, bool backlog, bool *stop);
/* When to look next; UINT64_MAX: never. */
uint64_t overhead_look_ns(const struct overhead *overhead);
/* The targets' cost so far and their CPU time, as the live line shows them. */
struct budget_reading overhead_read(struct overhead *overhead, uint64_t now_ns);
/* What it came to in all, into the profile, whose calls are complete. */
void overhead_finish(struct overhead *overhead, uint64_t end_ns);

#endif
