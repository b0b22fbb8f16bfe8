/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A census being taken: every object in the collector's lists, then what they and the running frames lead
 * to, each once; into the model, by type.
 */
#ifndef PYBPFPROF_CLI_HEAP_SCAN_H
#define PYBPFPROF_CLI_HEAP_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "model/census.h"
#include "python/gc_lists.h"
#include "python/objects.h"
#include "python/objects_marks.h"

/* What --referrers and --path ask for: one object, or all of a type. */
struct heap_wanted {
	const char *text; /* as typed; NULL: nothing */
	uint64_t address; /* 0: a type */
};

struct heap_scan {
	struct objects *objects;
	struct gc_lists lists;
	struct objects_marks *listed; /* in the three generations */
	struct objects_marks *seen;   /* all, those included */
	struct objects_marks *wanted; /* those asked for; NULL: nothing is */
	struct heap_wanted want;
	struct census *census;
	uint32_t *rows; /* by type of `objects`: row of the census + 1; 0: not met yet */
	uint8_t *row_wanted;
	uint32_t row_capacity;
	uint64_t *stack; /* objects whose references are still to be followed */
	size_t stack_count, stack_capacity;
	uint32_t largest_limit;
	uint64_t smallest_kept; /* once there are so many: no smaller one is kept */
	int (*turn)(void *arg); /* asked now and then; non-zero: stop */
	void *turn_arg;
	uint64_t until_turn;
};

/* Borrows objects and census. 0 or -errno; -ENOTSUP: no census of such a process. */
int heap_scan_open(struct heap_scan *scan, struct objects *objects, struct census *census,
		   uint32_t largest_limit, const struct heap_wanted *want);
void heap_scan_release(struct heap_scan *scan); /* takes a zeroed one */

/* 0; -ESRCH: the process went away, what was counted stands; -ENOMEM; what `turn` said. */
int heap_scan_run(struct heap_scan *scan);
/* Previews of the largest, while the process still has them. */
int heap_scan_previews(struct heap_scan *scan);

/* The census's row of a type; UINT32_MAX: out of memory. */
uint32_t heap_scan_row(struct heap_scan *scan, uint32_t type);

#endif
