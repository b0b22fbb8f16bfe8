// SPDX-License-Identifier: GPL-2.0-only
/* See samples.h. */
#include "meter/samples.h"

#include <errno.h>

bool meter_stack_push(struct meter_stack *stack, uint32_t frame)
{
	if (stack->count >= METER_STACK_FRAMES)
		return false;
	stack->frames[stack->count++] = frame;
	return true;
}

int samples_add(struct profile *profile, uint32_t thread, const struct meter_stack *stack)
{
	uint32_t node = 0;

	for (uint32_t i = stack->count; i-- > 0;) {
		node = profile_add_stack(profile, node, stack->frames[i]);
		if (node == PROFILE_NONE)
			return -ENOMEM;
	}
	return profile_add_sample(profile, thread, node, 1, profile->period_ns);
}
