// SPDX-License-Identifier: GPL-2.0-only
/* Durations, exceptions, ends and costs for the calls of sample_calls.c. */
#include "sample_timed.h"

#include <criterion/criterion.h>
#include <string.h>

enum { MS = 1000000 };

static const struct {
	const char *caller, *callee;
	unsigned int ms[8]; /* up to the first 0 */
} TIMED_DURATIONS[] = {
	{ "<module>", "fib", { 90 } },	{ "fib", "fib", { 10, 10, 10, 10, 35, 35 } },
	{ "Worker.run", "fib", { 2 } }, { "<module>", "even", { 9, 9 } },
	{ "even", "odd", { 6, 7 } },	{ "odd", "even", { 3, 4 } },
};

static const char *timed_name(const struct profile *profile, uint32_t function)
{
	if (function == CALLS_NONE)
		return "";
	return profile_text(profile, profile->functions[function].name);
}

static struct call_edge *timed_edge(struct profile *profile, const char *caller, const char *callee)
{
	for (uint32_t i = 0; i < profile->calls->edge_count; i++) {
		struct call_edge *edge = &profile->calls->edges[i];

		if (!strcmp(timed_name(profile, edge->caller), caller) &&
		    !strcmp(timed_name(profile, edge->callee), callee))
			return edge;
	}
	cr_assert_fail("no edge %s > %s", caller, callee);
	return NULL;
}

static void timed_add_durations(struct profile *profile)
{
	for (size_t i = 0; i < sizeof(TIMED_DURATIONS) / sizeof(TIMED_DURATIONS[0]); i++) {
		const unsigned int *ms = TIMED_DURATIONS[i].ms;
		struct call_edge *edge =
			timed_edge(profile, TIMED_DURATIONS[i].caller, TIMED_DURATIONS[i].callee);

		edge->min_ns = UINT64_MAX;
		for (; *ms; ms++) {
			uint64_t duration_ns = (uint64_t)*ms * MS;

			cr_assert_eq(histogram_add(&edge->durations, duration_ns), 0);
			edge->min_ns = duration_ns < edge->min_ns ? duration_ns : edge->min_ns;
			edge->max_ns = duration_ns > edge->max_ns ? duration_ns : edge->max_ns;
		}
	}
}

struct profile *timed_calls_new(void)
{
	struct profile *profile = exchange_calls_new();
	struct calls *calls = profile->calls;

	for (uint32_t i = 1; i < calls->node_count; i++) {
		const char *name = timed_name(profile, calls->nodes[i].function);

		if (!strcmp(name, "<module>"))
			calls->nodes[i].unfinished_count = 1;
		if (!strcmp(name, "odd"))
			calls->nodes[i].times.exceptions = 2;
	}
	timed_add_durations(profile);
	cr_assert_eq(calls_finish(calls, profile->function_count), 0);
	profile->mode = profile_string(profile, "time,callgraph");
	calls->event_count = 34;
	calls->probe_hit_ns = 500;
	calls->compensated_ns = 20000;
	profile->cost = (struct profile_cost){
		.hits = 34,
		.target_ns = 17000,
		.profiler_cpu_ns = 40 * MS,
	};
	profile->threads[0].cpu_ns = 118 * MS;
	profile->threads[0].wall_ns = 1000 * MS;
	profile->threads[1].cpu_ns = 2 * MS;
	profile->threads[1].wall_ns = 500 * MS;
	return profile;
}
