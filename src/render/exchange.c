// SPDX-License-Identifier: GPL-2.0-only
/* The profile as functions and calls between them. */
#include "render/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map64.h"
#include "base/text.h"
#include "render/format.h"

/*
 * While it is made, `places` has one element for each place there could be: frames where lines are
 * told apart, else functions; then roots. Edges hold the caller's place in `caller` until the end.
 */
struct exchange_builder {
	struct exchange *exchange;
	bool by_frame;
	uint32_t first_root; /* of places */
	struct map64 *edges; /* (place, callee) -> edge */
	uint32_t edge_capacity;
	uint32_t *seen_in; /* by function: the sum that was counted last, plus one */
	uint32_t *path;	   /* frames of one stack, root first */
};

static void cost_add(struct exchange_cost *into, const struct exchange_cost *cost)
{
	into->main += cost->main;
	into->second += cost->second;
}

static uint32_t exchange_root_count(const struct profile *profile, enum exchange_roots roots)
{
	switch (roots) {
	case EXCHANGE_ROOT_PROCESSES:
		return profile->process_count;
	case EXCHANGE_ROOT_THREADS:
		return profile->thread_count;
	case EXCHANGE_ROOT_ONE:
		break;
	}
	return 1;
}

static uint32_t exchange_root_of(const struct exchange *exchange, uint32_t thread)
{
	switch (exchange->roots) {
	case EXCHANGE_ROOT_PROCESSES:
		return exchange->profile->threads[thread].process;
	case EXCHANGE_ROOT_THREADS:
		return thread;
	case EXCHANGE_ROOT_ONE:
		break;
	}
	return 0;
}

bool exchange_is_root(const struct exchange *exchange, uint32_t function)
{
	return function >= exchange->profile->function_count;
}

/* The edge, added when new; UINT32_MAX: out of memory. */
static uint32_t builder_edge(struct exchange_builder *builder, uint32_t place, uint32_t callee)
{
	struct exchange *exchange = builder->exchange;
	uint64_t *slot;
	bool added;

	if (exchange->edge_count == builder->edge_capacity) {
		uint32_t capacity = builder->edge_capacity ? builder->edge_capacity * 2 : 256;
		struct exchange_edge *edges = realloc(exchange->edges, capacity * sizeof(*edges));

		if (!edges)
			return UINT32_MAX;
		exchange->edges = edges;
		builder->edge_capacity = capacity;
	}
	slot = map64_slot(builder->edges, map64_pair(place, callee), &added);
	if (!slot)
		return UINT32_MAX;
	if (added) {
		*slot = exchange->edge_count;
		exchange->edges[exchange->edge_count++] =
			(struct exchange_edge){ .caller = place, .callee = callee };
	}
	return *slot;
}

/* A node is a path of calls; what is recursion in it the model has said. */
static int builder_add_node(struct exchange_builder *builder, const struct call_node *node)
{
	struct exchange *exchange = builder->exchange;
	const struct calls *calls = exchange->profile->calls;
	const struct call_times *times = &node->times;
	struct exchange_cost self = { times->self_ns, times->cpu_self_ns };
	struct exchange_cost total = { times->total_ns, times->cpu_total_ns };
	struct exchange_function *function = &exchange->functions[node->function];
	/* A folded node stands right under its thread, its edge knows who called. */
	uint32_t caller = calls->edges[node->edge].caller;
	struct exchange_edge *edge;
	uint32_t id;

	if (caller == CALLS_NONE)
		caller = builder->first_root + exchange_root_of(exchange, node->thread);
	id = builder_edge(builder, caller, node->function);
	if (id == UINT32_MAX)
		return -ENOMEM;
	edge = &exchange->edges[id];
	edge->calls += times->calls;
	edge->recursive_calls += node->edge_recursive ? times->calls : 0;
	function->calls += times->calls;
	function->recursive_calls += node->function_recursive ? times->calls : 0;
	cost_add(&edge->self, &self);
	cost_add(&function->self, &self);
	cost_add(&exchange->places[node->function].self, &self);
	if (!node->edge_recursive)
		cost_add(&edge->total, &total);
	if (!node->function_recursive) {
		cost_add(&edge->entered, &total);
		cost_add(&function->total, &total);
	}
	return 0;
}

static int builder_add_calls(struct exchange_builder *builder)
{
	const struct profile *profile = builder->exchange->profile;
	const struct calls *calls = profile->calls;
	int err = 0;

	for (uint32_t i = 0; i < calls->node_count && !err; i++) {
		const struct call_node *node = &calls->nodes[i];

		if (node->edge != CALLS_NONE && node->function < profile->function_count &&
		    node->thread < profile->thread_count)
			err = builder_add_node(builder, node);
	}
	return err;
}

/* `stamp` tells one sum from another, and is not 0. */
static int builder_add_sum(struct exchange_builder *builder, const struct profile_sum *sum,
			   uint32_t stamp)
{
	struct exchange *exchange = builder->exchange;
	const struct profile *profile = exchange->profile;
	struct exchange_cost cost = { sum->value, sum->samples };
	uint32_t depth = profile->stacks[sum->stack].depth, at = depth;
	uint32_t root = exchange_root_of(exchange, sum->thread), edge = UINT32_MAX;
	uint32_t place = builder->first_root + root, function = profile->function_count + root;

	for (uint32_t stack = sum->stack; stack; stack = profile->stacks[stack].parent)
		builder->path[--at] = profile->stacks[stack].frame;
	for (uint32_t i = 0; i < depth; i++) {
		function = profile->frames[builder->path[i]].function;
		edge = builder_edge(builder, place, function);
		if (edge == UINT32_MAX)
			return -ENOMEM;
		place = builder->by_frame ? builder->path[i] : function;
		if (exchange->edges[edge].seen_in != stamp)
			cost_add(&exchange->edges[edge].total, &cost);
		exchange->edges[edge].seen_in = stamp;
		if (builder->seen_in[function] != stamp) {
			cost_add(&exchange->edges[edge].entered, &cost);
			cost_add(&exchange->functions[function].total, &cost);
		}
		builder->seen_in[function] = stamp;
	}
	if (depth)
		cost_add(&exchange->edges[edge].self, &cost);
	cost_add(&exchange->functions[function].self, &cost);
	cost_add(&exchange->places[place].self, &cost);
	return 0;
}

static int builder_init(struct exchange_builder *builder, struct exchange *exchange,
			uint32_t root_count)
{
	const struct profile *profile = exchange->profile;
	uint32_t deepest = 0;

	builder->exchange = exchange;
	builder->first_root = builder->by_frame ? profile->frame_count : profile->function_count;
	exchange->place_count = builder->first_root + root_count;
	exchange->places = calloc(exchange->place_count + 1ul, sizeof(*exchange->places));
	for (uint32_t i = 0; i < profile->stack_count; i++)
		deepest = profile->stacks[i].depth > deepest ? profile->stacks[i].depth : deepest;
	builder->edges = map64_new();
	builder->seen_in = calloc(exchange->function_count + 1ul, sizeof(*builder->seen_in));
	builder->path = calloc(deepest + 1ul, sizeof(*builder->path));
	if (!exchange->places || !builder->edges || !builder->seen_in || !builder->path)
		return -ENOMEM;
	for (uint32_t i = 0; i < exchange->place_count; i++) {
		struct exchange_place *place = &exchange->places[i];

		if (i >= builder->first_root) {
			place->function = profile->function_count + i - builder->first_root;
		} else if (builder->by_frame) {
			place->function = profile->frames[i].function;
			place->line = profile->frames[i].line;
		} else {
			place->function = i;
			place->line = profile->functions[i].line;
		}
	}
	return 0;
}

static void builder_release(struct exchange_builder *builder)
{
	map64_free(builder->edges);
	free(builder->seen_in);
	free(builder->path);
}

static int exchange_compare_edges(const void *left, const void *right)
{
	const struct exchange_edge *one = left, *other = right;

	if (one->caller != other->caller)
		return one->caller < other->caller ? -1 : 1;
	if (one->line != other->line)
		return one->line < other->line ? -1 : 1;
	return one->callee < other->callee ? -1 : one->callee > other->callee;
}

static int exchange_compare_places(const void *left, const void *right)
{
	const struct exchange_place *one = left, *other = right;

	if (one->function != other->function)
		return one->function < other->function ? -1 : 1;
	return one->line < other->line ? -1 : one->line > other->line;
}

static bool cost_is_zero(const struct exchange_cost *cost)
{
	return !cost->main && !cost->second;
}

/* Leaves what -F lets through, with the callers and callees of that; marks what is left. */
static void exchange_keep_listed(struct exchange *exchange)
{
	struct exchange_function *functions = exchange->functions;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < exchange->edge_count; i++) {
		struct exchange_edge *edge = &exchange->edges[i];

		edge->line = exchange->places[edge->caller].line;
		edge->caller = exchange->places[edge->caller].function;
		if (!functions[edge->callee].listed &&
		    (!functions[edge->caller].listed || exchange_is_root(exchange, edge->caller)))
			continue;
		functions[edge->caller].seen = functions[edge->callee].seen = true;
		exchange->edges[kept++] = *edge;
	}
	exchange->edge_count = kept;
	kept = 0;
	for (uint32_t i = 0; i < exchange->place_count; i++) {
		const struct exchange_place *place = &exchange->places[i];

		if (cost_is_zero(&place->self))
			continue;
		cost_add(&exchange->sum, &place->self);
		if (!functions[place->function].listed)
			continue;
		functions[place->function].seen = true;
		exchange->places[kept++] = *place;
	}
	exchange->place_count = kept;
	if (exchange->edge_count)
		qsort(exchange->edges, exchange->edge_count, sizeof(*exchange->edges),
		      exchange_compare_edges);
	if (exchange->place_count)
		qsort(exchange->places, exchange->place_count, sizeof(*exchange->places),
		      exchange_compare_places);
}

int exchange_init(struct exchange *exchange, const struct profile *profile,
		  const struct render_options *options, enum exchange_roots roots, bool by_line)
{
	uint32_t root_count = exchange_root_count(profile, roots);
	struct exchange_builder builder = { .by_frame = by_line && !profile->calls };
	int err;

	*exchange = (struct exchange){
		.profile = profile,
		.roots = roots,
		.exact = profile->calls,
		.function_count = profile->function_count + root_count,
	};
	exchange->functions = calloc(exchange->function_count + 1ul, sizeof(*exchange->functions));
	err = exchange->functions ? builder_init(&builder, exchange, root_count) : -ENOMEM;
	for (uint32_t i = 0; i < exchange->function_count && !err; i++)
		exchange->functions[i].listed =
			!options->glob_count ||
			(!exchange_is_root(exchange, i) &&
			 profile_function_matches(profile, i, options->globs, options->glob_count));
	if (!err && exchange->exact)
		err = builder_add_calls(&builder);
	for (uint32_t i = 0; i < profile->sum_count && !exchange->exact && !err; i++)
		err = builder_add_sum(&builder, &profile->sums[i], i + 1);
	if (!err)
		exchange_keep_listed(exchange);
	builder_release(&builder);
	return err;
}

void exchange_release(struct exchange *exchange)
{
	free(exchange->functions);
	free(exchange->places);
	free(exchange->edges);
	*exchange = (struct exchange){ 0 };
}

/* Appends as safe text without spaces at its ends; `instead` where nothing is left. */
static void exchange_append_text(struct buffer *out, const char *bytes, size_t length,
				 const char *instead)
{
	while (length && bytes[0] == ' ') {
		bytes++;
		length--;
	}
	while (length && bytes[length - 1] == ' ')
		length--;
	if (length)
		text_append_safe(out, bytes, length);
	else
		buffer_string(out, instead);
}

static void exchange_append_id(struct buffer *out, const struct exchange *exchange, uint32_t id,
			       const char *instead)
{
	exchange_append_text(out, profile_text(exchange->profile, id),
			     intern_length(exchange->profile->strings, id), instead);
}

static void exchange_append_root(struct buffer *out, const struct exchange *exchange, uint32_t root)
{
	const struct profile *profile = exchange->profile;

	if (exchange->roots == EXCHANGE_ROOT_PROCESSES) {
		buffer_printf(out, "pid %u: ", profile->processes[root].pid);
		exchange_append_id(out, exchange, profile->processes[root].command, "?");
	} else if (exchange->roots == EXCHANGE_ROOT_THREADS) {
		const struct profile_thread *thread = &profile->threads[root];

		buffer_printf(out, "pid %u, thread %u: ", profile->processes[thread->process].pid,
			      thread->tid);
		exchange_append_id(out, exchange, thread->name, "?");
	} else {
		buffer_string(out, "[no stack]");
	}
}

void exchange_append_name(struct buffer *out, const struct exchange *exchange, uint32_t function)
{
	const struct profile *profile = exchange->profile;

	if (exchange_is_root(exchange, function)) {
		exchange_append_root(out, exchange, function - profile->function_count);
		return;
	}
	exchange_append_id(out, exchange, profile->functions[function].name, "?");
	if (profile->functions[function].kind == FRAME_KERNEL)
		buffer_string(out, "_[k]");
}

void exchange_append_file(struct buffer *out, const struct exchange *exchange, uint32_t function)
{
	const struct profile *profile = exchange->profile;

	if (exchange_is_root(exchange, function) ||
	    profile->functions[function].kind == FRAME_KERNEL)
		buffer_string(out, "???");
	else
		exchange_append_id(out, exchange, profile->functions[function].file, "???");
}

void exchange_append_module(struct buffer *out, const struct exchange *exchange, uint32_t function)
{
	const struct profile *profile = exchange->profile;
	const struct profile_function *described;
	const char *file;

	if (exchange_is_root(exchange, function)) {
		buffer_string(out, "[processes]");
		return;
	}
	described = &profile->functions[function];
	file = format_file(profile, described);
	if (described->kind == FRAME_KERNEL)
		buffer_string(out, "[kernel]");
	else if (described->module)
		exchange_append_id(out, exchange, described->module, "???");
	else
		exchange_append_text(out, file, strlen(file), "???");
}

int32_t exchange_line(const struct exchange *exchange, uint32_t function)
{
	int32_t line = 0;

	if (!exchange_is_root(exchange, function))
		line = exchange->profile->functions[function].line;
	return line > 0 ? line : 0;
}
