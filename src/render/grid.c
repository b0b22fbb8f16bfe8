// SPDX-License-Identifier: GPL-2.0-only
/* Columns of text for a terminal. Knows nothing of profiles. */
#include "render/grid.h"

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
	grid->columns[grid->column_count++] = (struct grid_column){ title, right, narrowest };
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
		[GRID_HOT] = "\x1b[1;31m", [GRID_WARM] = "\x1b[33m",
	};

	return color ? starts[style] : "";
}

const char *grid_style_end(enum grid_style style, bool color)
{
	return color && style != GRID_PLAIN ? "\x1b[0m" : "";
}

/* What every column would like to have, then cut down to `width`. */
static void grid_measure(const struct grid *grid, uint32_t width, size_t *widths)
{
	size_t total = (size_t)GRID_GAP * (grid->column_count - 1);

	for (uint32_t i = 0; i < grid->column_count; i++) {
		widths[i] = text_width(grid->columns[i].title);
		for (size_t row = 0; row < grid->styles.length; row++) {
			size_t cell = text_width(grid_text(grid, row, i));

			widths[i] = cell > widths[i] ? cell : widths[i];
		}
		total += widths[i];
	}
	while (total > width) {
		size_t widest = 0;
		uint32_t chosen = grid->column_count;

		for (uint32_t i = 0; i < grid->column_count; i++) {
			uint32_t narrowest = grid->columns[i].narrowest;

			if (!narrowest || widths[i] <= narrowest || widths[i] < widest)
				continue;
			chosen = i;
			widest = widths[i];
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

void grid_write(const struct grid *grid, uint32_t width, bool color, struct writer *writer)
{
	size_t widths[GRID_COLUMNS_MAX];

	if (grid->text.error || grid->offsets.error || grid->styles.error) {
		writer_fail(writer, grid->text.error   ? grid->text.error :
				    grid->styles.error ? grid->styles.error :
							 grid->offsets.error);
		return;
	}
	grid_measure(grid, width, widths);
	writer_string(writer, grid_style_start(GRID_BOLD, color));
	for (uint32_t i = 0; i < grid->column_count; i++) {
		grid_pad(writer, i ? GRID_GAP : 0);
		grid_write_cell(grid, i, grid->columns[i].title, widths[i], writer);
	}
	writer_string(writer, grid_style_end(GRID_BOLD, color));
	writer_string(writer, "\n");
	for (size_t row = 0; row < grid->styles.length; row++) {
		enum grid_style style = (enum grid_style)grid->styles.bytes[row];
		uint32_t styled = style == GRID_BOLD || style == GRID_DIM ? grid->column_count : 1;

		writer_string(writer, grid_style_start(style, color));
		for (uint32_t i = 0; i < grid->column_count; i++) {
			grid_pad(writer, i ? GRID_GAP : 0);
			grid_write_cell(grid, i, grid_text(grid, row, i), widths[i], writer);
			if (i + 1 == styled)
				writer_string(writer, grid_style_end(style, color));
		}
		writer_string(writer, "\n");
	}
}
