/* SPDX-License-Identifier: GPL-2.0-only */
/* The rows of the table: what stands in which column for each --by, and for --mode line. */
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

/* Cells that both of them have. */
void table_place_cell(struct grid *grid, const struct profile *profile,
		      const struct profile_function *function, int32_t line);
void table_thread_cell(struct grid *grid, const struct profile *profile, uint32_t id);
void table_percent_cell(struct grid *grid, uint64_t part, uint64_t whole);
enum grid_style table_heat(uint64_t part, uint64_t whole);

#endif
