/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exact calls rolled up into rows: by function, class, module, thread or process. A row's self time
 * is that of its functions; its total time counts the outermost activation of any of them, so that
 * a method that calls another of its class does not count twice. (Of calls whose path was not kept,
 * calls->folded_calls, only its own recursion is known: totals of classes and modules may be too large
 * then.)
 */
#ifndef PYBPFPROF_MODEL_CALL_ROLLUP_H
#define PYBPFPROF_MODEL_CALL_ROLLUP_H

#include "model/profile.h"

enum call_rollup_by {
	CALL_ROLLUP_FUNCTION,
	CALL_ROLLUP_CLASS,
	CALL_ROLLUP_MODULE,
	CALL_ROLLUP_THREAD,
	CALL_ROLLUP_PROCESS,
};

/* Descending, NAME ascending; ties by self, total, then name: the same order in every run. */
enum call_rollup_sort {
	CALL_SORT_CALLS,
	CALL_SORT_SELF,
	CALL_SORT_TOTAL,
	CALL_SORT_CPU,
	CALL_SORT_CPU_TOTAL,
	CALL_SORT_MIN,
	CALL_SORT_MAX,
	CALL_SORT_MEAN, /* total over calls that are not recursive */
	CALL_SORT_P50,
	CALL_SORT_P90,
	CALL_SORT_P99,
	CALL_SORT_EXCEPTIONS,
	CALL_SORT_NAME,
};

struct call_rollup_row {
	/*
	 * String id: the function's name, the class, the module (its file where the module is not
	 * known), the thread's name, the process's command; 0: none. Functions without a class are
	 * one row a module with --by class.
	 */
	uint32_t name;
	uint32_t function; /* FUNCTION: index; CLASS, MODULE: one function of it; else CALLS_NONE */
	uint32_t thread;   /* THREAD, or when split by thread; else CALLS_NONE */
	uint32_t process;  /* THREAD, PROCESS: index; else CALLS_NONE */
	struct call_times times;
	/* Entered while a function of the row was running already; 0 in THREAD and PROCESS. */
	uint64_t recursive_calls;
	uint64_t running;
	uint64_t unfinished;
	/* Of single calls. Zero in THREAD and PROCESS, and when split by thread: not kept there. */
	uint64_t min_ns, max_ns;
	uint64_t p50_ns, p90_ns, p99_ns, p999_ns;
};

struct call_rollup {
	enum call_rollup_by by;
	struct call_rollup_row *rows;
	uint32_t row_count;
	/* All rows: 100 %. total_ns is here what self_ns is. */
	struct call_times times;
};

/*
 * A thread's and a process's total is its self: all time in functions that match.
 *
 * Rows of those functions that match one of the globs (see profile_function_matches(); none: all)
 * and that were called or running. After calls_finish(); profile->calls must be there. 0 or -ENOMEM.
 */
int call_rollup_build(const struct profile *profile, enum call_rollup_by by,
		      enum call_rollup_sort sort, bool split_threads, const char *const *globs,
		      size_t glob_count, struct call_rollup *out);
void call_rollup_release(struct call_rollup *rollup); /* takes NULL */

#endif
