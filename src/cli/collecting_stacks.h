/* SPDX-License-Identifier: GPL-2.0-only */
/* The stacks where collections began, by the number they are sent under, as sites of the profile. */
#ifndef PYBPFPROF_CLI_COLLECTING_STACKS_H
#define PYBPFPROF_CLI_COLLECTING_STACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/watch.h"
#include "decode/event.h"
#include "model/profile.h"

struct collecting_stacks;

/* `watch` and `profile`, which has collections, must outlive it. NULL: no memory. */
struct collecting_stacks *collecting_stacks_new(struct watch *watch, struct profile *profile,
						bool native);
void collecting_stacks_free(struct collecting_stacks *stacks); /* takes NULL */

/* A RECORD_MEMORY_STACK, or what resolves names; others are passed over. 0 or -ENOMEM. */
int collecting_stacks_event(struct collecting_stacks *stacks, const struct event *event);
/* Where the collection began; a stack that got lost has a site that says so. 0 or -ENOMEM. */
int collecting_stacks_site(struct collecting_stacks *stacks, const struct record_gc *record,
			   uint32_t *site);

#endif
