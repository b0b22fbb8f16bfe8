// SPDX-License-Identifier: GPL-2.0-only
/*
 * -f folded: one line per stack, root first, in py-spy's words, sorted, equal stacks added up.
 *
 *	<module> (app.py:30);main (app.py:25);work (app.py:7) 42
 *	process 4242:"python3 app.py";thread (4243): worker;run (threading.py:982) 3
 *
 * The number is samples for sampled time, else the profile's unit: of exact calls the nanoseconds of
 * self time, where a function stands with its first line. The format has no escapes: what
 * would be read as its syntax is replaced. Whole lines are never held: they are made while walking
 * a tree in which stacks that read alike have already met.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "render/format.h"
#include "render/renderers.h"
#include "render/writer.h"

struct folded_node {
	uint32_t parent;
	uint32_t text; /* id in `texts`; 0 in the root */
	uint64_t count;
};

struct folded {
	const struct profile *profile;
	bool split_threads;
	struct intern *texts;
	uint32_t *frame_texts;	/* by frame */
	uint32_t *thread_texts; /* by thread */
	uint32_t *process_texts;
	uint32_t *path;
	struct map64 *children; /* (parent, text) -> node */
	struct folded_node *nodes;
	uint32_t node_count;
	uint32_t node_capacity;
};

/* Does it end in whitespace and a number, as flamegraph.pl's second count would? */
static char *folded_second_count(char *text, size_t length)
{
	size_t at = length;

	while (at && (strchr("0123456789", text[at - 1]) || text[at - 1] == '.'))
		at--;
	return at && at < length && text[at - 1] == ' ' ? &text[at - 1] : NULL;
}

/* Replaces in place what the format would take for its own; returns the id of what is left. */
static uint32_t folded_add_text(struct folded *folded, struct buffer *raw)
{
	struct buffer safe;
	char *text, *space;
	size_t length;
	uint32_t id = PROFILE_NONE;

	for (size_t i = 0; i < raw->length; i++) {
		if (raw->bytes[i] == ';')
			raw->bytes[i] = ':';
		else if (strchr("\n\r\t\v\f", raw->bytes[i]) && raw->bytes[i])
			raw->bytes[i] = ' ';
	}
	buffer_init(&safe);
	text_append_safe(&safe, raw->bytes, raw->length);
	text = safe.length ? safe.bytes : "";
	while (*text == ' ')
		text++;
	length = strlen(text);
	while (length && text[length - 1] == ' ')
		length--;
	space = folded_second_count(text, length);
	if (space)
		*space = '_';
	if (!raw->error && !safe.error)
		id = length ? intern_add(folded->texts, text, length) :
			      intern_string(folded->texts, "?");
	buffer_release(&safe);
	return id;
}

static void folded_frame_text(const struct profile *profile, const struct profile_frame *frame,
			      struct buffer *out)
{
	const struct profile_function *function = &profile->functions[frame->function];
	const char *file = format_file(profile, function);

	buffer_append(out, profile_text(profile, function->name),
		      intern_length(profile->strings, function->name));
	if (function->kind == FRAME_KERNEL) {
		buffer_string(out, "_[k]");
		return;
	}
	if (!*file)
		file = profile_text(profile, function->module);
	if (*file && frame->line > 0)
		buffer_printf(out, " (%s:%d)", file, frame->line);
	else if (*file)
		buffer_printf(out, " (%s)", file);
}

static int folded_make_frame_texts(struct folded *folded)
{
	const struct profile *profile = folded->profile;
	struct buffer raw;
	int err = 0;

	buffer_init(&raw);
	for (uint32_t i = 0; i < profile->frame_count && !err; i++) {
		buffer_clear(&raw);
		folded_frame_text(profile, &profile->frames[i], &raw);
		folded->frame_texts[i] = folded_add_text(folded, &raw);
		err = folded->frame_texts[i] == PROFILE_NONE ? -ENOMEM : 0;
	}
	buffer_release(&raw);
	return err;
}

static int folded_make_thread_texts(struct folded *folded)
{
	const struct profile *profile = folded->profile;
	struct buffer raw;
	int err = 0;

	buffer_init(&raw);
	for (uint32_t i = 0; i < profile->process_count && !err; i++) {
		const struct profile_process *process = &profile->processes[i];

		buffer_clear(&raw);
		buffer_printf(&raw, "process %u:\"%s\"", process->pid,
			      profile_text(profile, process->command));
		folded->process_texts[i] = folded_add_text(folded, &raw);
		err = folded->process_texts[i] == PROFILE_NONE ? -ENOMEM : 0;
	}
	for (uint32_t i = 0; i < profile->thread_count && !err; i++) {
		const struct profile_thread *thread = &profile->threads[i];

		buffer_clear(&raw);
		buffer_printf(&raw, "thread (%u)%s%s", thread->tid, thread->name ? ": " : "",
			      profile_text(profile, thread->name));
		folded->thread_texts[i] = folded_add_text(folded, &raw);
		err = folded->thread_texts[i] == PROFILE_NONE ? -ENOMEM : 0;
	}
	buffer_release(&raw);
	return err;
}

/* The child of `parent` with that text, made when new; PROFILE_NONE when out of memory. */
static uint32_t folded_child(struct folded *folded, uint32_t parent, uint32_t text)
{
	uint64_t *slot;
	bool added;

	if (folded->node_count == folded->node_capacity) {
		uint32_t capacity = folded->node_capacity ? folded->node_capacity * 2 : 256;
		struct folded_node *nodes = realloc(folded->nodes, capacity * sizeof(*nodes));

		if (!nodes)
			return PROFILE_NONE;
		folded->nodes = nodes;
		folded->node_capacity = capacity;
	}
	slot = map64_slot(folded->children, map64_pair(parent, text), &added);
	if (!slot)
		return PROFILE_NONE;
	if (added) {
		*slot = folded->node_count;
		folded->nodes[folded->node_count++] =
			(struct folded_node){ .parent = parent, .text = text };
	}
	return *slot;
}

static int folded_add_sum(struct folded *folded, const struct profile_sum *sum)
{
	const struct profile *profile = folded->profile;
	uint32_t depth = profile->stacks[sum->stack].depth, at = depth, node = 0;

	for (uint32_t stack = sum->stack; stack; stack = profile->stacks[stack].parent)
		folded->path[--at] = profile->stacks[stack].frame;
	if (folded->split_threads) {
		uint32_t process = profile->threads[sum->thread].process;

		node = folded_child(folded, node, folded->process_texts[process]);
		if (node != PROFILE_NONE)
			node = folded_child(folded, node, folded->thread_texts[sum->thread]);
	} else if (!depth) {
		/* A sample without any frame must not vanish, and the format has no empty stack. */
		node = folded_child(folded, node, intern_string(folded->texts, "[no stack]"));
	}
	for (uint32_t i = 0; i < depth && node != PROFILE_NONE; i++)
		node = folded_child(folded, node, folded->frame_texts[folded->path[i]]);
	if (node == PROFILE_NONE)
		return -ENOMEM;
	folded->nodes[node].count +=
		profile->unit == UNIT_NS && profile->period_ns ? sum->samples : sum->value;
	return 0;
}

static int folded_compare(const void *left, const void *right, void *arg)
{
	const struct folded *folded = arg;
	const struct folded_node *one = &folded->nodes[*(const uint32_t *)left];
	const struct folded_node *other = &folded->nodes[*(const uint32_t *)right];

	if (one->parent != other->parent)
		return one->parent < other->parent ? -1 : 1;
	return strcmp(intern_get(folded->texts, one->text), intern_get(folded->texts, other->text));
}

/*
 * Node ids ordered so that the children of a node stand together, sorted by text; starts[n] is
 * where those of node n begin, starts[n + 1] where they end.
 */
static int folded_sort(const struct folded *folded, uint32_t **order, uint32_t **starts)
{
	uint32_t count = folded->node_count, at = 1;

	*order = calloc(count, sizeof(**order));
	*starts = calloc(count + 1, sizeof(**starts));
	if (!*order || !*starts)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		(*order)[i] = i;
	/* The root is its own parent: it stays in front, out of the sort. */
	qsort_r(*order + 1, count - 1, sizeof(**order), folded_compare, (void *)folded);
	for (uint32_t node = 0; node <= count; node++) {
		while (at < count && folded->nodes[(*order)[at]].parent < node)
			at++;
		(*starts)[node] = at;
	}
	return 0;
}

static void folded_write_line(const struct folded *folded, uint32_t node, struct writer *writer)
{
	uint64_t count = folded->nodes[node].count;
	uint32_t depth = 0;

	if (!count)
		return;
	for (uint32_t at = node; at; at = folded->nodes[at].parent)
		folded->path[depth++] = folded->nodes[at].text;
	while (depth--) {
		writer_string(writer, intern_get(folded->texts, folded->path[depth]));
		writer_string(writer, depth ? ";" : " ");
	}
	writer_uint(writer, count);
	writer_string(writer, "\n");
}

/* Depth first; `starts` serves as the place reached in each node's children. */
static int folded_write(const struct folded *folded, struct writer *writer)
{
	uint32_t *order = NULL, *starts = NULL, *ends = NULL;
	uint32_t node = 0;
	int err = folded_sort(folded, &order, &starts);

	ends = calloc(folded->node_count, sizeof(*ends));
	if (err || !ends) {
		err = -ENOMEM;
		goto out;
	}
	for (uint32_t i = 0; i < folded->node_count; i++)
		ends[i] = starts[i + 1];
	for (;;) {
		if (starts[node] < ends[node]) {
			node = order[starts[node]++];
			folded_write_line(folded, node, writer);
		} else if (node) {
			node = folded->nodes[node].parent;
		} else {
			break;
		}
	}
out:
	free(order);
	free(starts);
	free(ends);
	return err;
}

static void folded_release(struct folded *folded)
{
	intern_free(folded->texts);
	map64_free(folded->children);
	free(folded->frame_texts);
	free(folded->thread_texts);
	free(folded->process_texts);
	free(folded->path);
	free(folded->nodes);
}

static int folded_init(struct folded *folded, const struct profile *profile,
		       const struct render_options *options)
{
	uint32_t deepest = 0;

	*folded = (struct folded){
		.profile = profile,
		.split_threads = options->split_threads,
		.node_count = 1,
		.node_capacity = 256,
	};
	for (uint32_t i = 0; i < profile->stack_count; i++)
		deepest = profile->stacks[i].depth > deepest ? profile->stacks[i].depth : deepest;
	folded->texts = intern_new();
	folded->children = map64_new();
	folded->frame_texts = calloc(profile->frame_count + 1, sizeof(uint32_t));
	folded->thread_texts = calloc(profile->thread_count + 1, sizeof(uint32_t));
	folded->process_texts = calloc(profile->process_count + 1, sizeof(uint32_t));
	folded->path = calloc(deepest + 3, sizeof(uint32_t)); /* and process and thread */
	folded->nodes = calloc(folded->node_capacity, sizeof(*folded->nodes));
	if (!folded->texts || !folded->children || !folded->frame_texts || !folded->thread_texts ||
	    !folded->process_texts || !folded->path || !folded->nodes)
		return -ENOMEM;
	return 0;
}

int render_folded(const struct profile *profile, const struct render_options *options, FILE *stream)
{
	struct folded folded;
	struct writer writer;
	int err = folded_init(&folded, profile, options), write_err;

	writer_init(&writer, stream);
	if (!err)
		err = folded_make_frame_texts(&folded);
	if (!err)
		err = folded_make_thread_texts(&folded);
	for (uint32_t i = 0; i < profile->sum_count && !err; i++)
		err = folded_add_sum(&folded, &profile->sums[i]);
	if (!err)
		err = folded_write(&folded, &writer);
	write_err = writer_finish(&writer);
	folded_release(&folded);
	return err ? err : write_err;
}
