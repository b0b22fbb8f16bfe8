/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From the records of a stack to frames of the profile: names are resolved, native and kernel frames
 * are put between the Python ones they belong to.
 */
#ifndef PYBPFPROF_CLI_STACKS_H
#define PYBPFPROF_CLI_STACKS_H

#include <stdbool.h>

#include "cli/watch.h"
#include "decode/event.h"
#include "meter/samples.h"
#include "model/profile.h"

struct stacks;

/* `watch` and `profile` must outlive it. `native`: user stacks are unwound. NULL: no memory. */
struct stacks *stacks_new(struct watch *watch, struct profile *profile, bool native);
void stacks_free(struct stacks *stacks);

/*
 * A RECORD_CODE or RECORD_NATIVE; an exec or exit makes what was known of the process's mapped files
 * old. Others are passed over. 0 or -ENOMEM.
 */
int stacks_event(struct stacks *stacks, const struct event *event);
/*
 * The stack of a RECORD_SAMPLE or RECORD_MEMORY_STACK, innermost frame first; good until the next one.
 * What is incomplete says so in it, and is counted in the profile. 0 or -ENOMEM.
 */
int stacks_of(struct stacks *stacks, const struct record_sample *sample,
	      const struct meter_stack **out);

/* The stack as a node of the profile's tree. PROFILE_NONE: out of memory. */
uint32_t stacks_node(struct profile *profile, const struct meter_stack *stack);

#endif
