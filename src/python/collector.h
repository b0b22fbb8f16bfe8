/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The cyclic collector of one build: where a collection starts and ends in its machine code, and where it
 * keeps its counters. Looks only at files and at the process's memory.
 */
#ifndef PYBPFPROF_PYTHON_COLLECTOR_H
#define PYBPFPROF_PYTHON_COLLECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "python/python.h"

enum { COLLECTOR_SITES_MAX = 16, COLLECTORS_MAX = 64 };

enum collector_way {
	COLLECTOR_WAY_USDT,	/* gc__start and gc__done */
	COLLECTOR_WAY_FUNCTION, /* the collector's function, entered and left */
};

struct collector_site {
	uint64_t file_offset;	   /* of the probed instruction, in process->binary_open */
	uint64_t semaphore_offset; /* of the USDT counter in that file; 0 none */
	uint64_t address;	   /* of the probed instruction in the file */
	enum gc_site_kind kind;
};

struct collector_plan {
	enum collector_way way;
	struct collector_site sites[COLLECTOR_SITES_MAX];
	size_t site_count;
	struct gc_layout layout;
	/* 3.14.0 to 3.14.4: its "generations" are the young ones, an increment, all. */
	bool incremental;
};

/*
 * 0; -ENOTSUP and one plain line in `reason` (what was looked for and not found); or another -errno with
 * its line.
 */
int collector_plan_make(const struct python_process *python, struct collector_plan *out,
			char *reason, size_t reason_size);
const char *collector_way_name(enum collector_way way); /* "usdt", "function" */

/* What a collector says of itself at a moment. */
struct collector_reading {
	uint64_t collector; /* address of its state */
	struct gc_counts counts[ABI_GC_GENERATIONS];
	bool collecting; /* right now */
	bool enabled;	 /* by itself; gc.collect() works all the same */
};

/* Of every interpreter, at most COLLECTORS_MAX; *count of them. 0; -ESRCH, -EFAULT, -EPERM. */
int collectors_read(const struct python_process *python, const struct collector_plan *plan,
		    struct collector_reading *out, size_t *count);

#endif
