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
#include "model/parts.h"
#include "render/closing.h"
#include "render/format.h"
#include "render/renderers.h"
#include "render/table_rows.h"

enum { TABLE_COLUMNS = 80, TABLE_TARGETS = 4 };

/* Not of samples or calls: what is shown has files of its own. */
static bool table_is_of_objects(const struct profile *profile)
{
	return profile->memory || profile->lifetimes || profile->collections;
}

static void table_write_targets_of(struct writer *writer, const struct profile *profile,
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
	/* How a process ended must not get lost in the middle of its line. */
	if (table_is_of_objects(profile))
		table_write_targets(writer, &text, width, options->color);
	else
		table_write_lines(writer, &text, width, GRID_PLAIN, options->color);
	buffer_release(&text);
}

static void table_write_summary(struct writer *writer, const struct profile *profile,
				const struct render_options *options, uint32_t width)
{
	struct buffer text;

	buffer_init(&text);
	closing_append_summary(&text, profile, options);
	if (options->glob_count) {
		buffer_string(&text, profile->lifetimes ? "only classes and stacks with" :
				     profile->calls || profile->memory ?
							  "only functions that match" :
							  "only stacks with");
		for (size_t i = 0; i < options->glob_count; i++) {
			buffer_string(&text, i ? ", " : " ");
			text_append_safe(&text, options->globs[i], strlen(options->globs[i]));
		}
		if (profile->calls)
			buffer_string(&text, "\nthe probes fired for every call all the same");
		buffer_byte(&text, '\n');
	}
	if (table_is_of_objects(profile))
		table_write_wrapped(writer, &text, width, 2, GRID_PLAIN, options->color);
	else
		table_write_lines(writer, &text, width, GRID_PLAIN, options->color);
	writer_string(writer, "\n");
	buffer_release(&text);
}

static void table_write_nothing(struct writer *writer, const struct profile *profile,
				const struct render_options *options)
{
	struct buffer text;

	buffer_init(&text);
	if (profile->calls)
		buffer_string(&text, options->glob_count ?
					     "no function that was called matches" :
					     "no calls: no Python function was entered or left "
					     "while we watched");
	else if (options->glob_count)
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

void table_write_rest(struct writer *writer, const struct table_rest *rest,
		      const struct render_options *options, const char *row)
{
	struct buffer text;

	buffer_init(&text);
	if (rest->hidden) {
		buffer_printf(&text, "\xe2\x80\xa6 %u more %s%s", rest->hidden, row,
			      rest->hidden == 1		  ? "" :
			      row[strlen(row) - 1] == 's' ? "es" :
							    "s");
		if (options->by == ROLLUP_TREE) {
			buffer_string(&text, ", ");
			format_share(&text, rest->hidden_self_ns, rest->self_ns);
			buffer_string(&text, " of the time");
		}
		buffer_string(&text, ": --limit 0 shows all\n");
	}
	if (rest->running)
		buffer_string(&text,
			      "* was running when we came: entered before, timed from then\n");
	if (rest->unfinished)
		buffer_string(&text, "+ was running when we left: timed until then\n");
	table_write_lines(writer, &text, 0, GRID_DIM, options->color);
	buffer_release(&text);
}

static void table_write_closing(struct writer *writer, const struct profile *profile,
				const struct render_options *options, uint32_t width)
{
	struct buffer text, rest;
	char *notes;

	buffer_init(&text);
	buffer_init(&rest);
	writer_string(writer, "\n");
	closing_append_cost(&text, profile, options);
	notes = text.length ? strchr(text.bytes, '\n') + 1 : NULL;
	if (table_is_of_objects(profile) && notes) {
		/* The first line is one line, whoever looks for it. */
		buffer_string(&rest, notes);
		text.length = (size_t)(notes - text.bytes);
		*notes = '\0';
	}
	table_write_lines(writer, &text, 0, GRID_DIM, options->color);
	table_write_wrapped(writer, &rest, width, 6, GRID_DIM, options->color);
	buffer_release(&rest);
	buffer_release(&text);
}

static int table_fill_samples(struct grid *grid, const struct profile *profile,
			      const struct render_options *options, struct table_rest *rest)
{
	struct render_options by_line = *options;

	if (!options->by_lines || (options->by != ROLLUP_FUNCTION && options->by != ROLLUP_LINE))
		return table_fill_rollup(grid, profile, options, &rest->hidden);
	if (!options->split_threads)
		return table_fill_lines(grid, profile, options, &rest->hidden);
	/* Lines under functions under threads would be a maze: one flat row for each. */
	by_line.by = ROLLUP_LINE;
	return table_fill_rollup(grid, profile, &by_line, &rest->hidden);
}

/* A table of its own for each question that was asked. */
struct table_part {
	int (*fill)(struct grid *grid, const struct profile *profile,
		    const struct render_options *options, struct table_rest *rest);
	const char *row; /* what one of its rows is called */
};

enum { TABLE_PARTS_MAX = 2 };

static size_t table_choose(const struct profile *profile, const struct render_options *options,
			   struct table_part *parts)
{
	const char *mode = profile_text(profile, profile->mode);
	size_t count = 0;

	if (!profile->calls) {
		parts[count++] = (struct table_part){ table_fill_samples,
						      options->by_lines ? "line" : "row" };
	} else if (options->by == ROLLUP_TREE) {
		parts[count++] = (struct table_part){ table_fill_tree, "path" };
	} else {
		bool graph = options->by == ROLLUP_FUNCTION && strstr(mode, "callgraph");

		if (!graph || strstr(mode, "time"))
			parts[count++] = (struct table_part){ table_fill_calls, "row" };
		if (graph)
			parts[count++] = (struct table_part){ table_fill_edges, "function" };
	}
	return count;
}

static int table_write_part(struct writer *writer, const struct table_part *part,
			    const struct profile *profile, const struct render_options *options,
			    uint32_t width)
{
	struct table_rest rest = { 0 };
	struct grid grid;
	int err;

	grid_init(&grid);
	err = part->fill(&grid, profile, options, &rest);
	if (!err) {
		if (grid.styles.length)
			grid_write(&grid, width, options->color, writer);
		else
			table_write_nothing(writer, profile, options);
		table_write_rest(writer, &rest, options, part->row);
	}
	grid_release(&grid);
	return err;
}

/* What was asked, under its summary. */
static int table_write_section(struct writer *writer, const struct profile *profile,
			       const struct render_options *options, uint32_t width)
{
	struct table_part parts[TABLE_PARTS_MAX];
	size_t count;
	int err = 0;

	table_write_summary(writer, profile, options, width);
	if (profile->memory)
		return table_write_memory(writer, profile, options, width);
	if (profile->collections)
		return table_write_gc(writer, profile, options, width);
	if (profile->lifetimes)
		return table_write_lifetimes(writer, profile, options, width);
	count = table_choose(profile, options, parts);
	for (size_t i = 0; i < count && !err; i++) {
		if (i)
			writer_string(writer, "\n");
		err = table_write_part(writer, &parts[i], profile, options, width);
	}
	return err;
}

/* Of several modes one section after the other. */
static int table_write_sections(struct writer *writer, const struct profile *profile,
				const struct render_options *options, uint32_t width)
{
	struct render_options asked = *options;
	int err = 0;

	for (enum profile_part part = 0; part < PART_COUNT && !err; part++) {
		struct profile view;

		if (!profile_has_part(profile, part))
			continue;
		profile_part_view(profile, part, &view);
		if (profile->answer_count)
			asked.by = options->part_by[part];
		if (part != profile_first_part(profile))
			writer_string(writer, "\n");
		err = table_write_section(writer, &view, &asked, width);
	}
	return err;
}

int render_table(const struct profile *profile, const struct render_options *options, FILE *stream)
{
	uint32_t width = options->columns ? options->columns : TABLE_COLUMNS;
	struct writer writer;
	int err, write_err;

	writer_init(&writer, stream);
	table_write_targets_of(&writer, profile, options, width);
	err = table_write_sections(&writer, profile, options, width);
	if (!err)
		table_write_closing(&writer, profile, options, width);
	write_err = writer_finish(&writer);
	return err ? err : write_err;
}
