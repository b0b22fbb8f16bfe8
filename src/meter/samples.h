/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The question "where does the CPU go": counts samples by thread and stack. One sample stands for
 * one sampling period of CPU time.
 */
#ifndef PYBPFPROF_METER_SAMPLES_H
#define PYBPFPROF_METER_SAMPLES_H

#include <stdint.h>

#include "model/profile.h"

enum {
	/* Python frames, with native and kernel ones between and above. */
	METER_STACK_FRAMES = ABI_STACK_FRAMES + 256 + ABI_KERNEL_FRAMES,
};

struct meter_stack {
	uint32_t frames[METER_STACK_FRAMES]; /* of the profile, innermost first */
	uint32_t count;
};

/* False when the stack is full already. */
bool meter_stack_push(struct meter_stack *stack, uint32_t frame);

/* Adds one sample of `thread`. An empty stack counts for the thread alone. 0 or -ENOMEM. */
int samples_add(struct profile *profile, uint32_t thread, const struct meter_stack *stack);

#endif
