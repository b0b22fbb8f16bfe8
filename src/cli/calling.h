/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exact calls of a run: for each process that becomes a target, the plan to see its calls by, put in
 * place and proven; from then on its threads' events, names resolved, to the meter.
 */
#ifndef PYBPFPROF_CLI_CALLING_H
#define PYBPFPROF_CLI_CALLING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "capture/capture.h"
#include "cli/config.h"
#include "cli/run_modes.h"
#include "cli/watch.h"
#include "decode/event.h"
#include "model/profile.h"

struct calling;

/* All must outlive it; is told of `watch`'s targets. What costs 0 is not taken out of times. NULL: no memory. */
struct calling *calling_new(const struct run_parts *parts);
void calling_free(struct calling *calling); /* takes NULL */

/* Has the probes in place for the interpreter that `python` runs, before others run it. 0, -errno. */
int calling_prepare(struct calling *calling, struct python_process *python);

/* Any record; those that are not about calls, code objects or ends are passed over. 0 or -ENOMEM. */
int calling_event(struct calling *calling, const struct event *event);

/* Why a target cannot be followed, NULL when all can; borrowed. */
const char *calling_refusal(const struct calling *calling);

/* Whether the numbers must not be shown, for that reason. Also when calling_finish() is over. */
bool calling_refused(const struct calling *calling);

/* Entries and exits heard of so far. */
uint64_t calling_event_count(const struct calling *calling);

/* Those that were there have been looked at: who becomes a target from now on began while we watch. */
void calling_start(struct calling *calling);
/* What happens later than `end_ns` is not counted. */
void calling_until(struct calling *calling, uint64_t end_ns);
/*
 * After calling_until(), when all that happened before that time has been heard of: from since_ns on
 * things count again, each thread's from the next time that its stack is told. Nobody is given the
 * time between. 0 or -ENOMEM.
 */
int calling_window(struct calling *calling, uint64_t since_ns);
/* No more events: makes profile->calls complete, up to end_ns. 0 or -ENOMEM. */
int calling_finish(struct calling *calling, uint64_t end_ns);

#endif
