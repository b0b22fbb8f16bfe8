// SPDX-License-Identifier: GPL-2.0-only
/* See collecting_stacks.h. A stack's number belongs to one thread of one process. */
#include "cli/collecting_stacks.h"

#include <errno.h>
#include <stdlib.h>

#include "cli/stacks.h"
#include "model/collections.h"

struct collecting_stacks {
	struct watch *watch;
	struct profile *profile;
	struct stacks *stacks;
	uint32_t *sites; /* by stack id: 1 + site; 0: not told */
	size_t site_count;
};

struct collecting_stacks *collecting_stacks_new(struct watch *watch, struct profile *profile,
						bool native)
{
	struct collecting_stacks *stacks = calloc(1, sizeof(*stacks));

	if (!stacks)
		return NULL;
	stacks->watch = watch;
	stacks->profile = profile;
	stacks->stacks = stacks_new(watch, profile, native);
	if (!stacks->stacks) {
		collecting_stacks_free(stacks);
		return NULL;
	}
	return stacks;
}

void collecting_stacks_free(struct collecting_stacks *stacks)
{
	if (!stacks)
		return;
	stacks_free(stacks->stacks);
	free(stacks->sites);
	free(stacks);
}

static int sites_reach(struct collecting_stacks *stacks, uint32_t stack_id)
{
	size_t count = 2 * (size_t)stack_id + 64;
	uint32_t *sites;

	if (stack_id < stacks->site_count)
		return 0;
	sites = reallocarray(stacks->sites, count, sizeof(*sites));
	if (!sites)
		return -ENOMEM;
	for (size_t i = stacks->site_count; i < count; i++)
		sites[i] = 0;
	stacks->sites = sites;
	stacks->site_count = count;
	return 0;
}

static int on_stack(struct collecting_stacks *stacks, const struct record_sample *record)
{
	uint32_t thread = watch_thread(stacks->watch, record->header.serial, record->header.tid,
				       record->header.time_ns);
	const struct meter_stack *stack;
	uint32_t node, site;
	int error;

	if (thread == PROFILE_NONE) {
		stacks->profile->lost[DROP_RECORD_MALFORMED]++;
		return 0;
	}
	error = stacks_of(stacks->stacks, record, &stack);
	if (!error)
		error = sites_reach(stacks, record->stack_id);
	if (error)
		return error;
	node = stacks_node(stacks->profile, stack);
	if (node == PROFILE_NONE)
		return -ENOMEM;
	site = collections_site_of(stacks->profile->collections, thread, node);
	stacks->sites[record->stack_id] = site + 1; /* 0: out of memory */
	return site == UINT32_MAX ? -ENOMEM : 0;
}

int collecting_stacks_event(struct collecting_stacks *stacks, const struct event *event)
{
	return event->kind == RECORD_MEMORY_STACK ? on_stack(stacks, event->sample) :
						    stacks_event(stacks->stacks, event);
}

static int lost_site(struct collecting_stacks *stacks, const struct record_header *header,
		     uint32_t *site)
{
	struct profile *profile = stacks->profile;
	struct profile_function function = { .kind = FRAME_NOTE };
	uint32_t thread = watch_thread(stacks->watch, header->serial, header->tid, header->time_ns);
	uint32_t frame, node;

	function.name = profile_string(profile, "[stack lost]");
	frame = profile_add_frame(profile, profile_add_function(profile, &function), 0);
	node = profile_add_stack(profile, 0, frame);
	if (thread == PROFILE_NONE || node == PROFILE_NONE)
		return -ENOMEM;
	*site = collections_site_of(profile->collections, thread, node);
	return *site == UINT32_MAX ? -ENOMEM : 0;
}

int collecting_stacks_site(struct collecting_stacks *stacks, const struct record_gc *record,
			   uint32_t *site)
{
	if (record->stack_id < stacks->site_count && stacks->sites[record->stack_id]) {
		*site = stacks->sites[record->stack_id] - 1;
		return 0;
	}
	return lost_site(stacks, &record->header, site);
}
