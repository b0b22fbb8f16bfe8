/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of the table of --mode lifetime, and what they share. Private to table_lifetime*.c. */
#ifndef PYBPFPROF_RENDER_TABLE_LIFETIME_H
#define PYBPFPROF_RENDER_TABLE_LIFETIME_H

#include "model/lifetime_rollup.h"
#include "render/grid.h"
#include "render/render.h"

/* Columns that the names in front of the totals take. */
enum { TABLE_LIFETIME_NAME = 9 };

/* One table: rows of some --by. */
struct lifetime_sheet {
	const struct profile *profile;
	const struct render_options *options;
	enum lifetime_sort sort; /* its column always stays */
	uint32_t limit;		 /* rows; 0: all */
	struct lifetime_rollup rollup;
};

/* Fills the grid with as many rows as the limit allows; *hidden: how many more there are. */
void lifetime_sheet_fill(const struct lifetime_sheet *sheet, struct grid *grid, uint32_t *hidden);
/* Rows of classes or modules: how old what lives at the end is. The same. */
void lifetime_ages_fill(const struct lifetime_sheet *sheet, struct grid *grid, uint32_t *hidden);

/* Totals and the course of time; `selected`: the rows below are not of all. */
void table_lifetime_append_head(struct buffer *out, const struct profile *profile, bool selected);

#endif
