/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lifetimes rolled up into rows. By CLASS and MODULE (the classes' own) a row is of classes, with all that
 * is known of them; by LINE, FUNCTION, THREAD and PROCESS it is of sites: where and by whom
 * instances were made. A site belongs to its innermost Python frame; each of those and each class is one row.
 */
#ifndef PYBPFPROF_MODEL_LIFETIME_ROLLUP_H
#define PYBPFPROF_MODEL_LIFETIME_ROLLUP_H

#include "model/lifetimes.h"
#include "model/profile.h"
#include "model/rollup.h"

/*
 * Descending, NAME ascending; ties by what was made, then name: the same order in every run. Those up to
 * LIFETIME_VIEW_COUNT are the views.
 */
enum lifetime_sort {
	LIFETIME_SORT_CREATED = LIFETIME_VIEW_CREATED,
	LIFETIME_SORT_LIVE = LIFETIME_VIEW_LIVE,
	LIFETIME_SORT_BYTES = LIFETIME_VIEW_BYTES,
	LIFETIME_SORT_AGE = LIFETIME_VIEW_AGE, /* mean, of those that ended */
	LIFETIME_SORT_DESTROYED = LIFETIME_VIEW_COUNT,
	LIFETIME_SORT_GROWTH,
	LIFETIME_SORT_NAME,
	LIFETIME_SORT_COUNT
};

struct lifetime_row {
	/* CLASS, FUNCTION, LINE: index; MODULE: one class of it; THREAD, PROCESS: PROFILE_NONE. */
	uint32_t class_index;
	uint32_t class_count; /* classes that are in it */
	uint32_t function;    /* FUNCTION, LINE: index, PROFILE_NONE without a stack; else that */
	int32_t line;	      /* LINE: the executing line; FUNCTION: first line; else 0 */
	uint32_t thread;      /* THREAD, or when split by thread; else PROFILE_NONE */
	uint32_t process;     /* THREAD, PROCESS; else PROFILE_NONE */
	bool whole;	      /* of whole classes, not of some of their sites: see below */
	uint64_t created, destroyed, by_collector;
	uint64_t created_bytes, destroyed_bytes;
	uint64_t age_sum_ns, live_age_sum_ns;
	/* Only known of whole classes. */
	uint64_t destroyed_before, again;
	bool growth_known;
	int64_t growth;
	uint64_t census_end; /* LIFETIME_UNKNOWN: of one of the classes at least */
	uint64_t age_min_ns, age_max_ns;
	uint64_t before_age_min_ns, before_age_max_ns; /* at least so long; UINT64_MAX, 0: none */
	uint64_t live_by_age[LIFETIME_AGES];
	enum lifetime_births births; /* of the class seen worst */
	bool sampled;		     /* in part at least */
	struct histogram ages;	     /* owned */
};

struct lifetime_rollup {
	enum rollup_by by;
	struct lifetime_row *rows;
	uint32_t row_count;
	uint64_t created, destroyed, live, live_bytes; /* of all rows: 100 % */
};

/*
 * Rows of what `globs` keep: see lifetimes_keep(). By CLASS and MODULE without `split_threads` the classes that
 * match are whole, of others only the sites that were kept are in a row. profile->lifetimes must be there. 0 or
 * -ENOMEM.
 */
int lifetime_rollup_build(const struct profile *profile, enum rollup_by by, enum lifetime_sort sort,
			  bool split_threads, const char *const *globs, size_t glob_count,
			  struct lifetime_rollup *out);
void lifetime_rollup_release(struct lifetime_rollup *rollup); /* takes NULL */

static inline uint64_t lifetime_row_live(const struct lifetime_row *row)
{
	return row->created - row->destroyed;
}

/*
 * What -F keeps: classes whose "module:name", "module.name" or name matches a glob, and sites that are of
 * such a class or have a function that matches in their stack. No globs: all.
 */
struct lifetimes_kept {
	bool *classes; /* by index */
	bool *sites;
};

/* 0 or -ENOMEM. */
int lifetimes_keep(const struct profile *profile, const char *const *globs, size_t glob_count,
		   struct lifetimes_kept *out);
void lifetimes_kept_release(struct lifetimes_kept *kept); /* takes a zeroed one */

/* Whether a class is one that any of the globs names: "module:name", "module.name" or the name. */
bool lifetime_class_matches(const struct profile *profile, const struct lifetime_class *row,
			    const char *const *globs, size_t glob_count);

#endif
