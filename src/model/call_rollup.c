// SPDX-License-Identifier: GPL-2.0-only
/*
 * From nodes to rows. Every function is given a dense key first (itself, its class, its module);
 * then each node counts for the row of its key and thread, in the total only where no node above it
 * has that key.
 */
#include "model/call_rollup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "model/rollup.h"

/* Marks a module known by its file alone, so that it cannot meet a module of that name. */
#define CALL_ROLLUP_BY_FILE (1ull << 32)

struct call_rollup_builder {
	const struct profile *profile;
	const struct calls *calls;
	struct call_rollup *out;
	bool split_threads;
	uint32_t *function_keys; /* by function: its key, CALLS_NONE: not listed */
	uint32_t *key_functions; /* by key: the first function of it */
	uint32_t key_count;
	uint32_t *firsts;   /* by node: itself, or the nearest above, that is first of its key */
	struct map64 *rows; /* (key, thread) -> row; CALLS_NONE for what is not told apart */
	uint32_t row_capacity;
};

static bool call_rollup_is_of_functions(enum call_rollup_by by)
{
	return by != CALL_ROLLUP_THREAD && by != CALL_ROLLUP_PROCESS;
}

static uint64_t call_rollup_identity(const struct call_rollup_builder *builder, uint32_t id)
{
	const struct profile_function *function = &builder->profile->functions[id];

	switch (builder->out->by) {
	case CALL_ROLLUP_CLASS:
		return map64_pair(function->class_name, function->module);
	case CALL_ROLLUP_MODULE:
		return function->module ? function->module : CALL_ROLLUP_BY_FILE | function->file;
	default:
		return id;
	}
}

static int call_rollup_key_functions(struct call_rollup_builder *builder, const char *const *globs,
				     size_t glob_count)
{
	struct map64 *keys = map64_new();
	int err = -ENOMEM;

	if (!keys)
		return -ENOMEM;
	for (uint32_t i = 0; i < builder->profile->function_count; i++) {
		uint64_t *slot;
		bool added;

		builder->function_keys[i] = CALLS_NONE;
		if (glob_count && !profile_function_matches(builder->profile, i, globs, glob_count))
			continue;
		slot = map64_slot(keys, call_rollup_identity(builder, i), &added);
		if (!slot)
			goto out;
		if (added) {
			builder->key_functions[builder->key_count] = i;
			*slot = builder->key_count++;
		}
		builder->function_keys[i] = *slot;
	}
	err = 0;
out:
	map64_free(keys);
	return err;
}

static uint32_t call_rollup_key(const struct call_rollup_builder *builder, uint32_t node)
{
	uint32_t function = builder->calls->nodes[node].function;

	return function < builder->profile->function_count ? builder->function_keys[function] :
							     CALLS_NONE;
}

/*
 * Whether a node above has the key of this one too. Only those that are first of their key are
 * looked at: however deep the path, they are no more than there are keys on it.
 */
static bool call_rollup_recursive(const struct call_rollup_builder *builder, uint32_t id)
{
	const struct call_node *node = &builder->calls->nodes[id];
	uint32_t key = call_rollup_key(builder, id), above;

	if (builder->out->by == CALL_ROLLUP_FUNCTION || node->folded)
		return node->function_recursive;
	above = builder->firsts[node->parent];
	while (above) {
		if (call_rollup_key(builder, above) == key)
			return true;
		above = builder->firsts[builder->calls->nodes[above].parent];
	}
	return false;
}

static void call_rollup_describe(const struct call_rollup_builder *builder, uint32_t key,
				 uint32_t thread, struct call_rollup_row *row)
{
	const struct profile *profile = builder->profile;
	const struct profile_function *function;

	*row = (struct call_rollup_row){
		.function = CALLS_NONE,
		.thread = thread,
		.process = CALLS_NONE,
	};
	if (builder->out->by == CALL_ROLLUP_THREAD) {
		row->name = profile->threads[thread].name;
		row->process = profile->threads[thread].process;
		return;
	}
	if (builder->out->by == CALL_ROLLUP_PROCESS) {
		row->name = profile->processes[key].command;
		row->process = key;
		return;
	}
	row->function = builder->key_functions[key];
	function = &profile->functions[row->function];
	if (builder->out->by == CALL_ROLLUP_CLASS)
		row->name = function->class_name;
	else if (builder->out->by == CALL_ROLLUP_MODULE)
		row->name = function->module ? function->module : function->file;
	else
		row->name = function->name;
}

/* The row of a node, made when new. NULL when out of memory; good until the next call. */
static struct call_rollup_row *call_rollup_row_of(struct call_rollup_builder *builder,
						  const struct call_node *node, uint32_t key)
{
	struct call_rollup *out = builder->out;
	uint32_t thread = builder->split_threads ? node->thread : CALLS_NONE;
	uint64_t *slot;
	bool added;

	if (out->by == CALL_ROLLUP_THREAD) {
		key = CALLS_NONE;
		thread = node->thread;
	} else if (out->by == CALL_ROLLUP_PROCESS) {
		key = builder->profile->threads[node->thread].process;
	}
	if (GROW(out->rows, builder->row_capacity, out->row_count))
		return NULL;
	slot = map64_slot(builder->rows, map64_pair(key, thread), &added);
	if (!slot)
		return NULL;
	if (added) {
		*slot = out->row_count++;
		call_rollup_describe(builder, key, thread, &out->rows[*slot]);
	}
	return &out->rows[*slot];
}

static void call_rollup_count(struct call_rollup_row *row, const struct call_node *node,
			      bool recursive)
{
	row->times.calls += node->times.calls;
	row->times.resumes += node->times.resumes;
	row->times.exceptions += node->times.exceptions;
	row->times.self_ns += node->times.self_ns;
	row->times.cpu_self_ns += node->times.cpu_self_ns;
	row->running += node->running_count;
	row->unfinished += node->unfinished_count;
	if (recursive) {
		row->recursive_calls += node->times.calls;
	} else {
		row->times.total_ns += node->times.total_ns;
		row->times.cpu_total_ns += node->times.cpu_total_ns;
	}
}

static int call_rollup_count_nodes(struct call_rollup_builder *builder)
{
	for (uint32_t i = 1; i < builder->calls->node_count; i++) {
		const struct call_node *node = &builder->calls->nodes[i];
		uint32_t key = call_rollup_key(builder, i);
		struct call_rollup_row *row;
		bool recursive;

		builder->firsts[i] = builder->firsts[node->parent];
		if (key == CALLS_NONE)
			continue;
		recursive = call_rollup_recursive(builder, i);
		if (!recursive)
			builder->firsts[i] = i;
		if (!node->times.calls && !node->running_count && !node->times.total_ns)
			continue;
		row = call_rollup_row_of(builder, node, key);
		if (!row)
			return -ENOMEM;
		call_rollup_count(row, node, recursive);
	}
	return 0;
}

/* What threads and processes have of all their rows' functions: nothing lies outside. */
static void call_rollup_sum(struct call_rollup *out)
{
	for (uint32_t i = 0; i < out->row_count; i++) {
		struct call_times *times = &out->rows[i].times;

		if (!call_rollup_is_of_functions(out->by)) {
			times->total_ns = times->self_ns;
			times->cpu_total_ns = times->cpu_self_ns;
			out->rows[i].recursive_calls = 0;
		}
		out->times.calls += times->calls;
		out->times.resumes += times->resumes;
		out->times.exceptions += times->exceptions;
		out->times.self_ns += times->self_ns;
		out->times.cpu_self_ns += times->cpu_self_ns;
	}
	out->times.total_ns = out->times.self_ns;
	out->times.cpu_total_ns = out->times.cpu_self_ns;
}

static void call_rollup_set_durations(struct call_rollup_row *row,
				      const struct histogram *durations)
{
	uint64_t min_ns = row->min_ns, max_ns = row->max_ns;

	row->p50_ns = histogram_quantile_within(durations, 0.5, min_ns, max_ns);
	row->p90_ns = histogram_quantile_within(durations, 0.9, min_ns, max_ns);
	row->p99_ns = histogram_quantile_within(durations, 0.99, min_ns, max_ns);
	row->p999_ns = histogram_quantile_within(durations, 0.999, min_ns, max_ns);
}

/* Of classes and modules: those of all pairs whose callee is theirs. */
static int call_rollup_merge_durations(struct call_rollup_builder *builder)
{
	const struct calls *calls = builder->calls;
	struct call_rollup *out = builder->out;
	struct histogram *durations = calloc(out->row_count + 1ul, sizeof(*durations));
	int err = durations ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < calls->edge_count && !err; i++) {
		const struct call_edge *edge = &calls->edges[i];
		struct call_rollup_row *row;
		uint64_t index;

		if (histogram_is_empty(&edge->durations) ||
		    edge->callee >= builder->profile->function_count ||
		    !map64_get(builder->rows,
			       map64_pair(builder->function_keys[edge->callee], CALLS_NONE),
			       &index))
			continue;
		row = &out->rows[index];
		if (histogram_is_empty(&durations[index]) || edge->min_ns < row->min_ns)
			row->min_ns = edge->min_ns;
		row->max_ns = edge->max_ns > row->max_ns ? edge->max_ns : row->max_ns;
		err = histogram_merge(&durations[index], &edge->durations);
	}
	for (uint32_t i = 0; i < out->row_count && durations; i++) {
		call_rollup_set_durations(&out->rows[i], &durations[i]);
		histogram_release(&durations[i]);
	}
	free(durations);
	return err;
}

static int call_rollup_durations(struct call_rollup_builder *builder)
{
	struct call_rollup *out = builder->out;

	if (!call_rollup_is_of_functions(out->by) || builder->split_threads)
		return 0;
	if (out->by != CALL_ROLLUP_FUNCTION)
		return call_rollup_merge_durations(builder);
	for (uint32_t i = 0; i < out->row_count; i++) {
		struct call_rollup_row *row = &out->rows[i];
		const struct call_function *function;

		if (row->function >= builder->calls->function_count)
			continue;
		function = &builder->calls->functions[row->function];
		row->min_ns = function->min_ns;
		row->max_ns = function->max_ns;
		row->p50_ns = function->p50_ns;
		row->p90_ns = function->p90_ns;
		row->p99_ns = function->p99_ns;
		row->p999_ns = function->p999_ns;
	}
	return 0;
}

struct call_rollup_order {
	const struct profile *profile;
	enum call_rollup_sort sort;
};

static int call_rollup_compare_numbers(uint64_t one, uint64_t other)
{
	return one < other ? -1 : one > other;
}

static uint64_t call_rollup_value(const struct call_rollup_row *row, enum call_rollup_sort sort)
{
	uint64_t outermost = row->times.calls - row->recursive_calls;

	switch (sort) {
	case CALL_SORT_CALLS:
		return row->times.calls;
	case CALL_SORT_SELF:
		return row->times.self_ns;
	case CALL_SORT_TOTAL:
		return row->times.total_ns;
	case CALL_SORT_CPU:
		return row->times.cpu_self_ns;
	case CALL_SORT_CPU_TOTAL:
		return row->times.cpu_total_ns;
	case CALL_SORT_MIN:
		return row->min_ns;
	case CALL_SORT_MAX:
		return row->max_ns;
	case CALL_SORT_MEAN:
		return outermost ? row->times.total_ns / outermost : 0;
	case CALL_SORT_P50:
		return row->p50_ns;
	case CALL_SORT_P90:
		return row->p90_ns;
	case CALL_SORT_P99:
		return row->p99_ns;
	case CALL_SORT_EXCEPTIONS:
		return row->times.exceptions;
	case CALL_SORT_NAME:
		break;
	}
	return 0;
}

/* By name, then by everything else that tells rows apart: the order is the same in every run. */
static int call_rollup_compare_names(const struct profile *profile,
				     const struct call_rollup_row *one,
				     const struct call_rollup_row *other)
{
	int result = strcmp(profile_text(profile, one->name), profile_text(profile, other->name));

	if (!result && one->function != CALLS_NONE && other->function != CALLS_NONE) {
		const struct profile_function *first = &profile->functions[one->function];
		const struct profile_function *second = &profile->functions[other->function];

		result = strcmp(profile_text(profile, first->file),
				profile_text(profile, second->file));
		if (!result)
			result = first->line < second->line ? -1 : first->line > second->line;
	}
	if (!result && one->thread != CALLS_NONE && other->thread != CALLS_NONE)
		result = call_rollup_compare_numbers(profile->threads[one->thread].tid,
						     profile->threads[other->thread].tid);
	if (!result)
		result = call_rollup_compare_numbers(one->process, other->process);
	if (!result)
		result = call_rollup_compare_numbers(one->function, other->function);
	return result;
}

static int call_rollup_compare(const void *left, const void *right, void *arg)
{
	const struct call_rollup_order *order = arg;
	const struct call_rollup_row *one = left, *other = right;
	int result = call_rollup_compare_numbers(call_rollup_value(other, order->sort),
						 call_rollup_value(one, order->sort));

	if (order->sort == CALL_SORT_NAME)
		return call_rollup_compare_names(order->profile, one, other);
	if (!result)
		result = call_rollup_compare_numbers(other->times.self_ns, one->times.self_ns);
	if (!result)
		result = call_rollup_compare_numbers(other->times.total_ns, one->times.total_ns);
	return result ? result : call_rollup_compare_names(order->profile, one, other);
}

int call_rollup_build(const struct profile *profile, enum call_rollup_by by,
		      enum call_rollup_sort sort, bool split_threads, const char *const *globs,
		      size_t glob_count, struct call_rollup *out)
{
	struct call_rollup_builder builder = {
		.profile = profile,
		.calls = profile->calls,
		.out = out,
		.split_threads = split_threads,
	};
	struct call_rollup_order order = { profile, sort };
	int err = -ENOMEM;

	memset(out, 0, sizeof(*out));
	out->by = by;
	builder.function_keys = calloc(profile->function_count + 1ul, sizeof(uint32_t));
	builder.key_functions = calloc(profile->function_count + 1ul, sizeof(uint32_t));
	builder.firsts = calloc(profile->calls->node_count, sizeof(uint32_t));
	builder.rows = map64_new();
	if (builder.function_keys && builder.key_functions && builder.firsts && builder.rows)
		err = call_rollup_key_functions(&builder, globs, glob_count);
	if (!err)
		err = call_rollup_count_nodes(&builder);
	if (!err)
		err = call_rollup_durations(&builder);
	if (!err)
		call_rollup_sum(out);
	if (!err && out->row_count)
		qsort_r(out->rows, out->row_count, sizeof(*out->rows), call_rollup_compare, &order);
	if (err)
		call_rollup_release(out);
	free(builder.function_keys);
	free(builder.key_functions);
	free(builder.firsts);
	map64_free(builder.rows);
	return err;
}

void call_rollup_release(struct call_rollup *rollup)
{
	if (!rollup)
		return;
	free(rollup->rows);
	memset(rollup, 0, sizeof(*rollup));
}
