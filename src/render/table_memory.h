/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of the table of --mode memory, and what they share. Private to table_memory*.c. */
#ifndef PYBPFPROF_RENDER_TABLE_MEMORY_H
#define PYBPFPROF_RENDER_TABLE_MEMORY_H

#include "model/memory_rollup.h"
#include "render/grid.h"
#include "render/render.h"

/* Columns that the names in front of the totals take. */
enum { TABLE_MEMORY_NAME = 11 };

/* One table: rows of some --by, columns of some plan. */
struct memory_sheet {
	const struct profile *profile;
	const struct render_options *options;
	const struct memory_plan *plan;
	enum memory_view view; /* its column comes first, its share colours the rows */
	enum memory_sort sort; /* its column always stays */
	double growth_seconds; /* growth is told per so many */
	struct memory_rollup rollup;
};

/* The views' own columns come first, then those of enum memory_sort, each in that order. */
enum memory_column {
	COLUMN_FREED = MEMORY_VIEW_COUNT,
	COLUMN_ALLOCATIONS,
	COLUMN_SIZE,
	COLUMN_GROWTH,
	COLUMN_TOTAL,
	COLUMN_ERROR,
	COLUMN_SHARE,
	COLUMN_TEMPORARY_BLOCKS,
	COLUMN_TEMPORARY_SHARE,
	COLUMN_FAULTS,
	COLUMN_MAPPINGS,
	COLUMN_CONFIDENCE,
	COLUMN_BLOCKS,
	COLUMN_SURVIVORS,
	COLUMN_OLDEST,
	COLUMN_COUNT
};

struct memory_planned {
	enum memory_column column;
	uint32_t rank; /* of struct grid_column */
};

/* What a kind of table has, after the column of its view. */
struct memory_plan {
	const struct memory_planned *columns;
	size_t count;
	/* Of what a row has in total; of lines, which have no callers to speak of, of its own. */
	bool (*is_empty)(const struct memory_sum *sum, enum memory_view view);
	const char *nothing; /* what is said when no row is left */
};

const struct memory_plan *memory_plan_of(enum memory_view view, bool leaks);

/* Fills the grid with as many rows as the limit allows; *hidden: how many more there are. */
void memory_sheet_fill(const struct memory_sheet *sheet, struct grid *grid, uint32_t *hidden);

/* Totals, the course of time, and with --leaks the verdict on what the sheet shows. */
void table_memory_append_head(struct buffer *out, const struct profile *profile);
void table_memory_append_verdict(struct buffer *out, const struct memory_sheet *sheet);
/* "sizes of 1,234 allocations: ..." and a bar for each range of sizes. */
void table_memory_append_sizes(struct buffer *out, const struct memory *memory);

/* A row for each process: resident sizes, what lives, how it ended; then the sum. */
void table_memory_fill_processes(struct grid *grid, const struct profile *profile, uint32_t limit,
				 uint32_t *hidden);
/* CPython's own allocator by size class; the line above it goes to `title`. */
void table_memory_fill_pools(struct grid *grid, struct buffer *title, const struct profile *profile,
			     uint32_t id);

#endif
