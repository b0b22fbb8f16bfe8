// SPDX-License-Identifier: GPL-2.0-only
/* See collecting_stacks.h. */
#include "cli/collecting_stacks.h"

#include <errno.h>

#include "model/collections.h"

static int lost_site(struct watch *watch, struct profile *profile,
		     const struct record_header *header, uint32_t *site)
{
	struct profile_function function = { .kind = FRAME_NOTE };
	uint32_t thread = watch_thread(watch, header->serial, header->tid, header->time_ns);
	uint32_t frame, node;

	function.name = profile_string(profile, "[stack lost]");
	frame = profile_add_frame(profile, profile_add_function(profile, &function), 0);
	node = profile_add_stack(profile, 0, frame);
	if (thread == PROFILE_NONE || node == PROFILE_NONE)
		return -ENOMEM;
	*site = collections_site_of(profile->collections, thread, node);
	return *site == UINT32_MAX ? -ENOMEM : 0;
}

int collecting_site(struct watch *watch, const struct stacks *stacks, struct profile *profile,
		    const struct record_gc *record, uint32_t *site)
{
	const struct told_stack *told = stacks_told(stacks, record->stack_id);

	if (!told)
		return lost_site(watch, profile, &record->header, site);
	*site = collections_site_of(profile->collections, told->thread, told->node);
	return *site == UINT32_MAX ? -ENOMEM : 0;
}
