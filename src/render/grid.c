// SPDX-License-Identifier: GPL-2.0-only
/* Columns of text for a terminal. Knows nothing of profiles. */
#include "render/grid.h"

#include <limits.h>
#include <string.h>

#include "base/text.h"

enum { GRID_GAP = 2 };

void grid_init(struct grid *grid)
{
	memset(grid, 0, sizeof(*grid));
	buffer_init(&grid->text);
	buffer_init(&grid->offsets);
	buffer_init(&grid->styles);
}

void grid_release(struct grid *grid)
{
	if (!grid)
		return;
	buffer_release(&grid->text);
	buffer_release(&grid->offsets);
	buffer_release(&grid->styles);
}

void grid_column(struct grid *grid, const char *title, bool right, uint32_t narrowest)
{
	grid->columns[grid->column_count++] = (struct grid_column){
		.title = title,
		.right = right,
		.narrowest = narrowest,
	};
}

void grid_ranked_column(struct grid *grid, const char *title, uint32_t rank)
{
	grid_column(grid, title, true, 0);
	grid->columns[grid->column_count - 1].rank = rank;
}

void grid_text_column(struct grid *grid, const char *title, uint32_t narrowest, uint32_t comfort)
{
	grid_column(grid, title, false, narrowest);
	grid->columns[grid->column_count - 1].comfort = comfort;
}

void grid_cell(struct grid *grid, const char *bytes, size_t length)
{
	size_t offset = grid->text.length;

	buffer_append(&grid->offsets, &offset, sizeof(offset));
	text_append_safe(&grid->text, bytes, length);
	buffer_byte(&grid->text, '\0');
}

void grid_take(struct grid *grid, struct buffer *cell)
{
	if (cell->error && !grid->text.error)
		grid->text.error = cell->error;
	grid_cell(grid, cell->bytes, cell->length);
	buffer_clear(cell);
}

void grid_end_row(struct grid *grid, enum grid_style style)
{
	buffer_byte(&grid->styles, (char)style);
}

void grid_blank_row(struct grid *grid)
{
	for (uint32_t i = 0; i < grid->column_count; i++)
		grid_cell(grid, "", 0);
	grid_end_row(grid, GRID_BLANK);
}

static const char *grid_text(const struct grid *grid, size_t row, uint32_t column)
{
	size_t cell = row * grid->column_count + column, offset;

	memcpy(&offset, grid->offsets.bytes + cell * sizeof(offset), sizeof(offset));
	return grid->text.bytes + offset;
}

const char *grid_style_start(enum grid_style style, bool color)
{
	static const char *const starts[] = {
		[GRID_PLAIN] = "",	   [GRID_BOLD] = "\x1b[1m",  [GRID_DIM] = "\x1b[2m",
		[GRID_HOT] = "\x1b[1;31m", [GRID_WARM] = "\x1b[33m", [GRID_BLANK] = "",
	};

	return color ? starts[style] : "";
}

const char *grid_style_end(enum grid_style style, bool color)
{
	return color && style != GRID_PLAIN ? "\x1b[0m" : "";
}

/* What every column would like to have. */
static void grid_measure(const struct grid *grid, size_t *widths)
{
	for (uint32_t i = 0; i < grid->column_count; i++) {
		widths[i] = text_width(grid->columns[i].title);
		for (size_t row = 0; row < grid->styles.length; row++) {
			size_t cell = text_width(grid_text(grid, row, i));

			widths[i] = cell > widths[i] ? cell : widths[i];
		}
	}
}

/* Leaves out columns by rank until the others have their comfort. */
static void grid_choose(const struct grid *grid, uint32_t width, const size_t *widths, bool *shown)
{
	size_t total = 0;

	for (uint32_t i = 0; i < grid->column_count; i++) {
		uint32_t comfort = grid->columns[i].comfort;

		shown[i] = true;
		total += comfort && widths[i] > comfort ? comfort : widths[i];
		total += i ? GRID_GAP : 0;
	}
	while (total > width) {
		uint32_t chosen = grid->column_count, rank = 0;

		for (uint32_t i = 0; i < grid->column_count; i++) {
			if (!shown[i] || grid->columns[i].rank <= rank)
				continue;
			chosen = i;
			rank = grid->columns[i].rank;
		}
		if (chosen == grid->column_count)
			return;
		shown[chosen] = false;
		total -= widths[chosen] + GRID_GAP;
	}
}

/* Cuts the columns that are shown down to `width`, the one furthest beyond its comfort first. */
static void grid_fit(const struct grid *grid, uint32_t width, size_t *widths, const bool *shown)
{
	size_t total = 0;

	for (uint32_t i = 0; i < grid->column_count; i++)
		total += shown[i] ? widths[i] + (i ? GRID_GAP : 0) : 0;
	while (total > width) {
		long widest = LONG_MIN;
		uint32_t chosen = grid->column_count;

		for (uint32_t i = 0; i < grid->column_count; i++) {
			uint32_t narrowest = grid->columns[i].narrowest;
			long excess = (long)widths[i] - (long)grid->columns[i].comfort;

			if (!shown[i] || !narrowest || widths[i] <= narrowest || excess < widest)
				continue;
			chosen = i;
			widest = excess;
		}
		if (chosen == grid->column_count)
			return;
		widths[chosen]--;
		total--;
	}
}

static void grid_pad(struct writer *writer, size_t count)
{
	while (count--)
		writer_bytes(writer, " ", 1);
}

static void grid_write_cell(const struct grid *grid, uint32_t column, const char *text,
			    size_t width, struct writer *writer)
{
	bool last = column + 1 == grid->column_count;
	size_t used;

	text_append_fitted(&writer->scratch, text, width);
	used = writer->scratch.length ? text_width(writer->scratch.bytes) : 0;
	if (grid->columns[column].right && used < width)
		grid_pad(writer, width - used);
	writer_scratch(writer);
	if (!grid->columns[column].right && used < width && !last)
		grid_pad(writer, width - used);
}

static void grid_write_row(const struct grid *grid, size_t row, const size_t *widths,
			   const bool *shown, bool color, struct writer *writer)
{
	enum grid_style style = (enum grid_style)grid->styles.bytes[row];
	bool whole = style == GRID_BOLD || style == GRID_DIM;

	for (uint32_t i = 0; i < grid->column_count && style != GRID_BLANK; i++) {
		bool first = whole ? i == 0 : i == grid->heat_column;
		bool last = whole ? i + 1 == grid->column_count : i == grid->heat_column;

		if (!shown[i])
			continue;
		grid_pad(writer, i ? GRID_GAP : 0);
		if (first)
			writer_string(writer, grid_style_start(style, color));
		grid_write_cell(grid, i, grid_text(grid, row, i), widths[i], writer);
		if (last)
			writer_string(writer, grid_style_end(style, color));
	}
	writer_string(writer, "\n");
}

void grid_write(const struct grid *grid, uint32_t width, bool color, struct writer *writer)
{
	size_t widths[GRID_COLUMNS_MAX];
	bool shown[GRID_COLUMNS_MAX];

	if (grid->text.error || grid->offsets.error || grid->styles.error) {
		writer_fail(writer, grid->text.error   ? grid->text.error :
				    grid->styles.error ? grid->styles.error :
							 grid->offsets.error);
		return;
	}
	grid_measure(grid, widths);
	grid_choose(grid, width, widths, shown);
	grid_fit(grid, width, widths, shown);
	writer_string(writer, grid_style_start(GRID_BOLD, color));
	for (uint32_t i = 0; i < grid->column_count; i++) {
		if (!shown[i])
			continue;
		grid_pad(writer, i ? GRID_GAP : 0);
		grid_write_cell(grid, i, grid->columns[i].title, widths[i], writer);
	}
	writer_string(writer, grid_style_end(GRID_BOLD, color));
	writer_string(writer, "\n");
	for (size_t row = 0; row < grid->styles.length; row++)
		grid_write_row(grid, row, widths, shown, color, writer);
}
