// SPDX-License-Identifier: GPL-2.0-only
/*
 * -f table of --mode memory: totals, the rows that were asked for, and below them sizes, processes and
 * CPython's own allocator. What it is made of is in the other table_memory_*.c.
 */
#include "render/table_memory.h"

#include <math.h>

#include "render/memory_words.h"
#include "render/table_rows.h"

enum {
	SHEETS_MAX = 3,
	POOLS_MAX = 4, /* processes whose pools are shown */
	INDENT = 2,
};

struct page {
	const struct profile *profile;
	const struct render_options *options;
	struct writer *writer;
	uint32_t width;
};

static void write_text(const struct page *page, struct buffer *text, size_t indent)
{
	table_write_wrapped(page->writer, text, page->width, indent, GRID_PLAIN,
			    page->options->color);
}

/* ---- rows ---- */

static void find_growth_unit(struct memory_sheet *sheet)
{
	double steepest = 0;

	for (uint32_t i = 0; i < sheet->rollup.row_count; i++)
		steepest = fmax(steepest, fabs(sheet->rollup.rows[i].self.trend.bytes_per_second));
	sheet->growth_seconds = memory_growth_seconds(steepest);
}

static void write_sheet(const struct page *page, const struct memory_sheet *sheet, bool leaks)
{
	struct table_rest rest = { 0 };
	struct buffer text;
	struct grid grid;

	buffer_init(&text);
	grid_init(&grid);
	if (leaks) {
		table_memory_append_verdict(&text, sheet);
		write_text(page, &text, INDENT);
		writer_string(page->writer, "\n");
	}
	memory_sheet_fill(sheet, &grid, &rest.hidden);
	if (grid.styles.length) {
		grid_write(&grid, page->width, page->options->color, page->writer);
	} else {
		buffer_string(&text, page->options->glob_count ?
					     "no function that matches has any" :
					     sheet->plan->nothing);
		buffer_byte(&text, '\n');
		write_text(page, &text, INDENT);
	}
	table_write_rest(page->writer, &rest, page->options, "row");
	grid_release(&grid);
	buffer_release(&text);
}

struct asked {
	enum memory_view view;
	bool leaks;
	enum memory_sort sort;
};

/* What was asked for, then what --rss adds. */
static size_t choose_sheets(const struct page *page, struct asked *asked)
{
	const struct memory *memory = page->profile->memory;
	bool heap = memory->view == MEMORY_VIEW_PEAK || memory->view == MEMORY_VIEW_LIVE ||
		    memory->view == MEMORY_VIEW_ALLOCATED;
	bool pages = memory->view == MEMORY_VIEW_RESIDENT || memory->view == MEMORY_VIEW_FAULTED;
	size_t count = 0;

	if (memory->leaks)
		asked[count++] =
			(struct asked){ MEMORY_VIEW_LIVE, true, page->options->memory_sort };
	if (!memory->leaks || !heap)
		asked[count++] = (struct asked){ memory->view, false,
						 memory->leaks ? (enum memory_sort)memory->view :
								 page->options->memory_sort };
	if (memory->resident && !pages)
		asked[count++] =
			(struct asked){ MEMORY_VIEW_RESIDENT, false, MEMORY_SORT_RESIDENT };
	return count;
}

static int write_sheets(const struct page *page)
{
	const struct render_options *options = page->options;
	struct asked asked[SHEETS_MAX];
	size_t count = choose_sheets(page, asked);

	for (size_t i = 0; i < count; i++) {
		struct memory_sheet sheet = {
			.profile = page->profile,
			.options = options,
			.plan = memory_plan_of(asked[i].view, asked[i].leaks),
			.view = asked[i].view,
			.sort = asked[i].sort,
		};
		int err = memory_rollup_build(page->profile, options->by, asked[i].sort,
					      options->split_threads, options->globs,
					      options->glob_count, &sheet.rollup);

		if (err)
			return err;
		if (i)
			writer_string(page->writer, "\n");
		find_growth_unit(&sheet);
		write_sheet(page, &sheet, asked[i].leaks);
		memory_rollup_release(&sheet.rollup);
	}
	return 0;
}

/* ---- below the rows ---- */

static void write_processes(const struct page *page)
{
	struct table_rest rest = { 0 };
	struct grid grid;

	if (page->profile->process_count < 2)
		return;
	grid_init(&grid);
	table_memory_fill_processes(&grid, page->profile, page->options->limit, &rest.hidden);
	writer_string(page->writer, "\n");
	grid_write(&grid, page->width, page->options->color, page->writer);
	table_write_rest(page->writer, &rest, page->options, "process");
	grid_release(&grid);
}

static void write_pools_of(const struct page *page, uint32_t process)
{
	const struct memory_pools *pools = &page->profile->memory->processes[process].pools_end;
	struct buffer title;
	struct grid grid;

	buffer_init(&title);
	grid_init(&grid);
	writer_string(page->writer, "\n");
	if (pools->known) {
		table_memory_fill_pools(&grid, &title, page->profile, process);
		write_text(page, &title, INDENT);
		if (grid.styles.length)
			grid_write(&grid, page->width, page->options->color, page->writer);
	} else {
		buffer_printf(&title, "small objects of pid %u: %s\n",
			      page->profile->processes[process].pid, pools->reason);
		write_text(page, &title, INDENT);
	}
	grid_release(&grid);
	buffer_release(&title);
}

static void write_pools(const struct page *page)
{
	const struct memory *memory = page->profile->memory;
	uint32_t shown = 0;

	for (uint32_t i = 0; i < memory->process_count && i < page->profile->process_count; i++) {
		const struct memory_pools *pools = &memory->processes[i].pools_end;

		if (!memory->objects || shown == POOLS_MAX || (!pools->known && !pools->reason))
			continue;
		write_pools_of(page, i);
		shown++;
	}
}

static void write_sizes(const struct page *page)
{
	const struct memory *memory = page->profile->memory;
	struct buffer text;

	if (memory->leaks || memory->view > MEMORY_VIEW_TEMPORARY)
		return;
	buffer_init(&text);
	table_memory_append_sizes(&text, memory);
	if (text.length) {
		writer_string(page->writer, "\n");
		write_text(page, &text, INDENT);
	}
	buffer_release(&text);
}

int table_write_memory(struct writer *writer, const struct profile *profile,
		       const struct render_options *options, uint32_t width)
{
	struct page page = { profile, options, writer, width };
	struct buffer text;
	int err;

	buffer_init(&text);
	table_memory_append_head(&text, profile);
	write_text(&page, &text, TABLE_MEMORY_NAME);
	writer_string(writer, "\n");
	buffer_release(&text);
	err = write_sheets(&page);
	if (err)
		return err;
	write_sizes(&page);
	write_processes(&page);
	write_pools(&page);
	return 0;
}
