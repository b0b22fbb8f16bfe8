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

/* Stacks kept in memory (about 40 bytes each): what comes after is counted in one place. */
enum { STACKS_MAX = 1 << 22 };

static uint32_t overflow_node(struct profile *profile)
{
	struct profile_function function = {
		.kind = FRAME_NOTE,
		.name = profile_string(profile, "[more stacks]"),
	};
	uint32_t index = profile_add_function(profile, &function);
	uint32_t frame =
		index == PROFILE_NONE ? PROFILE_NONE : profile_add_frame(profile, index, 0);

	profile->partial[DROP_PROFILE_FULL]++;
	return frame == PROFILE_NONE ? PROFILE_NONE : profile_add_stack(profile, 0, frame);
}

int samples_add(struct profile *profile, uint32_t thread, const struct meter_stack *stack)
{
	uint32_t node = 0;

	if (profile->stack_count >= STACKS_MAX) {
		node = overflow_node(profile);
		return node == PROFILE_NONE ?
			       -ENOMEM :
			       profile_add_sample(profile, thread, node, 1, profile->period_ns);
	}
	for (uint32_t i = stack->count; i-- > 0;) {
		node = profile_add_stack(profile, node, stack->frames[i]);
		if (node == PROFILE_NONE)
			return -ENOMEM;
	}
	return profile_add_sample(profile, thread, node, 1, profile->period_ns);
}
