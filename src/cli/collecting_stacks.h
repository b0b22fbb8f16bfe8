/* SPDX-License-Identifier: GPL-2.0-only */
/* Where collections began, as sites of the profile. */
#ifndef PYBPFPROF_CLI_COLLECTING_STACKS_H
#define PYBPFPROF_CLI_COLLECTING_STACKS_H

#include "cli/stacks.h"
#include "cli/watch.h"
#include "model/profile.h"

/*
 * Where the collection began; a stack that got lost has a site that says so. The profile has collections. 0
 * or -ENOMEM.
 */
int collecting_site(struct watch *watch, const struct stacks *stacks, struct profile *profile,
		    const struct record_gc *record, uint32_t *site);

#endif
