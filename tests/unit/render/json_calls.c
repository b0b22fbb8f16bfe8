// SPDX-License-Identifier: GPL-2.0-only
/* Exact calls in the JSON report, read back by jansson; numbers as in sample_timed.h. */
#include <criterion/criterion.h>
#include <string.h>

#include "json_read.h"
#include "sample_timed.h"

static json_t *report(const char *mode, const char *glob)
{
	struct profile *profile = timed_calls_new();
	struct render_options options = sample_options();
	json_t *root;

	profile->mode = profile_string(profile, mode);
	options.limit = 1; /* of the table: a report for programs is never cut */
	options.globs = &glob;
	options.glob_count = glob ? 1 : 0;
	root = json_report(profile, &options);
	profile_free(profile);
	return root;
}

/* "key value key value": integers of an object. */
static void expect_ints(json_t *object, const char *want)
{
	char copy[512], *state = NULL;

	cr_assert_lt(strlen(want), sizeof(copy));
	strcpy(copy, want);
	for (char *key = strtok_r(copy, " ", &state); key; key = strtok_r(NULL, " ", &state))
		json_expect_int(object, key, strtoll(strtok_r(NULL, " ", &state), NULL, 10));
}

Test(json_calls, functions_are_those_called_or_running)
{
	json_t *root = report("time", NULL), *functions = json_object_get(root, "functions");
	json_t *run, *fib;

	cr_assert_eq(json_array_size(functions), 5);
	run = json_element(functions, 0);
	json_expect_string(run, "name", "Worker.run");
	json_expect_string(run, "class", "Worker");
	json_expect_string(run, "module", "app.jobs");
	json_expect_string(run, "file", "/srv/app/jobs.py");
	expect_ints(run, "line 10 calls 0 self_ns 100000000 total_ns 102000000 cpu_self_ns 1000000 "
			 "cpu_total_ns 3000000 running 1 unfinished 0 min_ns 0 max_ns 0");
	fib = json_element(functions, 1);
	json_expect_string(fib, "name", "fib");
	json_expect_string(fib, "class", NULL);
	/* The middle of the step of 10 ms; the others are held back by the longest call. */
	expect_ints(fib,
		    "line 20 calls 8 recursive_calls 6 resumes 0 exceptions 0 self_ns 92000000 "
		    "total_ns 92000000 cpu_self_ns 92000000 cpu_total_ns 92000000 min_ns 2000000 "
		    "max_ns 90000000 p90_ns 90000000 p99_ns 90000000 p999_ns 90000000 running 0");
	cr_expect_float_eq(json_integer_value(json_object_get(fib, "p50_ns")), 10e6, 0.032 * 10e6);
	expect_ints(json_element(functions, 3), "calls 1 unfinished 1 total_ns 118000000");
	expect_ints(json_element(functions, 4), "calls 2 exceptions 2");
	json_decref(root);
}

Test(json_calls, the_head_sums_up_and_tells_the_cost)
{
	json_t *root = report("time,callgraph", NULL), *cost = json_object_get(root, "cost");

	json_expect_string(root, "unit", "ns");
	expect_ints(root, "calls 15 primitive_calls 7 self_ns 220000000 cpu_self_ns 120000000 "
			  "events 34 resynchronised 0");
	cr_expect_null(json_object_get(root, "samples"));
	expect_ints(cost, "hits 34 hit_ns 500 compensated_ns 20000 target_ns 17000");
	cr_expect(json_is_false(json_object_get(cost, "raw")));
	cr_expect(json_is_false(json_object_get(cost, "stopped_early")));
	json_expect_string(cost, "stop_reason", NULL);
	json_expect_string(cost, "stopped_after_ns", NULL);
	cr_expect_float_eq(json_real_value(json_object_get(cost, "observed_share")), 1, 1e-9);
	json_expect_string(json_element(json_object_get(root, "targets"), 0), "probes", "dispatch");
	json_decref(root);
}

Test(json_calls, the_cost_tells_of_windows_and_an_early_end)
{
	struct profile *profile = timed_calls_new();
	struct render_options options = sample_options();
	json_t *root, *cost;

	profile->calls->raw = true;
	profile->calls->probe_hit_ns = 0;
	profile->calls->observed_share = 0.25;
	profile->cost.stopped_early = true;
	profile->cost.stopped_after_ns = 2310000000;
	profile->cost.stop_reason = profile_string(profile, "they cost 31 %");
	root = json_report(profile, &options);
	cost = json_object_get(root, "cost");
	cr_expect(json_is_true(json_object_get(cost, "raw")));
	/* A cost that was not measured is not 0. */
	json_expect_string(cost, "hit_ns", NULL);
	cr_expect_float_eq(json_real_value(json_object_get(cost, "observed_share")), 0.25, 1e-9);
	cr_expect(json_is_true(json_object_get(cost, "stopped_early")));
	json_expect_string(cost, "stop_reason", "they cost 31 %");
	json_expect_int(cost, "stopped_after_ns", 2310000000);
	json_decref(root);
	profile_free(profile);
}

Test(json_calls, classes_are_those_of_methods)
{
	json_t *root = report("time", NULL), *classes = json_object_get(root, "classes");

	cr_assert_eq(json_array_size(classes), 1);
	json_expect_string(json_element(classes, 0), "name", "Worker");
	json_expect_string(json_element(classes, 0), "module", "app.jobs");
	expect_ints(json_element(classes, 0),
		    "calls 0 self_ns 100000000 total_ns 102000000 cpu_self_ns 1000000");
	json_decref(root);
}

Test(json_calls, each_thread_has_its_functions)
{
	json_t *root = report("time", NULL), *threads = json_object_get(root, "threads");
	json_t *functions;

	cr_assert_eq(json_array_size(threads), 2);
	expect_ints(json_element(threads, 0),
		    "pid 100 tid 100 cpu_ns 118000000 wall_ns 1000000000");
	functions = json_object_get(json_element(threads, 0), "functions");
	cr_assert_eq(json_array_size(functions), 4);
	expect_ints(json_element(functions, 0),
		    "function 1 calls 7 recursive_calls 6 self_ns 90000000 total_ns 90000000");
	expect_ints(json_element(functions, 3), "function 4 exceptions 2");
	json_expect_string(json_element(threads, 1), "name", "worker");
	expect_ints(json_element(threads, 1), "tid 101 cpu_ns 2000000 wall_ns 500000000");
	functions = json_object_get(json_element(threads, 1), "functions");
	cr_assert_eq(json_array_size(functions), 2);
	expect_ints(json_element(functions, 0), "function 0 calls 0 running 1 self_ns 100000000");
	expect_ints(json_element(functions, 1), "function 1 calls 1 self_ns 2000000");
	json_decref(root);
}

/* The edge between two places in "functions", which there must be once. */
static json_t *edge_of(json_t *edges, json_int_t caller, json_int_t callee)
{
	json_t *edge, *found = NULL;
	size_t index;

	json_array_foreach(edges, index, edge)
	{
		if (json_integer_value(json_object_get(edge, "caller")) != caller ||
		    json_integer_value(json_object_get(edge, "callee")) != callee)
			continue;
		cr_assert_null(found);
		found = edge;
	}
	cr_assert_not_null(found, "no edge %lld > %lld", caller, callee);
	return found;
}

/* Functions: 0 Worker.run, 1 fib, 2 even, 3 <module>, 4 odd. */
Test(json_calls, edges_name_functions_by_their_place)
{
	json_t *root = report("callgraph", NULL), *edges = json_object_get(root, "edges");

	cr_assert_eq(json_array_size(edges), 8);
	expect_ints(edge_of(edges, 3, 1), "calls 1 self_ns 20000000 total_ns 90000000 "
					  "cpu_self_ns 20000000 min_ns 90000000 max_ns 90000000 "
					  "p50_ns 90000000 p999_ns 90000000 exceptions 0");
	expect_ints(edge_of(edges, 1, 1), "calls 6 recursive_calls 4 self_ns 70000000 "
					  "total_ns 70000000 min_ns 10000000 max_ns 35000000");
	expect_ints(edge_of(edges, 2, 4), "calls 2 exceptions 2 self_ns 6000000 total_ns 13000000");
	expect_ints(edge_of(edges, -1, 3), "calls 1 total_ns 118000000 min_ns 0");
	expect_ints(edge_of(edges, -1, 0), "calls 0 self_ns 100000000 cpu_total_ns 3000000");
	json_decref(root);
}

Test(json_calls, each_mode_has_what_it_asks_for)
{
	static const struct {
		const char *mode;
		bool classes, edges;
	} CASES[] = {
		{ "time", true, false },
		{ "callgraph", false, true },
		{ "time,callgraph", true, true },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		json_t *root = report(CASES[i].mode, NULL);

		cr_expect_eq(json_object_get(root, "classes") != NULL, CASES[i].classes);
		cr_expect_eq(json_object_get(root, "edges") != NULL, CASES[i].edges);
		cr_expect_null(json_object_get(root, "paths"));
		cr_expect_null(json_object_get(root, "stacks"));
		json_decref(root);
	}
}

/* Both ways from odd lead to even, which is not listed itself. */
Test(json_calls, a_filter_keeps_the_edges_of_what_it_lists)
{
	json_t *root = report("callgraph", "odd"), *edges = json_object_get(root, "edges"), *edge;

	cr_assert_eq(json_array_size(json_object_get(root, "functions")), 1);
	cr_assert_eq(json_array_size(edges), 2);
	edge = json_element(edges, 0);
	json_expect_string(edge, "caller", NULL);
	json_expect_string(json_object_get(edge, "caller_function"), "name", "even");
	expect_ints(edge, "callee 0 calls 2");
	edge = json_element(edges, 1);
	json_expect_string(edge, "callee", NULL);
	json_expect_string(json_object_get(edge, "callee_function"), "file", "/srv/app/jobs.py");
	expect_ints(edge, "caller 0 calls 2 self_ns 7000000");
	json_decref(root);
}

/* Parents first, and each thread's own. */
Test(json_calls, the_tree_is_there_when_asked_for)
{
	struct profile *profile = timed_calls_new();
	struct render_options options = sample_options();
	json_t *root, *paths;

	options.by = ROLLUP_TREE;
	root = json_report(profile, &options);
	paths = json_object_get(root, "paths");
	cr_assert_eq(json_array_size(paths), 9);
	expect_ints(json_element(paths, 0), "parent -1 function 3 tid 100 total_ns 118000000");
	expect_ints(json_element(paths, 2),
		    "parent 1 function 1 calls 2 recursive_calls 2 self_ns 30000000");
	expect_ints(json_element(paths, 7), "parent -1 function 0 tid 101 self_ns 100000000");
	expect_ints(json_element(paths, 8), "parent 7 function 1 tid 101 calls 1");
	json_decref(root);
	profile_free(profile);
}

Test(json_calls, any_name_comes_back)
{
	struct profile *profile = exchange_hostile_new();
	struct render_options options = sample_options();
	json_t *root, *functions, *function;
	size_t index, found = 0;

	profile->mode = profile_string(profile, "time,callgraph");
	root = json_report(profile, &options);
	functions = json_object_get(root, "functions");
	cr_assert_eq(json_array_size(functions), EXCHANGE_HOSTILE_FUNCTIONS);
	json_array_foreach(functions, index, function)
	{
		const char *name = json_string_value(json_object_get(function, "name"));

		for (size_t i = 0; i < EXCHANGE_HOSTILE_NAMES; i++)
			found += !strcmp(name, EXCHANGE_HOSTILE[i]);
	}
	/* All but the one that is not UTF-8. */
	cr_expect_eq(found, EXCHANGE_HOSTILE_NAMES - 1);
	json_decref(root);
	profile_free(profile);
}

Test(json_calls, no_calls_are_empty_arrays)
{
	struct profile *profile = profile_new("time,callgraph", UNIT_NS);
	struct render_options options = sample_options();
	json_t *root;

	profile->calls = calls_new();
	cr_assert_eq(calls_finish(profile->calls, 0), 0);
	root = json_report(profile, &options);
	json_expect_int(root, "calls", 0);
	cr_expect_eq(json_array_size(json_object_get(root, "functions")), 0);
	cr_expect(json_is_array(json_object_get(root, "edges")));
	json_decref(root);
	profile_free(profile);
}
