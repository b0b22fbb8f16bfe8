/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of allocators share. Nobody else includes it. */
#ifndef PYBPFPROF_CLI_ALLOCATORS_PRIVATE_H
#define PYBPFPROF_CLI_ALLOCATORS_PRIVATE_H

#include "cli/allocators.h"
#include "cli/allocators_plans.h"

/* A living process whose allocator is watched. */
struct allocator_target {
	pid_t pid;
	struct allocator_plan *plan;   /* owned by the plans; NULL: it is not seen */
	struct python_process *python; /* owned; NULL: not looked at by itself (yet) */
	struct memory_pools pools_start, pools_end;
	uint32_t refusal, note; /* strings of the profile; 0 none */
	uint64_t exec_ns;	/* it was under watch as another program until then; 0: no such */
	uint64_t retry_ns; /* its plan could not be made yet: tried again until then; 0: no such */
	enum memory_coverage coverage;
};

struct allocators {
	const struct config *config;
	struct capture *capture;
	struct watch *watch;
	struct profile *profile;
	struct mappings *mappings;
	struct python_cache *cache;
	struct kept_plans plans;
	struct allocator_target *targets;
	uint32_t target_count, target_capacity;
	struct collector_plans *collector_plans; /* borrowed */
	enum probe_family family;		 /* PROBE_MEMORY or PROBE_LIFETIME */
	bool has_template;
	allocators_process_fn on_process;
	void *on_process_arg;
	enum drop_reason too_early; /* of what began before its probes were in */
	bool any;		    /* a target was there whose allocator could be watched */
	bool found;		    /* those that were there have been looked at */
	char refusal[512];
};

/* The row of the profile for the last process of that number. PROFILE_NONE: it never became a target. */
uint32_t allocator_process_of(const struct profile *profile, pid_t pid);
/*
 * Fills that row (PROFILE_NONE: it has none), tells the mappings which of the process's are pymalloc's
 * arenas, and where it has ended, that no more comes of it. 0 or -ENOMEM.
 */
int allocator_target_finish(struct allocators *allocators, const struct allocator_target *target,
			    uint32_t process, uint32_t serial, bool ended);

#endif
