/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From the records of a stack to frames of the profile: names are resolved, native and kernel frames
 * are put between the Python ones they belong to. One for all modes of a run.
 */
#ifndef PYBPFPROF_CLI_STACKS_H
#define PYBPFPROF_CLI_STACKS_H

#include <stdbool.h>

#include "cli/watch.h"
#include "decode/event.h"
#include "meter/samples.h"
#include "model/profile.h"

struct stacks;

/* Where a RECORD_MEMORY_STACK leads: later records tell its number only. */
struct told_stack {
	uint32_t thread; /* of the profile; PROFILE_NONE: it was not told */
	uint32_t node;
	uint32_t serial; /* of its process */
};

/* `watch` and `profile` must outlive it. `native`: user stacks are unwound. NULL: no memory. */
struct stacks *stacks_new(struct watch *watch, struct profile *profile, bool native);
void stacks_free(struct stacks *stacks);

/*
 * A RECORD_CODE, RECORD_NATIVE or RECORD_MEMORY_STACK; an exec or exit makes what was known of the process's
 * mapped files old. Others are passed over. Before anybody else is handed it. 0 or -ENOMEM.
 */
int stacks_event(struct stacks *stacks, const struct event *event);
/* By its number. NULL: it was not told. Borrowed until the next event. */
const struct told_stack *stacks_told(const struct stacks *stacks, uint32_t stack_id);
/* The code objects there are; borrowed. */
struct codes *stacks_codes(struct stacks *stacks);
/*
 * The stack of a RECORD_SAMPLE, innermost frame first; good until the next one.
 * What is incomplete says so in it, and is counted in the profile. 0 or -ENOMEM.
 */
int stacks_of(struct stacks *stacks, const struct record_sample *sample,
	      const struct meter_stack **out);

/* The stack as a node of the profile's tree. PROFILE_NONE: out of memory. */
uint32_t stacks_node(struct profile *profile, const struct meter_stack *stack);

#endif
