// SPDX-License-Identifier: GPL-2.0-only
/*
 * -f table: the report for people.
 *
 *	pybpfprof -p 4242
 *	python3 app.py · pid 4242 · CPython 3.11.2
 *	cpu · 10.0 s · 990 samples at 99 Hz · sampled 9.87 s of 9.91 s CPU
 *
 *	SELF%    SELF  TOTAL%   TOTAL  FUNCTION       FILE:LINE
 *	 61.2  6.06 s    61.2  6.06 s  Worker.crunch  app.py:12
 *	… 132 more rows: --limit 0 shows all
 *
 *	cost: 1.3 % of the target, 0.4 % of a core for pybpfprof · 0 lost · 0 unresolved
 */
#include <string.h>

#include "base/text.h"
#include "render/closing.h"
#include "render/format.h"
#include "render/renderers.h"
#include "render/table_rows.h"

enum { TABLE_COLUMNS = 80, TABLE_TARGETS = 4 };

/* Each line of `text` in the style; cut to `width` columns unless that is 0. Empties `text`. */
static void table_write_lines(struct writer *writer, struct buffer *text, uint32_t width,
			      enum grid_style style, bool color)
{
	char *line = text->bytes, *end;

	if (buffer_error(text))
		writer_fail(writer, buffer_error(text));
	for (; line && (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		writer_string(writer, grid_style_start(style, color));
		if (width)
			text_append_fitted(&writer->scratch, line, width);
		else
			buffer_string(&writer->scratch, line);
		writer_scratch(writer);
		writer_string(writer, grid_style_end(style, color));
		writer_string(writer, "\n");
	}
	buffer_clear(text);
}

static void table_write_head(struct writer *writer, const struct profile *profile,
			     const struct render_options *options, uint32_t width)
{
	struct buffer text;

	buffer_init(&text);
	if (options->title) {
		text_append_safe(&text, options->title, strlen(options->title));
		buffer_byte(&text, '\n');
		table_write_lines(writer, &text, width, GRID_BOLD, options->color);
	}
	closing_append_targets(&text, profile, TABLE_TARGETS);
	closing_append_summary(&text, profile, options);
	if (options->glob_count) {
		buffer_string(&text, "only stacks with");
		for (size_t i = 0; i < options->glob_count; i++) {
			buffer_string(&text, i ? ", " : " ");
			text_append_safe(&text, options->globs[i], strlen(options->globs[i]));
		}
		buffer_byte(&text, '\n');
	}
	table_write_lines(writer, &text, width, GRID_PLAIN, options->color);
	writer_string(writer, "\n");
	buffer_release(&text);
}

static void table_write_nothing(struct writer *writer, const struct profile *profile,
				const struct render_options *options)
{
	struct buffer text;

	buffer_init(&text);
	if (options->glob_count)
		buffer_string(&text, "no sample has a function that matches");
	else if (profile->unit == UNIT_NS) {
		buffer_string(&text, "no samples: ");
		format_ns(&text, closing_cpu_ns(profile));
		buffer_string(&text, " of CPU was used while we watched");
	} else {
		buffer_string(&text, "no samples");
	}
	buffer_byte(&text, '\n');
	table_write_lines(writer, &text, 0, GRID_PLAIN, options->color);
	buffer_release(&text);
}

static void table_write_closing(struct writer *writer, const struct profile *profile,
				const struct render_options *options, uint32_t hidden)
{
	struct buffer text;

	buffer_init(&text);
	if (hidden) {
		buffer_printf(&text, "\xe2\x80\xa6 %u more %s%s: --limit 0 shows all\n", hidden,
			      options->by_lines ? "line" : "row", hidden == 1 ? "" : "s");
		table_write_lines(writer, &text, 0, GRID_DIM, options->color);
	}
	writer_string(writer, "\n");
	closing_append_cost(&text, profile, options);
	table_write_lines(writer, &text, 0, GRID_DIM, options->color);
	buffer_release(&text);
}

static int table_fill(struct grid *grid, const struct profile *profile,
		      const struct render_options *options, uint32_t *hidden)
{
	struct render_options by_line = *options;

	if (!options->by_lines || (options->by != ROLLUP_FUNCTION && options->by != ROLLUP_LINE))
		return table_fill_rollup(grid, profile, options, hidden);
	if (!options->split_threads)
		return table_fill_lines(grid, profile, options, hidden);
	/* Lines under functions under threads would be a maze: one flat row for each. */
	by_line.by = ROLLUP_LINE;
	return table_fill_rollup(grid, profile, &by_line, hidden);
}

int render_table(const struct profile *profile, const struct render_options *options, FILE *stream)
{
	uint32_t width = options->columns ? options->columns : TABLE_COLUMNS, hidden = 0;
	struct writer writer;
	struct grid grid;
	int err, write_err;

	writer_init(&writer, stream);
	grid_init(&grid);
	err = table_fill(&grid, profile, options, &hidden);
	if (!err) {
		table_write_head(&writer, profile, options, width);
		if (grid.styles.length)
			grid_write(&grid, width, options->color, &writer);
		else
			table_write_nothing(&writer, profile, options);
		table_write_closing(&writer, profile, options, hidden);
	}
	write_err = writer_finish(&writer);
	grid_release(&grid);
	return err ? err : write_err;
}
