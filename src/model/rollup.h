/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The profile rolled up into rows: by function, class, module, line, thread or process, with self
 * (the row was innermost) and total (the row was anywhere in the stack, counted once a sample).
 */
#ifndef PYBPFPROF_MODEL_ROLLUP_H
#define PYBPFPROF_MODEL_ROLLUP_H

#include "model/profile.h"

enum rollup_by {
	ROLLUP_FUNCTION,
	ROLLUP_CLASS,
	ROLLUP_MODULE,
	ROLLUP_LINE,
	ROLLUP_THREAD,
	ROLLUP_PROCESS,
	ROLLUP_TREE, /* of exact calls alone: a row a path; not for rollup_build() */
};

struct rollup_row {
	uint32_t function; /* FUNCTION, LINE: index; CLASS, MODULE: one function of it */
	int32_t line;	   /* LINE: the executing line; FUNCTION: first line */
	uint32_t thread;   /* THREAD, or when split by thread; else PROFILE_NONE */
	uint32_t process;  /* THREAD, PROCESS; else PROFILE_NONE */
	uint64_t self;	   /* in the profile's unit */
	uint64_t total;
	uint64_t self_samples;
	uint64_t total_samples;
};

struct rollup {
	enum rollup_by by;
	struct rollup_row *rows;
	uint32_t row_count;
	uint64_t value; /* of all samples rolled up: 100 % */
	uint64_t samples;
};

enum rollup_sort { ROLLUP_SORT_SELF, ROLLUP_SORT_TOTAL, ROLLUP_SORT_NAME, ROLLUP_SORT_SAMPLES };

/*
 * Rows in descending order of `sort` (NAME ascending), ties by name then line so that the order is
 * always the same. `split_threads` gives each (row, thread) a row of its own. 0 or -ENOMEM.
 */
int rollup_build(const struct profile *profile, enum rollup_by by, enum rollup_sort sort,
		 bool split_threads, struct rollup *out);
/* The same of those frames alone whose function matches one of the globs; no globs: all frames. */
int rollup_build_matching(const struct profile *profile, enum rollup_by by, enum rollup_sort sort,
			  bool split_threads, const char *const *globs, size_t glob_count,
			  struct rollup *out);
void rollup_release(struct rollup *rollup);

/*
 * Keeps only the samples whose stack holds a function matched by one of the globs (`module:name`,
 * the name, or the file); every other sample is dropped from the sums and counted in *dropped.
 * `functions` in the reports are then those that match. 0 or -ENOMEM.
 */
int profile_filter(struct profile *profile, const char *const *globs, size_t glob_count,
		   uint64_t *dropped);
bool profile_function_matches(const struct profile *profile, uint32_t function,
			      const char *const *globs, size_t glob_count);

#endif
