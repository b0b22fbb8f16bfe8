// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rows of memory: which columns a table has, and what stands in them.
 *
 *	   PEAK      LIVE  ALLOCATED  ALLOCS  FILE:LINE      FUNCTION
 *	250 MiB  80.0 MiB    800 MiB  12,345  app/load.py:42  Loader.read
 */
#include <string.h>

#include "render/format.h"
#include "render/memory_words.h"
#include "render/table_memory.h"
#include "render/table_rows.h"

enum {
	TEXT_NARROWEST = 8,
	PLACE_COMFORT = 18,
	NAME_COMFORT = 14,
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- cells ---- */

struct cell {
	const struct memory_sheet *sheet;
	const struct memory_row *row;
	struct buffer text;
};

static void bytes_cell(struct cell *cell, enum memory_view view)
{
	memory_append_bytes(&cell->text, cell->row->self.amounts[view].bytes);
}

static void error_cell(struct cell *cell)
{
	uint64_t error_bytes = memory_view_error(&cell->row->self, cell->sheet->view);

	if (error_bytes) {
		buffer_string(&cell->text, "\xc2\xb1 ");
		memory_append_bytes(&cell->text, error_bytes);
	}
}

static void survivors_cell(struct cell *cell)
{
	const struct memory_sum *self = &cell->row->self;

	if (!self->first_half_blocks) {
		buffer_byte(&cell->text, '-');
		return;
	}
	memory_append_count(&cell->text, self->survivors.blocks);
	buffer_string(&cell->text, " of ");
	memory_append_count(&cell->text, self->first_half_blocks);
}

static void fill_cell(struct cell *cell, enum memory_column column)
{
	const struct memory_sum *self = &cell->row->self;
	const struct memory_amount *allocated = &self->amounts[MEMORY_VIEW_ALLOCATED];
	const struct memory_amount *temporary = &self->amounts[MEMORY_VIEW_TEMPORARY];
	const struct memory_sheet *sheet = cell->sheet;
	struct buffer *text = &cell->text;

	switch (column) {
	case COLUMN_FREED:
		memory_append_bytes(text, self->freed.bytes);
		break;
	case COLUMN_ALLOCATIONS:
		memory_append_count(text, allocated->blocks);
		break;
	case COLUMN_SIZE:
		memory_append_bytes(text, memory_mean_bytes(allocated));
		break;
	case COLUMN_GROWTH:
		memory_append_growth(text, self->trend.bytes_per_second, sheet->growth_seconds);
		break;
	case COLUMN_TOTAL:
		memory_append_bytes(text, cell->row->total.amounts[sheet->view].bytes);
		break;
	case COLUMN_ERROR:
		error_cell(cell);
		break;
	case COLUMN_SHARE:
		format_percent(text, self->amounts[sheet->view].bytes,
			       sheet->rollup.sum.amounts[sheet->view].bytes);
		break;
	case COLUMN_TEMPORARY_BLOCKS:
		memory_append_count(text, temporary->blocks);
		break;
	case COLUMN_TEMPORARY_SHARE:
		format_percent(text, temporary->blocks, allocated->blocks);
		break;
	case COLUMN_FAULTS:
		memory_append_count(text, self->amounts[MEMORY_VIEW_FAULTED].blocks);
		break;
	case COLUMN_MAPPINGS:
		memory_append_count(text, self->amounts[sheet->view].blocks);
		break;
	case COLUMN_CONFIDENCE:
		memory_append_confidence(text, &self->trend);
		break;
	case COLUMN_BLOCKS:
		memory_append_count(text, self->amounts[MEMORY_VIEW_LIVE].blocks);
		break;
	case COLUMN_SURVIVORS:
		survivors_cell(cell);
		break;
	case COLUMN_OLDEST:
		format_ns(text, self->oldest_ns);
		break;
	default:
		bytes_cell(cell, (enum memory_view)column);
		break;
	}
}

static const char *column_title(const struct memory_sheet *sheet, enum memory_column column)
{
	static const char *const titles[COLUMN_COUNT] = {
		[MEMORY_VIEW_PEAK] = "PEAK",
		[MEMORY_VIEW_LIVE] = "LIVE",
		[MEMORY_VIEW_ALLOCATED] = "ALLOCATED",
		[MEMORY_VIEW_TEMPORARY] = "TEMPORARY",
		[MEMORY_VIEW_RESIDENT] = "RESIDENT",
		[MEMORY_VIEW_FAULTED] = "FAULTED",
		[MEMORY_VIEW_MAPPED] = "MAPPED",
		[MEMORY_VIEW_ARENAS] = "ARENAS",
		[COLUMN_FREED] = "FREED",
		[COLUMN_ALLOCATIONS] = "ALLOCS",
		[COLUMN_SIZE] = "SIZE",
		[COLUMN_GROWTH] = "GROWTH/s",
		[COLUMN_TOTAL] = "TOTAL",
		[COLUMN_ERROR] = "ERROR",
		[COLUMN_SHARE] = "SELF%",
		[COLUMN_TEMPORARY_BLOCKS] = "COUNT",
		[COLUMN_TEMPORARY_SHARE] = "OF ALL%",
		[COLUMN_FAULTS] = "FAULTS",
		[COLUMN_MAPPINGS] = "COUNT",
		[COLUMN_CONFIDENCE] = "SURE",
		[COLUMN_BLOCKS] = "BLOCKS",
		[COLUMN_SURVIVORS] = "SURVIVED",
		[COLUMN_OLDEST] = "OLDEST",
	};

	if (column == COLUMN_GROWTH && sheet->growth_seconds > 1)
		return "GROWTH/h";
	return titles[column];
}

/* ---- plans ---- */

static bool has_no_heap(const struct memory_sum *sum, enum memory_view view)
{
	return !sum->amounts[view].bytes && !sum->amounts[MEMORY_VIEW_PEAK].bytes &&
	       !sum->amounts[MEMORY_VIEW_LIVE].bytes && !sum->amounts[MEMORY_VIEW_ALLOCATED].blocks;
}

static bool has_no_view(const struct memory_sum *sum, enum memory_view view)
{
	return !sum->amounts[view].bytes;
}

static bool has_no_faults(const struct memory_sum *sum, enum memory_view view)
{
	(void)view;
	return !sum->amounts[MEMORY_VIEW_FAULTED].bytes &&
	       !sum->amounts[MEMORY_VIEW_RESIDENT].bytes;
}

static bool has_nothing_alive(const struct memory_sum *sum, enum memory_view view)
{
	(void)view;
	return !sum->amounts[MEMORY_VIEW_LIVE].bytes && sum->trend.bytes_per_second <= 0;
}

static const struct memory_planned heap_columns[] = {
	{ COLUMN_ERROR, 0 },
	{ (enum memory_column)MEMORY_VIEW_LIVE, 0 },
	{ (enum memory_column)MEMORY_VIEW_PEAK, 0 },
	{ (enum memory_column)MEMORY_VIEW_ALLOCATED, 0 },
	{ COLUMN_ALLOCATIONS, 0 },
	{ COLUMN_TOTAL, 3 },
	{ COLUMN_SHARE, 2 },
	{ COLUMN_SIZE, 4 },
	{ (enum memory_column)MEMORY_VIEW_TEMPORARY, 5 },
	{ COLUMN_FREED, 6 },
};

static const struct memory_planned temporary_columns[] = {
	{ COLUMN_ERROR, 0 },
	{ COLUMN_TEMPORARY_BLOCKS, 0 },
	{ COLUMN_TEMPORARY_SHARE, 0 },
	{ COLUMN_ALLOCATIONS, 0 },
	{ (enum memory_column)MEMORY_VIEW_ALLOCATED, 1 },
	{ COLUMN_TOTAL, 2 },
	{ COLUMN_SIZE, 3 },
	{ (enum memory_column)MEMORY_VIEW_PEAK, 4 },
};

static const struct memory_planned resident_columns[] = {
	{ (enum memory_column)MEMORY_VIEW_RESIDENT, 0 },
	{ (enum memory_column)MEMORY_VIEW_FAULTED, 0 },
	{ COLUMN_FAULTS, 0 },
	{ COLUMN_TOTAL, 1 },
	{ COLUMN_SHARE, 2 },
	{ (enum memory_column)MEMORY_VIEW_LIVE, 3 },
};

static const struct memory_planned mapped_columns[] = {
	{ COLUMN_MAPPINGS, 0 },
	{ COLUMN_TOTAL, 1 },
	{ COLUMN_SHARE, 2 },
};

static const struct memory_planned leak_columns[] = {
	{ COLUMN_CONFIDENCE, 0 },
	{ (enum memory_column)MEMORY_VIEW_LIVE, 0 },
	{ COLUMN_SURVIVORS, 0 },
	{ COLUMN_OLDEST, 1 },
	{ COLUMN_BLOCKS, 2 },
	{ COLUMN_ERROR, 3 },
	{ (enum memory_column)MEMORY_VIEW_ALLOCATED, 4 },
};

#define PLAN(name, is_empty, nothing)                                                              \
	static const struct memory_plan name##_plan = { name##_columns, COUNT_OF(name##_columns),  \
							is_empty, nothing }

PLAN(heap, has_no_heap, "no allocation was seen while we watched");
PLAN(temporary, has_no_view, "nothing was freed so soon while we watched");
PLAN(resident, has_no_faults, "no page fault was seen while we watched");
PLAN(mapped, has_no_view, "nothing is there that was mapped while we watched");
PLAN(leak, has_nothing_alive, "nothing is alive of what was allocated while we watched");

const struct memory_plan *memory_plan_of(enum memory_view view, bool leaks)
{
	if (leaks)
		return &leak_plan;
	switch (view) {
	case MEMORY_VIEW_RESIDENT:
	case MEMORY_VIEW_FAULTED:
		return &resident_plan;
	case MEMORY_VIEW_MAPPED:
	case MEMORY_VIEW_ARENAS:
		return &mapped_plan;
	case MEMORY_VIEW_TEMPORARY:
		return &temporary_plan;
	default:
		return &heap_plan;
	}
}

/* ---- the grid ---- */

/* The columns that rows can be sorted by have the numbers of the orders. */
_Static_assert((int)COLUMN_FREED == (int)MEMORY_SORT_FREED &&
		       (int)COLUMN_ALLOCATIONS == (int)MEMORY_SORT_ALLOCATIONS &&
		       (int)COLUMN_SIZE == (int)MEMORY_SORT_SIZE &&
		       (int)COLUMN_GROWTH == (int)MEMORY_SORT_GROWTH &&
		       (int)COLUMN_TOTAL == (int)MEMORY_SORT_TOTAL,
	       "a column for each order but that by name");

/* The columns in the order they are shown, each once. */
struct chosen {
	enum memory_column columns[COLUMN_COUNT];
	size_t count;
};

static void choose(struct chosen *chosen, const struct memory_sheet *sheet, struct grid *grid,
		   enum memory_column column, uint32_t rank)
{
	for (size_t i = 0; i < chosen->count; i++) {
		if (chosen->columns[i] == column)
			return;
	}
	chosen->columns[chosen->count++] = column;
	grid_ranked_column(grid, column_title(sheet, column), rank);
}

static void choose_all(struct chosen *chosen, const struct memory_sheet *sheet, struct grid *grid)
{
	bool estimated = sheet->profile->memory->sample_bytes;
	bool leaks = sheet->plan == &leak_plan;
	enum memory_column crowded = (enum memory_column)(
		sheet->view == MEMORY_VIEW_PEAK ? MEMORY_VIEW_LIVE : MEMORY_VIEW_PEAK);
	enum memory_column sorted = (enum memory_column)sheet->sort;

	choose(chosen, sheet, grid, leaks ? COLUMN_GROWTH : (enum memory_column)sheet->view, 0);
	for (size_t i = 0; i < sheet->plan->count; i++) {
		const struct memory_planned *planned = &sheet->plan->columns[i];
		bool needed = sheet->sort != MEMORY_SORT_NAME && planned->column == sorted;
		uint32_t rank = planned->rank;

		/* Room is short where there is one more column than usual. */
		if (planned->column == crowded && (estimated || sheet->options->split_threads))
			rank = 1;
		/* A function's callees are its own business, a line's hardly. */
		if (planned->column == COLUMN_TOTAL && sheet->rollup.by != ROLLUP_LINE)
			rank = 0;
		if (planned->column != COLUMN_ERROR || estimated)
			choose(chosen, sheet, grid, planned->column, needed ? 0 : rank);
	}
	if (sheet->sort != MEMORY_SORT_NAME)
		choose(chosen, sheet, grid, sorted, 0);
}

static void text_columns(const struct memory_sheet *sheet, struct grid *grid)
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
		grid_text_column(grid, "COMMAND", TEXT_NARROWEST, PLACE_COMFORT);
		break;
	case ROLLUP_CLASS:
		grid_text_column(grid, "CLASS", TEXT_NARROWEST, NAME_COMFORT);
		grid_text_column(grid, "MODULE", TEXT_NARROWEST, PLACE_COMFORT);
		break;
	case ROLLUP_MODULE:
		grid_text_column(grid, "MODULE", TEXT_NARROWEST, NAME_COMFORT);
		grid_text_column(grid, "FILE", TEXT_NARROWEST, PLACE_COMFORT);
		break;
	case ROLLUP_LINE:
		grid_text_column(grid, "FILE:LINE", TEXT_NARROWEST, PLACE_COMFORT);
		grid_text_column(grid, "FUNCTION", TEXT_NARROWEST, NAME_COMFORT);
		break;
	default:
		grid_text_column(grid, "FUNCTION", TEXT_NARROWEST, NAME_COMFORT);
		grid_text_column(grid, "FILE:LINE", TEXT_NARROWEST, PLACE_COMFORT);
		break;
	}
}

static void task_cells(const struct memory_sheet *sheet, struct grid *grid,
		       const struct memory_row *row)
{
	const struct profile_process *process = &sheet->profile->processes[row->process];

	table_value_cell(grid, UNIT_SAMPLES, process->pid);
	if (row->thread != PROFILE_NONE)
		table_thread_cell(grid, sheet->profile, row->thread);
	table_text_cell(grid, sheet->profile, process->command);
}

/* What stands for frames that could not be had is nowhere. */
static void place_cell(const struct memory_sheet *sheet, struct grid *grid,
		       const struct memory_row *row)
{
	const struct profile_function *function = &sheet->profile->functions[row->function];

	if (function->kind == FRAME_NOTE)
		grid_cell(grid, "-", 1);
	else
		table_place_cell(grid, sheet->profile, function, row->line);
}

static void code_cells(const struct memory_sheet *sheet, struct grid *grid,
		       const struct memory_row *row)
{
	const struct profile *profile = sheet->profile;
	const struct profile_function *function;

	if (row->thread != PROFILE_NONE)
		table_thread_cell(grid, profile, row->thread);
	if (row->function == PROFILE_NONE) {
		grid_cell(grid, "[no stack]", 10);
		grid_cell(grid, "-", 1);
		return;
	}
	function = &profile->functions[row->function];
	switch (sheet->rollup.by) {
	case ROLLUP_CLASS:
		if (function->class_name)
			table_text_cell(grid, profile, function->class_name);
		else
			grid_cell(grid, "-", 1);
		table_module_cell(grid, profile, function);
		break;
	case ROLLUP_MODULE:
		table_module_cell(grid, profile, function);
		table_place_cell(grid, profile, function, 0);
		break;
	case ROLLUP_LINE:
		place_cell(sheet, grid, row);
		table_text_cell(grid, profile, function->name);
		break;
	default:
		table_text_cell(grid, profile, function->name);
		place_cell(sheet, grid, row);
		break;
	}
}

static enum grid_style row_style(const struct memory_sheet *sheet, const struct memory_row *row)
{
	if (sheet->plan == &leak_plan)
		return memory_trend_grows(&row->self.trend) ? GRID_HOT : GRID_PLAIN;
	return table_heat(row->self.amounts[sheet->view].bytes,
			  sheet->rollup.sum.amounts[sheet->view].bytes);
}

static void fill_row(const struct memory_sheet *sheet, struct grid *grid,
		     const struct chosen *chosen, const struct memory_row *row)
{
	struct cell cell = { .sheet = sheet, .row = row };

	buffer_init(&cell.text);
	for (size_t i = 0; i < chosen->count; i++) {
		fill_cell(&cell, chosen->columns[i]);
		grid_take(grid, &cell.text);
	}
	buffer_release(&cell.text);
	if (row->process != PROFILE_NONE)
		task_cells(sheet, grid, row);
	else
		code_cells(sheet, grid, row);
	grid_end_row(grid, row_style(sheet, row));
}

void memory_sheet_fill(const struct memory_sheet *sheet, struct grid *grid, uint32_t *hidden)
{
	/* Who called the line that asked for memory is what `--sort total` is for. */
	bool own = (sheet->rollup.by == ROLLUP_LINE || sheet->plan == &leak_plan) &&
		   sheet->sort != MEMORY_SORT_TOTAL;
	struct chosen chosen = { .count = 0 };
	uint32_t shown = 0;

	*hidden = 0;
	choose_all(&chosen, sheet, grid);
	text_columns(sheet, grid);
	for (uint32_t i = 0; i < sheet->rollup.row_count; i++) {
		const struct memory_row *row = &sheet->rollup.rows[i];

		if (sheet->plan->is_empty(own ? &row->self : &row->total, sheet->view))
			continue;
		if (sheet->options->limit && shown == sheet->options->limit) {
			(*hidden)++;
			continue;
		}
		fill_row(sheet, grid, &chosen, row);
		shown++;
	}
}
