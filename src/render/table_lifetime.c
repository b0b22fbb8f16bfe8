// SPDX-License-Identifier: GPL-2.0-only
/*
 * -f table of --mode lifetime: totals and their course, the rows that were asked for, the lines that made
 * most, and how old what lives at the end is. The rows are in table_lifetime_rows.c.
 *
 *	created  120,000 objects of 12 classes, 12,000/s
 *	ended    119,400 of them, and 30 from before; 5.20 % by the collector
 *	live     600 of them, 37.5 KiB, at the end
 *	live ▁▂▂▃▄▅▆▇█▇▆▅▃▂ 812
 */
#include "render/table_lifetime.h"

#include "render/format.h"
#include "render/memory_words.h"
#include "render/table_rows.h"

enum {
	INDENT = 2,
	BESIDES_MAX = 10, /* rows of the tables that nobody asked for by name */
};

/* ---- the head ---- */

static void append_name(struct buffer *out, const char *name)
{
	buffer_printf(out, "%-*s", TABLE_LIFETIME_NAME, name);
}

static bool is_estimate(const struct lifetimes *lifetimes)
{
	for (uint32_t i = 0; i < lifetimes->class_count; i++) {
		if (lifetimes->classes[i].sampled && lifetimes->sample_one_in > 1)
			return true;
	}
	return false;
}

static void append_totals(struct buffer *out, const struct profile *profile, uint32_t class_count,
			  uint64_t live_bytes, bool selected)
{
	const struct lifetimes *lifetimes = profile->lifetimes;
	uint64_t ended = lifetimes->destroyed + lifetimes->destroyed_before;
	const char *about = is_estimate(lifetimes) ? "about " : "";

	append_name(out, "created");
	buffer_string(out, about);
	memory_append_counted(out, lifetimes->created, "object");
	buffer_string(out, " of ");
	memory_append_counted(out, class_count, "class");
	buffer_string(out, selected ? " in all" : "");
	if (profile->duration_ns && lifetimes->created) {
		buffer_string(out, ", ");
		memory_append_count(
			out, (uint64_t)(lifetimes->created / (profile->duration_ns / 1e9) + 0.5));
		buffer_string(out, "/s");
	}
	buffer_byte(out, '\n');
	append_name(out, "ended");
	buffer_string(out, about);
	memory_append_count(out, lifetimes->destroyed);
	buffer_string(out, " of them");
	if (lifetimes->destroyed_before) {
		buffer_string(out, ", and ");
		memory_append_count(out, lifetimes->destroyed_before);
		buffer_string(out, " from before");
	}
	if (ended) {
		buffer_string(out, "; ");
		format_share(out, lifetimes->by_collector, ended);
		buffer_string(out, " by the collector");
	}
	buffer_byte(out, '\n');
	append_name(out, "live");
	buffer_string(out, about);
	memory_append_count(out, lifetimes->created - lifetimes->destroyed);
	buffer_string(out, " of them, ");
	memory_append_bytes(out, live_bytes);
	buffer_string(out, ", at the end\n");
}

/* By how much there were more than at the start, at the end of each span; false: it never changed. */
static bool fill_course(const struct lifetimes *lifetimes, int64_t *values)
{
	int64_t live = 0, least = 0, most = 0;

	for (uint32_t span = 0; span < lifetimes->span_count; span++) {
		for (uint32_t i = 0; i < lifetimes->class_count; i++) {
			const struct lifetime_class *row = &lifetimes->classes[i];

			/* What has ends but no makings would only ever fall. */
			if (row->births == LIFETIME_BIRTHS_PROBED)
				live += (int64_t)row->spans[span].created -
					row->spans[span].destroyed;
		}
		values[span] = live;
		least = live < least ? live : least;
		most = live > most ? live : most;
	}
	for (uint32_t span = 0; span < lifetimes->span_count; span++)
		values[span] -= least;
	return most > least;
}

static void append_course(struct buffer *out, const struct lifetimes *lifetimes)
{
	int64_t values[LIFETIME_SPANS], most = 0;

	if (lifetimes->span_count < 2 || lifetimes->span_count > LIFETIME_SPANS ||
	    !fill_course(lifetimes, values))
		return;
	append_name(out, "change");
	for (uint32_t i = 0; i < lifetimes->span_count; i++)
		most = values[i] > most ? values[i] : most;
	for (uint32_t i = 0; i < lifetimes->span_count && most; i++) {
		/* U+2581 to U+2588, an eighth each; nothing is a blank. */
		unsigned int eighths = (unsigned int)(((__int128)values[i] * 8 + most - 1) / most);

		if (eighths)
			buffer_printf(out, "\xe2\x96%c", (char)(0x80 + eighths));
		else
			buffer_byte(out, ' ');
	}
	buffer_byte(out, ' ');
	memory_append_count(out, (uint64_t)most);
	buffer_byte(out, '\n');
}

void table_lifetime_append_head(struct buffer *out, const struct profile *profile, bool selected)
{
	const struct lifetimes *lifetimes = profile->lifetimes;
	uint64_t live_bytes = 0;
	uint32_t classes = 0;

	for (uint32_t i = 0; i < lifetimes->class_count; i++) {
		const struct lifetime_class *row = &lifetimes->classes[i];

		classes += row->created > 0;
		live_bytes += row->created_bytes - row->destroyed_bytes;
	}
	append_totals(out, profile, classes, live_bytes, selected);
	append_course(out, lifetimes);
}

/* ---- the tables ---- */

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

static void write_nothing(const struct page *page)
{
	const struct lifetimes *lifetimes = page->profile->lifetimes;
	struct buffer text;

	buffer_init(&text);
	if (page->options->glob_count)
		buffer_string(&text, "no class and no function that matches had objects made or "
				     "ended");
	else if (!lifetimes->class_count)
		buffer_string(&text,
			      "no object of a class made in Python was made or ended while we "
			      "watched; built-in and extension types are followed with --types");
	else
		buffer_string(&text, "no object of the classes there are was made or ended while "
				     "we watched");
	buffer_byte(&text, '\n');
	write_text(page, &text, INDENT);
	buffer_release(&text);
}

typedef void (*fill_function)(const struct lifetime_sheet *sheet, struct grid *grid,
			      uint32_t *hidden);

/* `title` NULL: the table that was asked for; of the others nothing is shown where they are empty. */
static int write_sheet(const struct page *page, const struct lifetime_sheet *like,
		       enum rollup_by by, fill_function fill, const char *title)
{
	struct render_options options = *page->options;
	struct lifetime_sheet sheet = *like;
	struct table_rest rest = { 0 };
	struct grid grid;
	int err;

	if (title)
		options.split_threads = false;
	sheet.options = &options;
	err = lifetime_rollup_build(page->profile, by, sheet.sort, options.split_threads,
				    options.globs, options.glob_count, &sheet.rollup);
	if (err)
		return err;
	grid_init(&grid);
	fill(&sheet, &grid, &rest.hidden);
	if (grid.styles.length) {
		if (title)
			writer_string(page->writer, title);
		grid_write(&grid, page->width, options.color, page->writer);
		table_write_rest(page->writer, &rest, &options, "row");
	} else if (!title) {
		write_nothing(page);
	}
	grid_release(&grid);
	lifetime_rollup_release(&sheet.rollup);
	return 0;
}

static int write_besides(const struct page *page, enum rollup_by by, enum lifetime_sort sort,
			 fill_function fill, const char *title)
{
	uint32_t limit = page->options->limit;
	struct lifetime_sheet sheet = {
		.profile = page->profile,
		.sort = sort,
		.limit = limit > BESIDES_MAX ? BESIDES_MAX : limit,
	};

	return write_sheet(page, &sheet, by, fill, title);
}

int table_write_lifetimes(struct writer *writer, const struct profile *profile,
			  const struct render_options *options, uint32_t width)
{
	const struct page page = { profile, options, writer, width };
	struct lifetime_sheet sheet = {
		.profile = profile,
		.sort = options->lifetime_sort,
		.limit = options->limit,
	};
	bool classes = options->by == ROLLUP_CLASS || options->by == ROLLUP_MODULE;
	/* Of lines nobody knows how many there were before. */
	enum lifetime_sort sort = options->lifetime_sort == LIFETIME_SORT_GROWTH ?
					  LIFETIME_SORT_LIVE :
					  options->lifetime_sort;
	struct buffer text;
	int err;

	buffer_init(&text);
	table_lifetime_append_head(&text, profile, options->glob_count > 0);
	write_text(&page, &text, TABLE_LIFETIME_NAME);
	writer_string(writer, "\n");
	buffer_release(&text);
	err = write_sheet(&page, &sheet, options->by, lifetime_sheet_fill, NULL);
	if (!err && classes)
		err = write_besides(&page, ROLLUP_LINE, sort, lifetime_sheet_fill,
				    "\nlines that made them\n");
	if (!err)
		err = write_besides(&page, ROLLUP_CLASS, LIFETIME_SORT_LIVE, lifetime_ages_fill,
				    "\nalive at the end, by age\n");
	return err;
}
