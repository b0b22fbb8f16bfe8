// SPDX-License-Identifier: GPL-2.0-only
/*
 * --mode line: the hottest lines, each under its function, functions in the order of the table.
 *
 *	SELF%    ±%  TOTAL%   ±%  SAMPLES  FUNCTION, LINE  FILE:LINE
 *	 61.2   3.1    61.2  3.1      606  crunch          app.py:12
 *	 40.1   3.1    40.1  3.1      397    14            app.py:14
 *
 * The error is that of counting: half the 95 % Wilson interval of a share of all samples.
 */
#include <errno.h>
#include <stdlib.h>

#include "render/format.h"
#include "render/table_rows.h"

enum { LINES_NAME_NARROWEST = 12 };

static void lines_error_cell(struct grid *grid, uint64_t hits, uint64_t samples)
{
	uint32_t permille = format_error_permille(hits, samples);
	struct buffer cell;

	buffer_init(&cell);
	buffer_printf(&cell, "%u.%u", permille / 10, permille % 10);
	grid_take(grid, &cell);
	buffer_release(&cell);
}

static void lines_share_cells(struct grid *grid, const struct rollup *rollup,
			      const struct rollup_row *row)
{
	struct buffer cell;

	buffer_init(&cell);
	table_percent_cell(grid, row->self, rollup->value);
	lines_error_cell(grid, row->self_samples, rollup->samples);
	table_percent_cell(grid, row->total, rollup->value);
	lines_error_cell(grid, row->total_samples, rollup->samples);
	format_value(&cell, UNIT_SAMPLES, row->self_samples);
	grid_take(grid, &cell);
	buffer_release(&cell);
}

static void lines_function_row(struct grid *grid, const struct profile *profile,
			       const struct rollup *rollup, const struct rollup_row *row)
{
	const struct profile_function *function = &profile->functions[row->function];

	lines_share_cells(grid, rollup, row);
	grid_cell(grid, profile_text(profile, function->name),
		  intern_length(profile->strings, function->name));
	table_place_cell(grid, profile, function, function->line);
	grid_end_row(grid, GRID_BOLD);
}

static void lines_line_row(struct grid *grid, const struct profile *profile,
			   const struct rollup *rollup, const struct rollup_row *row)
{
	struct buffer cell;

	buffer_init(&cell);
	lines_share_cells(grid, rollup, row);
	if (row->line > 0)
		buffer_printf(&cell, "  %d", row->line);
	else
		buffer_string(&cell, "  (no line)");
	grid_take(grid, &cell);
	table_place_cell(grid, profile, &profile->functions[row->function], row->line);
	grid_end_row(grid, table_heat(row->self, rollup->value));
	buffer_release(&cell);
}

/* By function: its place among the functions. */
static uint32_t *lines_places_new(const struct profile *profile, const struct rollup *functions)
{
	uint32_t *places = calloc(profile->function_count + 1, sizeof(*places));

	for (uint32_t i = 0; places && i < functions->row_count; i++)
		places[functions->rows[i].function] = i;
	return places;
}

static int lines_compare(const void *left, const void *right, void *arg)
{
	const struct rollup_row *one = left, *other = right;
	const uint32_t *places = arg;
	uint32_t one_place = places[one->function], other_place = places[other->function];

	if (one_place != other_place)
		return one_place < other_place ? -1 : 1;
	if (one->self != other->self)
		return one->self > other->self ? -1 : 1;
	if (one->total != other->total)
		return one->total > other->total ? -1 : 1;
	return one->line < other->line ? -1 : one->line > other->line;
}

static void lines_columns(struct grid *grid)
{
	grid_column(grid, "SELF%", true, 0);
	grid_column(grid, "\xc2\xb1%", true, 0);
	grid_column(grid, "TOTAL%", true, 0);
	grid_column(grid, "\xc2\xb1%", true, 0);
	grid_column(grid, "SAMPLES", true, 0);
	grid_column(grid, "FUNCTION, LINE", false, LINES_NAME_NARROWEST);
	grid_column(grid, "FILE:LINE", false, LINES_NAME_NARROWEST);
}

int table_fill_lines(struct grid *grid, const struct profile *profile,
		     const struct render_options *options, uint32_t *hidden)
{
	struct rollup functions = { 0 }, lines = { 0 };
	uint32_t *places = NULL;
	uint32_t shown, function = PROFILE_NONE;
	int err;

	err = rollup_build_matching(profile, ROLLUP_FUNCTION, options->sort, false, options->globs,
				    options->glob_count, &functions);
	if (!err)
		err = rollup_build_matching(profile, ROLLUP_LINE, options->sort, false,
					    options->globs, options->glob_count, &lines);
	if (err)
		goto out;
	places = lines_places_new(profile, &functions);
	if (!places) {
		err = -ENOMEM;
		goto out;
	}
	/* The limit chooses the hottest lines of all first; only then do they go to their function. */
	shown = lines.row_count;
	if (options->limit && shown > options->limit)
		shown = options->limit;
	if (shown)
		qsort_r(lines.rows, shown, sizeof(*lines.rows), lines_compare, places);
	lines_columns(grid);
	for (uint32_t i = 0; i < shown; i++) {
		if (lines.rows[i].function != function) {
			function = lines.rows[i].function;
			lines_function_row(grid, profile, &functions,
					   &functions.rows[places[function]]);
		}
		lines_line_row(grid, profile, &lines, &lines.rows[i]);
	}
	*hidden = lines.row_count - shown;
out:
	free(places);
	rollup_release(&functions);
	rollup_release(&lines);
	return err;
}
