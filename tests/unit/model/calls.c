// SPDX-License-Identifier: GPL-2.0-only
/* The tree of calls, and functions, edges and stacks that follow from it. */
#include <criterion/criterion.h>
#include <string.h>

#include "model/profile.h"

enum { A, B, C, D, FUNCTION_COUNT };

static struct calls *calls;

static void setup(void)
{
	calls = calls_new();
}

static void teardown(void)
{
	calls_free(calls);
}

TestSuite(calls, .init = setup, .fini = teardown);

/* The node at the end of a path, by letters. */
static uint32_t path(uint32_t thread, const char *functions)
{
	uint32_t node = calls_root(calls, thread);

	for (; *functions; functions++)
		node = calls_child(calls, node, *functions - 'A');
	return node;
}

static void add(uint32_t node, uint64_t call_count, uint64_t self_ns, uint64_t total_ns)
{
	struct call_times *times = &calls->nodes[node].times;

	times->calls += call_count;
	times->self_ns += self_ns;
	times->total_ns += total_ns;
	times->cpu_self_ns += self_ns / 10;
	times->cpu_total_ns += total_ns / 10;
}

Test(calls, new_ones_have_nobody_alone)
{
	cr_expect_eq(calls->node_count, 1);
	cr_expect_eq(calls->nodes[0].function, CALLS_NONE);
	cr_expect_eq(calls->observed_share, 1);
	cr_assert_eq(calls_finish(calls, FUNCTION_COUNT), 0);
	cr_expect_eq(calls->function_count, FUNCTION_COUNT);
	cr_expect_eq(calls->functions[A].times.calls, 0);
	calls_free(NULL);
}

Test(calls, each_thread_has_one_root)
{
	uint32_t root = calls_root(calls, 1000);

	cr_expect_eq(calls_root(calls, 1000), root);
	cr_expect_neq(calls_root(calls, 0), root);
	cr_expect_eq(calls->node_count, 3);
	cr_expect_eq(calls->nodes[root].thread, 1000);
	cr_expect_eq(calls->nodes[root].function, CALLS_NONE);
	cr_expect_eq(calls->nodes[root].edge, CALLS_NONE);
	cr_expect_eq(calls->nodes[root].depth, 0);
}

Test(calls, equal_paths_are_one_node)
{
	uint32_t node = path(0, "ABC");

	cr_expect_eq(path(0, "ABC"), node);
	cr_expect_neq(path(0, "AC"), node);
	cr_expect_neq(path(1, "ABC"), node);
	cr_expect_eq(calls->nodes[node].depth, 3);
	cr_expect_eq(calls->nodes[node].parent, path(0, "AB"));
	cr_expect_eq(calls->edge_count, 4, "threads share them, and A to C is another");
	cr_expect_eq(calls->nodes[node].edge, calls_edge(calls, B, C));
	cr_expect_eq(calls->nodes[path(1, "A")].edge, calls_edge(calls, CALLS_NONE, A));
}

/* In any order again and again: the guesses at who is called next must not change who is found. */
Test(calls, children_are_found_in_any_order)
{
	enum { CHILDREN = 500, ROUNDS = 20 };
	uint32_t root = calls_root(calls, 0), nodes[CHILDREN];

	for (uint32_t i = 0; i < CHILDREN; i++)
		nodes[i] = calls_child(calls, root, i);
	for (uint32_t step = 1; step < ROUNDS; step++) {
		for (uint32_t i = 0; i < CHILDREN; i++) {
			uint32_t child = i * step % CHILDREN;

			cr_assert_eq(calls_child(calls, root, child), nodes[child]);
		}
	}
	cr_expect_eq(calls->node_count, CHILDREN + 2);
	cr_expect_eq(calls->edge_count, CHILDREN);
}

Test(calls, recursion_is_known_by_the_path)
{
	static const struct {
		const char *path;
		bool function_recursive, edge_recursive;
	} CASES[] = {
		{ "A", false, false },	   { "AA", true, false },      { "AAA", true, true },
		{ "AAAA", true, true },	   { "AB", false, false },     { "ABA", true, false },
		{ "ABAB", true, true },	   { "ABABA", true, true },    { "ABB", true, false },
		{ "AAAAB", false, false }, { "AAAABA", true, false },  { "ABABC", false, false },
		{ "ABCAB", true, true },   { "ABCB", true, false },    { "ABCDCB", true, false },
		{ "ACBAB", true, false },  { "ABABCAC", true, false }, { "ACACAB", false, false },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		const struct call_node *node = &calls->nodes[path(0, CASES[i].path)];

		cr_expect_eq(node->function_recursive, CASES[i].function_recursive, "%s",
			     CASES[i].path);
		cr_expect_eq(node->edge_recursive, CASES[i].edge_recursive, "%s", CASES[i].path);
	}
}

/*
 *	A  1 call,  10 self, 100 in all
 *	 B  2 calls, 30 self, 90
 *	  A  3 calls, 40 self, 60
 *	   B  4 calls, 20 self, 20
 * and in another thread
 *	B  5 calls,  5 self, 5
 */
Test(calls, totals_count_the_outermost_only)
{
	const struct call_function *a, *b;
	const struct call_edge *edge;

	add(path(0, "A"), 1, 10, 100);
	add(path(0, "AB"), 2, 30, 90);
	add(path(0, "ABA"), 3, 40, 60);
	add(path(0, "ABAB"), 4, 20, 20);
	add(path(1, "B"), 5, 5, 5);
	for (int round = 0; round < 2; round++)
		cr_assert_eq(calls_finish(calls, FUNCTION_COUNT), 0);
	a = &calls->functions[A];
	b = &calls->functions[B];
	cr_expect_eq(a->times.calls, 4);
	cr_expect_eq(a->times.self_ns, 50);
	cr_expect_eq(a->times.cpu_self_ns, 5);
	cr_expect_eq(a->times.total_ns, 100);
	cr_expect_eq(a->times.cpu_total_ns, 10);
	cr_expect_eq(a->recursive_calls, 3);
	cr_expect_eq(b->times.calls, 11);
	cr_expect_eq(b->times.total_ns, 95);
	cr_expect_eq(b->recursive_calls, 4);
	edge = &calls->edges[calls_edge(calls, A, B)];
	cr_expect_eq(edge->times.calls, 6);
	cr_expect_eq(edge->times.self_ns, 50);
	cr_expect_eq(edge->times.total_ns, 90);
	cr_expect_eq(edge->recursive_calls, 4);
	edge = &calls->edges[calls_edge(calls, CALLS_NONE, B)];
	cr_expect_eq(edge->times.calls, 5);
	cr_expect_eq(edge->times.total_ns, 5);
	cr_expect_eq(edge->recursive_calls, 0);
}

Test(calls, a_functions_durations_are_those_of_its_edges)
{
	static const struct {
		uint32_t caller, callee;
		uint64_t durations[3];
	} CASES[] = {
		{ CALLS_NONE, A, { 1, 2, 3 } },	   { A, C, { 30, 31, 29 } },
		{ B, C, { 5, 1000, 6 } },	   { CALLS_NONE, C, { 7, 7, 7 } },
		{ C, D, { 100000, 3000000, 10 } },
	};

	path(0, "ABC"); /* an edge that nobody came back through */
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		uint32_t id = calls_edge(calls, CASES[i].caller, CASES[i].callee);
		struct call_edge *edge = &calls->edges[id];

		edge->min_ns = UINT64_MAX;
		for (size_t j = 0; j < 3; j++) {
			uint64_t duration_ns = CASES[i].durations[j];

			cr_assert_eq(histogram_add(&edge->durations, duration_ns), 0);
			edge->min_ns = duration_ns < edge->min_ns ? duration_ns : edge->min_ns;
			edge->max_ns = duration_ns > edge->max_ns ? duration_ns : edge->max_ns;
		}
	}
	cr_assert_eq(calls_finish(calls, FUNCTION_COUNT), 0);
	cr_expect_eq(calls->functions[A].p50_ns, 2);
	cr_expect_eq(calls->functions[A].p999_ns, 3);
	cr_expect_eq(calls->functions[B].p50_ns, 0);
	cr_expect_eq(calls->functions[B].min_ns, 0);
	/* 5 6 7 7 7 29 30 31 1000 */
	cr_expect_eq(calls->functions[C].min_ns, 5);
	cr_expect_eq(calls->functions[C].max_ns, 1000);
	cr_expect_eq(calls->functions[C].p50_ns, 7);
	cr_expect_gt(calls->functions[C].p90_ns, 960);
	cr_expect_leq(calls->functions[C].p90_ns, 1000);
	cr_expect_eq(calls->functions[D].min_ns, 10);
	cr_expect_leq(calls->functions[D].p999_ns, 3000000, "never above the largest");
	cr_expect_geq(calls->functions[D].p999_ns, 2904000);
}

Test(calls, what_ran_before_and_after_is_counted)
{
	calls->nodes[path(0, "AB")].running_count = 2;
	calls->nodes[path(1, "B")].running_count = 3;
	calls->nodes[path(1, "B")].unfinished_count = 1;
	calls->nodes[path(1, "A")].unfinished_count = 4;
	cr_assert_eq(calls_finish(calls, FUNCTION_COUNT), 0);
	cr_expect_eq(calls->functions[B].running, 5);
	cr_expect_eq(calls->functions[B].unfinished, 1);
	cr_expect_eq(calls->functions[A].unfinished, 4);
	cr_expect_eq(calls->unfinished_count, 5);
}

Test(calls, a_full_tree_folds_new_paths)
{
	uint32_t edge = calls_edge(calls, A, B), root = calls_root(calls, 1), folded, parent;

	path(0, "AB");
	for (parent = calls_root(calls, 7); calls->node_count < CALLS_NODES_MAX; parent++) {
		for (uint32_t i = 0; i < 100; i++)
			calls_child(calls, parent, 100 + i);
	}
	cr_expect_eq(calls->node_count, CALLS_NODES_MAX);
	cr_expect_eq(calls_child(calls, root, A), 0);
	cr_expect_eq(path(0, "AB"), calls_child(calls, path(0, "A"), B), "what is there is found");
	folded = calls_folded(calls, 1, edge, 0);
	cr_expect_eq(calls_folded(calls, 1, edge, 0), folded);
	cr_expect_neq(calls_folded(calls, 1, edge, CALLS_RECURSION_FUNCTION), folded);
	cr_expect_neq(calls_folded(calls, 2, edge, 0), folded);
	cr_expect(calls->nodes[folded].folded);
	cr_expect_eq(calls->nodes[folded].parent, root);
	cr_expect_eq(calls->nodes[folded].edge, edge);
	cr_expect_eq(calls->nodes[folded].function, B);
	cr_expect_eq(calls_child(calls, folded, A), 0, "they have no children");
}

static void add_function(struct profile *profile, const char *name, int32_t line)
{
	struct profile_function function = {
		.name = profile_string(profile, name),
		.line = line,
	};

	profile_add_function(profile, &function);
}

Test(calls, self_times_become_stacks)
{
	struct profile *profile = profile_new("time", UNIT_NS);
	const struct profile_sum *sum;

	add_function(profile, "a", 10);
	add_function(profile, "b", 20);
	calls->nodes[calls_root(calls, 0)].times.self_ns = 77; /* of no function */
	add(path(0, "A"), 1, 10, 40);
	add(path(0, "AB"), 2, 30, 30);
	add(path(3, "AB"), 5, 0, 0);
	path(2, "B");
	cr_assert_eq(calls_finish(calls, profile->function_count), 0);
	cr_assert_eq(calls_to_stacks(calls, profile), 0);
	cr_assert_eq(profile->sum_count, 3);
	cr_expect_eq(profile->sample_count, 8);
	sum = &profile->sums[1];
	cr_expect_eq(sum->thread, 0);
	cr_expect_eq(sum->value, 30);
	cr_expect_eq(sum->samples, 2);
	cr_expect_eq(profile->stacks[sum->stack].depth, 2);
	cr_expect_eq(profile->frames[profile->stacks[sum->stack].frame].function, B);
	cr_expect_eq(profile->frames[profile->stacks[sum->stack].frame].line, 20);
	cr_expect_eq(profile->sums[2].stack, sum->stack, "the same path in another thread");
	cr_expect_eq(profile->sums[2].thread, 3);
	profile->calls = calls; /* which the profile frees */
	calls = NULL;
	profile_free(profile);
}
