/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Objects of a run: for each process that becomes a target, the probes where instances are made and ended;
 * from then on their lives, named and with where they were made, to the meter; a census at both ends.
 */
#ifndef PYBPFPROF_CLI_LIVING_H
#define PYBPFPROF_CLI_LIVING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "capture/capture.h"
#include "cli/allocators.h"
#include "cli/config.h"
#include "cli/run_modes.h"
#include "cli/watch.h"
#include "decode/event.h"
#include "model/profile.h"

struct living;

/* All must outlive it; is told of `watch`'s targets. NULL: no memory. */
struct living *living_new(const struct run_parts *parts);
void living_free(struct living *living); /* takes NULL */

/* See allocating_prepare(). */
int living_prepare(struct living *living, struct python_process *python, pid_t pid);
/* Why a target's objects cannot be seen, NULL when all can; borrowed. */
const char *living_refusal(const struct living *living);
/* Whether nothing can be seen of any target there was. */
bool living_refused(const struct living *living);

/* The run starts: what happens from start_ns on is counted. 0 or -ENOMEM. */
int living_start(struct living *living, uint64_t start_ns);
/* Those that were there have been looked at: takes their census. 0 or -ENOMEM. */
int living_found(struct living *living);
/* Any record; those that are not about objects are passed over. 0 or -ENOMEM. */
int living_event(struct living *living, const struct event *event);
/* Now and then. 0 or -ENOMEM. */
int living_tick(struct living *living, uint64_t now_ns);
/* Ends of objects heard of so far. */
uint64_t living_event_count(const struct living *living);

/* The run ends: takes the last census, then the probes away. */
void living_end(struct living *living);
/* All records were handed over: reads what is alive, makes profile->lifetimes complete. 0 or -errno. */
int living_finish(struct living *living, uint64_t end_ns);

#endif
