/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of the table: what stands in which column for each --by, for --mode line, for exact calls,
 * and for memory.
 */
#ifndef PYBPFPROF_RENDER_TABLE_ROWS_H
#define PYBPFPROF_RENDER_TABLE_ROWS_H

#include "render/grid.h"
#include "render/render.h"

/* Fills the grid; *hidden is how many rows the limit keeps out. 0 or -ENOMEM. */
int table_fill_rollup(struct grid *grid, const struct profile *profile,
		      const struct render_options *options, uint32_t *hidden);
/* The hottest lines, under their functions, each share with its 95 % error. */
int table_fill_lines(struct grid *grid, const struct profile *profile,
		     const struct render_options *options, uint32_t *hidden);

/* What the rows of exact calls do not say themselves. */
struct table_rest {
	uint32_t hidden;	 /* rows that the limit keeps out; of a tree: paths */
	uint64_t hidden_self_ns; /* of a tree: the time in them */
	uint64_t self_ns;	 /* of a tree: all there is */
	bool running;		 /* a row is marked as one that was running when we came */
	bool unfinished;	 /* a row is marked as one that was running when we left */
};

/* Profiles with calls. 0 or -ENOMEM. Calls, times and quantiles for each --by but the tree. */
int table_fill_calls(struct grid *grid, const struct profile *profile,
		     const struct render_options *options, struct table_rest *rest);
/* --mode callgraph: each function between its callers and its callees. */
int table_fill_edges(struct grid *grid, const struct profile *profile,
		     const struct render_options *options, struct table_rest *rest);
/* --by tree. */
int table_fill_tree(struct grid *grid, const struct profile *profile,
		    const struct render_options *options, struct table_rest *rest);

/*
 * --mode memory: all between the head and the closing lines. 0 or -ENOMEM.
 */
int table_write_memory(struct writer *writer, const struct profile *profile,
		       const struct render_options *options, uint32_t width);

/* The same of --mode lifetime. 0 or -ENOMEM. */
int table_write_lifetimes(struct writer *writer, const struct profile *profile,
			  const struct render_options *options, uint32_t width);

/* --mode gc: the same. */
int table_write_gc(struct writer *writer, const struct profile *profile,
		   const struct render_options *options, uint32_t width);

/* Each line of `text` in the style; cut to `width` columns unless that is 0. Empties `text`. */
void table_write_lines(struct writer *writer, struct buffer *text, uint32_t width,
		       enum grid_style style, bool color);
/*
 * The same, with lines broken at blanks so that none is wider where that can be; what follows of a line
 * is indented.
 */
void table_write_wrapped(struct writer *writer, struct buffer *text, uint32_t width, size_t indent,
			 enum grid_style style, bool color);
/*
 * Lines of closing_append_targets(): how a process ended must not get lost, so it is the command in front
 * that is cut. Empties `text`.
 */
void table_write_targets(struct writer *writer, struct buffer *text, uint32_t width, bool color);
/* How much the limit keeps out, and what the marks mean. `row`: what one is called. */
void table_write_rest(struct writer *writer, const struct table_rest *rest,
		      const struct render_options *options, const char *row);

/* Cells that they have in common. */
void table_text_cell(struct grid *grid, const struct profile *profile, uint32_t id);
void table_value_cell(struct grid *grid, enum profile_unit unit, uint64_t value);
void table_ns_cell(struct grid *grid, uint64_t value_ns);
/* "*", "+", "*+", or nothing: see struct table_rest. */
void table_mark_cell(struct grid *grid, bool running, bool unfinished);
/* The module, or where it has no name the file, which is then what it is known by. */
void table_module_cell(struct grid *grid, const struct profile *profile,
		       const struct profile_function *function);
void table_place_cell(struct grid *grid, const struct profile *profile,
		      const struct profile_function *function, int32_t line);
void table_thread_cell(struct grid *grid, const struct profile *profile, uint32_t id);
void table_percent_cell(struct grid *grid, uint64_t part, uint64_t whole);
enum grid_style table_heat(uint64_t part, uint64_t whole);

#endif
