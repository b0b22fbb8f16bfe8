/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The cyclic collector of a run: for each process that becomes a target, the probes on its collector; from
 * then on its collections, stacks resolved, to the meter; and what its own counters say of the same.
 */
#ifndef PYBPFPROF_CLI_COLLECTING_H
#define PYBPFPROF_CLI_COLLECTING_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/capture.h"
#include "cli/config.h"
#include "cli/run_modes.h"
#include "cli/watch.h"
#include "decode/event.h"
#include "model/profile.h"

struct collecting;

/* All must outlive it; is told of `watch`'s targets. NULL: no memory. */
struct collecting *collecting_new(const struct run_parts *parts);
void collecting_free(struct collecting *collecting); /* takes NULL */

/* Has the probes in place for the interpreter that `python` runs, before others run it. 0, -errno. */
int collecting_prepare(struct collecting *collecting, struct python_process *python);

/* The run starts: times count from start_ns. 0 or -ENOMEM. */
int collecting_start(struct collecting *collecting, uint64_t start_ns);
/* Now and then, and when the first targets were found: reads the counters of new ones. 0 or -ENOMEM. */
int collecting_tick(struct collecting *collecting);
/* Any record; those that are not about collections are passed over. 0 or -ENOMEM. */
int collecting_event(struct collecting *collecting, const struct event *event);

/* Why a target's collections cannot be seen, NULL when all can; borrowed. */
const char *collecting_refusal(const struct collecting *collecting);
/* Whether that is so of every target there was. */
bool collecting_refused(const struct collecting *collecting);
/* Collections heard of so far. */
uint64_t collecting_event_count(const struct collecting *collecting);

/* The run ends, the probes are still in place: reads the counters of who lives. 0 or -ENOMEM. */
int collecting_end(struct collecting *collecting, uint64_t end_ns);
/* The probes are gone and all records were handed over: makes profile->collections complete. 0 or -ENOMEM. */
int collecting_finish(struct collecting *collecting);

#endif
