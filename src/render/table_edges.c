// SPDX-License-Identifier: GPL-2.0-only
/*
 * --mode callgraph: each function in bold, above it who called it, below it whom it called.
 *
 *	CALLS    SELF    TOTAL  <- CALLER  -> CALLEE      FILE:LINE
 *	   10  1.00 s   3.00 s    <- <module>             app.py:1
 *	   10  1.00 s   3.00 s  Worker.run                app/jobs.py:10
 *	   40  2.00 s   2.00 s    -> fib                  app/jobs.py:20
 *
 * A caller's row is what the function did for that caller, a callee's row what the callee did for
 * the function: the callers' calls and self times add up to the function's own.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/map64.h"
#include "render/format.h"
#include "render/table_rows.h"

enum {
	EDGES_TEXT_NARROWEST = 8,
	EDGES_NAME_COMFORT = 30,
	EDGES_PLACE_COMFORT = 14,
	EDGES_SHOWN = 10, /* on each side of a function, unless all rows are asked for */
};

/* An edge of all threads together, or of one. */
struct edge_row {
	uint32_t edge;
	uint32_t thread; /* CALLS_NONE: all */
	struct call_times times;
};

struct edge_rows {
	struct edge_row *rows;
	uint32_t count;
	uint32_t *by_caller; /* places in `rows`, those of one caller side by side */
	uint32_t *by_callee;
};

struct edge_order {
	const struct edge_rows *rows;
	const struct call_edge *edges;
	bool by_caller;
};

static void edge_rows_release(struct edge_rows *rows)
{
	free(rows->rows);
	free(rows->by_caller);
	free(rows->by_callee);
}

static void edge_times_add(struct call_times *sum, const struct call_times *times)
{
	sum->calls += times->calls;
	sum->resumes += times->resumes;
	sum->exceptions += times->exceptions;
	sum->self_ns += times->self_ns;
	sum->cpu_self_ns += times->cpu_self_ns;
	sum->total_ns += times->total_ns;
	sum->cpu_total_ns += times->cpu_total_ns;
}

/* Each edge split by thread, from the nodes it is made of. */
static int edge_rows_split(const struct calls *calls, struct edge_rows *out)
{
	struct map64 *places = map64_new();
	int err = -ENOMEM;

	out->rows = calloc(calls->node_count + 1, sizeof(*out->rows));
	if (!places || !out->rows)
		goto out;
	for (uint32_t i = 1; i < calls->node_count; i++) {
		const struct call_node *node = &calls->nodes[i];
		struct call_times times = node->times;
		uint64_t *place;
		bool added;

		if (node->function == CALLS_NONE)
			continue;
		place = map64_slot(places, map64_pair(node->edge, node->thread), &added);
		if (!place)
			goto out;
		if (added) {
			*place = out->count++;
			out->rows[*place].edge = node->edge;
			out->rows[*place].thread = node->thread;
		}
		if (node->edge_recursive)
			times.total_ns = times.cpu_total_ns = 0;
		edge_times_add(&out->rows[*place].times, &times);
	}
	err = 0;
out:
	map64_free(places);
	return err;
}

static int edge_rows_whole(const struct calls *calls, struct edge_rows *out)
{
	out->rows = calloc(calls->edge_count + 1, sizeof(*out->rows));
	if (!out->rows)
		return -ENOMEM;
	for (uint32_t i = 0; i < calls->edge_count; i++)
		out->rows[out->count++] = (struct edge_row){
			.edge = i,
			.thread = CALLS_NONE,
			.times = calls->edges[i].times,
		};
	return 0;
}

static uint32_t edge_end(const struct edge_order *order, const struct edge_row *row)
{
	const struct call_edge *edge = &order->edges[row->edge];

	return order->by_caller ? edge->caller : edge->callee;
}

/* By function and thread, then the longest first; the index makes the order always the same. */
static int edge_compare(const void *left, const void *right, void *arg)
{
	const struct edge_order *order = arg;
	uint32_t one_place = *(const uint32_t *)left, other_place = *(const uint32_t *)right;
	const struct edge_row *one = &order->rows->rows[one_place];
	const struct edge_row *other = &order->rows->rows[other_place];
	uint32_t one_end = edge_end(order, one), other_end = edge_end(order, other);

	if (one_end != other_end)
		return one_end < other_end ? -1 : 1;
	if (one->thread != other->thread)
		return one->thread < other->thread ? -1 : 1;
	if (one->times.total_ns != other->times.total_ns)
		return one->times.total_ns > other->times.total_ns ? -1 : 1;
	if (one->times.calls != other->times.calls)
		return one->times.calls > other->times.calls ? -1 : 1;
	return one->edge < other->edge ? -1 : one->edge > other->edge;
}

static uint32_t *edge_places_new(const struct edge_rows *rows, const struct calls *calls,
				 bool by_caller)
{
	struct edge_order order = { rows, calls->edges, by_caller };
	uint32_t *places = calloc(rows->count + 1, sizeof(*places));

	if (!places)
		return NULL;
	for (uint32_t i = 0; i < rows->count; i++)
		places[i] = i;
	qsort_r(places, rows->count, sizeof(*places), edge_compare, &order);
	return places;
}

static int edge_rows_make(const struct calls *calls, bool split, struct edge_rows *out)
{
	int err = split ? edge_rows_split(calls, out) : edge_rows_whole(calls, out);

	if (err)
		return err;
	out->by_caller = edge_places_new(out, calls, true);
	out->by_callee = edge_places_new(out, calls, false);
	return out->by_caller && out->by_callee ? 0 : -ENOMEM;
}

/* The first place of (function, thread) in one of the two orders. */
static uint32_t edge_first(const struct edge_rows *rows, const struct edge_order *order,
			   const uint32_t *places, uint32_t function, uint32_t thread)
{
	uint32_t low = 0, high = rows->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct edge_row *row = &rows->rows[places[middle]];
		uint32_t end = edge_end(order, row);

		if (end < function || (end == function && row->thread < thread))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct edges_table {
	struct grid *grid;
	const struct profile *profile;
	const struct render_options *options;
	struct edge_rows rows;
	bool marks;
	bool exceptions;
};

static void edges_columns(struct edges_table *table)
{
	struct grid *grid = table->grid;

	grid_column(grid, "CALLS", true, 0);
	if (table->marks)
		grid_column(grid, "", false, 0);
	grid->heat_column = grid->column_count;
	grid_column(grid, "SELF", true, 0);
	grid_column(grid, "TOTAL", true, 0);
	grid_ranked_column(grid, "CPU", 1);
	if (table->exceptions)
		grid_ranked_column(grid, "EXC", 2);
	if (table->options->split_threads)
		grid_column(grid, "THREAD", false, EDGES_TEXT_NARROWEST);
	grid_text_column(grid, "<- CALLER  -> CALLEE", EDGES_TEXT_NARROWEST, EDGES_NAME_COMFORT);
	grid_text_column(grid, "FILE:LINE", EDGES_TEXT_NARROWEST, EDGES_PLACE_COMFORT);
}

/* `marked`: the row of a function itself; NULL: of its caller or callee. */
static void edges_number_cells(struct edges_table *table, const struct call_times *times,
			       uint32_t thread, const struct call_rollup_row *marked)
{
	struct grid *grid = table->grid;

	table_value_cell(grid, UNIT_SAMPLES, times->calls);
	if (table->marks)
		table_mark_cell(grid, marked && marked->running, marked && marked->unfinished);
	table_ns_cell(grid, times->self_ns);
	table_ns_cell(grid, times->total_ns);
	table_ns_cell(grid, times->cpu_self_ns);
	if (table->exceptions)
		table_value_cell(grid, UNIT_SAMPLES, times->exceptions);
	if (thread != CALLS_NONE)
		table_thread_cell(grid, table->profile, thread);
}

static void edges_row(struct edges_table *table, const struct edge_row *row, bool caller)
{
	const struct profile *profile = table->profile;
	const struct call_edge *edge = &profile->calls->edges[row->edge];
	uint32_t id = caller ? edge->caller : edge->callee;
	struct buffer cell;

	edges_number_cells(table, &row->times, row->thread, NULL);
	buffer_init(&cell);
	buffer_string(&cell, caller ? "  <- " : "  -> ");
	if (id == CALLS_NONE) {
		buffer_string(&cell, "(outermost)");
		grid_take(table->grid, &cell);
		grid_cell(table->grid, "-", 1);
	} else {
		const struct profile_function *function = &profile->functions[id];

		buffer_append(&cell, profile_text(profile, function->name),
			      intern_length(profile->strings, function->name));
		grid_take(table->grid, &cell);
		table_place_cell(table->grid, profile, function, function->line);
	}
	grid_end_row(table->grid, GRID_PLAIN);
	buffer_release(&cell);
}

/* Those that there is no room for, as one row. Their total times may hold one another. */
static void edges_more_row(struct edges_table *table, const struct call_times *times,
			   uint32_t thread, uint32_t count, bool caller)
{
	struct buffer cell;

	edges_number_cells(table, times, thread, NULL);
	buffer_init(&cell);
	buffer_printf(&cell, "  %s %" PRIu32 " more", caller ? "<-" : "->", count);
	grid_take(table->grid, &cell);
	grid_cell(table->grid, "-", 1);
	grid_end_row(table->grid, GRID_DIM);
	buffer_release(&cell);
}

static void edges_side(struct edges_table *table, const struct call_rollup_row *of, bool caller)
{
	const struct edge_rows *rows = &table->rows;
	const uint32_t *places = caller ? rows->by_callee : rows->by_caller;
	struct edge_order order = { rows, table->profile->calls->edges, !caller };
	uint32_t first = edge_first(rows, &order, places, of->function, of->thread), last = first;
	struct call_times more = { 0 };
	uint32_t shown;

	while (last < rows->count && edge_end(&order, &rows->rows[places[last]]) == of->function &&
	       rows->rows[places[last]].thread == of->thread)
		last++;
	shown = last - first;
	/* A row that says "1 more" would take the room of the one. */
	if (table->options->limit && shown > EDGES_SHOWN)
		shown = EDGES_SHOWN - 1;
	for (uint32_t i = first; i < first + shown; i++)
		edges_row(table, &rows->rows[places[i]], caller);
	for (uint32_t i = first + shown; i < last; i++)
		edge_times_add(&more, &rows->rows[places[i]].times);
	if (first + shown < last)
		edges_more_row(table, &more, of->thread, last - first - shown, caller);
}

static void edges_block(struct edges_table *table, const struct call_rollup_row *row)
{
	const struct profile_function *function = &table->profile->functions[row->function];

	edges_side(table, row, true);
	edges_number_cells(table, &row->times, row->thread, row);
	table_text_cell(table->grid, table->profile, function->name);
	table_place_cell(table->grid, table->profile, function, function->line);
	grid_end_row(table->grid, GRID_BOLD);
	edges_side(table, row, false);
}

int table_fill_edges(struct grid *grid, const struct profile *profile,
		     const struct render_options *options, struct table_rest *rest)
{
	struct edges_table table = { .grid = grid, .profile = profile, .options = options };
	struct call_rollup rollup;
	uint32_t shown;
	int err = call_rollup_build(profile, CALL_ROLLUP_FUNCTION, options->call_sort,
				    options->split_threads, options->globs, options->glob_count,
				    &rollup);

	if (err)
		return err;
	err = edge_rows_make(profile->calls, options->split_threads, &table.rows);
	if (err)
		goto out;
	shown = rollup.row_count;
	if (options->limit && shown > options->limit)
		shown = options->limit;
	for (uint32_t i = 0; i < shown; i++) {
		rest->running = rest->running || rollup.rows[i].running;
		rest->unfinished = rest->unfinished || rollup.rows[i].unfinished;
	}
	table.marks = rest->running || rest->unfinished;
	for (uint32_t i = 0; i < table.rows.count; i++)
		table.exceptions = table.exceptions || table.rows.rows[i].times.exceptions;
	edges_columns(&table);
	for (uint32_t i = 0; i < shown; i++) {
		if (i)
			grid_blank_row(grid);
		edges_block(&table, &rollup.rows[i]);
	}
	rest->hidden = rollup.row_count - shown;
out:
	edge_rows_release(&table.rows);
	call_rollup_release(&rollup);
	return err;
}
