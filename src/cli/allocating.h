/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory of a run: for each process that becomes a target, the probes on the allocator it uses; from then on
 * its allocations and frees, stacks resolved, to the meter.
 */
#ifndef PYBPFPROF_CLI_ALLOCATING_H
#define PYBPFPROF_CLI_ALLOCATING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "capture/capture.h"
#include "cli/config.h"
#include "cli/run_modes.h"
#include "cli/watch.h"
#include "decode/event.h"
#include "model/profile.h"

struct allocating;

/* All must outlive it; is told of `watch`'s targets. NULL: no memory. */
struct allocating *allocating_new(const struct run_parts *parts);
void allocating_free(struct allocating *allocating); /* takes NULL */

/*
 * `pid` is about to exec the interpreter that `python`, another process, runs: has its allocator's probes in
 * place by then. 0 or -errno.
 */
int allocating_prepare(struct allocating *allocating, struct python_process *python, pid_t pid);

/* The run starts: what happens from start_ns on is counted. 0 or -ENOMEM. */
int allocating_start(struct allocating *allocating, uint64_t start_ns);
/* Those that were there have been looked at: who becomes a target from now on began while we watch. */
void allocating_found(struct allocating *allocating);

/* Any record; those that are not about memory are passed over. 0 or -ENOMEM. */
int allocating_event(struct allocating *allocating, const struct event *event);
/* Now and then: reads the clock and the resident sizes when it is time to. 0 or -ENOMEM. */
int allocating_tick(struct allocating *allocating, uint64_t now_ns);

/* Why a target's allocations cannot be seen, NULL when all can; borrowed. */
const char *allocating_refusal(const struct allocating *allocating);
/* Whether that is so of every target there was. */
bool allocating_refused(const struct allocating *allocating);
/* Allocations and frees heard of so far, and bytes alive. */
uint64_t allocating_event_count(const struct allocating *allocating);

/* The run ends: its probes are taken away. What they have told so far is still to come. */
void allocating_end(struct allocating *allocating);
/*
 * The probes are gone and all records were handed over: reads what is alive from the kernel's list, makes
 * profile->memory complete. 0 or -errno.
 */
int allocating_finish(struct allocating *allocating, uint64_t end_ns);

#endif
