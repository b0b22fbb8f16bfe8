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

static const char *on_target(void *arg, struct python_process *python)
{
	(void)arg;
	(void)python;
	return "sample";
}

struct sampling *sampling_new(const struct run_parts *parts)
{
	struct sampling *sampling = calloc(1, sizeof(*sampling));

	if (!sampling)
		return NULL;
	sampling->watch = parts->watch;
	sampling->profile = parts->profile;
	sampling->stacks = parts->stacks;
	/* Samples are counted with it. */
	sampling->profile->period_ns = 1000000000ull / parts->config->rate_hz;
	sampling->profile->estimate = true;
	watch_on_target(parts->watch, on_target, NULL, sampling);
	return sampling;
}

void sampling_free(struct sampling *sampling)
{
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
	if (event->kind == RECORD_PROCESS_FOUND)
		watch_seen_by(sampling->watch, event->header->serial, "sample");
	return 0;
}
