// SPDX-License-Identifier: GPL-2.0-only
/* See run_cost.h. */
#include "cli/run_cost.h"

#include <string.h>

#include "base/log.h"
#include "cli/calibrate.h"

/* Of probes that are hit seldom, beside what is done there not worth measuring: docs/gc.md. */
enum { SELDOM_TRAP_NS = 1000 };

static void cost_log(const struct calling_cost *cost, const char *of)
{
	log_verbose(
		"a hit of the probes on %s costs %u ns on entering, %u ns on leaving, %u ns stepped",
		of, cost->enter_ns, cost->leave_ns, cost->stepped_ns);
}

static void calls_measure(struct capture *capture, struct calling_cost *cost)
{
	int error = calibrate_calls(capture, cost);

	if (error)
		log_warn("what a probe costs could not be measured, it stays in the times: %s",
			 strerror(-error));
	else
		cost_log(cost, "calls");
}

static void allocators_measure(struct capture *capture, enum probe_family family,
			       struct calling_cost *cost)
{
	int error = calibrate_memory(capture, family, cost);

	if (error)
		log_warn("what a probe costs could not be measured: %s", strerror(-error));
	else
		cost_log(cost, "allocators and objects");
}

void run_cost_measure(const struct config *config, struct capture *capture, struct run_cost *cost)
{
	*cost = (struct run_cost){ 0 };
	if (config_has_part(config, PART_CALLS))
		calls_measure(capture, &cost->calls);
	/* Of both the traps are the same. */
	if (config_has_part(config, PART_MEMORY))
		allocators_measure(capture, PROBE_MEMORY, &cost->traps);
	else if (config_has_part(config, PART_LIFETIMES))
		allocators_measure(capture, PROBE_LIFETIME, &cost->traps);
	else
		cost->traps.enter_ns = cost->traps.leave_ns = SELDOM_TRAP_NS;
}
