/* SPDX-License-Identifier: GPL-2.0-only */
/* How a census is written: one function for each format. They read the census and write to `stream`. */
#ifndef PYBPFPROF_RENDER_CENSUS_H
#define PYBPFPROF_RENDER_CENSUS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/buffer.h"
#include "model/census.h"

struct census_options {
	enum census_sort sort;
	uint32_t limit;	  /* rows of each table; 0: all */
	uint32_t columns; /* width to fit into; 0: nothing is cut */
	bool color;
	const char *version; /* of pybpfprof */
	const char *title;   /* NULL: none */
};

/* All: 0 or -errno. */
int census_render_table(const struct census *census, const struct census_options *options,
			FILE *stream);
int census_render_json(const struct census *census, const struct census_options *options,
		       FILE *stream);
/* The chains of --path, or the referrers, as a graph for Graphviz. */
int census_render_dot(const struct census *census, const struct census_options *options,
		      FILE *stream);

/* "module.name", of built-ins "name"; raw bytes. */
void census_append_type(struct buffer *out, const struct census *census,
			const struct census_type *type);

#endif
