// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exact calls in -f json. Functions are those that were called or were running, in the order of
 * --sort; everything else names them by their place in that array.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "render/format.h"
#include "render/json_profile.h"

struct json_calls {
	struct json_writer *json;
	const struct profile *profile;
	const struct render_options *options;
	uint32_t *places; /* by function of the profile: in "functions"; CALLS_NONE: not there */
};

static void json_write_times(struct json_writer *json, const struct call_times *times,
			     uint64_t recursive_calls)
{
	json_uint(json, "calls", times->calls);
	json_uint(json, "recursive_calls", recursive_calls);
	json_uint(json, "resumes", times->resumes);
	json_uint(json, "exceptions", times->exceptions);
	json_uint(json, "self_ns", times->self_ns);
	json_uint(json, "total_ns", times->total_ns);
	json_uint(json, "cpu_self_ns", times->cpu_self_ns);
	json_uint(json, "cpu_total_ns", times->cpu_total_ns);
}

static void json_write_running(struct json_writer *json, const struct call_rollup_row *row)
{
	json_uint(json, "running", row->running);
	json_uint(json, "unfinished", row->unfinished);
}

static void json_write_durations(struct json_writer *json, const struct call_rollup_row *row)
{
	json_uint(json, "min_ns", row->min_ns);
	json_uint(json, "max_ns", row->max_ns);
	json_uint(json, "p50_ns", row->p50_ns);
	json_uint(json, "p90_ns", row->p90_ns);
	json_uint(json, "p99_ns", row->p99_ns);
	json_uint(json, "p999_ns", row->p999_ns);
}

static int json_write_functions(struct json_calls *out)
{
	const struct render_options *options = out->options;
	struct json_writer *json = out->json;
	struct call_rollup rollup;
	int err = call_rollup_build(out->profile, CALL_ROLLUP_FUNCTION, options->call_sort, false,
				    options->globs, options->glob_count, &rollup);

	if (err)
		return err;
	json_open(json, "functions", '[');
	for (uint32_t i = 0; i < rollup.row_count; i++) {
		const struct call_rollup_row *row = &rollup.rows[i];

		out->places[row->function] = i;
		json_newline(json);
		json_open(json, NULL, '{');
		json_function_keys(json, out->profile, row->function);
		json_write_times(json, &row->times, row->recursive_calls);
		json_write_durations(json, row);
		json_write_running(json, row);
		json_close(json, '}');
	}
	json_close(json, ']');
	call_rollup_release(&rollup);
	return 0;
}

/* Functions without a class belong to none. */
static int json_write_classes(struct json_calls *out)
{
	const struct render_options *options = out->options;
	const struct profile *profile = out->profile;
	struct json_writer *json = out->json;
	struct call_rollup rollup;
	int err = call_rollup_build(profile, CALL_ROLLUP_CLASS, options->call_sort, false,
				    options->globs, options->glob_count, &rollup);

	if (err)
		return err;
	json_newline(json);
	json_open(json, "classes", '[');
	for (uint32_t i = 0; i < rollup.row_count; i++) {
		const struct call_rollup_row *row = &rollup.rows[i];

		if (!row->name)
			continue;
		json_newline(json);
		json_open(json, NULL, '{');
		json_profile_text(json, "name", profile, row->name, false);
		json_profile_text(json, "module", profile, profile->functions[row->function].module,
				  true);
		json_write_times(json, &row->times, row->recursive_calls);
		json_write_durations(json, row);
		json_write_running(json, row);
		json_close(json, '}');
	}
	json_close(json, ']');
	call_rollup_release(&rollup);
	return 0;
}

/* Rows by thread: (place of the first, how many) for each thread, the rows in their order. */
static uint32_t *json_thread_order(const struct profile *profile, const struct call_rollup *rollup,
				   uint32_t **starts)
{
	uint32_t *order = calloc(rollup->row_count + 1ul, sizeof(*order));
	uint32_t *ends = calloc(profile->thread_count + 2ul, sizeof(*ends));

	*starts = ends;
	if (!order || !ends)
		return order;
	for (uint32_t i = 0; i < rollup->row_count; i++)
		ends[rollup->rows[i].thread + 2]++;
	for (uint32_t i = 2; i < profile->thread_count + 2; i++)
		ends[i] += ends[i - 1];
	for (uint32_t i = 0; i < rollup->row_count; i++)
		order[ends[rollup->rows[i].thread + 1]++] = i;
	return order;
}

static void json_write_thread(struct json_calls *out, uint32_t id, const struct call_rollup *rollup,
			      const uint32_t *order, uint32_t count)
{
	const struct profile_thread *thread = &out->profile->threads[id];
	struct json_writer *json = out->json;

	json_newline(json);
	json_open(json, NULL, '{');
	json_uint(json, "pid", out->profile->processes[thread->process].pid);
	json_uint(json, "tid", thread->tid);
	json_profile_text(json, "name", out->profile, thread->name, false);
	json_uint(json, "cpu_ns", thread->cpu_ns);
	json_uint(json, "wall_ns", thread->wall_ns);
	json_open(json, "functions", '[');
	for (uint32_t i = 0; i < count; i++) {
		const struct call_rollup_row *row = &rollup->rows[order[i]];

		json_newline(json);
		json_open(json, NULL, '{');
		json_uint(json, "function", out->places[row->function]);
		json_write_times(json, &row->times, row->recursive_calls);
		json_write_running(json, row);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_close(json, '}');
}

/* Who called what how often, thread by thread. */
static int json_write_threads_calls(struct json_calls *out)
{
	const struct render_options *options = out->options;
	uint32_t *starts = NULL, *order = NULL;
	struct call_rollup rollup;
	int err = call_rollup_build(out->profile, CALL_ROLLUP_FUNCTION, options->call_sort, true,
				    options->globs, options->glob_count, &rollup);

	if (err)
		return err;
	order = json_thread_order(out->profile, &rollup, &starts);
	if (!order || !starts) {
		err = -ENOMEM;
		goto out;
	}
	json_newline(out->json);
	json_open(out->json, "threads", '[');
	for (uint32_t i = 0; i < out->profile->thread_count; i++) {
		if (starts[i] < starts[i + 1])
			json_write_thread(out, i, &rollup, order + starts[i],
					  starts[i + 1] - starts[i]);
	}
	json_close(out->json, ']');
out:
	free(order);
	free(starts);
	call_rollup_release(&rollup);
	return err;
}

/* The place in "functions", -1 for nobody; what -F left out of there is told in full. */
static void json_write_end(struct json_calls *out, const char *key, const char *full_key,
			   uint32_t function)
{
	struct json_writer *json = out->json;

	if (function == CALLS_NONE) {
		json_int(json, key, -1);
	} else if (out->places[function] != CALLS_NONE) {
		json_uint(json, key, out->places[function]);
	} else {
		json_null(json, key);
		json_open(json, full_key, '{');
		json_function_keys(json, out->profile, function);
		json_close(json, '}');
	}
}

static void json_write_edge(struct json_calls *out, const struct call_edge *edge)
{
	static const struct {
		const char *key;
		double fraction;
	} QUANTILES[] = {
		{ "p50_ns", 0.5 },
		{ "p90_ns", 0.9 },
		{ "p99_ns", 0.99 },
		{ "p999_ns", 0.999 },
	};
	struct json_writer *json = out->json;

	json_newline(json);
	json_open(json, NULL, '{');
	json_write_end(out, "caller", "caller_function", edge->caller);
	json_write_end(out, "callee", "callee_function", edge->callee);
	json_write_times(json, &edge->times, edge->recursive_calls);
	json_uint(json, "min_ns", edge->min_ns);
	json_uint(json, "max_ns", edge->max_ns);
	for (size_t i = 0; i < sizeof(QUANTILES) / sizeof(QUANTILES[0]); i++) {
		uint64_t value = histogram_quantile(&edge->durations, QUANTILES[i].fraction);

		/* The middle of the outermost steps may lie beyond what there was. */
		value = value < edge->min_ns ? edge->min_ns : value;
		json_uint(json, QUANTILES[i].key, value > edge->max_ns ? edge->max_ns : value);
	}
	json_close(json, '}');
}

/* Those that begin or end at a function of "functions". */
static void json_write_edges(struct json_calls *out)
{
	const struct calls *calls = out->profile->calls;

	json_newline(out->json);
	json_open(out->json, "edges", '[');
	for (uint32_t i = 0; i < calls->edge_count; i++) {
		const struct call_edge *edge = &calls->edges[i];

		if (out->places[edge->callee] != CALLS_NONE ||
		    (edge->caller != CALLS_NONE && out->places[edge->caller] != CALLS_NONE))
			json_write_edge(out, edge);
	}
	json_close(out->json, ']');
}

/* The tree of calls, parents first; a path's parent by its place, -1: a thread's outermost. */
static int json_write_paths(struct json_calls *out)
{
	const struct calls *calls = out->profile->calls;
	struct json_writer *json = out->json;
	uint32_t *places = calloc(calls->node_count, sizeof(*places));
	uint32_t count = 0;

	if (!places)
		return -ENOMEM;
	json_newline(json);
	json_open(json, "paths", '[');
	for (uint32_t i = 0; i < calls->node_count; i++) {
		const struct call_node *node = &calls->nodes[i];

		places[i] = CALLS_NONE;
		if (node->function == CALLS_NONE)
			continue;
		places[i] = count++;
		json_newline(json);
		json_open(json, NULL, '{');
		json_int(json, "parent",
			 places[node->parent] == CALLS_NONE ? -1 : (int64_t)places[node->parent]);
		json_write_end(out, "function", "path_function", node->function);
		json_uint(json, "tid", out->profile->threads[node->thread].tid);
		json_write_times(json, &node->times,
				 node->function_recursive ? node->times.calls : 0);
		json_close(json, '}');
	}
	json_close(json, ']');
	free(places);
	return 0;
}

int json_write_calls(struct json_writer *json, const struct profile *profile,
		     const struct render_options *options)
{
	const char *mode = profile_text(profile, profile->mode);
	struct json_calls out = { .json = json, .profile = profile, .options = options };
	int err;

	out.places = calloc(profile->function_count + 1ul, sizeof(*out.places));
	if (!out.places)
		return -ENOMEM;
	memset(out.places, 0xff, profile->function_count * sizeof(*out.places));
	err = json_write_functions(&out);
	if (!err && strstr(mode, "time"))
		err = json_write_classes(&out);
	if (!err)
		err = json_write_threads_calls(&out);
	if (!err && strstr(mode, "callgraph"))
		json_write_edges(&out);
	if (!err && options->by == ROLLUP_TREE)
		err = json_write_paths(&out);
	free(out.places);
	return err;
}
