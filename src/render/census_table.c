// SPDX-License-Identifier: GPL-2.0-only
/*
 * `pybpfprof heap`, for people:
 *
 *	pybpfprof heap -p 4242
 *	python3 app.py · pid 4242 · CPython 3.11.2
 *	1234567 objects · 118 MiB · 310000 tracked by the collector · read in 0.81 s while it ran
 *
 *	  COUNT     %      SIZE     %  CUM%  TYPE
 *	 400213  32.4  44.1 MiB  37.4  37.4  app.models.Row
 *	 310022  25.1  21.0 MiB  17.8  55.2  str
 *	… 183 more rows: --limit 0 shows all
 *
 *	  COUNT      SIZE  MODULE
 *	   SIZE  LARGEST     ADDRESS         WHAT
 *
 *	pymalloc: 112 arenas of 1.00 MiB, 97.1 MiB in use (86.7 %) …
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "render/census.h"
#include "render/format.h"
#include "render/grid.h"
#include "render/writer.h"

enum {
	TYPE_COLUMNS = 24,
};

struct table {
	const struct census *census;
	const struct census_options *options;
	struct writer *writer;
	struct buffer cell;
};

void census_append_type(struct buffer *out, const struct census *census,
			const struct census_type *type)
{
	const char *module = census_text(census, type->module);

	if (*module && strcmp(module, "builtins") != 0)
		buffer_printf(out, "%s.", module);
	buffer_string(out, census_text(census, type->name));
}

/* ---- cells ---- */

static void count_cell(struct table *table, struct grid *grid, uint64_t count)
{
	buffer_printf(&table->cell, "%" PRIu64, count);
	grid_take(grid, &table->cell);
}

static void bytes_cell(struct table *table, struct grid *grid, uint64_t bytes)
{
	format_value(&table->cell, UNIT_BYTES, bytes);
	grid_take(grid, &table->cell);
}

static void percent_cell(struct table *table, struct grid *grid, uint64_t part, uint64_t whole)
{
	format_percent(&table->cell, part, whole);
	grid_take(grid, &table->cell);
}

static void change_cell(struct table *table, struct grid *grid, uint64_t before, uint64_t now,
			bool bytes)
{
	uint64_t change = now > before ? now - before : before - now;

	if (change)
		buffer_byte(&table->cell, now > before ? '+' : '-');
	if (bytes)
		format_value(&table->cell, UNIT_BYTES, change);
	else
		buffer_printf(&table->cell, "%" PRIu64, change);
	grid_take(grid, &table->cell);
}

static void text_cell(struct grid *grid, const char *text)
{
	grid_cell(grid, text, strlen(text));
}

static void type_cell(struct table *table, struct grid *grid, const struct census_type *type)
{
	census_append_type(&table->cell, table->census, type);
	grid_take(grid, &table->cell);
}

/* ---- tables ---- */

static uint32_t rows_shown(const struct table *table, uint32_t count)
{
	return table->options->limit && count > table->options->limit ? table->options->limit :
									count;
}

static void rest_write(struct table *table, uint32_t hidden)
{
	if (!hidden)
		return;
	buffer_printf(&table->writer->scratch,
		      "\xe2\x80\xa6 %" PRIu32 " more row%s: --limit 0 shows all\n", hidden,
		      hidden == 1 ? "" : "s");
	writer_scratch(table->writer);
}

static void grid_out(struct table *table, struct grid *grid, uint32_t hidden)
{
	grid_write(grid, table->options->columns ? table->options->columns : UINT32_MAX,
		   table->options->color, table->writer);
	rest_write(table, hidden);
	grid_release(grid);
}

static void types_columns(const struct table *table, struct grid *grid, const char *what)
{
	grid_init(grid);
	grid_column(grid, "COUNT", true, 0);
	if (table->census->has_before)
		grid_column(grid, "CHANGE", true, 0);
	else
		grid_ranked_column(grid, "%", 2);
	grid_column(grid, "SIZE", true, 0);
	if (table->census->has_before) {
		grid_column(grid, "CHANGE", true, 0);
	} else {
		grid_ranked_column(grid, "%", 1);
		grid_ranked_column(grid, "CUM%", 3);
	}
	if (table->census->has_retained) {
		grid_column(grid, "RETAINED", true, 0);
		grid_column(grid, "SIZE", true, 0);
	}
	grid_text_column(grid, what, TYPE_COLUMNS, 0);
}

static void type_row(struct table *table, struct grid *grid, const struct census_type *type,
		     uint64_t cumulated)
{
	const struct census *census = table->census;

	count_cell(table, grid, type->count);
	if (census->has_before)
		change_cell(table, grid, type->count_before, type->count, false);
	else
		percent_cell(table, grid, type->count, census->objects);
	bytes_cell(table, grid, type->bytes);
	if (census->has_before) {
		change_cell(table, grid, type->bytes_before, type->bytes, true);
	} else {
		percent_cell(table, grid, type->bytes, census->bytes);
		percent_cell(table, grid, cumulated, census->bytes);
	}
	if (census->has_retained) {
		count_cell(table, grid, type->retained);
		bytes_cell(table, grid, type->retained_bytes);
	}
}

/* Of an earlier census, or with --retained, only what changed or is retained. */
static bool is_shown(const struct census *census, const struct census_type *type)
{
	if (census->has_before)
		return type->count != type->count_before || type->bytes != type->bytes_before;
	return census->has_retained ? type->retained > 0 : type->count > 0;
}

static int rows_write(struct table *table, struct census_type *rows, uint32_t count, bool modules)
{
	const struct census *census = table->census;
	uint64_t cumulated = 0;
	uint32_t shown = 0;
	struct grid grid;

	census_sort(census, rows, count, table->options->sort);
	for (uint32_t i = 0; i < count; i++) {
		if (is_shown(census, &rows[i]))
			rows[shown++] = rows[i];
	}
	if (!shown) {
		if (!modules && census->has_before)
			writer_string(table->writer, "nothing changed\n\n");
		return 0;
	}
	types_columns(table, &grid, modules ? "MODULE" : "TYPE");
	for (uint32_t i = 0; i < rows_shown(table, shown); i++) {
		cumulated += rows[i].bytes;
		type_row(table, &grid, &rows[i], cumulated);
		if (modules)
			text_cell(&grid, *census_text(census, rows[i].module) ?
						 census_text(census, rows[i].module) :
						 "(unknown)");
		else
			type_cell(table, &grid, &rows[i]);
		grid_end_row(&grid, GRID_PLAIN);
	}
	grid_out(table, &grid, shown - rows_shown(table, shown));
	writer_string(table->writer, "\n");
	return 0;
}

static int types_write(struct table *table)
{
	const struct census *census = table->census;
	struct census_type *rows = calloc(census->type_count + 1ul, sizeof(*rows));
	uint32_t count;
	int err;

	if (!rows)
		return -ENOMEM;
	if (census->type_count)
		memcpy(rows, census->types, census->type_count * sizeof(*rows));
	err = rows_write(table, rows, census->type_count, false);
	free(rows);
	if (err)
		return err;
	err = census_modules(census, &rows, &count);
	if (err)
		return err;
	err = rows_write(table, rows, count, true);
	free(rows);
	return err;
}

static void largest_write(struct table *table)
{
	const struct census *census = table->census;
	struct grid grid;

	if (!census->largest_count)
		return;
	grid_init(&grid);
	grid_column(&grid, "SIZE", true, 0);
	grid_text_column(&grid, "LARGEST", TYPE_COLUMNS, 0);
	grid_column(&grid, "ADDRESS", false, 0);
	grid_text_column(&grid, "WHAT", 12, 0);
	for (uint32_t i = 0; i < rows_shown(table, census->largest_count); i++) {
		const struct census_object *object = &census->largest[i];

		bytes_cell(table, &grid, object->bytes);
		type_cell(table, &grid, &census->types[object->type]);
		buffer_printf(&table->cell, "0x%" PRIx64, object->address);
		grid_take(&grid, &table->cell);
		text_cell(&grid, census_text(census, object->preview));
		grid_end_row(&grid, GRID_PLAIN);
	}
	grid_out(table, &grid, 0);
	writer_string(table->writer, "\n");
}

/* ---- pymalloc ---- */

static void pool_classes_write(struct table *table)
{
	const struct census_pools *pools = &table->census->pools;
	struct grid grid;

	grid_init(&grid);
	grid_column(&grid, "BLOCK", true, 0);
	grid_column(&grid, "POOLS", true, 0);
	grid_column(&grid, "USED", true, 0);
	grid_column(&grid, "FREE", true, 0);
	grid_column(&grid, "USED%", true, 0);
	grid_column(&grid, "FREE SIZE", true, 0);
	for (uint32_t i = 0; i < CENSUS_POOL_CLASSES; i++) {
		const struct census_pool_class *class = &pools->classes[i];

		if (!class->pools)
			continue;
		count_cell(table, &grid, class->block_bytes);
		count_cell(table, &grid, class->pools);
		count_cell(table, &grid, class->used_blocks);
		count_cell(table, &grid, class->free_blocks);
		percent_cell(table, &grid, class->used_blocks,
			     class->used_blocks + class->free_blocks);
		bytes_cell(table, &grid, class->free_blocks * class->block_bytes);
		grid_end_row(&grid, GRID_PLAIN);
	}
	grid_out(table, &grid, 0);
}

static void pools_write(struct table *table)
{
	const struct census_pools *pools = &table->census->pools;
	struct buffer *out = &table->writer->scratch;
	uint64_t whole = pools->arenas * pools->arena_bytes;

	if (!pools->known) {
		const char *reason = census_text(table->census, pools->reason);

		if (!*reason)
			return;
		buffer_string(out, "pymalloc: ");
		text_append_safe(out, reason, strlen(reason));
		buffer_string(out, "\n\n");
		writer_scratch(table->writer);
		return;
	}
	buffer_printf(out, "pymalloc: %" PRIu64 " arena%s of ", pools->arenas,
		      pools->arenas == 1 ? "" : "s");
	format_value(out, UNIT_BYTES, pools->arena_bytes);
	buffer_string(out, ", ");
	format_value(out, UNIT_BYTES, pools->used_bytes);
	buffer_string(out, " of ");
	format_value(out, UNIT_BYTES, whole);
	buffer_string(out, " in use (");
	format_percent(out, pools->used_bytes, whole);
	buffer_printf(out, " %%), %" PRIu64 " free pools of ", pools->free_pools);
	format_value(out, UNIT_BYTES, pools->pool_bytes);
	if (pools->torn)
		buffer_printf(out, ", %" PRIu64 " unreadable", pools->torn);
	buffer_byte(out, '\n');
	writer_scratch(table->writer);
	pool_classes_write(table);
	writer_string(table->writer, "\n");
}

/* ---- who holds it ---- */

static void referrers_write(struct table *table)
{
	const struct census *census = table->census;
	struct grid grid;

	grid_init(&grid);
	grid_column(&grid, "REFERENCES", true, 0);
	grid_text_column(&grid, "FROM", TYPE_COLUMNS, 0);
	grid_text_column(&grid, "HOW", 12, 0);
	grid_column(&grid, "FOR EXAMPLE", false, 0);
	grid_text_column(&grid, "WHAT", 12, 0);
	for (uint32_t i = 0; i < rows_shown(table, census->referrer_count); i++) {
		const struct census_referrer *row = &census->referrers[i];

		count_cell(table, &grid, row->count);
		if (row->type == CENSUS_NO_TYPE)
			text_cell(&grid, "(running)");
		else
			type_cell(table, &grid, &census->types[row->type]);
		text_cell(&grid, census_text(census, row->label));
		if (row->example)
			buffer_printf(&table->cell, "0x%" PRIx64, row->example);
		grid_take(&grid, &table->cell);
		text_cell(&grid, census_text(census, row->preview));
		grid_end_row(&grid, GRID_PLAIN);
	}
	grid_out(table, &grid, census->referrer_count - rows_shown(table, census->referrer_count));
	writer_string(table->writer, "\n");
}

static void safe_append(struct buffer *out, const char *text)
{
	text_append_safe(out, text, strlen(text));
}

static void step_write(struct table *table, const struct census_step *step, uint32_t depth)
{
	const struct census *census = table->census;
	struct buffer *out = &table->writer->scratch;
	const char *label = census_text(census, step->label);
	const char *text = census_text(census, step->text);

	buffer_printf(out, "%*s", (int)(2 * depth), "");
	if (depth)
		buffer_string(out, "\xe2\x94\x94 ");
	if (step->type == CENSUS_NO_TYPE) {
		safe_append(out, *text ? text : "(a root)");
	} else {
		if (*label) {
			safe_append(out, label);
			buffer_string(out, "  ");
		}
		census_append_type(&table->cell, census, &census->types[step->type]);
		safe_append(out, table->cell.bytes ? table->cell.bytes : "");
		buffer_clear(&table->cell);
		buffer_printf(out, "  0x%" PRIx64, step->address);
		if (*text) {
			buffer_string(out, "  ");
			safe_append(out, text);
		}
	}
	buffer_byte(out, '\n');
	writer_scratch(table->writer);
}

static void paths_write(struct table *table)
{
	const struct census *census = table->census;
	uint32_t written = 0;

	for (uint32_t i = 0; i < census->path_count; i++) {
		const struct census_path *path = &census->paths[i];

		if (!path->step_count)
			continue;
		written++;
		buffer_printf(&table->writer->scratch, "%" PRIu64 " object%s held like this:\n",
			      path->count, path->count == 1 ? "" : "s");
		writer_scratch(table->writer);
		for (uint32_t j = 0; j < path->step_count; j++)
			step_write(table, &census->steps[path->first_step + j], j);
		writer_string(table->writer, "\n");
	}
	rest_write(table, census->path_count - written);
	if (census->unheld_count) {
		buffer_printf(&table->writer->scratch,
			      "%" PRIu64 " of them are reached from no root that is known: garbage "
			      "that is not collected yet, or held by C code\n\n",
			      census->unheld_count);
		writer_scratch(table->writer);
	}
}

/* ---- head and foot ---- */

static void head_write(struct table *table)
{
	const struct census *census = table->census;
	struct buffer *out = &table->writer->scratch;

	if (table->options->title) {
		buffer_string(out, grid_style_start(GRID_BOLD, table->options->color));
		safe_append(out, table->options->title);
		buffer_string(out, grid_style_end(GRID_BOLD, table->options->color));
		buffer_byte(out, '\n');
	}
	safe_append(out, census_text(census, census->command));
	buffer_printf(out, " \xc2\xb7 pid %" PRId32 " \xc2\xb7 CPython ", census->pid);
	safe_append(out, census_text(census, census->python));
	buffer_printf(out, "\n%" PRIu64 " objects \xc2\xb7 ", census->objects);
	format_value(out, UNIT_BYTES, census->bytes);
	buffer_printf(out, " \xc2\xb7 %" PRIu64 " tracked by the collector", census->tracked);
	if (census->permanent)
		buffer_printf(out, ", %" PRIu64 " frozen", census->permanent);
	if (census->immortal)
		buffer_printf(out, " \xc2\xb7 %" PRIu64 " immortal", census->immortal);
	if (census->interpreters > 1)
		buffer_printf(out, " \xc2\xb7 %" PRIu32 " interpreters", census->interpreters);
	if (census->garbage)
		buffer_printf(out, " \xc2\xb7 %" PRIu64 " in gc.garbage", census->garbage);
	buffer_byte(out, '\n');
	if (census->has_before) {
		buffer_printf(out, "against %" PRIu64 " objects, ", census->before_objects);
		format_value(out, UNIT_BYTES, census->before_bytes);
		buffer_string(out, ", in ");
		safe_append(out, census_text(census, census->before_at));
		buffer_byte(out, '\n');
	}
	buffer_byte(out, '\n');
	writer_scratch(table->writer);
}

static void wanted_write(struct table *table)
{
	const struct census *census = table->census;
	struct buffer *out = &table->writer->scratch;

	if (!census->has_referrers && !census->has_paths)
		return;
	safe_append(out, census_text(census, census->wanted));
	buffer_printf(out, ": %" PRIu64 " object%s\n\n", census->wanted_count,
		      census->wanted_count == 1 ? "" : "s");
	writer_scratch(table->writer);
}

static void retained_write(struct table *table)
{
	const struct census *census = table->census;
	struct buffer *out = &table->writer->scratch;
	uint64_t count = 0;

	if (!census->has_retained)
		return;
	for (uint32_t i = 0; i < census->type_count; i++)
		count += census->types[i].retained;
	buffer_printf(out,
		      "retained: %" PRIu64
		      " objects of the collector's lists are reached from none "
		      "of %" PRIu32 " roots: garbage not collected yet, or held by C code\n\n",
		      count, census->roots);
	writer_scratch(table->writer);
}

static void foot_write(struct table *table)
{
	const struct census *census = table->census;
	struct buffer *out = &table->writer->scratch;

	buffer_string(out, "read in ");
	format_ns(out, census->duration_ns);
	if (!*census_text(census, census->frozen_how)) {
		buffer_string(out, " while it ran");
	} else {
		buffer_string(out, census->frozen_whole ? " while it was stopped by " :
							  " of which it was stopped ");
		if (!census->frozen_whole) {
			format_ns(out, census->frozen_ns);
			buffer_string(out, " by ");
		}
		safe_append(out, census_text(census, census->frozen_how));
		if (census->frozen_whole && census->frozen_ns) {
			buffer_string(out, " for ");
			format_ns(out, census->frozen_ns);
		}
	}
	buffer_printf(out,
		      " \xc2\xb7 %" PRIu64 " unreadable \xc2\xb7 %" PRIu64 " torn, %" PRIu64
		      " read again",
		      census->unreadable, census->torn, census->retried);
	if (census->waited_ns) {
		buffer_string(out, " \xc2\xb7 waited ");
		format_ns(out, census->waited_ns);
		buffer_string(out, " for collections");
	}
	buffer_byte(out, '\n');
	if (census->swept)
		buffer_string(out, "the process changed its lists faster than they could be "
				   "followed: its pools were gone through instead\n");
	if (census->incomplete)
		buffer_string(out, "incomplete: the process changed its lists faster than they "
				   "could be read; --freeze MS stops it meanwhile\n");
	if (census->collecting)
		buffer_string(out, "a collection was running: counts may be short\n");
	if (census->cut)
		buffer_string(out, "cut: objects lie over more memory than is looked at\n");
	writer_scratch(table->writer);
}

int census_render_table(const struct census *census, const struct census_options *options,
			FILE *stream)
{
	struct writer writer;
	struct table table = { .census = census, .options = options, .writer = &writer };
	int err = 0;

	writer_init(&writer, stream);
	buffer_init(&table.cell);
	head_write(&table);
	wanted_write(&table);
	if (census->has_referrers)
		referrers_write(&table);
	if (census->has_paths)
		paths_write(&table);
	if (!census->has_referrers && !census->has_paths) {
		retained_write(&table);
		err = types_write(&table);
		if (!census->has_before && !census->has_retained) {
			largest_write(&table);
			pools_write(&table);
		}
	}
	foot_write(&table);
	if (err)
		writer_fail(&writer, err);
	if (buffer_error(&table.cell))
		writer_fail(&writer, buffer_error(&table.cell));
	buffer_release(&table.cell);
	return writer_finish(&writer);
}
