/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The processes whose allocators are watched: which functions of which files, in place for each that becomes a
 * target, for what it forks, and ahead of a COMMAND's exec.
 */
#ifndef PYBPFPROF_CLI_ALLOCATORS_H
#define PYBPFPROF_CLI_ALLOCATORS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "capture/capture.h"
#include "cli/config.h"
#include "cli/run_modes.h"
#include "cli/watch.h"
#include "decode/event.h"
#include "meter/mappings.h"
#include "model/profile.h"

struct allocators;

/*
 * All must outlive it; is told of `watch`'s targets. `mappings` is told which are pymalloc's arenas, and
 * of each process that has ended; NULL in --mode lifetime, whose plans are of where objects are made and
 * ended. NULL: no memory.
 */
struct allocators *allocators_new(const struct run_parts *parts, struct mappings *mappings);
void allocators_free(struct allocators *allocators); /* takes NULL */

/*
 * Calls `on_process` for each process that was looked at by itself and is under watch; `plan`, NULL: nothing
 * of it is seen. NULL: nobody.
 */
typedef void (*allocators_process_fn)(void *arg, const struct python_process *python,
				      const struct allocator_plan *plan);
void allocators_on_process(struct allocators *allocators, allocators_process_fn on_process,
			   void *arg);

/* See allocating_prepare(). */
int allocators_prepare(struct allocators *allocators, struct python_process *python, pid_t pid);
/* Those that were there have been looked at: who becomes a target from now on began while we watch. */
void allocators_found(struct allocators *allocators);
/* A fork, exec, exit, or a process that the kernel side found; others are passed over. 0 or -ENOMEM. */
int allocators_event(struct allocators *allocators, const struct event *event);

/* Now and then: probes that wait for a Python in vain are taken away. */
void allocators_tick(struct allocators *allocators, uint64_t time_ns);

/* Why a target's allocations cannot be seen, NULL when all can; borrowed. */
const char *allocators_refusal(const struct allocators *allocators);
/* Whether there was a target whose allocations can be seen. */
bool allocators_any(const struct allocators *allocators);

/* The run ends: takes the probes away, and looks at the pools as they are then. */
void allocators_end(struct allocators *allocators);
/* Fills the rows of the processes that have not ended before. 0 or -ENOMEM. */
int allocators_finish(struct allocators *allocators);

#endif
