/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cells set in columns that fit a terminal: measured in display columns, the flexible ones shortened
 * in their middle until a row fits; before that, columns with a rank are left out. Cells are safe
 * text once they are in.
 */
#ifndef PYBPFPROF_RENDER_GRID_H
#define PYBPFPROF_RENDER_GRID_H

#include <stdbool.h>
#include <stdint.h>

#include "render/writer.h"

enum { GRID_COLUMNS_MAX = 20 };

enum grid_style { GRID_PLAIN, GRID_BOLD, GRID_DIM, GRID_HOT, GRID_WARM, GRID_BLANK };

struct grid_column {
	const char *title;
	bool right;	    /* aligned */
	uint32_t narrowest; /* may be shortened to so many columns; 0: never shortened */
	uint32_t comfort;   /* ranked columns go before this one has less; 0: its longest cell */
	uint32_t rank;	    /* 0: always shown; where there is no room, the highest goes first */
};

struct grid {
	struct grid_column columns[GRID_COLUMNS_MAX];
	uint32_t column_count;
	uint32_t heat_column;  /* the one that HOT and WARM colour */
	struct buffer text;    /* the cells, NUL between them */
	struct buffer offsets; /* of each cell in `text`: size_t */
	struct buffer styles;  /* one byte a row */
};

void grid_init(struct grid *grid);
void grid_release(struct grid *grid);
void grid_column(struct grid *grid, const char *title, bool right, uint32_t narrowest);
/* A column of numbers that may be left out. */
void grid_ranked_column(struct grid *grid, const char *title, uint32_t rank);
/* A column of text that wants `comfort` columns before it is shortened. */
void grid_text_column(struct grid *grid, const char *title, uint32_t narrowest, uint32_t comfort);
/* The next cell, rows from left to right; made safe here. */
void grid_cell(struct grid *grid, const char *bytes, size_t length);
/* The same from a buffer, which is emptied; its -ENOMEM is kept. */
void grid_take(struct grid *grid, struct buffer *cell);
/* Ends a row. HOT and WARM colour one cell, the others all of it. */
void grid_end_row(struct grid *grid, enum grid_style style);
void grid_blank_row(struct grid *grid);
/* Titles and rows, at most `width` columns wide where the flexible columns allow it. */
void grid_write(const struct grid *grid, uint32_t width, bool color, struct writer *writer);

const char *grid_style_start(enum grid_style style, bool color); /* "" without colour */
const char *grid_style_end(enum grid_style style, bool color);

#endif
