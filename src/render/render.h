/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A report format is one file with one function, and one line in renderers.def. A renderer reads
 * the profile and writes to `stream`; it never sees flags, never logs, never exits.
 */
#ifndef PYBPFPROF_RENDER_RENDER_H
#define PYBPFPROF_RENDER_RENDER_H

#include <stdbool.h>
#include <stdio.h>

#include "model/call_rollup.h"
#include "model/collections_rollup.h"
#include "model/lifetime_rollup.h"
#include "model/memory_rollup.h"
#include "model/profile.h"
#include "model/rollup.h"

struct render_options {
	enum rollup_by by;
	enum rollup_by part_by[PART_COUNT]; /* of several parts, the rows of each */
	enum rollup_sort sort;
	enum call_rollup_sort call_sort;  /* of exact calls */
	enum memory_sort memory_sort;	  /* of --mode memory */
	enum lifetime_sort lifetime_sort; /* of --mode lifetime */
	enum gc_sort gc_sort;		  /* of --mode gc */
	uint32_t limit;			  /* rows of a table; 0: all */
	bool split_threads;		  /* -t */
	bool color;			  /* the table may use ANSI colours */
	bool by_lines;		  /* --mode line: lines under each function, with error bars */
	uint32_t columns;	  /* width to fit a table into; 0: 80 */
	const char *version;	  /* of pybpfprof */
	const char *title;	  /* e.g. "pybpfprof -p 4242"; NULL none */
	const char *const *globs; /* -F; rows of other functions are not listed */
	size_t glob_count;
};

struct renderer {
	const char *name;	 /* what -f takes */
	const char *description; /* for --help */
	bool binary;		 /* not to be written to a terminal */
	int (*render)(const struct profile *profile, const struct render_options *options,
		      FILE *stream); /* 0 or -errno (-EIO when the stream failed) */
};

const struct renderer *renderer_find(const char *name); /* NULL: no such format */
const struct renderer *renderer_at(size_t index);	/* NULL: past the last */

#endif
