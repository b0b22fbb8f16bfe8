// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rows of lifetimes: which columns a table has, and what stands in them.
 *
 *	CREATED   ENDED  LIVE      SIZE  CHANGE     MEAN     P99  CLASS        MODULE
 *	120,000  119,400  600  37.5 KiB    +600  12.3 ms   1.2 s  Session      app.web
 */
#include <string.h>

#include "render/format.h"
#include "render/memory_words.h"
#include "render/table_lifetime.h"
#include "render/table_rows.h"

enum {
	TEXT_NARROWEST = 8,
	PLACE_COMFORT = 14,
	NAME_COMFORT = 14,
};

enum column {
	COLUMN_CREATED,
	COLUMN_ENDED,
	COLUMN_LIVE,
	COLUMN_SIZE,
	COLUMN_BEFORE,
	COLUMN_CHANGE,
	COLUMN_CENSUS,
	COLUMN_MIN,
	COLUMN_MEAN,
	COLUMN_P50,
	COLUMN_P90,
	COLUMN_P99,
	COLUMN_MAX,
	COLUMN_COLLECTOR,
	COLUMN_SEEN,
	COLUMN_COUNT
};

/* `rank` as struct grid_column has it; those of whole classes say nothing of sites. */
static const struct planned {
	const char *title;
	uint32_t rank;
	bool whole;
} planned[COLUMN_COUNT] = {
	[COLUMN_CREATED] = { "CREATED", 0, false }, [COLUMN_ENDED] = { "ENDED", 0, false },
	[COLUMN_LIVE] = { "LIVE", 0, false },	    [COLUMN_SIZE] = { "SIZE", 3, false },
	[COLUMN_BEFORE] = { "BEFORE", 6, true },    [COLUMN_CHANGE] = { "CHANGE", 2, true },
	[COLUMN_CENSUS] = { "IN ALL", 8, true },    [COLUMN_MIN] = { "MIN", 11, true },
	[COLUMN_MEAN] = { "MEAN AGE", 1, false },   [COLUMN_P50] = { "P50", 4, true },
	[COLUMN_P90] = { "P90", 10, true },	    [COLUMN_P99] = { "P99", 7, true },
	[COLUMN_MAX] = { "MAX", 5, true },	    [COLUMN_COLLECTOR] = { "GC%", 9, false },
	[COLUMN_SEEN] = { "SEEN BY", 1, true },
};

static const enum column sort_columns[LIFETIME_SORT_COUNT] = {
	[LIFETIME_SORT_CREATED] = COLUMN_CREATED, [LIFETIME_SORT_LIVE] = COLUMN_LIVE,
	[LIFETIME_SORT_BYTES] = COLUMN_SIZE,	  [LIFETIME_SORT_AGE] = COLUMN_MEAN,
	[LIFETIME_SORT_DESTROYED] = COLUMN_ENDED, [LIFETIME_SORT_GROWTH] = COLUMN_CHANGE,
	[LIFETIME_SORT_NAME] = COLUMN_CREATED,
};

/* ---- cells ---- */

static void count_cell(struct buffer *out, const struct lifetime_row *row, uint64_t count)
{
	if (row->sampled && count)
		buffer_byte(out, '~');
	memory_append_count(out, count);
}

/* Nothing tells how many were made where only a census could, and there is none. */
static bool is_made_unknown(const struct lifetime_row *row)
{
	return row->births == LIFETIME_BIRTHS_NONE && !row->growth_known && !row->created;
}

static void change_cell(struct buffer *out, const struct lifetime_row *row)
{
	if (!row->growth_known) {
		buffer_byte(out, '-');
		return;
	}
	if (row->sampled && row->growth && row->census_end == LIFETIME_UNKNOWN)
		buffer_byte(out, '~');
	if (row->growth)
		buffer_byte(out, row->growth < 0 ? '-' : '+');
	memory_append_count(out, row->growth < 0 ? -(uint64_t)row->growth : (uint64_t)row->growth);
}

static void bound_cell(struct buffer *out, uint64_t age_ns)
{
	buffer_string(out, ">= ");
	format_ns(out, age_ns);
}

/*
 * Those that were there before lived longer than we know of: where none was seen whole, what is known is a
 * bound; and where one of them is the oldest, the most is one.
 */
static void age_cell(struct buffer *out, const struct lifetime_row *row, enum column column)
{
	static const double fractions[COLUMN_COUNT] = {
		[COLUMN_P50] = 0.5,
		[COLUMN_P90] = 0.9,
		[COLUMN_P99] = 0.99,
	};
	bool bounded = row->before_age_min_ns != UINT64_MAX;

	if (column == COLUMN_MAX && bounded && row->before_age_max_ns > row->age_max_ns)
		bound_cell(out, row->before_age_max_ns);
	else if (row->age_min_ns == UINT64_MAX && row->whole && bounded &&
		 (column == COLUMN_MIN || column == COLUMN_MEAN))
		bound_cell(out, row->before_age_min_ns);
	else if (column == COLUMN_MEAN && row->destroyed &&
		 (!row->whole || row->age_min_ns != UINT64_MAX))
		format_ns(out, lifetime_mean_ns(row->age_sum_ns, row->destroyed, &row->ages));
	else if (row->age_min_ns == UINT64_MAX || column == COLUMN_MEAN)
		buffer_byte(out, '-');
	else if (column == COLUMN_MIN)
		format_ns(out, row->age_min_ns);
	else if (column == COLUMN_MAX)
		format_ns(out, row->age_max_ns);
	else
		format_ns(out, histogram_quantile_within(&row->ages, fractions[column],
							 row->age_min_ns, row->age_max_ns));
}

static void fill_cell(struct buffer *out, const struct lifetime_row *row, enum column column)
{
	switch (column) {
	case COLUMN_CREATED:
		if (is_made_unknown(row))
			buffer_byte(out, '?');
		else
			count_cell(out, row, row->created);
		break;
	case COLUMN_ENDED:
		count_cell(out, row, row->destroyed);
		break;
	case COLUMN_LIVE:
		count_cell(out, row, lifetime_row_live(row));
		break;
	case COLUMN_SIZE:
		memory_append_bytes(out, row->created_bytes - row->destroyed_bytes);
		break;
	case COLUMN_BEFORE:
		count_cell(out, row, row->destroyed_before);
		break;
	case COLUMN_CHANGE:
		change_cell(out, row);
		break;
	case COLUMN_CENSUS:
		if (row->census_end == LIFETIME_UNKNOWN)
			buffer_byte(out, '-');
		else
			memory_append_count(out, row->census_end);
		break;
	case COLUMN_COLLECTOR:
		format_percent(out, row->by_collector, row->destroyed + row->destroyed_before);
		break;
	case COLUMN_SEEN:
		buffer_string(out, row->births == LIFETIME_BIRTHS_NONE ? "census" : "probe");
		break;
	default:
		age_cell(out, row, column);
	}
}

/* ---- columns ---- */

/* The columns in the order they are shown. */
struct chosen {
	enum column columns[COLUMN_COUNT];
	size_t count;
};

/* Whether a column has something to say in any row. */
static bool is_wanted(const struct lifetime_sheet *sheet, enum column column)
{
	bool whole = false, wanted = false;

	for (uint32_t i = 0; i < sheet->rollup.row_count && !wanted; i++) {
		const struct lifetime_row *row = &sheet->rollup.rows[i];

		whole = whole || row->whole;
		switch (column) {
		case COLUMN_BEFORE:
			wanted = row->destroyed_before;
			break;
		case COLUMN_CENSUS:
			wanted = row->census_end != LIFETIME_UNKNOWN;
			break;
		case COLUMN_SEEN:
			wanted = row->whole && row->births == LIFETIME_BIRTHS_NONE;
			break;
		default:
			wanted = !planned[column].whole || whole;
		}
	}
	return wanted;
}

static void choose_columns(const struct lifetime_sheet *sheet, struct grid *grid,
			   struct chosen *chosen)
{
	enum column sorted = sort_columns[sheet->sort];

	for (enum column i = 0; i < COLUMN_COUNT; i++) {
		if (!is_wanted(sheet, i))
			continue;
		if (i == sorted)
			grid->heat_column = chosen->count;
		chosen->columns[chosen->count++] = i;
		grid_ranked_column(grid, planned[i].title, i == sorted ? 0 : planned[i].rank);
	}
}

static void text_columns(const struct lifetime_sheet *sheet, struct grid *grid)
{
	enum rollup_by by = sheet->rollup.by;
	bool of_tasks = by == ROLLUP_THREAD || by == ROLLUP_PROCESS;

	if (of_tasks)
		grid_column(grid, "PID", true, 0);
	if (by == ROLLUP_THREAD || sheet->options->split_threads)
		grid_text_column(grid, "THREAD", TEXT_NARROWEST, NAME_COMFORT);
	switch (by) {
	case ROLLUP_THREAD:
	case ROLLUP_PROCESS:
		grid_column(grid, "CLASSES", true, 0);
		grid_text_column(grid, "COMMAND", TEXT_NARROWEST, PLACE_COMFORT);
		break;
	case ROLLUP_CLASS:
		grid_text_column(grid, "CLASS", TEXT_NARROWEST, NAME_COMFORT);
		grid_text_column(grid, "MODULE", TEXT_NARROWEST, PLACE_COMFORT);
		break;
	case ROLLUP_MODULE:
		grid_column(grid, "CLASSES", true, 0);
		grid_text_column(grid, "MODULE", TEXT_NARROWEST, NAME_COMFORT);
		break;
	default:
		grid_text_column(grid, by == ROLLUP_LINE ? "MADE AT" : "MADE IN", TEXT_NARROWEST,
				 PLACE_COMFORT);
		grid_text_column(grid, "FUNCTION", TEXT_NARROWEST, NAME_COMFORT);
		grid_text_column(grid, "CLASS", TEXT_NARROWEST, NAME_COMFORT);
	}
}

/* ---- rows ---- */

static void class_cell(const struct lifetime_sheet *sheet, struct grid *grid, uint32_t class_index)
{
	const struct lifetime_class *row = &sheet->profile->lifetimes->classes[class_index];

	if (row->name)
		table_text_cell(grid, sheet->profile, row->name);
	else
		grid_cell(grid, "[unnamed]", 9);
}

static void module_cell(const struct lifetime_sheet *sheet, struct grid *grid, uint32_t class_index)
{
	const struct lifetime_class *row = &sheet->profile->lifetimes->classes[class_index];

	if (row->module)
		table_text_cell(grid, sheet->profile, row->module);
	else
		grid_cell(grid, "-", 1);
}

static void site_cells(const struct lifetime_sheet *sheet, struct grid *grid,
		       const struct lifetime_row *row)
{
	const struct profile *profile = sheet->profile;

	if (row->function == PROFILE_NONE) {
		grid_cell(grid, "-", 1);
		grid_cell(grid, "[no stack]", 10);
	} else {
		const struct profile_function *function = &profile->functions[row->function];

		if (function->kind == FRAME_NOTE)
			grid_cell(grid, "-", 1);
		else
			table_place_cell(grid, profile, function, row->line);
		table_text_cell(grid, profile, function->name);
	}
	class_cell(sheet, grid, row->class_index);
}

static void text_cells(const struct lifetime_sheet *sheet, struct grid *grid,
		       const struct lifetime_row *row)
{
	const struct profile *profile = sheet->profile;
	enum rollup_by by = sheet->rollup.by;

	if (row->process != PROFILE_NONE)
		table_value_cell(grid, UNIT_SAMPLES, profile->processes[row->process].pid);
	if (row->thread != PROFILE_NONE)
		table_thread_cell(grid, profile, row->thread);
	switch (by) {
	case ROLLUP_THREAD:
	case ROLLUP_PROCESS:
		table_value_cell(grid, UNIT_SAMPLES, row->class_count);
		table_text_cell(grid, profile, profile->processes[row->process].command);
		break;
	case ROLLUP_CLASS:
		class_cell(sheet, grid, row->class_index);
		module_cell(sheet, grid, row->class_index);
		break;
	case ROLLUP_MODULE:
		table_value_cell(grid, UNIT_SAMPLES, row->class_count);
		module_cell(sheet, grid, row->class_index);
		break;
	default:
		site_cells(sheet, grid, row);
	}
}

static enum grid_style row_style(const struct lifetime_sheet *sheet, const struct lifetime_row *row)
{
	const struct lifetime_rollup *all = &sheet->rollup;

	switch (sheet->sort) {
	case LIFETIME_SORT_CREATED:
		return table_heat(row->created, all->created);
	case LIFETIME_SORT_DESTROYED:
		return table_heat(row->destroyed, all->destroyed);
	case LIFETIME_SORT_LIVE:
		return table_heat(lifetime_row_live(row), all->live);
	case LIFETIME_SORT_BYTES:
		return table_heat(row->created_bytes - row->destroyed_bytes, all->live_bytes);
	default:
		return GRID_PLAIN;
	}
}

void lifetime_sheet_fill(const struct lifetime_sheet *sheet, struct grid *grid, uint32_t *hidden)
{
	const struct lifetime_rollup *rollup = &sheet->rollup;
	uint32_t shown = rollup->row_count;
	struct chosen chosen = { .count = 0 };
	struct buffer text;

	if (sheet->limit && shown > sheet->limit)
		shown = sheet->limit;
	*hidden = rollup->row_count - shown;
	buffer_init(&text);
	choose_columns(sheet, grid, &chosen);
	text_columns(sheet, grid);
	for (uint32_t i = 0; i < shown; i++) {
		for (size_t j = 0; j < chosen.count; j++) {
			fill_cell(&text, &rollup->rows[i], chosen.columns[j]);
			grid_take(grid, &text);
		}
		text_cells(sheet, grid, &rollup->rows[i]);
		grid_end_row(grid, row_style(sheet, &rollup->rows[i]));
	}
	buffer_release(&text);
}

/* ---- what is still alive ---- */

void lifetime_ages_fill(const struct lifetime_sheet *sheet, struct grid *grid, uint32_t *hidden)
{
	static const char *const titles[LIFETIME_AGES] = { "< 1 s", "< 10 s", "< 1 min", "< 10 min",
							   "OLDER" };
	uint32_t shown = 0;
	struct buffer text;

	*hidden = 0;
	buffer_init(&text);
	grid_column(grid, "LIVE", true, 0);
	grid_column(grid, "SIZE", true, 0);
	for (int i = 0; i < LIFETIME_AGES; i++)
		grid_column(grid, titles[i], true, 0);
	text_columns(sheet, grid);
	for (uint32_t i = 0; i < sheet->rollup.row_count; i++) {
		const struct lifetime_row *row = &sheet->rollup.rows[i];
		uint64_t aged = 0;

		for (int age = 0; age < LIFETIME_AGES; age++)
			aged += row->live_by_age[age];
		if (!aged)
			continue;
		if (sheet->limit && shown == sheet->limit) {
			(*hidden)++;
			continue;
		}
		fill_cell(&text, row, COLUMN_LIVE);
		grid_take(grid, &text);
		fill_cell(&text, row, COLUMN_SIZE);
		grid_take(grid, &text);
		for (int age = 0; age < LIFETIME_AGES; age++) {
			count_cell(&text, row, row->live_by_age[age]);
			grid_take(grid, &text);
		}
		text_cells(sheet, grid, row);
		grid_end_row(grid, GRID_PLAIN);
		shown++;
	}
	buffer_release(&text);
}
