// SPDX-License-Identifier: GPL-2.0-only
/* Random events, possible and impossible ones, against a second account of the same rules. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "slow_calls.h"

enum { EVENTS = 5000 };

static uint64_t random_state;
static struct call_thread *threads[THREADS];

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (random_state >> 33) % limit;
}

/* ---- the events ---- */

static void random_start(struct slow *slow, struct call_meter *meter, uint32_t thread_id,
			 uint64_t time_ns)
{
	struct call_running frames[5];
	size_t count = random_below(5);

	for (size_t i = 0; i < count; i++)
		frames[i] = (struct call_running){ 0x1000 + 16 * i, random_below(FUNCTIONS) };
	slow_start(slow, thread_id, time_ns, frames, count);
	cr_assert_eq(call_thread_start(meter, threads[thread_id], time_ns, frames, count), 0);
}

static void random_off_cpu(struct slow *slow, struct call_meter *meter, uint32_t thread_id,
			   uint64_t time_ns)
{
	bool goes = random_below(2);
	uint64_t off_ns = random_below(60);

	slow_off_cpu(&slow->threads[thread_id], time_ns, goes, off_ns);
	call_thread_off_cpu(meter, threads[thread_id], time_ns, goes, off_ns);
}

/* Mostly what a program does; sometimes what it cannot do. */
static void random_event(struct slow *slow, struct call_meter *meter, uint32_t thread_id,
			 uint64_t time_ns)
{
	static const enum call_event_kind ENTERS[] = { CALL_ENTER, CALL_ENTER, CALL_RESUME,
						       CALL_THROW };
	static const enum call_event_kind LEAVES[] = { CALL_RETURN, CALL_YIELD, CALL_UNWIND,
						       CALL_LEAVE };
	struct slow_thread *thread = &slow->threads[thread_id];
	bool enters = thread->depth < DEPTH_MAX && random_below(DEPTH_MAX) >= thread->depth;
	enum call_event_kind kind = enters ? ENTERS[random_below(4)] : LEAVES[random_below(4)];
	uint64_t frame = enters ? 0x1000 + 16 * thread->depth : 0;
	uint32_t function = random_below(FUNCTIONS);

	if (!enters && thread->depth && random_below(3))
		frame = thread->frames[thread->depth - 1].frame;
	if (random_below(20) == 0)
		frame = 0x1000 + 16 * random_below(DEPTH_MAX);
	if (enters && thread->depth && random_below(20) == 0) {
		frame = thread->frames[thread->depth - 1].frame;
		function = thread->frames[thread->depth - 1].function;
	}
	slow_event(slow, thread_id, kind, time_ns, frame, function);
	cr_assert_eq(call_thread_event(meter, threads[thread_id], kind, time_ns, frame, function),
		     0);
	cr_assert_eq(call_thread_frame(threads[thread_id]),
		     thread->depth ? thread->frames[thread->depth - 1].frame : 0);
}

static uint64_t random_run(struct slow *slow, struct call_meter *meter)
{
	uint64_t time_ns = 1000000;

	for (uint32_t i = 0; i < THREADS; i++)
		threads[i] = call_meter_add(meter, i);
	for (unsigned int i = 0; i < EVENTS; i++) {
		uint32_t thread_id = random_below(THREADS), what = random_below(1000);

		time_ns += random_below(50) ? random_below(100) : 5000;
		if (what < 2) {
			random_start(slow, meter, thread_id, time_ns);
		} else if (what < 4) {
			slow_end(slow, thread_id, time_ns);
			cr_assert_eq(call_thread_end(meter, threads[thread_id], time_ns), 0);
		} else if (what < 100) {
			random_off_cpu(slow, meter, thread_id, time_ns);
		} else {
			random_event(slow, meter, thread_id, what < 110 ? time_ns - 300 : time_ns);
		}
	}
	return time_ns + 100;
}

/* ---- what came of them ---- */

static int compare(const void *left, const void *right)
{
	uint64_t one = *(const uint64_t *)left, other = *(const uint64_t *)right;

	return one < other ? -1 : one > other;
}

static void expect_quantile(struct sums *sums, double fraction, uint64_t got)
{
	uint64_t want;

	if (!sums->duration_count) {
		cr_expect_eq(got, 0);
		return;
	}
	want = sums->durations[(size_t)ceil(fraction * sums->duration_count) - 1];
	cr_expect_leq(fabs((double)got - (double)want), want * 0.032, "%g: %lu, not %lu", fraction,
		      got, want);
}

static void expect_range(struct sums *sums, uint64_t min_ns, uint64_t max_ns)
{
	size_t count = sums->duration_count;

	if (count)
		qsort(sums->durations, count, sizeof(*sums->durations), compare);
	cr_expect_eq(min_ns, count ? sums->durations[0] : 0);
	cr_expect_eq(max_ns, count ? sums->durations[count - 1] : 0);
}

static void expect_sums(const struct sums *want, const struct call_times *times,
			uint64_t recursive_calls)
{
	cr_expect_eq(times->calls, want->calls);
	cr_expect_eq(times->resumes, want->resumes);
	cr_expect_eq(times->exceptions, want->exceptions);
	cr_expect_eq(times->self_ns, want->self_ns);
	cr_expect_eq(times->total_ns, want->total_ns);
	cr_expect_eq(times->cpu_self_ns, want->cpu_self_ns);
	cr_expect_eq(times->cpu_total_ns, want->cpu_total_ns);
	cr_expect_eq(recursive_calls, want->recursive);
}

static void expect_functions(struct slow *slow, const struct calls *calls)
{
	for (uint32_t i = 0; i < FUNCTIONS; i++) {
		const struct call_function *function = &calls->functions[i];
		struct sums *want = &slow->functions[i];

		expect_sums(want, &function->times, function->recursive_calls);
		expect_range(want, function->min_ns, function->max_ns);
		expect_quantile(want, 0.5, function->p50_ns);
		expect_quantile(want, 0.9, function->p90_ns);
		expect_quantile(want, 0.99, function->p99_ns);
		expect_quantile(want, 0.999, function->p999_ns);
		cr_expect_eq(function->running, want->running);
		cr_expect_eq(function->unfinished, want->unfinished);
	}
}

static void expect_edges(struct slow *slow, const struct calls *calls)
{
	for (uint32_t i = 0; i < calls->edge_count; i++) {
		const struct call_edge *edge = &calls->edges[i];
		uint32_t caller = edge->caller == CALLS_NONE ? NOBODY : edge->caller;
		struct sums *want;

		if (edge->callee >= FUNCTIONS) /* of fill_tree() */
			continue;
		want = &slow->edges[caller][edge->callee];
		expect_sums(want, &edge->times, edge->recursive_calls);
		expect_range(want, edge->min_ns, edge->max_ns);
		cr_expect_eq(histogram_count(&edge->durations), want->duration_count);
		free(want->durations);
		memset(want, 0, sizeof(*want)); /* each edge once */
	}
	for (uint32_t i = 0; i <= FUNCTIONS; i++) {
		for (uint32_t j = 0; j < FUNCTIONS; j++)
			cr_expect_eq(slow->edges[i][j].calls + slow->edges[i][j].self_ns, 0);
	}
}

static void expect_paths(const struct slow *slow, const struct calls *calls)
{
	size_t nodes_with_time = 0;

	for (size_t i = 0; i < slow->path_count; i++) {
		const struct slow_path *path = &slow->paths[i];
		uint32_t node = calls_root((struct calls *)calls, path->thread);

		for (unsigned int j = 0; j < path->depth; j++)
			node = calls_child((struct calls *)calls, node, path->functions[j]);
		cr_assert_lt(node, calls->node_count);
		cr_expect_eq(calls->nodes[node].depth, path->depth);
		cr_expect_eq(calls->nodes[node].times.calls, path->calls);
		cr_expect_eq(calls->nodes[node].times.self_ns, path->self_ns);
		cr_expect_eq(calls->nodes[node].times.total_ns, path->total_ns);
	}
	for (uint32_t i = 0; i < calls->node_count; i++)
		nodes_with_time += calls->nodes[i].edge != CALLS_NONE &&
				   (calls->nodes[i].times.calls || calls->nodes[i].times.total_ns);
	cr_expect_leq(nodes_with_time, slow->path_count);
}

/* A parent's total is its self time and its children's totals; of a thread, all its time. */
static void expect_tree_adds_up(const struct slow *slow, const struct calls *calls)
{
	uint64_t *children_ns = calloc(calls->node_count, sizeof(*children_ns));
	uint64_t followed_ns = 0, self_ns = 0;

	for (uint32_t i = 1; i < calls->node_count; i++) {
		children_ns[calls->nodes[i].parent] += calls->nodes[i].times.total_ns;
		self_ns += calls->nodes[i].times.self_ns;
	}
	for (uint32_t i = 1; i < calls->node_count; i++)
		cr_expect_eq(calls->nodes[i].times.total_ns,
			     calls->nodes[i].times.self_ns + children_ns[i]);
	for (uint32_t i = 0; i < THREADS; i++) {
		uint32_t root = calls_root((struct calls *)calls, i);

		cr_expect_eq(calls->nodes[root].times.self_ns, slow->threads[i].outside_ns);
		followed_ns += slow->threads[i].followed_ns;
	}
	cr_expect_eq(self_ns + calls->compensated_ns, followed_ns);
	free(children_ns);
}

/* Paths of another thread, by other functions, until only `left` more can be kept. */
static void fill_tree(struct calls *calls, uint32_t left)
{
	enum { OTHER_THREAD = 50, OTHER_FUNCTION = 100, WIDTH = 64 };

	calls_root(calls, OTHER_THREAD);
	for (uint32_t parent = 1;; parent++) {
		for (uint32_t i = 0; i < WIDTH; i++) {
			if (calls->node_count == CALLS_NODES_MAX - left)
				return;
			cr_assert_lt(calls_child(calls, parent, OTHER_FUNCTION + i),
				     calls->node_count);
		}
	}
}

enum { WHOLE_TREE = CALLS_NODES_MAX };

static void compare_accounts(uint64_t seed, uint32_t paths_left)
{
	struct slow *slow = calloc(1, sizeof(*slow));
	struct calls *calls = calls_new();
	struct call_meter *meter = call_meter_new(calls, ENTER_NS, LEAVE_NS);
	uint64_t end_ns;

	if (paths_left != WHOLE_TREE)
		fill_tree(calls, paths_left);
	slow->paths = calloc(PATHS_MAX, sizeof(*slow->paths));
	random_state = seed;
	end_ns = random_run(slow, meter);
	for (uint32_t i = 0; i < THREADS; i++)
		slow_end(slow, i, end_ns);
	cr_assert_eq(call_meter_end(meter, end_ns), 0);
	cr_assert_eq(calls_finish(calls, FUNCTIONS), 0);
	cr_assert_eq(calls_finish(calls, FUNCTIONS), 0, "and again");
	expect_functions(slow, calls);
	expect_edges(slow, calls);
	if (paths_left == WHOLE_TREE) {
		expect_paths(slow, calls);
		expect_tree_adds_up(slow, calls);
		cr_expect_eq(calls->folded_calls, 0);
	} else {
		cr_expect_gt(calls->folded_calls, EVENTS / 10);
	}
	cr_expect_eq(calls->compensated_ns, slow->compensated_ns);
	cr_expect_eq(calls->unseen_exits, slow->unseen);
	cr_expect_eq(calls->stray_exits, slow->stray);
	cr_expect_eq(calls->resynchronised, slow->resynchronised);
	cr_expect_gt(slow->unseen, 100, "the walk must go everywhere");
	cr_expect_gt(slow->stray, 5);
	for (uint32_t i = 0; i < FUNCTIONS; i++)
		free(slow->functions[i].durations);
	free(slow->paths);
	free(slow);
	call_meter_free(meter);
	calls_free(calls);
}

Test(calls_meter, random_events_agree_with_the_slow_account)
{
	for (uint64_t seed = 1; seed <= 4; seed++)
		compare_accounts(seed, WHOLE_TREE);
}

/* Where paths can no longer be kept, functions and edges are as exact as before. */
Test(calls_meter, a_full_tree_leaves_functions_and_edges_exact)
{
	compare_accounts(5, 3);
	compare_accounts(6, 300);
}
