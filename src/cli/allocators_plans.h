/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Plans of allocators, each kept once: the children of a process, and all that run the same Python with the
 * same C library, have the same one.
 */
#ifndef PYBPFPROF_CLI_ALLOCATORS_PLANS_H
#define PYBPFPROF_CLI_ALLOCATORS_PLANS_H

#include <stddef.h>

#include "python/allocator.h"

struct kept_plan;

struct kept_plans {
	struct kept_plan **array; /* owned */
	size_t count;
};

void kept_plans_release(struct kept_plans *plans);
/*
 * Lends what is kept of `plan` in *out, until kept_plans_release(): the same pointer for an equal one. It
 * outlives the process it was made for, through whose /proc its files were to be opened: they are held open.
 * 0 or -errno.
 */
int kept_plans_add(struct kept_plans *plans, const struct allocator_plan *plan,
		   struct allocator_plan **out);

/*
 * The plan that is kept for the one file at `path`, lent as above. NULL: none, or it is for more files. Only
 * where a plan is the same for everybody who runs that file.
 */
struct allocator_plan *kept_plans_of_file(const struct kept_plans *plans, const char *path);

#endif
