// SPDX-License-Identifier: GPL-2.0-only
/* See overhead.h. */
#include "cli/overhead.h"

#include <stdio.h>
#include <time.h>

#include "base/log.h"

/*
 * What a hit costs where that could not be measured, as on a host too busy for it: the limit must hold there
 * above all. Somewhat more than was seen on real CPUs.
 */
enum { HIT_ASSUMED_NS = 1500, STEPPED_ASSUMED_NS = 20000 };

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static bool is_limited(const struct overhead *overhead)
{
	return overhead->config->max_overhead_percent >= 0;
}

/* Of all probes together: that is what the limit is for. */
static uint64_t hits_cost_ns(const struct overhead *overhead, const struct kernel_stats *stats)
{
	uint64_t plain = stats->hits > stats->stepped ? stats->hits - stats->stepped : 0;
	uint64_t calls = stats->call_hits < plain ? stats->call_hits : plain;

	return budget_hits_ns(calls, 0, overhead->call_hit_ns, 0) +
	       budget_hits_ns(plain - calls + stats->stepped, stats->stepped, overhead->trap_ns,
			      overhead->stepped_ns) +
	       stats->target_ns;
}

struct budget_reading overhead_read(struct overhead *overhead, uint64_t now_ns)
{
	struct budget_reading reading = overhead->last;
	struct kernel_stats stats;
	uint64_t cpu_ns = watch_cpu_ns(overhead->watch);

	reading.time_ns = now_ns;
	/* Threads that end are told a moment later: never backwards. */
	if (cpu_ns > reading.cpu_ns)
		reading.cpu_ns = cpu_ns;
	if (!capture_stats(overhead->capture, &stats))
		reading.cost_ns = hits_cost_ns(overhead, &stats);
	overhead->last = reading;
	return reading;
}

void overhead_start(struct overhead *overhead, const struct run_cost *cost, uint64_t now_ns)
{
	struct budget_reading start;

	overhead->call_hit_ns = (cost->calls.enter_ns + cost->calls.leave_ns) / 2;
	overhead->stepped_ns =
		cost->calls.stepped_ns ? cost->calls.stepped_ns : cost->traps.stepped_ns;
	/* A block's life: its allocation's two traps, its end's one. */
	overhead->trap_ns = (2 * cost->traps.enter_ns + cost->traps.leave_ns) / 3;
	if (!overhead->call_hit_ns)
		overhead->call_hit_ns = HIT_ASSUMED_NS;
	if (!overhead->trap_ns)
		overhead->trap_ns = HIT_ASSUMED_NS;
	if (!overhead->stepped_ns)
		overhead->stepped_ns = STEPPED_ASSUMED_NS;
	overhead->start_ns = now_ns;
	start = overhead_read(overhead, now_ns);
	if (!is_limited(overhead))
		return;
	budget_init(&overhead->budget, overhead->config->max_overhead_percent, &start);
	duty_init(&overhead->duty, overhead->config->max_overhead_percent, &start);
}

uint64_t overhead_look_ns(const struct overhead *overhead)
{
	if (!is_limited(overhead))
		return UINT64_MAX;
	return overhead->config->duty ? overhead->duty.look_ns : overhead->budget.look_ns;
}

static void stop_explain(const struct overhead *overhead, const struct budget_reading *now)
{
	struct profile *profile = overhead->profile;
	double share = budget_share(&overhead->budget.before, now);
	char reason[160];

	snprintf(reason, sizeof(reason),
		 "they cost about %.0f %% of the CPU time of the target%s, and --max-overhead is "
		 "%g %%",
		 share < 1 ? 100 * share : 100, /* what a hit costs is not known that well */
		 profile->process_count > 1 ? "s" : "", overhead->config->max_overhead_percent);
	log_warn("the probes are taken away: %s", reason);
	profile->cost.stopped_early = true;
	profile->cost.stopped_after_ns = now->time_ns - overhead->start_ns;
	profile->cost.stop_reason = profile_string(profile, reason);
}

/* ---- windows ---- */

static void window_end(struct overhead *overhead)
{
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC);
	uint64_t cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	struct budget_reading now;

	run_modes_until(overhead->modes, end_ns);
	capture_calls_detach(overhead->capture);
	cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns;
	now = overhead_read(overhead, clock_ns(CLOCK_MONOTONIC));
	duty_changed(&overhead->duty, false, end_ns, cpu_ns, &now);
	log_debug("duty: out after %.1f ms, %.1f %% of the CPU time; it took %.1f ms, %.2f ms CPU",
		  (double)(end_ns - overhead->duty.window_start_ns) / 1e6,
		  100 * overhead->duty.share, (double)(now.time_ns - end_ns) / 1e6,
		  (double)cpu_ns / 1e6);
}

static int window_begin(struct overhead *overhead)
{
	uint64_t start_ns = clock_ns(CLOCK_MONOTONIC), since_ns;
	uint64_t cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	struct budget_reading now;
	int error = capture_calls_reattach(overhead->capture, &since_ns);

	if (error)
		return error;
	cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns;
	error = run_modes_window(overhead->modes, since_ns);
	now = overhead_read(overhead, clock_ns(CLOCK_MONOTONIC));
	duty_changed(&overhead->duty, true, since_ns, cpu_ns, &now);
	log_debug("duty: in for %.0f ms; it took %.1f ms, %.2f ms CPU",
		  (double)overhead->duty.window_ns / 1e6, (double)(since_ns - start_ns) / 1e6,
		  (double)cpu_ns / 1e6);
	return error;
}

static int duty_step(struct overhead *overhead, const struct budget_reading *now)
{
	switch (duty_look(&overhead->duty, now)) {
	case DUTY_OUT:
		window_end(overhead);
		return 0;
	case DUTY_IN:
		return window_begin(overhead);
	default:
		return 0;
	}
}

int overhead_look(struct overhead *overhead, uint64_t now_ns, bool backlog, bool *stop)
{
	struct budget_reading now;

	*stop = false;
	if (now_ns < overhead_look_ns(overhead))
		return 0;
	/* A window begins when all of the last one has been heard of. */
	if (overhead->config->duty && !overhead->duty.in && backlog)
		return 0;
	now = overhead_read(overhead, now_ns);
	if (overhead->config->duty)
		return duty_step(overhead, &now);
	*stop = budget_look(&overhead->budget, &now);
	if (*stop)
		stop_explain(overhead, &now);
	return 0;
}

/* What a hit costs is known to a few percent: it was not more than the targets used in all. */
static uint64_t cost_bounded_ns(const struct profile *profile, uint64_t cost_ns)
{
	uint64_t cpu_ns = 0;

	for (uint32_t i = 0; i < profile->process_count; i++)
		cpu_ns += profile->processes[i].cpu_ns;
	return cpu_ns && cost_ns > cpu_ns ? cpu_ns : cost_ns;
}

void overhead_finish(struct overhead *overhead, uint64_t end_ns)
{
	struct profile *profile = overhead->profile;
	struct kernel_stats stats;

	if (capture_stats(overhead->capture, &stats))
		return;
	profile->cost.stepped_hits = stats.stepped;
	profile->cost.stepped_hit_ns = overhead->stepped_ns;
	profile->cost.target_ns = cost_bounded_ns(profile, hits_cost_ns(overhead, &stats));
	if (profile->calls && overhead->config->duty)
		profile->calls->observed_share =
			duty_observed(&overhead->duty, overhead->start_ns, end_ns);
}
