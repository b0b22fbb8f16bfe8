// SPDX-License-Identifier: GPL-2.0-only
/* See allocators_private.h: what is known of a process goes into its row of the profile. */
#include <errno.h>
#include <stdlib.h>

#include "cli/allocators_private.h"
#include "python/pools.h"

enum { ARENAS_MAX = 1 << 18 };

uint32_t allocator_process_of(const struct profile *profile, pid_t pid)
{
	for (uint32_t i = profile->process_count; i-- > 0;) {
		if (profile->processes[i].pid == (uint32_t)pid)
			return i;
	}
	return PROFILE_NONE;
}

/* Which mappings are pymalloc's own: of a process that still lives, by its own list. */
static void arenas_tell(struct mappings *mappings, const struct python_process *python,
			uint32_t serial)
{
	uint64_t *addresses = calloc(ARENAS_MAX, sizeof(*addresses));
	size_t count;

	if (addresses && !pools_arenas(python, addresses, ARENAS_MAX, &count))
		mappings_arenas(mappings, serial, addresses, count);
	free(addresses);
}

/* Of a CPython of that version (Include/internal/pycore_obmalloc.h, Objects/obmalloc.c). */
static uint64_t arena_bytes(const struct allocators *allocators, uint32_t serial)
{
	const struct watched_process *process = watch_process(allocators->watch, serial);

	return process && process->minor < 10 ? 256 << 10 : 1 << 20;
}

static int row_fill(struct allocators *allocators, const struct allocator_target *target,
		    uint32_t process, uint32_t serial)
{
	struct memory_process *row = memory_process_of(allocators->profile->memory, process);

	if (!row)
		return -ENOMEM;
	row->watched = target->plan;
	row->refusal = target->refusal;
	row->note = target->note;
	row->coverage = target->coverage;
	row->coverage_share = -1;
	if (target->plan)
		row->allocator = profile_string(allocators->profile, target->plan->name);
	row->pools_start = target->pools_start;
	row->pools_end = target->pools_end;
	row->mapped_bytes = mappings_bytes(allocators->mappings, serial);
	return 0;
}

int allocator_target_finish(struct allocators *allocators, const struct allocator_target *target,
			    uint32_t process, uint32_t serial, bool ended)
{
	int error = 0;

	if (!allocators->mappings)
		return 0;
	if (!ended && target->python)
		arenas_tell(allocators->mappings, target->python, serial);
	else
		mappings_arenas_like(allocators->mappings, serial, arena_bytes(allocators, serial));
	if (process != PROFILE_NONE)
		error = row_fill(allocators, target, process, serial);
	if (ended)
		mappings_end(allocators->mappings, serial);
	return error;
}
