/* SPDX-License-Identifier: GPL-2.0-only */
/* From the records of the sampling probe to sums in the profile: stacks are resolved, the meter counts. */
#ifndef PYBPFPROF_CLI_SAMPLING_H
#define PYBPFPROF_CLI_SAMPLING_H

#include <stdbool.h>

#include "cli/run_modes.h"
#include "decode/event.h"
#include "model/profile.h"

struct sampling;

/* All must outlive it. NULL: no memory. */
struct sampling *sampling_new(const struct run_parts *parts);
void sampling_free(struct sampling *sampling);

/* Any record; those that are not about samples are passed over. 0 or -ENOMEM. */
int sampling_event(struct sampling *sampling, const struct event *event);

#endif
