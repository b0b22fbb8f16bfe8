// SPDX-License-Identifier: GPL-2.0-only
/* See sampling.h. */
#include "cli/sampling.h"

#include <stdlib.h>

#include "cli/stacks.h"
#include "meter/samples.h"

struct sampling {
	struct watch *watch;
	struct profile *profile;
	struct stacks *stacks;
};

struct sampling *sampling_new(struct watch *watch, struct profile *profile, bool native)
{
	struct sampling *sampling = calloc(1, sizeof(*sampling));

	if (!sampling)
		return NULL;
	sampling->watch = watch;
	sampling->profile = profile;
	sampling->stacks = stacks_new(watch, profile, native);
	if (!sampling->stacks) {
		sampling_free(sampling);
		return NULL;
	}
	return sampling;
}

void sampling_free(struct sampling *sampling)
{
	if (!sampling)
		return;
	stacks_free(sampling->stacks);
	free(sampling);
}

static int on_sample(struct sampling *sampling, const struct record_sample *sample)
{
	uint32_t thread = watch_thread(sampling->watch, sample->header.serial, sample->header.tid,
				       sample->header.time_ns);
	const struct meter_stack *stack;
	int error;

	if (thread == PROFILE_NONE) {
		/* Its process was never announced: the announcement was lost. */
		sampling->profile->lost[DROP_RECORD_MALFORMED]++;
		return 0;
	}
	error = stacks_of(sampling->stacks, sample, &stack);
	return error ? error : samples_add(sampling->profile, thread, stack);
}

int sampling_event(struct sampling *sampling, const struct event *event)
{
	if (event->kind == RECORD_SAMPLE)
		return on_sample(sampling, event->sample);
	return stacks_event(sampling->stacks, event);
}
