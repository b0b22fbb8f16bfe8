// SPDX-License-Identifier: GPL-2.0-only
/*
 * What probes may cost, against a made-up program: so many CPUs busy, so much of their time taken by
 * probes while these are in. Its clock and counts are made here, by addition.
 */
#include <criterion/criterion.h>

#include "cli/budget.h"

#define MS 1000000ull
#define SECOND (1000 * MS)
#define STEP (10 * MS)

/* ---- the limit ---- */

static struct budget_reading after(struct budget_reading from, uint64_t time_ns, uint64_t cpu_ns,
				   double share)
{
	from.time_ns += time_ns;
	from.cpu_ns += cpu_ns;
	from.cost_ns += (uint64_t)(share * (double)cpu_ns);
	return from;
}

Test(budget, share_is_cost_by_cpu_time)
{
	const struct budget_reading start = { .time_ns = 5, .cost_ns = 100, .cpu_ns = 1000 };
	const struct budget_reading end = { .time_ns = 6, .cost_ns = 150, .cpu_ns = 1200 };
	const struct budget_reading same_cpu = { .time_ns = 6, .cost_ns = 150, .cpu_ns = 1000 };

	cr_expect_float_eq(budget_share(&start, &end), 0.25, 1e-9);
	cr_expect_eq(budget_share(&start, &same_cpu), 0);
	cr_expect_eq(budget_share(&end, &start), 0, "counts that go backwards");
}

Test(budget, a_stepped_hit_has_a_price_of_its_own)
{
	cr_expect_eq(budget_hits_ns(100, 0, 500, 9000), 100 * 500);
	cr_expect_eq(budget_hits_ns(100, 30, 500, 9000), 70 * 500 + 30 * 9000);
	cr_expect_eq(budget_hits_ns(29, 30, 500, 9000), 30 * 9000, "read a moment apart");
	/* Where nothing could be measured it is not for free. */
	cr_expect_gt(budget_hits_ns(100, 30, 0, 0), 70 * 1000 + 30 * 10000);
}

/* Shares of the CPU time, look by look, at a limit of 20 %; the look that stops the run, or -1. */
static const struct limit_case {
	const char *what;
	double shares[6];
	uint64_t cpu_ns; /* of each look */
	int stops;
} limit_cases[] = {
	{ "far below", { 0.01, 0.02, 0.01, 0.02, 0.01, 0.02 }, 200 * MS, -1 },
	{ "at the limit", { 0.2, 0.2, 0.2, 0.2, 0.2, 0.2 }, 200 * MS, -1 },
	{ "from the start", { 0.9, 0.9 }, 200 * MS, 1 },
	{ "just above", { 0.201, 0.201 }, 200 * MS, 1 },
	{ "later", { 0.1, 0.1, 0.1, 0.9, 0.9 }, 200 * MS, 4 },
	{ "a burst", { 0.1, 0.9, 0.1, 0.1, 0.1, 0.1 }, 200 * MS, -1 },
	{ "bursts", { 0.9, 0.1, 0.9, 0.1, 0.9, 0.1 }, 200 * MS, -1 },
	{ "eight CPUs", { 0.1, 0.9, 0.9 }, 1600 * MS, 2 },
	{ "hardly runs", { 0.9, 0.9, 0.9, 0.9, 0.9, 0.9 }, MS, -1 },
};

Test(budget, stops_what_exceeds_the_limit_twice_in_a_row)
{
	for (size_t i = 0; i < sizeof(limit_cases) / sizeof(limit_cases[0]); i++) {
		const struct limit_case *test = &limit_cases[i];
		struct budget_reading now = { .time_ns = 77 * SECOND, .cpu_ns = 3 * SECOND };
		struct budget budget;
		int stopped = -1;

		budget_init(&budget, 20, &now);
		for (int look = 0; look < 6 && stopped < 0; look++) {
			cr_expect_eq(budget.look_ns, now.time_ns + BUDGET_LOOK_NS);
			now = after(now, BUDGET_LOOK_NS, test->cpu_ns, test->shares[look]);
			if (budget_look(&budget, &now))
				stopped = look;
		}
		cr_expect_eq(stopped, test->stops, "%s: look %d, not %d", test->what, stopped,
			     test->stops);
	}
}

Test(budget, stops_in_the_end_what_hardly_runs_but_costs_much)
{
	struct budget_reading now = { 0 };
	struct budget budget;
	int looks = 0;

	budget_init(&budget, 20, &now);
	do
		now = after(now, BUDGET_LOOK_NS, MS, 0.5);
	while (!budget_look(&budget, &now) && ++looks < 100);
	cr_expect_eq((uint64_t)looks + 1, 2 * BUDGET_CPU_NS / MS);
}

Test(budget, tells_the_share_of_both_looks)
{
	struct budget_reading now = { .cpu_ns = SECOND };
	struct budget budget;

	budget_init(&budget, 20, &now);
	now = after(now, BUDGET_LOOK_NS, 200 * MS, 0);
	cr_expect_not(budget_look(&budget, &now));
	now = after(now, BUDGET_LOOK_NS, 200 * MS, 0.5);
	cr_expect_not(budget_look(&budget, &now));
	now = after(now, BUDGET_LOOK_NS, 200 * MS, 0.7);
	cr_expect(budget_look(&budget, &now));
	cr_expect_float_eq(budget_share(&budget.before, &now), 0.6, 1e-6);
}

Test(budget, of_nothing_is_exceeded_by_anything)
{
	struct budget_reading now = { 0 };
	struct budget budget;

	budget_init(&budget, 0, &now);
	now = after(now, BUDGET_LOOK_NS, 200 * MS, 0.001);
	cr_expect_not(budget_look(&budget, &now));
	now = after(now, BUDGET_LOOK_NS, 200 * MS, 0.001);
	cr_expect(budget_look(&budget, &now));
}

/* ---- windows ---- */

struct world {
	struct budget_reading now;
	double cpus;  /* busy */
	double share; /* of their time, while the probes are in */
	bool in;
	uint64_t toggle_ns; /* CPU time of either */
	uint64_t in_ns;	    /* time the probes were in */
	uint64_t longest_in_ns, since_ns;
	uint64_t paid_ns; /* for toggling */
};

static void world_go(struct world *world, uint64_t time_ns)
{
	uint64_t cpu_ns = (uint64_t)(world->cpus * (double)time_ns);

	world->now = after(world->now, time_ns, cpu_ns, world->in ? world->share : 0);
	world->in_ns += world->in ? time_ns : 0;
	if (world->in && world->now.time_ns - world->since_ns > world->longest_in_ns)
		world->longest_in_ns = world->now.time_ns - world->since_ns;
}

static void world_run(struct world *world, struct duty *duty, uint64_t time_ns)
{
	uint64_t end_ns = world->now.time_ns + time_ns;

	while (world->now.time_ns < end_ns) {
		enum duty_step step = DUTY_STAY;

		world_go(world, STEP);
		if (world->now.time_ns >= duty->look_ns)
			step = duty_look(duty, &world->now);
		if (step == DUTY_STAY)
			continue;
		cr_assert_eq(step == DUTY_IN, !world->in, "in is in, out is out");
		world->in = step == DUTY_IN;
		world->since_ns = world->now.time_ns;
		world->paid_ns += world->toggle_ns;
		duty_changed(duty, world->in, world->now.time_ns, world->toggle_ns, &world->now);
	}
}

static void world_start(struct world *world, struct duty *duty, double limit_percent)
{
	world->now = (struct budget_reading){ .time_ns = 1000 * SECOND, .cpu_ns = 9 * SECOND };
	world->since_ns = world->now.time_ns;
	world->in = true;
	duty_init(duty, limit_percent, &world->now);
}

static const struct duty_case {
	const char *what;
	double cpus, share, limit_percent;
	uint64_t toggle_ns;
	double observed_min, observed_max; /* of the time */
} duty_cases[] = {
	{ "recursion", 1, 0.95, 20, 0, 0.18, 0.22 },
	{ "recursion, dear probes", 1, 0.95, 20, 2 * MS, 0.12, 0.2 },
	{ "four threads", 4, 0.95, 20, MS, 0.17, 0.22 },
	{ "little allowed", 1, 0.95, 1, MS / 10, 0.007, 0.012 },
	{ "a bit too much", 1, 0.25, 20, MS / 10, 0.7, 0.85 },
	{ "below the limit", 1, 0.1, 20, MS, 1, 1 },
	{ "mostly asleep", 0.01, 0.5, 20, 0, 0.3, 0.5 },
};

Test(duty, keeps_the_cost_under_the_limit_and_sees_what_it_can)
{
	for (size_t i = 0; i < sizeof(duty_cases) / sizeof(duty_cases[0]); i++) {
		const struct duty_case *test = &duty_cases[i];
		struct world world = { .cpus = test->cpus,
				       .share = test->share,
				       .toggle_ns = test->toggle_ns };
		struct budget_reading start;
		struct duty duty;
		double cost, seen;

		world_start(&world, &duty, test->limit_percent);
		start = world.now;
		world_run(&world, &duty, 100 * SECOND);
		cost = (double)(world.now.cost_ns - start.cost_ns + world.paid_ns) /
		       (double)(world.now.cpu_ns - start.cpu_ns);
		seen = (double)world.in_ns / (100.0 * SECOND);
		/* One window may be under way, not yet earned. */
		cr_expect_leq(cost, 1.02 * test->limit_percent / 100, "%s: %.4f", test->what, cost);
		cr_expect(seen >= test->observed_min && seen <= test->observed_max, "%s: %.3f seen",
			  test->what, seen);
		cr_expect_float_eq(duty_observed(&duty, start.time_ns, world.now.time_ns), seen,
				   0.001, "%s", test->what);
	}
}

Test(duty, windows_are_short)
{
	struct world world = { .cpus = 1, .share = 0.95, .toggle_ns = MS };
	struct duty duty;

	world_start(&world, &duty, 20);
	world_run(&world, &duty, 60 * SECOND);
	cr_expect_gt(duty.window_count, 60);
	cr_expect_leq(world.longest_in_ns, DUTY_WINDOW_MAX_NS + STEP);
}

Test(duty, a_storm_after_calm_is_cut_short)
{
	struct world world = { .cpus = 1, .share = 0.01 };
	struct budget_reading before;
	struct duty duty;

	world_start(&world, &duty, 20);
	world_run(&world, &duty, 600 * SECOND);
	cr_expect(world.in, "calm costs little: nothing to pause for");
	world.share = 0.95;
	before = world.now;
	world_run(&world, &duty, 10 * SECOND);
	/* 2 s were earned by the storm itself; savings are those of one second. */
	cr_expect_leq(world.now.cost_ns - before.cost_ns, 2400 * MS);
}

Test(duty, a_storm_that_is_over_is_found_out)
{
	struct world world = { .cpus = 1, .share = 0.95 };
	struct duty duty;

	world_start(&world, &duty, 5);
	world_run(&world, &duty, 10 * SECOND);
	world.share = 0.01;
	world_run(&world, &duty, 10 * SECOND);
	cr_expect(world.in);
	cr_expect_gt(world.longest_in_ns, 5 * SECOND);
}

Test(duty, pauses_last_until_a_windows_events_are_in)
{
	struct world world = { .cpus = 1, .share = 0.21 };
	struct duty duty;
	uint64_t out_ns = 0;

	world_start(&world, &duty, 20);
	for (int i = 0; i < 6000; i++) {
		bool was_in = world.in;

		world_run(&world, &duty, STEP);
		if (was_in && !world.in)
			out_ns = world.now.time_ns;
		if (!was_in && world.in)
			cr_expect_geq(world.now.time_ns - out_ns, DUTY_PAUSE_MIN_NS);
	}
	cr_expect_gt(duty.window_count, 0);
}

Test(duty, nothing_is_owed_by_who_does_not_run)
{
	struct world world = { .cpus = 0, .share = 0 };
	struct duty duty;

	world_start(&world, &duty, 20);
	world_run(&world, &duty, 10 * SECOND);
	cr_expect(world.in);
	cr_expect_eq(duty_observed(&duty, 1000 * SECOND, world.now.time_ns), 1);
}
