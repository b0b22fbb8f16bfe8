// SPDX-License-Identifier: GPL-2.0-only
/*
 * -f table of --mode gc: a row a generation, a row for each line that triggered collections, the worst
 * pauses with their stacks, a row a process where there are several.
 *
 *	GENERATION    COUNT   PAUSE  WALL%      P50      P99      MAX  COLLECTED
 *	generation 0    588  201 ms   2.01   310 us  1.20 ms  2.44 ms      9,258
 *
 *	PAUSE%    PAUSE  COUNT  MAX      COLLECTED  FUNCTION  FILE:LINE
 *	  52.1   316 ms    302  9.31 ms    103,101  loop      app.py:7
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "render/format.h"
#include "render/gc_words.h"
#include "render/memory_words.h"
#include "render/table_rows.h"

enum {
	WORST_PART = 4, /* so many rows of a table for one pause, which takes two lines */
	WORST_FRAMES = 12,
	INDENT = 6,
};

struct page {
	const struct profile *profile;
	const struct render_options *options;
	struct writer *writer;
	uint32_t width;
};

static void count_cell(struct grid *grid, uint64_t count)
{
	struct buffer cell;

	buffer_init(&cell);
	memory_append_count(&cell, count);
	grid_take(grid, &cell);
	buffer_release(&cell);
}

static void write_grid(const struct page *page, struct grid *grid)
{
	grid_write(grid, page->width, page->options->color, page->writer);
	grid_release(grid);
}

/* ---- generations ---- */

static void generation_row(const struct page *page, struct grid *grid, const char *name,
			   const struct gc_amount *amount, const struct histogram *pauses)
{
	static const double quantiles[] = { 0.5, 0.9, 0.99 };

	grid_cell(grid, name, strlen(name));
	count_cell(grid, amount->count);
	count_cell(grid, amount->asked);
	table_ns_cell(grid, amount->pause_ns);
	table_percent_cell(grid, amount->pause_ns,
			   collections_watched_ns(page->profile->collections));
	table_ns_cell(grid, amount->min_ns);
	table_ns_cell(grid, amount->count ? amount->pause_ns / amount->count : 0);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		table_ns_cell(grid, histogram_quantile_within(pauses, quantiles[i], amount->min_ns,
							      amount->max_ns));
	table_ns_cell(grid, amount->max_ns);
	count_cell(grid, amount->collected);
	count_cell(grid, amount->uncollectable);
}

static void write_generations(const struct page *page)
{
	const struct collections *collections = page->profile->collections;
	struct grid grid;

	grid_init(&grid);
	grid_column(&grid, "GENERATION", false, 0);
	grid_column(&grid, "COUNT", true, 0);
	grid_ranked_column(&grid, "ASKED", 2);
	grid_column(&grid, "PAUSE", true, 0);
	grid_column(&grid, "WALL%", true, 0);
	grid_ranked_column(&grid, "MIN", 6);
	grid_ranked_column(&grid, "MEAN", 5);
	grid_column(&grid, "P50", true, 0);
	grid_ranked_column(&grid, "P90", 4);
	grid_column(&grid, "P99", true, 0);
	grid_column(&grid, "MAX", true, 0);
	grid_column(&grid, "COLLECTED", true, 0);
	grid_ranked_column(&grid, "UNCOLLECTABLE", collections->amount.uncollectable ? 1 : 7);
	for (int i = 0; i < ABI_GC_GENERATIONS; i++) {
		generation_row(page, &grid, gc_words_generation(collections, i),
			       &collections->generations[i].amount,
			       &collections->generations[i].pauses);
		grid_end_row(&grid, GRID_PLAIN);
	}
	generation_row(page, &grid, "all", &collections->amount, &collections->pauses);
	grid_end_row(&grid, GRID_BOLD);
	write_grid(page, &grid);
}

/* ---- who triggered them ---- */

static void name_columns(const struct page *page, struct grid *grid)
{
	switch (page->options->by) {
	case ROLLUP_PROCESS:
		grid_column(grid, "PID", true, 0);
		grid_text_column(grid, "COMMAND", 12, 30);
		return;
	case ROLLUP_THREAD:
		grid_text_column(grid, "THREAD", 12, 30);
		return;
	case ROLLUP_MODULE:
		grid_text_column(grid, "MODULE", 12, 30);
		break;
	case ROLLUP_CLASS:
		grid_text_column(grid, "CLASS", 12, 30);
		grid_text_column(grid, "MODULE", 12, 20);
		break;
	default:
		grid_text_column(grid, "FUNCTION", 12, 24);
		grid_text_column(grid, "FILE:LINE", 12, 20);
		break;
	}
	if (page->options->split_threads)
		grid_text_column(grid, "THREAD", 8, 16);
}

/* Where there is no frame, a row has but that to say. */
static void no_frame_cells(struct grid *grid, enum rollup_by by)
{
	static const char words[] = "[no Python frame]";

	grid_cell(grid, words, sizeof(words) - 1);
	if (by != ROLLUP_MODULE)
		grid_cell(grid, "", 0);
}

static void name_cells(const struct page *page, struct grid *grid, const struct gc_row *row)
{
	const struct profile *profile = page->profile;
	const struct profile_function *function;

	if (page->options->by == ROLLUP_PROCESS) {
		struct buffer pid;

		buffer_init(&pid);
		buffer_printf(&pid, "%u", profile->processes[row->process].pid);
		grid_take(grid, &pid);
		buffer_release(&pid);
		table_text_cell(grid, profile, profile->processes[row->process].command);
		return;
	}
	if (page->options->by == ROLLUP_THREAD) {
		table_thread_cell(grid, profile, row->thread);
		return;
	}
	function = row->function == PROFILE_NONE ? NULL : &profile->functions[row->function];
	if (!function || (function->kind == FRAME_NOTE && !function->module)) {
		no_frame_cells(grid, page->options->by);
	} else {
		if (page->options->by == ROLLUP_MODULE) {
			table_module_cell(grid, profile, function);
		} else if (page->options->by == ROLLUP_CLASS) {
			table_text_cell(grid, profile, function->class_name);
			table_module_cell(grid, profile, function);
		} else {
			table_text_cell(grid, profile, function->name);
			table_place_cell(grid, profile, function, row->line);
		}
	}
	if (page->options->split_threads)
		table_thread_cell(grid, profile, row->thread);
}

static void trigger_row(const struct page *page, struct grid *grid, const struct gc_row *row,
			const struct gc_amount *sum)
{
	const struct collections *collections = page->profile->collections;

	table_percent_cell(grid, row->amount.pause_ns, sum->pause_ns);
	table_ns_cell(grid, row->amount.pause_ns);
	if (page->options->by == ROLLUP_PROCESS) {
		uint64_t wall_ns = row->process < collections->process_count ?
					   collections->processes[row->process].watched_ns :
					   0;

		table_percent_cell(grid, row->amount.pause_ns, wall_ns);
		table_percent_cell(grid, row->amount.pause_ns,
				   page->profile->processes[row->process].cpu_ns);
	} else if (page->options->by == ROLLUP_THREAD) {
		const struct profile_thread *thread = &page->profile->threads[row->thread];

		table_percent_cell(grid, row->amount.pause_ns, thread->wall_ns);
		table_percent_cell(grid, row->amount.pause_ns, thread->cpu_ns);
	}
	count_cell(grid, row->amount.count);
	count_cell(grid, row->amount.asked);
	for (int i = 0; i < ABI_GC_GENERATIONS; i++)
		count_cell(grid, row->amounts[i].count);
	table_ns_cell(grid, row->amount.max_ns);
	count_cell(grid, row->amount.collected);
	count_cell(grid, row->amount.uncollectable);
	name_cells(page, grid, row);
	grid_end_row(grid, table_heat(row->amount.pause_ns, sum->pause_ns));
}

static const char *const generation_titles[2][ABI_GC_GENERATIONS] = {
	{ "GEN0", "GEN1", "GEN2" },
	{ "YOUNG", "INCR", "FULL" },
};

static void trigger_columns(const struct page *page, struct grid *grid)
{
	const struct collections *collections = page->profile->collections;
	const char *const *titles = generation_titles[collections_any_incremental(collections)];
	bool of_tasks = page->options->by == ROLLUP_PROCESS || page->options->by == ROLLUP_THREAD;

	grid_column(grid, "PAUSE%", true, 0);
	grid_column(grid, "PAUSE", true, 0);
	if (of_tasks) {
		grid_column(grid, "WALL%", true, 0);
		grid_column(grid, "CPU%", true, 0);
	}
	grid_column(grid, "COUNT", true, 0);
	grid_ranked_column(grid, "ASKED", 2);
	for (int i = 0; i < ABI_GC_GENERATIONS; i++)
		grid_ranked_column(grid, titles[i], 3);
	grid_column(grid, "MAX", true, 0);
	grid_ranked_column(grid, "COLLECTED", 1);
	grid_ranked_column(grid, "UNCOLLECTABLE", collections->amount.uncollectable ? 2 : 4);
	name_columns(page, grid);
}

static int write_triggers(const struct page *page)
{
	const struct render_options *options = page->options;
	struct table_rest rest = { 0 };
	struct gc_rollup rollup;
	struct grid grid;
	uint32_t shown;
	int err = gc_rollup_build(page->profile, options->by, options->gc_sort,
				  options->split_threads, options->globs, options->glob_count,
				  &rollup);

	if (err)
		return err;
	if (!rollup.row_count) {
		writer_string(page->writer, "no collection began in a function that matches\n");
		return 0;
	}
	shown = options->limit && options->limit < rollup.row_count ? options->limit :
								      rollup.row_count;
	rest.hidden = rollup.row_count - shown;
	grid_init(&grid);
	trigger_columns(page, &grid);
	for (uint32_t i = 0; i < shown; i++)
		trigger_row(page, &grid, &rollup.rows[i], &rollup.amount);
	write_grid(page, &grid);
	table_write_rest(page->writer, &rest, options, "row");
	gc_rollup_release(&rollup);
	return 0;
}

/* ---- the worst ---- */

static void append_worst(struct buffer *out, const struct profile *profile,
			 const struct gc_collection *collection)
{
	const struct gc_site_sum *site = &profile->collections->sites[collection->site];
	const struct profile_thread *thread = &profile->threads[site->thread];

	format_ns(out, collection->pause_ns);
	buffer_string(out, " at ");
	format_ns(out, collection->start_ns);
	buffer_printf(out, MEMORY_DOT "%s" MEMORY_DOT, gc_words_of(profile, collection));
	memory_append_count(out, collection->collected);
	buffer_string(out, " collected");
	if (collection->uncollectable) {
		buffer_string(out, ", ");
		memory_append_count(out, collection->uncollectable);
		buffer_string(out, " uncollectable");
	}
	if (collection->asked)
		buffer_string(out, MEMORY_DOT "asked for");
	if (profile->process_count > 1)
		buffer_printf(out, MEMORY_DOT "pid %u", profile->processes[thread->process].pid);
	buffer_printf(out, MEMORY_DOT "thread %u: ", thread->tid);
	gc_words_append_stack(out, profile, site->stack, WORST_FRAMES);
	buffer_byte(out, '\n');
}

static int write_worst(const struct page *page)
{
	const struct render_options *options = page->options;
	const struct collections *collections = page->profile->collections;
	uint32_t limit = (options->limit + WORST_PART - 1) / WORST_PART, shown = 0;
	bool *matching = gc_stacks_matching(page->profile, options->globs, options->glob_count);
	struct buffer text;

	if (!matching)
		return -ENOMEM;
	buffer_init(&text);
	for (uint32_t i = 0; i < collections->worst_count && (!limit || shown < limit); i++) {
		const struct gc_collection *collection = &collections->worst[i];

		if (!matching[collections->sites[collection->site].stack])
			continue;
		if (!shown++)
			writer_string(page->writer, "\nthe longest pauses, and where they began\n");
		append_worst(&text, page->profile, collection);
		table_write_wrapped(page->writer, &text, page->width, INDENT, GRID_PLAIN,
				    options->color);
	}
	buffer_release(&text);
	free(matching);
	return 0;
}

/* ---- processes ---- */

static void process_row(const struct page *page, struct grid *grid, uint32_t id,
			const struct gc_amount *amount)
{
	const struct profile_process *process = &page->profile->processes[id];
	const struct gc_process *counted = &page->profile->collections->processes[id];
	uint64_t before = 0;
	struct buffer pid;

	for (int i = 0; i < ABI_GC_GENERATIONS; i++)
		before += counted->before[i];
	buffer_init(&pid);
	buffer_printf(&pid, "%u", process->pid);
	grid_take(grid, &pid);
	buffer_release(&pid);
	count_cell(grid, amount->count);
	table_ns_cell(grid, amount->pause_ns);
	table_percent_cell(grid, amount->pause_ns, counted->watched_ns);
	table_percent_cell(grid, amount->pause_ns, process->cpu_ns);
	table_ns_cell(grid, amount->max_ns);
	count_cell(grid, before);
	table_text_cell(grid, page->profile, process->command);
	grid_end_row(grid, GRID_PLAIN);
}

static int write_processes(const struct page *page)
{
	const struct profile *profile = page->profile;
	const struct collections *collections = profile->collections;
	uint32_t shown = 0, count = collections->process_count;
	struct table_rest rest = { 0 };
	struct gc_amount *amounts;
	struct grid grid;

	if (profile->process_count < 2 || page->options->by == ROLLUP_PROCESS)
		return 0;
	amounts = calloc(profile->process_count, sizeof(*amounts));
	if (!amounts)
		return -ENOMEM;
	for (uint32_t i = 0; i < collections->site_count; i++) {
		const struct gc_site_sum *site = &collections->sites[i];

		for (int j = 0; j < ABI_GC_GENERATIONS; j++)
			gc_amount_merge(&amounts[profile->threads[site->thread].process],
					&site->amounts[j]);
	}
	grid_init(&grid);
	grid_column(&grid, "PID", true, 0);
	grid_column(&grid, "COUNT", true, 0);
	grid_column(&grid, "PAUSE", true, 0);
	grid_column(&grid, "WALL%", true, 0);
	grid_column(&grid, "CPU%", true, 0);
	grid_column(&grid, "MAX", true, 0);
	grid_column(&grid, "BEFORE", true, 0);
	grid_text_column(&grid, "COMMAND", 12, 30);
	for (uint32_t i = 0; i < count && i < profile->process_count; i++) {
		if (!collections->processes[i].watched)
			continue;
		if (page->options->limit && shown == page->options->limit) {
			rest.hidden++;
			continue;
		}
		process_row(page, &grid, i, &amounts[i]);
		shown++;
	}
	writer_string(page->writer, "\n");
	write_grid(page, &grid);
	table_write_rest(page->writer, &rest, page->options, "process");
	free(amounts);
	return 0;
}

int table_write_gc(struct writer *writer, const struct profile *profile,
		   const struct render_options *options, uint32_t width)
{
	struct page page = { profile, options, writer, width };
	int err;

	if (!profile->collections->amount.count) {
		writer_string(writer,
			      "0 collections: the collector did not run while we watched\n");
		return write_processes(&page);
	}
	write_generations(&page);
	writer_string(writer, "\n");
	err = write_triggers(&page);
	if (!err)
		err = write_worst(&page);
	return err ? err : write_processes(&page);
}
