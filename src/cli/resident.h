/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is resident of the targets: their sizes, read ten times a second; with --rss which lines made them
 * grow; how those ended that did. Fills the rows of profile->memory and the sites' amounts.
 */
#ifndef PYBPFPROF_CLI_RESIDENT_H
#define PYBPFPROF_CLI_RESIDENT_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/watch.h"
#include "decode/event.h"
#include "model/profile.h"

struct resident;

/*
 * profile->memory is there and stays, `watch` as well. With `faults` PROBE_RSS is on. NULL: no memory.
 */
struct resident *resident_new(struct watch *watch, struct profile *profile, bool faults);
void resident_free(struct resident *resident); /* takes NULL */

/*
 * Each RECORD_MEMORY, whatever its kind: pages are moved by reallocs and mappings, too. `site` is that
 * of its stack. 0 or -ENOMEM.
 */
int resident_memory(struct resident *resident, const struct record_memory *record, uint32_t site);
/* Each RECORD_PROCESS_*, before watch_event() gets it. 0 or -ENOMEM. */
int resident_event(struct resident *resident, const struct event *event);
/*
 * Some ten times a second, and once when the run begins: *bytes are resident of all targets now, what
 * they share counted in each. 0 or -ENOMEM.
 */
int resident_tick(struct resident *resident, uint64_t now_ns, uint64_t *bytes);
/* No more records; before the sites are summed. Takes a moment for each target. */
void resident_finish(struct resident *resident);

#endif
