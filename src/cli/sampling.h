/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From the records of the sampling probe to sums in the profile: names are resolved, native and
 * kernel frames are put between the Python ones they belong to, then the meter counts.
 */
#ifndef PYBPFPROF_CLI_SAMPLING_H
#define PYBPFPROF_CLI_SAMPLING_H

#include <stdbool.h>

#include "cli/watch.h"
#include "decode/event.h"
#include "model/profile.h"

struct sampling;

/* `watch` and `profile` must outlive it. `native`: user stacks are unwound. NULL: no memory. */
struct sampling *sampling_new(struct watch *watch, struct profile *profile, bool native);
void sampling_free(struct sampling *sampling);

/* A RECORD_SAMPLE, RECORD_CODE, RECORD_NATIVE; others are passed over. 0 or -ENOMEM. */
int sampling_event(struct sampling *sampling, const struct event *event);
/* What was known of the process's mapped files is old: it execed. */
void sampling_forget(struct sampling *sampling, pid_t pid);

#endif
