/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory rolled up into rows: by function, class, module, line, thread or process. A row's self is
 * what its own Python code asked for: a site belongs to its innermost Python frame, whatever native
 * functions stand between that and the allocator; a stack without any belongs to its innermost frame.
 * Its total is all sites with the row anywhere in the stack, each counted once.
 */
#ifndef PYBPFPROF_MODEL_MEMORY_ROLLUP_H
#define PYBPFPROF_MODEL_MEMORY_ROLLUP_H

#include "model/memory.h"
#include "model/profile.h"
#include "model/rollup.h"

/*
 * Descending, NAME ascending; ties by total, then name: the same order in every run. Those up to
 * MEMORY_VIEW_COUNT are the views.
 */
enum memory_sort {
	MEMORY_SORT_PEAK = MEMORY_VIEW_PEAK,
	MEMORY_SORT_LIVE = MEMORY_VIEW_LIVE,
	MEMORY_SORT_ALLOCATED = MEMORY_VIEW_ALLOCATED,
	MEMORY_SORT_TEMPORARY = MEMORY_VIEW_TEMPORARY,
	MEMORY_SORT_RESIDENT = MEMORY_VIEW_RESIDENT,
	MEMORY_SORT_FAULTED = MEMORY_VIEW_FAULTED,
	MEMORY_SORT_MAPPED = MEMORY_VIEW_MAPPED,
	MEMORY_SORT_ARENAS = MEMORY_VIEW_ARENAS,
	MEMORY_SORT_FREED = MEMORY_VIEW_COUNT,
	MEMORY_SORT_ALLOCATIONS, /* how many */
	MEMORY_SORT_SIZE,	 /* bytes of an allocation, mean */
	MEMORY_SORT_GROWTH,	 /* of the live bytes; rows that surely grow come first */
	MEMORY_SORT_TOTAL,	 /* what is shown, with everything that was called */
	MEMORY_SORT_NAME,
	MEMORY_SORT_COUNT
};

/* Sites added up. */
struct memory_sum {
	struct memory_amount amounts[MEMORY_VIEW_COUNT];
	struct memory_amount freed;
	uint64_t resized;
	uint64_t failed;
	struct memory_amount ages[MEMORY_AGES];
	struct memory_amount survivors;
	uint64_t first_half_blocks;
	uint64_t oldest_ns;
	/* Slopes add up; the confidence is that of the site with the steepest one. */
	struct memory_trend trend;
	double steepest; /* private: its slope, without a sign */
	double allocated_variance;
	double live_variance;
};

struct memory_row {
	/*
	 * FUNCTION, LINE: index; CLASS, MODULE: one function of it; THREAD, PROCESS, and for what was
	 * asked for without any stack: PROFILE_NONE.
	 */
	uint32_t function;
	int32_t line;	  /* LINE: the executing line; FUNCTION: first line */
	uint32_t thread;  /* THREAD, or when split by thread; else PROFILE_NONE */
	uint32_t process; /* THREAD, PROCESS; else PROFILE_NONE */
	struct memory_sum self;
	struct memory_sum total;
	struct histogram sizes; /* of self's allocations, bytes */
};

struct memory_rollup {
	enum rollup_by by;
	struct memory_row *rows;
	uint32_t row_count;
	struct memory_sum sum; /* of all sites: 100 % */
};

/*
 * Rows of those functions that match one of the globs (see profile_function_matches(); none: all);
 * of threads and processes: of the sites with such a function in their stack. profile->memory must
 * be there. 0 or -ENOMEM.
 */
int memory_rollup_build(const struct profile *profile, enum rollup_by by, enum memory_sort sort,
			bool split_threads, const char *const *globs, size_t glob_count,
			struct memory_rollup *out);
void memory_rollup_release(struct memory_rollup *rollup); /* takes NULL */

/*
 * The frame that a site with this stack belongs to (see above). PROFILE_NONE: the empty stack.
 */
uint32_t memory_rollup_frame(const struct profile *profile, uint32_t stack);

void memory_sum_add(struct memory_sum *sum, const struct memory_site *site);
/* Half the width of the 95 % interval of an estimate; 0: it is exact. */
uint64_t memory_error_bytes(double variance);
/* Whether live bytes grow, and surely: a slope upwards that chance alone would hardly make. */
#define MEMORY_TREND_SURE 0.95
bool memory_trend_grows(const struct memory_trend *trend);
/* Bytes of an allocation, mean; 0 where there was none. */
uint64_t memory_mean_bytes(const struct memory_amount *amount);

#endif
