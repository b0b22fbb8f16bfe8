// SPDX-License-Identifier: GPL-2.0-only
/* The rows of the table for each --by. */
#include "render/table_rows.h"

#include "render/format.h"

enum {
	TABLE_NAME_NARROWEST = 8,
	TABLE_HOT_PPM = 100000,
	TABLE_WARM_PPM = 30000,
};

void table_text_cell(struct grid *grid, const struct profile *profile, uint32_t id)
{
	grid_cell(grid, profile_text(profile, id), intern_length(profile->strings, id));
}

void table_percent_cell(struct grid *grid, uint64_t part, uint64_t whole)
{
	struct buffer cell;

	buffer_init(&cell);
	format_percent(&cell, part, whole);
	grid_take(grid, &cell);
	buffer_release(&cell);
}

void table_value_cell(struct grid *grid, enum profile_unit unit, uint64_t value)
{
	struct buffer cell;

	buffer_init(&cell);
	format_value(&cell, unit, value);
	grid_take(grid, &cell);
	buffer_release(&cell);
}

void table_ns_cell(struct grid *grid, uint64_t value_ns)
{
	table_value_cell(grid, UNIT_NS, value_ns);
}

void table_place_cell(struct grid *grid, const struct profile *profile,
		      const struct profile_function *function, int32_t line)
{
	const char *file = format_file(profile, function);
	struct buffer cell;

	buffer_init(&cell);
	if (function->kind == FRAME_KERNEL)
		file = "[kernel]";
	else if (!*file)
		file = profile_text(profile, function->module);
	buffer_string(&cell, file);
	if (line > 0)
		buffer_printf(&cell, ":%d", line);
	grid_take(grid, &cell);
	buffer_release(&cell);
}

void table_thread_cell(struct grid *grid, const struct profile *profile, uint32_t id)
{
	const struct profile_thread *thread = &profile->threads[id];
	struct buffer cell;

	buffer_init(&cell);
	buffer_printf(&cell, "%u", thread->tid);
	if (thread->name)
		buffer_printf(&cell, " %s", profile_text(profile, thread->name));
	grid_take(grid, &cell);
	buffer_release(&cell);
}

static void table_number_cell(struct grid *grid, uint64_t number)
{
	table_value_cell(grid, UNIT_SAMPLES, number);
}

enum grid_style table_heat(uint64_t part, uint64_t whole)
{
	uint64_t ppm = format_ppm(part, whole);

	return ppm >= TABLE_HOT_PPM ? GRID_HOT : ppm >= TABLE_WARM_PPM ? GRID_WARM : GRID_PLAIN;
}

static void table_frame_columns(struct grid *grid, enum rollup_by by, bool split_threads)
{
	grid_column(grid, "SELF%", true, 0);
	grid_column(grid, "SELF", true, 0);
	grid_column(grid, "TOTAL%", true, 0);
	grid_column(grid, "TOTAL", true, 0);
	if (split_threads)
		grid_column(grid, "THREAD", false, TABLE_NAME_NARROWEST);
	switch (by) {
	case ROLLUP_CLASS:
		grid_column(grid, "CLASS", false, TABLE_NAME_NARROWEST);
		grid_column(grid, "MODULE", false, TABLE_NAME_NARROWEST);
		break;
	case ROLLUP_MODULE:
		grid_column(grid, "MODULE", false, TABLE_NAME_NARROWEST);
		grid_column(grid, "FILE", false, TABLE_NAME_NARROWEST);
		break;
	case ROLLUP_LINE:
		grid_column(grid, "FILE:LINE", false, TABLE_NAME_NARROWEST);
		grid_column(grid, "FUNCTION", false, TABLE_NAME_NARROWEST);
		break;
	default:
		grid_column(grid, "FUNCTION", false, TABLE_NAME_NARROWEST);
		grid_column(grid, "FILE:LINE", false, TABLE_NAME_NARROWEST);
		break;
	}
}

void table_module_cell(struct grid *grid, const struct profile *profile,
		       const struct profile_function *function)
{
	if (function->module)
		table_text_cell(grid, profile, function->module);
	else
		table_place_cell(grid, profile, function, 0);
}

static void table_frame_row(struct grid *grid, const struct profile *profile,
			    const struct rollup *rollup, const struct rollup_row *row)
{
	const struct profile_function *function = &profile->functions[row->function];

	table_percent_cell(grid, row->self, rollup->value);
	table_value_cell(grid, profile->unit, row->self);
	table_percent_cell(grid, row->total, rollup->value);
	table_value_cell(grid, profile->unit, row->total);
	if (row->thread != PROFILE_NONE)
		table_thread_cell(grid, profile, row->thread);
	switch (rollup->by) {
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
		table_place_cell(grid, profile, function, row->line);
		table_text_cell(grid, profile, function->name);
		break;
	default:
		table_text_cell(grid, profile, function->name);
		table_place_cell(grid, profile, function, row->line);
		break;
	}
	grid_end_row(grid, table_heat(row->self, rollup->value));
}

static void table_task_columns(struct grid *grid, enum rollup_by by, bool split_threads)
{
	grid_column(grid, "SHARE%", true, 0);
	grid_column(grid, "SAMPLED", true, 0);
	grid_column(grid, "CPU", true, 0);
	grid_column(grid, "PID", true, 0);
	if (by == ROLLUP_THREAD || split_threads)
		grid_column(grid, "THREAD", false, TABLE_NAME_NARROWEST);
	grid_column(grid, "PYTHON", false, 0);
	grid_column(grid, "COMMAND", false, TABLE_NAME_NARROWEST);
}

/* A thread, a process, or a process's thread. */
static void table_task_row(struct grid *grid, const struct profile *profile,
			   const struct rollup *rollup, const struct rollup_row *row)
{
	const struct profile_process *process = &profile->processes[row->process];
	bool is_thread = row->thread != PROFILE_NONE;

	table_percent_cell(grid, row->total, rollup->value);
	table_value_cell(grid, profile->unit, row->total);
	table_value_cell(grid, UNIT_NS,
			 is_thread ? profile->threads[row->thread].cpu_ns : process->cpu_ns);
	table_number_cell(grid, process->pid);
	if (is_thread)
		table_thread_cell(grid, profile, row->thread);
	if (process->python)
		table_text_cell(grid, profile, process->python);
	else
		grid_cell(grid, "-", 1);
	table_text_cell(grid, profile, process->command);
	grid_end_row(grid, table_heat(row->total, rollup->value));
}

int table_fill_rollup(struct grid *grid, const struct profile *profile,
		      const struct render_options *options, uint32_t *hidden)
{
	bool of_tasks = options->by == ROLLUP_THREAD || options->by == ROLLUP_PROCESS;
	/* A thread is never split further. */
	bool split = options->split_threads && options->by != ROLLUP_THREAD;
	struct rollup rollup;
	uint32_t shown;
	int err = rollup_build_matching(profile, options->by, options->sort, split, options->globs,
					options->glob_count, &rollup);

	if (err)
		return err;
	if (of_tasks)
		table_task_columns(grid, options->by, split);
	else
		table_frame_columns(grid, options->by, split);
	shown = rollup.row_count;
	if (options->limit && shown > options->limit)
		shown = options->limit;
	for (uint32_t i = 0; i < shown; i++) {
		if (of_tasks)
			table_task_row(grid, profile, &rollup, &rollup.rows[i]);
		else
			table_frame_row(grid, profile, &rollup, &rollup.rows[i]);
	}
	*hidden = rollup.row_count - shown;
	rollup_release(&rollup);
	return 0;
}
