/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Collections rolled up into rows by where they began: by function, class, module, line, thread or process.
 * A row is its own alone: a collection belongs to the innermost Python frame, which is the code that was
 * running when it was triggered.
 */
#ifndef PYBPFPROF_MODEL_COLLECTIONS_ROLLUP_H
#define PYBPFPROF_MODEL_COLLECTIONS_ROLLUP_H

#include "model/collections.h"
#include "model/profile.h"
#include "model/rollup.h"

/* Descending, NAME ascending; ties by name: the same order in every run. */
enum gc_sort {
	GC_SORT_PAUSE,
	GC_SORT_COUNT,
	GC_SORT_MAX,
	GC_SORT_COLLECTED,
	GC_SORT_UNCOLLECTABLE,
	GC_SORT_NAME,
	GC_SORT_COUNT_OF
};

struct gc_row {
	/* THREAD, PROCESS, and what has no frame at all: PROFILE_NONE; CLASS, MODULE: one of it. */
	uint32_t function;
	int32_t line;	  /* LINE: the executing line; FUNCTION: first line */
	uint32_t thread;  /* THREAD, or when split by thread; else PROFILE_NONE */
	uint32_t process; /* THREAD, PROCESS; else PROFILE_NONE */
	struct gc_amount amount;
	struct gc_amount amounts[ABI_GC_GENERATIONS];
};

struct gc_rollup {
	struct gc_row *rows;
	uint32_t row_count;
	struct gc_amount amount; /* of all rows: 100 % */
};

/*
 * Rows of those sites that have a function in their stack that matches one of the globs (none: all).
 * profile->collections must be there. 0 or -ENOMEM.
 */
int gc_rollup_build(const struct profile *profile, enum rollup_by by, enum gc_sort sort,
		    bool split_threads, const char *const *globs, size_t glob_count,
		    struct gc_rollup *out);
void gc_rollup_release(struct gc_rollup *rollup); /* takes NULL */

/* By node of the profile's stacks: whether a function in it matches. Owned by the caller; NULL: no memory. */
bool *gc_stacks_matching(const struct profile *profile, const char *const *globs,
			 size_t glob_count);

/* The frame that a collection with this stack belongs to. PROFILE_NONE: none. */
uint32_t gc_rollup_frame(const struct profile *profile, uint32_t stack);

#endif
