// SPDX-License-Identifier: GPL-2.0-only
/*
 * -f callgrind: for KCachegrind, QCachegrind and callgrind_annotate.
 *
 *	# callgrind format
 *	version: 1
 *	positions: line
 *	events: Wall_ns Cpu_ns
 *	summary: 1000000 900000
 *
 *	ob=(1) app.jobs
 *	fl=(1) /srv/app/jobs.py
 *	fn=(3) fib
 *	20 400000 400000
 *	cfn=(3)
 *	calls=12 20
 *	20 0 0
 *
 * Readers take a function's inclusive cost from the calls to it, hence the roots above the outermost
 * functions, and hence a call costs what its outermost activations of the callee cost: the calls to a
 * function then add up to its total, however it recurses. An object is a Python module: KCachegrind
 * knows a function by its name and its object, callgrind_annotate by its name and its file, so both
 * must be different for different functions.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "render/closing.h"
#include "render/exchange.h"
#include "render/renderers.h"
#include "render/writer.h"

enum {
	/* KCachegrind wants to find "events:" in the first 2047 bytes. */
	CALLGRIND_HEADER_BYTES = 1200,
	CALLGRIND_LINE_BYTES = 400,
};

/* Texts by id of `texts`; what was written once is afterwards known by its number alone. */
struct callgrind {
	struct exchange exchange;
	struct writer *writer;
	struct intern *texts;
	uint32_t *names; /* by function, as are the next two */
	uint32_t *files;
	uint32_t *objects;
	bool *name_written; /* by function */
	bool *file_written; /* by text */
	bool *object_written;
	uint32_t file; /* of the function being written, and its object */
	uint32_t object;
};

typedef void append_text(struct buffer *out, const struct exchange *exchange, uint32_t function);

static int callgrind_make_texts(struct callgrind *callgrind, append_text *append, uint32_t *texts)
{
	const struct exchange *exchange = &callgrind->exchange;
	struct buffer text;
	int err = 0;

	buffer_init(&text);
	for (uint32_t i = 0; i < exchange->function_count && !err; i++) {
		if (!exchange->functions[i].seen)
			continue;
		buffer_clear(&text);
		append(&text, exchange, i);
		texts[i] = intern_add(callgrind->texts, text.bytes, text.length);
		if (text.error || texts[i] == PROFILE_NONE)
			err = -ENOMEM;
	}
	buffer_release(&text);
	return err;
}

/* What KCachegrind makes of an object's name. */
static uint32_t callgrind_short_object(struct callgrind *callgrind, uint32_t object)
{
	const char *text = intern_get(callgrind->texts, object), *slash = strrchr(text, '/');

	return slash ? intern_string(callgrind->texts, slash + 1) : object;
}

/* How many functions each reader would take for function i: adds one to both counts, or reads them. */
static int callgrind_count_alike(struct callgrind *callgrind, struct map64 *counts, uint32_t i,
				 bool add, uint64_t *alike)
{
	uint32_t object = callgrind_short_object(callgrind, callgrind->objects[i]);
	uint64_t *slot;

	if (object == PROFILE_NONE)
		return -ENOMEM;
	/* Objects and files share the ids of texts; a file's are marked by the highest bit. */
	slot = map64_slot(counts, map64_pair(callgrind->names[i], object), NULL);
	if (!slot)
		return -ENOMEM;
	*slot += add;
	*alike = *slot;
	slot = map64_slot(counts, map64_pair(callgrind->names[i], callgrind->files[i] | 1u << 31),
			  NULL);
	if (!slot)
		return -ENOMEM;
	*slot += add;
	*alike = *slot > *alike ? *slot : *alike;
	return 0;
}

/* The name of a function that is not the only one of that name: with its line, or with its number. */
static int callgrind_rename(struct callgrind *callgrind, uint32_t i, bool numbered)
{
	struct buffer text;

	buffer_init(&text);
	exchange_append_name(&text, &callgrind->exchange, i);
	buffer_printf(&text, ":%d", exchange_line(&callgrind->exchange, i));
	if (numbered)
		buffer_printf(&text, "#%u", i);
	callgrind->names[i] = intern_add(callgrind->texts, text.bytes, text.length);
	if (text.error || callgrind->names[i] == PROFILE_NONE) {
		buffer_release(&text);
		return -ENOMEM;
	}
	buffer_release(&text);
	return 0;
}

static int callgrind_tell_apart(struct callgrind *callgrind, bool numbered)
{
	const struct exchange *exchange = &callgrind->exchange;
	struct map64 *counts = map64_new();
	bool *alike = calloc(exchange->function_count + 1ul, sizeof(*alike));
	int err = counts && alike ? 0 : -ENOMEM;
	uint64_t count;

	for (uint32_t i = 0; i < exchange->function_count && !err; i++) {
		if (exchange->functions[i].seen)
			err = callgrind_count_alike(callgrind, counts, i, true, &count);
	}
	for (uint32_t i = 0; i < exchange->function_count && !err; i++) {
		if (!exchange->functions[i].seen)
			continue;
		err = callgrind_count_alike(callgrind, counts, i, false, &count);
		alike[i] = count > 1;
	}
	for (uint32_t i = 0; i < exchange->function_count && !err; i++) {
		if (alike[i])
			err = callgrind_rename(callgrind, i, numbered);
	}
	map64_free(counts);
	free(alike);
	return err;
}

static int callgrind_init(struct callgrind *callgrind, const struct profile *profile,
			  const struct render_options *options, struct writer *writer)
{
	enum exchange_roots roots =
		options->split_threads ? EXCHANGE_ROOT_THREADS : EXCHANGE_ROOT_PROCESSES;
	size_t count;
	int err;

	*callgrind = (struct callgrind){ .writer = writer };
	err = exchange_init(&callgrind->exchange, profile, options, roots, true);
	if (err)
		return err;
	count = callgrind->exchange.function_count + 1ul;
	callgrind->texts = intern_new();
	callgrind->names = calloc(count, sizeof(uint32_t));
	callgrind->files = calloc(count, sizeof(uint32_t));
	callgrind->objects = calloc(count, sizeof(uint32_t));
	callgrind->name_written = calloc(count, sizeof(bool));
	if (!callgrind->texts || !callgrind->names || !callgrind->files || !callgrind->objects ||
	    !callgrind->name_written)
		return -ENOMEM;
	err = callgrind_make_texts(callgrind, exchange_append_name, callgrind->names);
	if (!err)
		err = callgrind_make_texts(callgrind, exchange_append_file, callgrind->files);
	if (!err)
		err = callgrind_make_texts(callgrind, exchange_append_module, callgrind->objects);
	if (!err)
		err = callgrind_tell_apart(callgrind, false);
	if (!err)
		err = callgrind_tell_apart(callgrind, true);
	if (err)
		return err;
	count = intern_count(callgrind->texts) + 1ul;
	callgrind->file_written = calloc(count, sizeof(bool));
	callgrind->object_written = calloc(count, sizeof(bool));
	return callgrind->file_written && callgrind->object_written ? 0 : -ENOMEM;
}

static void callgrind_release(struct callgrind *callgrind)
{
	exchange_release(&callgrind->exchange);
	intern_free(callgrind->texts);
	free(callgrind->names);
	free(callgrind->files);
	free(callgrind->objects);
	free(callgrind->name_written);
	free(callgrind->file_written);
	free(callgrind->object_written);
}

/* ---- the header ---- */

/* "KEY: text", cut to fit; nothing in it may be taken for the line "events:". */
static void callgrind_header_line(struct buffer *header, const char *key, const char *text)
{
	size_t length = strlen(text), start = header->length;
	char *events;

	buffer_printf(header, "%s: ", key);
	if (length > CALLGRIND_LINE_BYTES) {
		length = CALLGRIND_LINE_BYTES;
		/* Never half a character. */
		while (length && (text[length] & 0xc0) == 0x80)
			length--;
	}
	buffer_append(header, text, length);
	buffer_string(header, text[length] ? "\xe2\x80\xa6\n" : "\n");
	while (!header->error && (events = strstr(header->bytes + start, "events:")))
		events[6] = ';';
}

/* As many lines of `text` as the header may have; returns what is left. */
static const char *callgrind_header_lines(struct buffer *header, char *text)
{
	char *end;

	while ((end = strchr(text, '\n')) && header->length < CALLGRIND_HEADER_BYTES) {
		*end = '\0';
		callgrind_header_line(header, "desc", text);
		text = end + 1;
	}
	return text;
}

/* Lines that readers skip, for whoever looks into the file. */
static void callgrind_comment_lines(struct buffer *out, const char *text)
{
	const char *end;

	for (; (end = strchr(text, '\n')); text = end + 1) {
		buffer_string(out, "# ");
		buffer_append(out, text, end + 1 - text);
	}
}

static void callgrind_write_events(struct buffer *header, const struct exchange *exchange)
{
	static const char *const SAMPLED[] = {
		[UNIT_NS] = "Cpu_ns", [UNIT_BYTES] = "Bytes", [UNIT_SAMPLES] = "Weight"
	};
	static const char *const VIEWS[LIFETIME_VIEW_COUNT] = { "Created", "Live", "Bytes",
								"Age_ns" };
	const struct profile *profile = exchange->profile;

	if (exchange->exact)
		buffer_string(header, "event: Wall_ns : wall time in ns\n"
				      "event: Cpu_ns : CPU time in ns\n"
				      "events: Wall_ns Cpu_ns\n");
	else if (profile->lifetimes)
		buffer_printf(header, "events: %s Objects\n", VIEWS[profile->lifetimes->view]);
	else if (profile->collections)
		buffer_string(header, "events: Pause_ns Collections\n");
	else
		buffer_printf(header, "events: %s %s\n",
			      profile->unit == UNIT_NS &&
					      strstr(profile_text(profile, profile->mode), "wall") ?
				      "Wall_ns" :
				      SAMPLED[profile->unit],
			      profile->memory ? "Blocks" : "Samples");
}

static void callgrind_write_header(struct callgrind *callgrind,
				   const struct render_options *options)
{
	const struct profile *profile = callgrind->exchange.profile;
	struct buffer *header = &callgrind->writer->scratch, text;
	const char *rest;

	buffer_init(&text);
	buffer_string(header, "# callgrind format\nversion: 1\n");
	buffer_printf(header, "creator: pybpfprof %s\n", options->version);
	if (profile->process_count == 1) {
		buffer_printf(header, "pid: %u\n", profile->processes[0].pid);
		text_append_safe(&text, profile_text(profile, profile->processes[0].command),
				 intern_length(profile->strings, profile->processes[0].command));
	} else {
		buffer_printf(&text, "%u processes", profile->process_count);
	}
	callgrind_header_line(header, "cmd", text.length ? text.bytes : "?");
	buffer_string(header, "part: 1\n");
	buffer_clear(&text);
	closing_append_summary(&text, profile, options);
	if (profile->memory)
		buffer_string(&text, "counts of calls are counts of blocks\n");
	else if (profile->lifetimes)
		buffer_string(&text, "counts of calls are counts of objects\n");
	else if (profile->collections)
		buffer_string(&text, "counts of calls are counts of collections\n");
	else if (!callgrind->exchange.exact)
		buffer_string(&text, "sampled: counts of calls are counts of samples\n");
	closing_append_cost(&text, profile, options);
	if (text.error) {
		writer_fail(callgrind->writer, text.error);
	} else {
		rest = callgrind_header_lines(header, text.bytes);
		buffer_string(header, "positions: line\n");
		callgrind_write_events(header, &callgrind->exchange);
		callgrind_comment_lines(header, rest);
	}
	buffer_release(&text);
	writer_scratch(callgrind->writer);
}

/* ---- the body ---- */

/* "fn=(3) name" the first time, "fn=(3)" from then on. */
static void callgrind_write_name(struct callgrind *callgrind, const char *key, uint32_t number,
				 uint32_t text, bool *written)
{
	struct buffer *line = &callgrind->writer->scratch;

	buffer_printf(line, "%s=(%u)", key, number);
	if (!*written) {
		buffer_byte(line, ' ');
		buffer_append(line, intern_get(callgrind->texts, text),
			      intern_length(callgrind->texts, text));
	}
	*written = true;
	buffer_byte(line, '\n');
}

static void callgrind_write_cost(struct callgrind *callgrind, int32_t line,
				 const struct exchange_cost *cost)
{
	buffer_printf(&callgrind->writer->scratch, "%d %" PRIu64 " %" PRIu64 "\n",
		      line > 0 ? line : 0, cost->main, cost->second);
}

static void callgrind_write_function(struct callgrind *callgrind, uint32_t function)
{
	uint32_t object = callgrind->objects[function], file = callgrind->files[function];

	buffer_byte(&callgrind->writer->scratch, '\n');
	if (object != callgrind->object)
		callgrind_write_name(callgrind, "ob", object, object,
				     &callgrind->object_written[object]);
	if (file != callgrind->file)
		callgrind_write_name(callgrind, "fl", file, file, &callgrind->file_written[file]);
	callgrind->object = object;
	callgrind->file = file;
	callgrind_write_name(callgrind, "fn", function + 1, callgrind->names[function],
			     &callgrind->name_written[function]);
}

static void callgrind_write_call(struct callgrind *callgrind, const struct exchange_edge *edge)
{
	uint32_t callee = edge->callee;
	uint32_t object = callgrind->objects[callee], file = callgrind->files[callee];
	uint64_t calls = callgrind->exchange.exact ? edge->calls : edge->total.second;

	if (object != callgrind->object)
		callgrind_write_name(callgrind, "cob", object, object,
				     &callgrind->object_written[object]);
	if (file != callgrind->file)
		callgrind_write_name(callgrind, "cfi", file, file, &callgrind->file_written[file]);
	callgrind_write_name(callgrind, "cfn", callee + 1, callgrind->names[callee],
			     &callgrind->name_written[callee]);
	/* A call that was going on when we came; a count of 0 would make it the caller's own cost. */
	buffer_printf(&callgrind->writer->scratch, "calls=%" PRIu64 " %d\n", calls ? calls : 1,
		      exchange_line(&callgrind->exchange, callee));
	callgrind_write_cost(callgrind, edge->line, &edge->entered);
}

static void callgrind_write_body(struct callgrind *callgrind)
{
	const struct exchange *exchange = &callgrind->exchange;
	struct exchange_cost sum = { 0 };
	uint32_t place = 0, edge = 0;

	for (uint32_t i = 0; i < exchange->place_count; i++) {
		sum.main += exchange->places[i].self.main;
		sum.second += exchange->places[i].self.second;
	}
	buffer_printf(&callgrind->writer->scratch, "summary: %" PRIu64 " %" PRIu64 "\n", sum.main,
		      sum.second);
	for (uint32_t i = 0; i < exchange->function_count; i++) {
		if (!exchange->functions[i].seen)
			continue;
		callgrind_write_function(callgrind, i);
		for (; place < exchange->place_count && exchange->places[place].function == i;
		     place++)
			callgrind_write_cost(callgrind, exchange->places[place].line,
					     &exchange->places[place].self);
		for (; edge < exchange->edge_count && exchange->edges[edge].caller == i; edge++) {
			callgrind_write_call(callgrind, &exchange->edges[edge]);
			writer_scratch(callgrind->writer);
		}
		writer_scratch(callgrind->writer);
	}
}

int render_callgrind(const struct profile *profile, const struct render_options *options,
		     FILE *stream)
{
	struct callgrind callgrind;
	struct writer writer;
	int err, write_err;

	writer_init(&writer, stream);
	err = callgrind_init(&callgrind, profile, options, &writer);
	if (!err) {
		callgrind_write_header(&callgrind, options);
		callgrind_write_body(&callgrind);
	}
	callgrind_release(&callgrind);
	write_err = writer_finish(&writer);
	return err ? err : write_err;
}
