// SPDX-License-Identifier: GPL-2.0-only
/*
 * -f dot: who calls whom, for Graphviz: `dot -Tsvg`.
 *
 *	n3 [label="fib\napp/jobs.py:20\n61.2 % (6.12 s)\nself 10.0 % (1.00 s)\n12/1 calls", ...];
 *	n3 -> n4 [label="55.0 %\n12 calls", penwidth=3.2, ...];
 *
 * Colour and pen show the share of all time, letters grow with the self time. What is small is left
 * out, and the graph says how much that is. Every label is a quoted string in which nothing of a
 * name is special: Graphviz reads \, " and & there.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "render/closing.h"
#include "render/exchange.h"
#include "render/format.h"
#include "render/renderers.h"
#include "render/writer.h"

enum {
	/* Less of everything, in millionths, is left out; and what would be unreadable anyway. */
	DOT_NODE_PPM = 5000,
	DOT_EDGE_PPM = 1000,
	DOT_NODES_MAX = 200,
	DOT_LABEL_COLUMNS = 60,
	DOT_HEAD_COLUMNS = 160,
	DOT_TARGETS = 4,
	DOT_FONT_POINTS = 10,
	DOT_FONT_MORE_POINTS = 20, /* of a function that is all self */
};

struct dot {
	struct exchange exchange;
	struct writer *writer;
	uint64_t whole; /* 100 % */
	bool *shown;	/* by function */
	uint32_t shown_count;
	uint32_t pruned_nodes;
	uint32_t pruned_edges;
	uint64_t pruned_self; /* of the functions left out */
};

static bool dot_could_show(const struct dot *dot, uint32_t function)
{
	return dot->exchange.functions[function].seen &&
	       !exchange_is_root(&dot->exchange, function);
}

static int dot_compare(const void *left, const void *right, void *arg)
{
	const struct exchange_function *functions = arg;
	uint32_t one = *(const uint32_t *)left, other = *(const uint32_t *)right;

	if (functions[one].total.main != functions[other].total.main)
		return functions[one].total.main > functions[other].total.main ? -1 : 1;
	return one < other ? -1 : one > other;
}

static bool dot_edge_is_shown(const struct dot *dot, const struct exchange_edge *edge)
{
	return !exchange_is_root(&dot->exchange, edge->caller) && dot->shown[edge->caller] &&
	       dot->shown[edge->callee] &&
	       format_ppm(edge->total.main, dot->whole) >= (dot->whole ? DOT_EDGE_PPM : 0);
}

/* Chooses what is drawn. */
static int dot_prune(struct dot *dot)
{
	struct exchange *exchange = &dot->exchange;
	uint32_t *order = calloc(exchange->function_count + 1ul, sizeof(*order)), count = 0;

	dot->shown = calloc(exchange->function_count + 1ul, sizeof(*dot->shown));
	if (!order || !dot->shown) {
		free(order);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < exchange->function_count; i++) {
		if (dot_could_show(dot, i))
			order[count++] = i;
	}
	if (count)
		qsort_r(order, count, sizeof(*order), dot_compare, exchange->functions);
	for (uint32_t i = 0; i < count; i++) {
		const struct exchange_function *function = &exchange->functions[order[i]];
		bool small =
			dot->whole && format_ppm(function->total.main, dot->whole) < DOT_NODE_PPM;

		if (i < DOT_NODES_MAX && !small) {
			dot->shown[order[i]] = true;
			dot->shown_count++;
		} else {
			dot->pruned_nodes++;
			dot->pruned_self += function->listed ? function->self.main : 0;
		}
	}
	free(order);
	for (uint32_t i = 0; i < exchange->edge_count; i++)
		dot->pruned_edges += !exchange_is_root(exchange, exchange->edges[i].caller) &&
				     !dot_edge_is_shown(dot, &exchange->edges[i]);
	return 0;
}

/* Safe text as the inside of a quoted label. */
static void dot_append_escaped(struct buffer *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buffer_byte(out, '\\');
		if (*text == '&')
			buffer_string(out, "&amp;");
		else
			buffer_byte(out, *text);
	}
}

/* What `text` holds, fitted into a line where `columns` is not 0; empties it. */
static void dot_take_text(struct dot *dot, struct buffer *text, size_t columns)
{
	struct buffer fitted;

	buffer_init(&fitted);
	if (columns && text->length)
		text_append_fitted(&fitted, text->bytes, columns);
	else
		buffer_append(&fitted, text->bytes, text->length);
	if (text->error || fitted.error)
		writer_fail(dot->writer, -ENOMEM);
	else
		dot_append_escaped(&dot->writer->scratch, fitted.length ? fitted.bytes : "");
	buffer_release(&fitted);
	buffer_clear(text);
}

/* Lines, each of which is ended by a line break of Graphviz' that aligns it left. */
static void dot_take_lines(struct dot *dot, struct buffer *text)
{
	const char *line = text->bytes ? text->bytes : "", *end;
	struct buffer one;

	buffer_init(&one);
	for (; (end = strchr(line, '\n')); line = end + 1) {
		buffer_append(&one, line, end - line);
		dot_take_text(dot, &one, DOT_HEAD_COLUMNS);
		buffer_string(&dot->writer->scratch, "\\l");
	}
	if (text->error)
		writer_fail(dot->writer, text->error);
	buffer_release(&one);
	buffer_clear(text);
}

static void dot_append_pruned(const struct dot *dot, struct buffer *out)
{
	if (!dot->pruned_nodes && !dot->pruned_edges)
		return;
	buffer_printf(out, "not drawn: %u function%s", dot->pruned_nodes,
		      dot->pruned_nodes == 1 ? "" : "s");
	if (dot->whole) {
		buffer_string(out, " of less than 0.5 %");
		if (dot->shown_count == DOT_NODES_MAX)
			buffer_printf(out, " or beyond the first %d", DOT_NODES_MAX);
		buffer_string(out, ", with ");
		format_share(out, dot->pruned_self, dot->whole);
		buffer_string(out, " of self time");
	}
	buffer_printf(out, "; %u edge%s\n", dot->pruned_edges, dot->pruned_edges == 1 ? "" : "s");
}

static void dot_write_head(struct dot *dot, const struct render_options *options)
{
	struct buffer *out = &dot->writer->scratch, text;
	const char *title = options->title ? options->title : "pybpfprof";
	const struct profile *profile = dot->exchange.profile;

	buffer_init(&text);
	buffer_string(out, "digraph \"");
	text_append_safe(&text, title, strlen(title));
	dot_take_text(dot, &text, 0);
	buffer_string(out, "\" {\n\tgraph [label=\"");
	text_append_safe(&text, title, strlen(title));
	buffer_byte(&text, '\n');
	closing_append_targets(&text, profile, DOT_TARGETS);
	closing_append_summary(&text, profile, options);
	dot_append_pruned(dot, &text);
	closing_append_cost(&text, profile, options);
	dot_take_lines(dot, &text);
	buffer_string(out, "\", labelloc=t, labeljust=l, fontname=\"Helvetica\", fontsize=12, "
			   "nodesep=0.3, ranksep=0.4];\n"
			   "\tnode [shape=box, style=\"filled,rounded\", fontname=\"Helvetica\", "
			   "margin=\"0.12,0.06\"];\n"
			   "\tedge [fontname=\"Helvetica\", fontsize=9];\n");
	buffer_release(&text);
	writer_scratch(dot->writer);
}

/* Thousandths as a decimal, whatever the locale. */
static void dot_append_milli(struct buffer *out, uint64_t value)
{
	buffer_printf(out, "%" PRIu64 ".%03" PRIu64, value / 1000, value % 1000);
}

/* From a pale blue for nothing to red for all, as hue, saturation and value. */
static void dot_append_color(struct buffer *out, uint64_t ppm, uint64_t value_milli)
{
	uint64_t warmth = ppm > 1000000 ? 1000 : ppm / 1000;

	buffer_byte(out, '"');
	dot_append_milli(out, 600 - 600 * warmth / 1000);
	buffer_byte(out, ' ');
	/* Pens must be seen on white, letters on what they stand on. */
	dot_append_milli(out, (value_milli < 1000 ? 600 : 100) + 400 * warmth / 1000);
	buffer_byte(out, ' ');
	dot_append_milli(out, value_milli);
	buffer_byte(out, '"');
}

static void dot_append_calls(struct buffer *out, uint64_t calls, uint64_t recursive)
{
	buffer_printf(out, "\\n%" PRIu64, calls);
	if (recursive)
		buffer_printf(out, "/%" PRIu64, calls - recursive);
	buffer_string(out, calls == 1 ? " call" : " calls");
}

/* "61.2 % (6.12 s)" */
static void dot_append_amount(const struct dot *dot, struct buffer *out, uint64_t value)
{
	format_percent(out, value, dot->whole);
	buffer_string(out, " % (");
	format_value(out, dot->exchange.profile->unit, value);
	buffer_byte(out, ')');
}

/* The integer part of the square root of a number up to 1000000. */
static uint64_t dot_root(uint64_t value)
{
	uint64_t root = 0;

	while ((root + 1) * (root + 1) <= value)
		root++;
	return root;
}

static void dot_write_node(struct dot *dot, uint32_t id, struct buffer *text)
{
	const struct exchange *exchange = &dot->exchange;
	const struct exchange_function *function = &exchange->functions[id];
	const struct profile_function *described = &exchange->profile->functions[id];
	uint64_t ppm = format_ppm(function->total.main, dot->whole);
	struct buffer *out = &dot->writer->scratch;
	const char *place = format_file(exchange->profile, described);

	buffer_printf(out, "\tn%u [label=\"", id);
	exchange_append_name(text, exchange, id);
	dot_take_text(dot, text, DOT_LABEL_COLUMNS);
	buffer_string(out, "\\n");
	if (*place) {
		text_append_safe(text, place, strlen(place));
		if (described->line > 0)
			buffer_printf(text, ":%d", described->line);
		dot_take_text(dot, text, DOT_LABEL_COLUMNS);
		buffer_string(out, "\\n");
	}
	dot_append_amount(dot, out, function->total.main);
	buffer_string(out, "\\nself ");
	dot_append_amount(dot, out, function->self.main);
	if (exchange->exact)
		dot_append_calls(out, function->calls, function->recursive_calls);
	buffer_string(out, "\", tooltip=\"");
	exchange_append_name(text, exchange, id);
	buffer_byte(text, ' ');
	exchange_append_file(text, exchange, id);
	buffer_printf(text, ":%d", exchange_line(exchange, id));
	dot_take_text(dot, text, 0);
	buffer_string(out, "\", fillcolor=");
	dot_append_color(out, ppm, 1000);
	buffer_printf(out, ", fontsize=%" PRIu64 "];\n",
		      DOT_FONT_POINTS + dot_root(format_ppm(function->self.main, dot->whole)) *
						DOT_FONT_MORE_POINTS / 1000);
	writer_scratch(dot->writer);
}

static void dot_write_edge(struct dot *dot, const struct exchange_edge *edge)
{
	struct buffer *out = &dot->writer->scratch;
	uint64_t ppm = format_ppm(edge->total.main, dot->whole);

	buffer_printf(out, "\tn%u -> n%u [label=\"", edge->caller, edge->callee);
	format_percent(out, edge->total.main, dot->whole);
	buffer_string(out, " %");
	if (dot->exchange.exact)
		dot_append_calls(out, edge->calls, edge->recursive_calls);
	buffer_string(out, "\", color=");
	dot_append_color(out, ppm, 700);
	buffer_string(out, ", penwidth=");
	dot_append_milli(out, 500 + ppm * 45 / 10000);
	/* A heavy path is drawn straight. */
	buffer_printf(out, ", weight=%" PRIu64 "];\n", 1 + ppm / 10000);
	writer_scratch(dot->writer);
}

static void dot_write(struct dot *dot, const struct render_options *options)
{
	const struct exchange *exchange = &dot->exchange;
	struct buffer text;

	buffer_init(&text);
	dot_write_head(dot, options);
	for (uint32_t i = 0; i < exchange->function_count; i++) {
		if (dot->shown[i])
			dot_write_node(dot, i, &text);
	}
	for (uint32_t i = 0; i < exchange->edge_count; i++) {
		if (dot_edge_is_shown(dot, &exchange->edges[i]))
			dot_write_edge(dot, &exchange->edges[i]);
	}
	writer_string(dot->writer, "}\n");
	buffer_release(&text);
}

int render_dot(const struct profile *profile, const struct render_options *options, FILE *stream)
{
	struct dot dot = { 0 };
	struct writer writer;
	int err, write_err;

	writer_init(&writer, stream);
	dot.writer = &writer;
	err = exchange_init(&dot.exchange, profile, options, EXCHANGE_ROOT_ONE, false);
	if (!err) {
		dot.whole = dot.exchange.sum.main;
		err = dot_prune(&dot);
	}
	if (!err)
		dot_write(&dot, options);
	exchange_release(&dot.exchange);
	free(dot.shown);
	write_err = writer_finish(&writer);
	return err ? err : write_err;
}
