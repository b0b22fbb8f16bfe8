// SPDX-License-Identifier: GPL-2.0-only
/*
 * What follows from the tree of calls: the sums of edges and functions, and stacks for those reports
 * that know nothing else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/calls.h"
#include "model/profile.h"

static void call_times_add(struct call_times *into, const struct call_times *times, bool recursive)
{
	into->calls += times->calls;
	into->resumes += times->resumes;
	into->exceptions += times->exceptions;
	into->self_ns += times->self_ns;
	into->cpu_self_ns += times->cpu_self_ns;
	if (recursive)
		return;
	into->total_ns += times->total_ns;
	into->cpu_total_ns += times->cpu_total_ns;
}

static void calls_sum_nodes(struct calls *calls)
{
	calls->unfinished_count = 0;
	for (uint32_t i = 0; i < calls->node_count; i++) {
		const struct call_node *node = &calls->nodes[i];
		struct call_function *function;
		struct call_edge *edge;

		if (node->edge == CALLS_NONE || node->function >= calls->function_count)
			continue;
		edge = &calls->edges[node->edge];
		function = &calls->functions[node->function];
		call_times_add(&edge->times, &node->times, node->edge_recursive);
		call_times_add(&function->times, &node->times, node->function_recursive);
		edge->recursive_calls += node->edge_recursive ? node->times.calls : 0;
		function->recursive_calls += node->function_recursive ? node->times.calls : 0;
		function->running += node->running_count;
		function->unfinished += node->unfinished_count;
		calls->unfinished_count += node->unfinished_count;
	}
}

static uint64_t call_quantile(const struct call_function *function,
			      const struct histogram *durations, double fraction)
{
	return histogram_quantile_within(durations, fraction, function->min_ns, function->max_ns);
}

/* From all edges to one function. 0 or -ENOMEM. */
static int calls_merge_edges(struct calls *calls, struct call_function *function,
			     const uint32_t *edges, uint32_t edge_count)
{
	struct histogram merged = { 0 };
	const struct histogram *durations = &merged;
	int err = 0;

	for (uint32_t i = 0; i < edge_count && !err; i++) {
		const struct call_edge *edge = &calls->edges[edges[i]];

		if (histogram_is_empty(&edge->durations))
			continue;
		if (histogram_is_empty(durations) || edge->min_ns < function->min_ns)
			function->min_ns = edge->min_ns;
		if (edge->max_ns > function->max_ns)
			function->max_ns = edge->max_ns;
		if (edge_count == 1)
			durations = &edge->durations;
		else
			err = histogram_merge(&merged, &edge->durations);
	}
	if (!err) {
		function->p50_ns = call_quantile(function, durations, 0.5);
		function->p90_ns = call_quantile(function, durations, 0.9);
		function->p99_ns = call_quantile(function, durations, 0.99);
		function->p999_ns = call_quantile(function, durations, 0.999);
	}
	histogram_release(&merged);
	return err;
}

/* Edges sorted by callee: those of function f are (*order)[starts[f]] up to starts[f + 1]. */
static int calls_sort_edges(const struct calls *calls, uint32_t **order, uint32_t **starts)
{
	uint32_t *ends = calloc(calls->function_count + 2, sizeof(*ends));

	*order = calloc(calls->edge_count + 1, sizeof(**order));
	*starts = ends;
	if (!ends || !*order)
		return -ENOMEM;
	ends++;
	for (uint32_t i = 0; i < calls->edge_count; i++) {
		if (calls->edges[i].callee < calls->function_count)
			ends[calls->edges[i].callee + 1]++;
	}
	for (uint32_t i = 1; i <= calls->function_count; i++)
		ends[i] += ends[i - 1];
	/* Each start moves to its function's end, which is the next one's start. */
	for (uint32_t i = 0; i < calls->edge_count; i++) {
		if (calls->edges[i].callee < calls->function_count)
			(*order)[ends[calls->edges[i].callee]++] = i;
	}
	return 0;
}

static int calls_sum_durations(struct calls *calls)
{
	uint32_t *order, *starts;
	int err = calls_sort_edges(calls, &order, &starts);

	for (uint32_t i = 0; i < calls->function_count && !err; i++)
		err = calls_merge_edges(calls, &calls->functions[i], order + starts[i],
					starts[i + 1] - starts[i]);
	free(order);
	free(starts);
	return err;
}

int calls_finish(struct calls *calls, uint32_t function_count)
{
	struct call_function *functions = calloc(function_count + 1ul, sizeof(*functions));

	if (!functions)
		return -ENOMEM;
	free(calls->functions);
	calls->functions = functions;
	calls->function_count = function_count;
	for (uint32_t i = 0; i < calls->edge_count; i++) {
		memset(&calls->edges[i].times, 0, sizeof(calls->edges[i].times));
		calls->edges[i].recursive_calls = 0;
	}
	calls_sum_nodes(calls);
	return calls_sum_durations(calls);
}

int calls_to_stacks(const struct calls *calls, struct profile *profile)
{
	uint32_t *stacks = calloc(calls->node_count, sizeof(*stacks));
	int err = stacks ? 0 : -ENOMEM;

	/* Parents come before their children; roots are the empty stack. */
	for (uint32_t i = 0; i < calls->node_count && !err; i++) {
		const struct call_node *node = &calls->nodes[i];
		uint32_t frame;

		if (node->edge == CALLS_NONE || node->function >= profile->function_count)
			continue;
		frame = profile_add_frame(profile, node->function,
					  profile->functions[node->function].line);
		stacks[i] = frame == PROFILE_NONE ?
				    PROFILE_NONE :
				    profile_add_stack(profile, stacks[node->parent], frame);
		if (stacks[i] == PROFILE_NONE)
			err = -ENOMEM;
		else if (node->times.calls || node->times.self_ns)
			err = profile_add_sample(profile, node->thread, stacks[i],
						 node->times.calls, node->times.self_ns);
	}
	free(stacks);
	return err;
}
