/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The processes whose allocators are watched: which functions of which files, in place for each that becomes a
 * target, for what it forks, and ahead of a COMMAND's exec.
 */
#ifndef PYBPFPROF_CLI_ALLOCATORS_H
#define PYBPFPROF_CLI_ALLOCATORS_H

#include <stdint.h>
#include <sys/types.h>

#include "capture/capture.h"
#include "cli/config.h"
#include "cli/watch.h"
#include "decode/event.h"
#include "meter/mappings.h"
#include "model/profile.h"

struct allocators;

/* All must outlive it. Takes over `watch`'s on_target. NULL: no memory. */
struct allocators *allocators_new(const struct config *config, struct capture *capture,
				  struct watch *watch, struct profile *profile);
void allocators_free(struct allocators *allocators); /* takes NULL */

/* See allocating_prepare(). */
int allocators_prepare(struct allocators *allocators, struct python_process *python, pid_t pid);
/* Those that were there have been looked at: who becomes a target from now on began while we watch. */
void allocators_found(struct allocators *allocators);
/* A fork, exec, exit, or a process that the kernel side found; others are passed over. 0 or -ENOMEM. */
int allocators_event(struct allocators *allocators, const struct event *event);

/* Why a target's allocations cannot be seen, NULL when all can; borrowed. */
const char *allocators_refusal(const struct allocators *allocators);

/* The run ends: takes the probes away, and looks at the pools as they are then. */
void allocators_end(struct allocators *allocators);
/* Fills the rows of the processes, and tells `mappings` which are pymalloc's arenas. 0 or -ENOMEM. */
int allocators_finish(struct allocators *allocators, struct mappings *mappings);

#endif
