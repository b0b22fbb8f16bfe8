// SPDX-License-Identifier: GPL-2.0-only
/*
 * `pybpfprof heap --path X -f dot`: the chains as one graph, `dot -Tsvg`. A box is an object, an
 * ellipse a root; what chains have in common is drawn once.
 *
 *	n1 [label="app.cache.Store\n0x7f2a11c0", shape=box];
 *	r0 -> n1 [label="['store']"];
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/map64.h"
#include "base/text.h"
#include "render/census.h"
#include "render/writer.h"

struct dot {
	const struct census *census;
	struct writer *writer;
	struct map64 *nodes; /* address, or root's text with the top bit: number + 1 */
	struct map64 *edges; /* pairs of numbers */
	struct buffer cell;
};

static const uint64_t ROOT_KEY = 1ULL << 63;

/* The inside of a quoted string, in which nothing of a name means anything. */
static void append_label(struct buffer *out, const char *text)
{
	struct buffer safe;

	buffer_init(&safe);
	text_append_html(&safe, text, strlen(text));
	for (size_t i = 0; i < safe.length; i++) {
		if (safe.bytes[i] == '\\')
			buffer_byte(out, '\\');
		buffer_byte(out, safe.bytes[i]);
	}
	if (buffer_error(&safe) && !out->error)
		out->error = buffer_error(&safe);
	buffer_release(&safe);
}

/* The node's number; it is written when it is new. 0: out of memory. */
static uint64_t node_write(struct dot *dot, uint64_t key, const char *title, const char *more,
			   uint64_t address, bool wanted)
{
	struct buffer *out = &dot->writer->scratch;
	bool added;
	uint64_t *slot = map64_slot(dot->nodes, key, &added);

	if (!slot)
		return 0;
	if (!added)
		return *slot;
	*slot = map64_count(dot->nodes);
	buffer_printf(out, "\tn%" PRIu64 " [label=\"", *slot);
	append_label(out, title);
	if (address)
		buffer_printf(out, "\\n0x%" PRIx64, address);
	if (*more) {
		buffer_string(out, "\\n");
		append_label(out, more);
	}
	buffer_printf(out, "\", shape=%s%s];\n", key & ROOT_KEY ? "ellipse" : "box",
		      wanted ? ", style=filled, fillcolor=\"#ffd9c0\"" : "");
	writer_scratch(dot->writer);
	return *slot;
}

static void edge_write(struct dot *dot, uint64_t from, uint64_t to, const char *label)
{
	struct buffer *out = &dot->writer->scratch;
	bool added;

	if (!from || !to ||
	    !map64_slot(dot->edges, map64_pair((uint32_t)from, (uint32_t)to), &added)) {
		writer_fail(dot->writer, -ENOMEM);
		return;
	}
	if (!added)
		return;
	buffer_printf(out, "\tn%" PRIu64 " -> n%" PRIu64 " [label=\"", from, to);
	append_label(out, label);
	buffer_string(out, "\"];\n");
	writer_scratch(dot->writer);
}

static const char *type_name(struct dot *dot, uint32_t type)
{
	buffer_clear(&dot->cell);
	if (type != CENSUS_NO_TYPE)
		census_append_type(&dot->cell, dot->census, &dot->census->types[type]);
	return dot->cell.bytes ? dot->cell.bytes : "";
}

static void path_write(struct dot *dot, const struct census_path *path)
{
	const struct census *census = dot->census;
	uint64_t before = 0;

	for (uint32_t i = 0; i < path->step_count; i++) {
		const struct census_step *step = &census->steps[path->first_step + i];
		const char *text = census_text(census, step->text);
		bool last = i + 1 == path->step_count;
		uint64_t node;

		if (step->type == CENSUS_NO_TYPE)
			node = node_write(dot, ROOT_KEY | step->text, *text ? text : "(a root)", "",
					  0, false);
		else
			node = node_write(dot, step->address, type_name(dot, step->type), text,
					  step->address, last);
		if (i)
			edge_write(dot, before, node, census_text(census, step->label));
		before = node;
	}
}

static void referrer_write(struct dot *dot, const struct census_referrer *row, uint64_t wanted)
{
	const struct census *census = dot->census;
	uint64_t node;

	if (row->type == CENSUS_NO_TYPE)
		node = node_write(dot, ROOT_KEY | row->label, census_text(census, row->label), "",
				  0, false);
	else
		node = node_write(dot, row->example, type_name(dot, row->type),
				  census_text(census, row->preview), row->example, false);
	buffer_clear(&dot->cell);
	buffer_printf(&dot->cell, "%s (%" PRIu64 ")", census_text(census, row->label), row->count);
	edge_write(dot, node, wanted, dot->cell.bytes ? dot->cell.bytes : "");
}

int census_render_dot(const struct census *census, const struct census_options *options,
		      FILE *stream)
{
	struct writer writer;
	struct dot dot = { .census = census, .writer = &writer };
	uint64_t wanted;

	writer_init(&writer, stream);
	buffer_init(&dot.cell);
	dot.nodes = map64_new();
	dot.edges = map64_new();
	if (!dot.nodes || !dot.edges) {
		writer_fail(&writer, -ENOMEM);
		goto done;
	}
	writer_string(&writer, "digraph heap {\n\trankdir=LR;\n\tnode [fontname=\"sans-serif\", "
			       "fontsize=10];\n\tedge [fontname=\"sans-serif\", fontsize=9];\n");
	for (uint32_t i = 0; i < census->path_count; i++)
		path_write(&dot, &census->paths[i]);
	if (census->has_referrers && census->referrer_count) {
		wanted = node_write(&dot, ROOT_KEY | 1ULL << 32,
				    census_text(census, census->wanted), "", 0, true);
		for (uint32_t i = 0;
		     i < census->referrer_count && (!options->limit || i < options->limit); i++)
			referrer_write(&dot, &census->referrers[i], wanted);
	}
	writer_string(&writer, "}\n");
done:
	map64_free(dot.nodes);
	map64_free(dot.edges);
	buffer_release(&dot.cell);
	return writer_finish(&writer);
}
