// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exact calls, a row for each function, class, module, thread or process.
 *
 *	CALLS      SELF   TOTAL     CPU     MEAN  EXC  FUNCTION  FILE:LINE
 *	33/1  *  700 ms  910 ms  650 ms   910 ms    2  fib       app/jobs.py:20
 *
 * 33/1: 33 calls, 1 of them while none was running already on the thread, as cProfile writes it.
 * The mean is that of these: what a call from outside takes.
 */
#include <inttypes.h>
#include <string.h>

#include "render/closing.h"
#include "render/format.h"
#include "render/table_rows.h"

enum {
	CALLS_TEXT_NARROWEST = 8,
	CALLS_NAME_COMFORT = 20,
	CALLS_PLACE_COMFORT = 14,
};

/* Columns of numbers that may have to go, the least important last. */
enum calls_rank {
	RANK_NEEDED,
	RANK_CPU,
	RANK_MEAN,
	RANK_SHARE,
	RANK_EXCEPTIONS,
	RANK_P99,
	RANK_MAX,
	RANK_P50,
	RANK_P90,
	RANK_CPU_TOTAL,
	RANK_MIN,
};

/* Which of the columns that depend on the rows there are, and what 100 % is. */
struct calls_shape {
	uint64_t self_ns; /* of all functions, listed or not */
	bool marks;
	bool exceptions;
	bool quantiles;
	bool of_tasks;
};

static void calls_shape_find(const struct call_rollup *rollup, uint32_t shown, bool split,
			     struct calls_shape *shape, struct table_rest *rest)
{
	*shape = (struct calls_shape){
		.of_tasks = rollup->by == CALL_ROLLUP_THREAD || rollup->by == CALL_ROLLUP_PROCESS,
	};
	shape->quantiles = !shape->of_tasks && !split;
	for (uint32_t i = 0; i < shown; i++) {
		rest->running = rest->running || rollup->rows[i].running;
		rest->unfinished = rest->unfinished || rollup->rows[i].unfinished;
		shape->exceptions = shape->exceptions || rollup->rows[i].times.exceptions;
	}
	shape->marks = rest->running || rest->unfinished;
}

/* The column that the rows are sorted by always stays. */
static void calls_number_column(struct grid *grid, const struct render_options *options,
				const char *title, enum call_rollup_sort sort, enum calls_rank rank)
{
	grid_ranked_column(grid, title, options->call_sort == sort ? RANK_NEEDED : rank);
}

static void calls_count_columns(struct grid *grid, const struct calls_shape *shape)
{
	grid_column(grid, "CALLS", true, 0);
	if (shape->marks)
		grid_column(grid, "", false, 0);
	grid->heat_column = grid->column_count;
	grid_column(grid, "SELF", true, 0);
}

static void calls_code_columns(struct grid *grid, const struct render_options *options,
			       const struct calls_shape *shape)
{
	calls_count_columns(grid, shape);
	grid_column(grid, "TOTAL", true, 0);
	calls_number_column(grid, options, "CPU", CALL_SORT_CPU, RANK_CPU);
	calls_number_column(grid, options, "MEAN", CALL_SORT_MEAN, RANK_MEAN);
	grid_ranked_column(grid, "SELF%", RANK_SHARE);
	if (shape->quantiles) {
		calls_number_column(grid, options, "MIN", CALL_SORT_MIN, RANK_MIN);
		calls_number_column(grid, options, "P50", CALL_SORT_P50, RANK_P50);
		calls_number_column(grid, options, "P90", CALL_SORT_P90, RANK_P90);
		calls_number_column(grid, options, "P99", CALL_SORT_P99, RANK_P99);
		calls_number_column(grid, options, "MAX", CALL_SORT_MAX, RANK_MAX);
	}
	calls_number_column(grid, options, "CPU TOTAL", CALL_SORT_CPU_TOTAL, RANK_CPU_TOTAL);
	if (shape->exceptions)
		calls_number_column(grid, options, "EXC", CALL_SORT_EXCEPTIONS, RANK_EXCEPTIONS);
	if (options->split_threads)
		grid_column(grid, "THREAD", false, CALLS_TEXT_NARROWEST);
	grid_text_column(grid,
			 options->by == ROLLUP_CLASS  ? "CLASS" :
			 options->by == ROLLUP_MODULE ? "MODULE" :
							"FUNCTION",
			 CALLS_TEXT_NARROWEST, CALLS_NAME_COMFORT);
	grid_text_column(grid,
			 options->by == ROLLUP_CLASS  ? "MODULE" :
			 options->by == ROLLUP_MODULE ? "FILE" :
							"FILE:LINE",
			 CALLS_TEXT_NARROWEST, CALLS_PLACE_COMFORT);
}

static void calls_task_columns(struct grid *grid, const struct render_options *options,
			       const struct calls_shape *shape, bool with_threads)
{
	calls_count_columns(grid, shape);
	grid_column(grid, "CPU", true, 0);
	grid_ranked_column(grid, "ALL CPU", RANK_CPU);
	grid_ranked_column(grid, "WALL", RANK_MEAN);
	if (shape->exceptions)
		calls_number_column(grid, options, "EXC", CALL_SORT_EXCEPTIONS, RANK_EXCEPTIONS);
	grid_column(grid, "PID", true, 0);
	if (with_threads)
		grid_column(grid, "THREAD", false, CALLS_TEXT_NARROWEST);
	grid_text_column(grid, "COMMAND", CALLS_TEXT_NARROWEST, CALLS_PLACE_COMFORT);
}

void table_mark_cell(struct grid *grid, bool running, bool unfinished)
{
	const char *mark = running ? (unfinished ? "*+" : "*") : (unfinished ? "+" : "");

	grid_cell(grid, mark, strlen(mark));
}

static void calls_uint_cell(struct grid *grid, uint64_t value)
{
	table_value_cell(grid, UNIT_SAMPLES, value);
}

static void calls_count_cells(struct grid *grid, const struct call_rollup_row *row,
			      const struct calls_shape *shape)
{
	struct buffer cell;

	buffer_init(&cell);
	buffer_printf(&cell, "%" PRIu64, row->times.calls);
	if (row->recursive_calls && !shape->of_tasks)
		buffer_printf(&cell, "/%" PRIu64, row->times.calls - row->recursive_calls);
	grid_take(grid, &cell);
	if (shape->marks)
		table_mark_cell(grid, row->running, row->unfinished);
	table_ns_cell(grid, row->times.self_ns);
	buffer_release(&cell);
}

/* What no finished call can tell is not 0. */
static void calls_known_cell(struct grid *grid, const struct call_rollup_row *row,
			     uint64_t value_ns)
{
	if (row->max_ns)
		table_ns_cell(grid, value_ns);
	else
		grid_cell(grid, "-", 1);
}

static void calls_mean_cell(struct grid *grid, const struct call_rollup_row *row)
{
	uint64_t primitive = row->times.calls - row->recursive_calls;

	if (primitive)
		table_ns_cell(grid, row->times.total_ns / primitive);
	else
		grid_cell(grid, "-", 1);
}

static void calls_name_cells(struct grid *grid, const struct profile *profile,
			     const struct call_rollup *rollup, const struct call_rollup_row *row)
{
	const struct profile_function *function = &profile->functions[row->function];

	switch (rollup->by) {
	case CALL_ROLLUP_CLASS:
		if (row->name)
			table_text_cell(grid, profile, row->name);
		else
			grid_cell(grid, "-", 1);
		table_module_cell(grid, profile, function);
		break;
	case CALL_ROLLUP_MODULE:
		table_module_cell(grid, profile, function);
		table_place_cell(grid, profile, function, 0);
		break;
	default:
		table_text_cell(grid, profile, function->name);
		table_place_cell(grid, profile, function, function->line);
		break;
	}
}

static void calls_code_row(struct grid *grid, const struct profile *profile,
			   const struct call_rollup *rollup, const struct call_rollup_row *row,
			   const struct calls_shape *shape)
{
	calls_count_cells(grid, row, shape);
	table_ns_cell(grid, row->times.total_ns);
	table_ns_cell(grid, row->times.cpu_self_ns);
	calls_mean_cell(grid, row);
	table_percent_cell(grid, row->times.self_ns, shape->self_ns);
	if (shape->quantiles) {
		calls_known_cell(grid, row, row->min_ns);
		calls_known_cell(grid, row, row->p50_ns);
		calls_known_cell(grid, row, row->p90_ns);
		calls_known_cell(grid, row, row->p99_ns);
		calls_known_cell(grid, row, row->max_ns);
	}
	table_ns_cell(grid, row->times.cpu_total_ns);
	if (shape->exceptions)
		calls_uint_cell(grid, row->times.exceptions);
	if (row->thread != CALLS_NONE)
		table_thread_cell(grid, profile, row->thread);
	calls_name_cells(grid, profile, rollup, row);
	grid_end_row(grid, table_heat(row->times.self_ns, shape->self_ns));
}

/* What the scheduler counted stands beside what was spent in Python's functions. */
static void calls_task_row(struct grid *grid, const struct profile *profile,
			   const struct call_rollup_row *row, const struct calls_shape *shape)
{
	const struct profile_thread *thread =
		row->thread == CALLS_NONE ? NULL : &profile->threads[row->thread];
	const struct profile_process *process =
		&profile->processes[thread ? thread->process : row->process];

	calls_count_cells(grid, row, shape);
	table_ns_cell(grid, row->times.cpu_self_ns);
	table_ns_cell(grid, thread ? thread->cpu_ns : process->cpu_ns);
	if (thread)
		table_ns_cell(grid, thread->wall_ns);
	else
		grid_cell(grid, "-", 1);
	if (shape->exceptions)
		calls_uint_cell(grid, row->times.exceptions);
	calls_uint_cell(grid, process->pid);
	if (thread)
		table_thread_cell(grid, profile, row->thread);
	table_text_cell(grid, profile, process->command);
	grid_end_row(grid, table_heat(row->times.self_ns, shape->self_ns));
}

static enum call_rollup_by calls_by(enum rollup_by by)
{
	switch (by) {
	case ROLLUP_CLASS:
		return CALL_ROLLUP_CLASS;
	case ROLLUP_MODULE:
		return CALL_ROLLUP_MODULE;
	case ROLLUP_THREAD:
		return CALL_ROLLUP_THREAD;
	case ROLLUP_PROCESS:
		return CALL_ROLLUP_PROCESS;
	default:
		return CALL_ROLLUP_FUNCTION;
	}
}

int table_fill_calls(struct grid *grid, const struct profile *profile,
		     const struct render_options *options, struct table_rest *rest)
{
	/* A thread is never split further. */
	bool split = options->split_threads && options->by != ROLLUP_THREAD;
	struct closing_calls sum;
	struct calls_shape shape;
	struct call_rollup rollup;
	uint32_t shown;
	int err = call_rollup_build(profile, calls_by(options->by), options->call_sort, split,
				    options->globs, options->glob_count, &rollup);

	if (err)
		return err;
	shown = rollup.row_count;
	if (options->limit && shown > options->limit)
		shown = options->limit;
	calls_shape_find(&rollup, shown, split, &shape, rest);
	closing_sum_calls(profile, &sum);
	shape.self_ns = sum.self_ns;
	if (shape.of_tasks)
		calls_task_columns(grid, options, &shape, split || options->by == ROLLUP_THREAD);
	else
		calls_code_columns(grid, options, &shape);
	for (uint32_t i = 0; i < shown; i++) {
		if (shape.of_tasks)
			calls_task_row(grid, profile, &rollup.rows[i], &shape);
		else
			calls_code_row(grid, profile, &rollup, &rollup.rows[i], &shape);
	}
	rest->hidden = rollup.row_count - shown;
	call_rollup_release(&rollup);
	return 0;
}
