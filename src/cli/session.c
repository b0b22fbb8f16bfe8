// SPDX-License-Identifier: GPL-2.0-only
/* See session.h. */
#include "cli/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "capture/capture.h"
#include "capture/kernel_check.h"
#include "cli/collector_plans.h"
#include "cli/exit.h"
#include "cli/live.h"
#include "cli/overhead.h"
#include "cli/run_cost.h"
#include "cli/run_modes.h"
#include "cli/session_options.h"
#include "cli/stacks.h"
#include "cli/targets.h"
#include "cli/watch.h"
#include "decode/event.h"

enum {
	END_DRAIN_MS = 10,
	END_DRAINS_MAX = 10,
	END_BACKLOG_NS = 500000000, /* for what a target goes on making while we end */
	CPUS_PERIOD_NS = 1000000000,
	CPU_READ_PERIOD_NS = 1000000000, /* the targets' CPU time for the live line */
};

struct session {
	const struct config *config;
	struct launch *launch;
	struct signals *signals;
	struct capture *capture;
	struct profile *profile;
	struct watch *watch;
	struct stacks *stacks;
	struct collector_plans *collector_plans;
	struct run_modes modes;
	struct run_cost cost;
	struct overhead overhead; /* looked at where modes are limited */
	bool stop;		  /* the overhead is too much */
	struct live live;
	uint64_t start_ns;
	uint64_t end_ns;	   /* by -d; UINT64_MAX: none */
	uint64_t sampled_until_ns; /* what was sampled later has no CPU time to go with it */
	uint64_t own_cpu_start_ns;
	struct budget_reading target_read; /* the last one, for the live line */
	uint64_t cpus_followed_ns;
	int drain_ms;
	int error;	  /* of an event; ends the run */
	int finish_error; /* the report cannot be made */
	bool broken;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static uint64_t own_cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* ---- opening ---- */

static void mode_append(const struct config *config, struct buffer *out)
{
	for (int mode = 0; mode < CONFIG_MODE_COUNT; mode++) {
		if (!config_has_mode(config, mode))
			continue;
		if (out->length)
			buffer_byte(out, ',');
		buffer_string(out, config_mode_name(mode));
	}
}

static struct run_parts run_parts_of(const struct session *session)
{
	return (struct run_parts){
		.config = session->config,
		.capture = session->capture,
		.watch = session->watch,
		.stacks = session->stacks,
		.collector_plans = session->collector_plans,
		.profile = session->profile,
		.cost = &session->cost,
	};
}

static int parts_make(struct session *session)
{
	const struct config *config = session->config;
	struct run_parts parts;
	struct buffer mode;

	buffer_init(&mode);
	mode_append(config, &mode);
	session->profile = profile_new(mode.bytes, run_modes_unit(config));
	buffer_release(&mode);
	if (!session->profile)
		return -ENOMEM;
	session->watch = watch_new(session->capture, session->profile);
	session->collector_plans = collector_plans_new();
	if (!session->watch || !session->collector_plans)
		return -ENOMEM;
	session->stacks = stacks_new(session->watch, session->profile, config->native);
	if (!session->stacks)
		return -ENOMEM;
	session->overhead = (struct overhead){
		.config = config,
		.capture = session->capture,
		.watch = session->watch,
		.modes = &session->modes,
		.profile = session->profile,
	};
	run_cost_measure(config, session->capture, &session->cost);
	parts = run_parts_of(session);
	return run_modes_make(&session->modes, &parts);
}

static int capture_exit(int error)
{
	if (error == -ENOENT)
		return EXIT_NO_TARGET; /* the cgroup */
	return error == -EPERM || error == -EACCES ? EXIT_NOT_ALLOWED : EXIT_FAILED_RUNNING;
}

int session_open(const struct config *config, struct launch *launch, struct signals *signals,
		 struct session **out)
{
	struct session *session = calloc(1, sizeof(*session));
	char obstacle[2 * KERNEL_CHECK_TEXT_BYTES];
	struct capture_options options;
	int error, status = EXIT_FAILED_RUNNING;

	if (!session)
		return EXIT_FAILED_RUNNING;
	session->config = config;
	session->launch = launch;
	session->signals = signals;
	session->sampled_until_ns = UINT64_MAX;
	if (kernel_check_fatal(obstacle, sizeof(obstacle))) {
		log_error("%s", obstacle);
		status = EXIT_NOT_ALLOWED;
		goto fail;
	}
	session_options_fill(config, &options);
	error = capture_open(&options, &session->capture, obstacle, sizeof(obstacle));
	if (error) {
		log_error("%s", obstacle);
		status = capture_exit(error);
		goto fail;
	}
	if (parts_make(session)) {
		log_error("out of memory");
		goto fail;
	}
	*out = session;
	return 0;
fail:
	session_free(session);
	return status;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	run_modes_release(&session->modes);
	stacks_free(session->stacks);
	collector_plans_free(session->collector_plans);
	watch_free(session->watch);
	profile_free(session->profile);
	capture_free(session->capture);
	free(session);
}

struct profile *session_profile(struct session *session)
{
	return session->profile;
}

/* ---- running ---- */

static int on_record(void *arg, const void *record, size_t size)
{
	struct session *session = arg;
	struct event event;
	int error = event_decode(record, size, &event);

	if (error) {
		session->profile->lost[DROP_RECORD_MALFORMED]++;
		return 0;
	}
	if (event.header->time_ns > session->sampled_until_ns && event.kind <= RECORD_NATIVE &&
	    event.kind != RECORD_CODE)
		return 0;
	error = stacks_event(session->stacks, &event);
	if (!error && event.kind == RECORD_PROCESS_FOUND)
		error = watch_found(session->watch, event.process);
	if (!error)
		error = run_modes_event(&session->modes, &event);
	if (!error && event.kind >= RECORD_PROCESS_NEW && event.kind <= RECORD_THREAD_FREE)
		error = watch_event(session->watch, &event);
	session->error = error;
	return error;
}

static void live_show(struct session *session, uint64_t now_ns)
{
	struct live_counts counts = {
		.elapsed_ns = now_ns - session->start_ns,
		.duration_ns = session->config->duration_ns,
		.samples = session->profile->sample_count,
	};
	struct kernel_stats stats;

	if (session->config->quiet || !isatty(STDERR_FILENO))
		return;
	if (now_ns - session->target_read.time_ns >= CPU_READ_PERIOD_NS)
		session->target_read = overhead_read(&session->overhead, now_ns);
	if (capture_stats(session->capture, &stats))
		return;
	for (int reason = 0; reason < DROP_COUNT; reason++)
		counts.lost += stats.drops[reason];
	counts.target_cpu_ns = session->target_read.cpu_ns;
	counts.target_cost_ns = stats.target_ns;
	counts.profiler_cpu_ns = own_cpu_ns() - session->own_cpu_start_ns;
	if (run_modes_limited(&session->modes)) {
		counts.exact = true;
		counts.samples = run_modes_event_count(&session->modes);
		counts.target_cost_ns = session->target_read.cost_ns;
	}
	live_update(&session->live, &counts);
}

static bool run_over(struct session *session, uint64_t now_ns)
{
	int wait_status, error;

	if (signals_poll(session->signals) || now_ns >= session->end_ns)
		return true;
	if (session->launch) {
		error = launch_wait(session->launch, 0, &wait_status);
		return error != -EAGAIN && error != -EINTR;
	}
	if (run_modes_refused(&session->modes) && watch_living_count(session->watch) < 2)
		return true; /* there is nothing else to follow */
	/* Where all processes are looked at there may always come another. */
	return !session->config->all && !session->config->cgroup &&
	       !watch_living_count(session->watch);
}

/* Milliseconds, at most `wait_ms`, until a time that may be over already. */
static int wait_until(int wait_ms, uint64_t now_ns, uint64_t then_ns)
{
	if (then_ns <= now_ns)
		return 1;
	return (then_ns - now_ns) / 1000000 < (uint64_t)wait_ms ?
		       (int)((then_ns - now_ns) / 1000000) + 1 :
		       wait_ms;
}

static int wait_ms(const struct session *session, uint64_t now_ns, int retry_ms)
{
	int wait = session->drain_ms;

	if (retry_ms >= 0 && retry_ms < wait)
		wait = retry_ms < 1 ? 1 : retry_ms;
	wait = wait_until(wait, now_ns, session->end_ns);
	if (run_modes_limited(&session->modes))
		wait = wait_until(wait, now_ns, overhead_look_ns(&session->overhead));
	return wait;
}

static void cpus_follow(struct session *session, uint64_t now_ns)
{
	if (now_ns - session->cpus_followed_ns < CPUS_PERIOD_NS)
		return;
	session->cpus_followed_ns = now_ns;
	if (capture_cpus_follow(session->capture))
		log_verbose("a CPU that came online cannot be sampled");
}

static int run_loop(struct session *session)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	bool more = false;
	int drained, error = 0;

	while (!session->stop && !run_over(session, now_ns)) {
		int retry_ms = watch_retry(session->watch);

		watch_sweep(session->watch);
		cpus_follow(session, now_ns);
		drained = capture_drain(session->capture,
					more ? 0 : wait_ms(session, now_ns, retry_ms),
					session->signals->fd, on_record, session);
		if (session->error || drained < 0)
			return session->error ? session->error : drained;
		more = drained == CAPTURE_DRAIN_RECORDS;
		now_ns = clock_ns(CLOCK_MONOTONIC);
		if (run_modes_limited(&session->modes))
			error = overhead_look(&session->overhead, now_ns, more, &session->stop);
		if (!error)
			error = run_modes_tick(&session->modes, now_ns);
		if (error)
			return error;
		live_show(session, now_ns);
	}
	return 0;
}

/* What the kernel side counted, into the profile. */
static void stats_take(struct session *session)
{
	struct profile *profile = session->profile;
	struct kernel_stats stats;

	if (capture_stats(session->capture, &stats))
		return;
	profile->cost.hits = stats.hits;
	if (profile->memory)
		profile->memory->unknown_frees = stats.unknown_frees;
	profile->cost.target_ns = stats.target_ns;
	if (profile->calls) {
		profile->calls->probe_hits = stats.call_hits;
		profile->calls->stepped_hits = stats.stepped;
		profile->calls->stepped_hit_ns = session->cost.calls.stepped_ns;
	}
	for (int reason = 0; reason < DROP_COUNT; reason++)
		profile->lost[reason] += stats.drops[reason];
}

/* Everything made up to now. While the probes are in place there may always be more: bounded. */
static int backlog_drain(struct session *session)
{
	uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + END_BACKLOG_NS;
	int drained;

	do
		drained = capture_drain(session->capture, 0, -1, on_record, session);
	while (drained == CAPTURE_DRAIN_RECORDS && clock_ns(CLOCK_MONOTONIC) < until_ns);
	return drained;
}

/* What just ended has its last CPU time counted a moment later: that is waited for, shortly. */
static void ends_await(struct session *session)
{
	int drained = backlog_drain(session);

	for (int i = 1; i < END_DRAINS_MAX && !session->error && drained >= 0; i++) {
		if (!watch_unfreed_count(session->watch))
			return;
		drained = capture_drain(session->capture, END_DRAIN_MS, -1, on_record, session);
	}
}

/*
 * The probes on calls go first, since each hit costs the targets most; then the last records of threads
 * that are busy with something else come by the clock.
 */
static void last_records_await(struct session *session)
{
	const uint32_t last_ms = run_modes_last_ms(&session->modes);
	uint64_t until_ns;

	if (!last_ms)
		return;
	capture_calls_detach(session->capture);
	if (!watch_living_count(session->watch))
		return;
	until_ns = clock_ns(CLOCK_MONOTONIC) + last_ms * 1000000ull;
	while (!session->error && clock_ns(CLOCK_MONOTONIC) < until_ns) {
		if (capture_drain(session->capture, END_DRAIN_MS, -1, on_record, session) < 0)
			return;
	}
}

/* Takes all probes away and hears all that they have told. */
static void probes_end(struct session *session, uint64_t end_ns)
{
	int error = run_modes_end(&session->modes, end_ns);

	if (!session->error)
		session->error = error;
	last_records_await(session);
	ends_await(session);
	/* Before the probes go: taking them away lasts, and the targets run on meanwhile. */
	watch_finish(session->watch);
	session->sampled_until_ns = clock_ns(CLOCK_MONOTONIC);
	capture_detach(session->capture);
	/* Nothing new comes any more: what is there has an end. */
	while (!session->error &&
	       capture_drain(session->capture, 0, -1, on_record, session) == CAPTURE_DRAIN_RECORDS)
		;
	/* The profile is about to grow by its sums and its reports: the ring need not be there. */
	capture_ring_release(session->capture);
}

static void run_end(struct session *session)
{
	const struct run_parts parts = run_parts_of(session);
	uint64_t end_ns;

	/* What is made until those probes are gone is in the kernel's lists of what is alive. */
	run_modes_detach(&session->modes);
	end_ns = clock_ns(CLOCK_MONOTONIC);
	session->profile->duration_ns = end_ns - session->start_ns;
	probes_end(session, end_ns);
	session->finish_error = run_modes_finish(&session->modes, &parts, end_ns);
	stats_take(session);
	if (run_modes_limited(&session->modes))
		overhead_finish(&session->overhead, end_ns);
	session->profile->cost.profiler_cpu_ns = own_cpu_ns() - session->own_cpu_start_ns;
	live_end(&session->live);
}

/* While the last targets are looked for, the first ones have their probes already. */
static bool targets_turn(void *arg)
{
	struct session *session = arg;
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	if (!run_modes_limited(&session->modes) || session->config->duty || session->stop ||
	    now_ns < overhead_look_ns(&session->overhead))
		return session->stop;
	capture_drain(session->capture, 0, -1, on_record, session);
	overhead_look(&session->overhead, now_ns, true, &session->stop);
	return session->stop;
}

static int session_targets_find(struct session *session)
{
	const struct targets targets = {
		.config = session->config,
		.capture = session->capture,
		.watch = session->watch,
		.modes = &session->modes,
		.signals = session->signals,
		.launch = session->launch,
		.turn = targets_turn,
		.turn_arg = session,
	};

	return targets_find(&targets);
}

static int command_start(struct session *session)
{
	int error;

	if (!session->launch)
		return 0;
	if (signals_poll(session->signals)) {
		log_error("stopped before %s was started", session->config->argv[0]);
		return EXIT_FAILED_RUNNING;
	}
	error = launch_go(session->launch);
	if (!error)
		return 0;
	log_error("%s: %s", session->config->argv[0], strerror(-error));
	return launch_exec_status(-error);
}

/* From the first probe to the first target. 0, or the exit status with the reason said. */
static int run_begin(struct session *session)
{
	const uint64_t duration_ns = session->config->duration_ns;
	char obstacle[256];
	int error, status;

	session->own_cpu_start_ns = own_cpu_ns();
	error = capture_attach(session->capture, obstacle, sizeof(obstacle));
	if (error) {
		log_error("%s", obstacle);
		return capture_exit(error);
	}
	session->start_ns = clock_ns(CLOCK_MONOTONIC);
	if (run_modes_start(&session->modes, session->start_ns))
		return EXIT_FAILED_RUNNING;
	if (run_modes_limited(&session->modes))
		overhead_start(&session->overhead, &session->cost, session->start_ns);
	/* The clocks already tick: what burns CPU is asked about while we look for the rest. */
	status = session_targets_find(session);
	if (status)
		return status;
	/* What came before was looking for places to probe. */
	if (run_modes_start_late(&session->modes))
		session->start_ns = clock_ns(CLOCK_MONOTONIC);
	if (run_modes_found(&session->modes))
		return EXIT_FAILED_RUNNING;
	session->end_ns = duration_ns ? clock_ns(CLOCK_MONOTONIC) + duration_ns : UINT64_MAX;
	session->profile->started_unix_ns = clock_ns(CLOCK_REALTIME);
	session->drain_ms = session_drain_period_ms(session->config);
	/* The first window begins when all are found; a limit holds from the first one on. */
	if (session->config->duty)
		overhead_start(&session->overhead, &session->cost, session->start_ns);
	return command_start(session);
}

int session_run(struct session *session)
{
	int error = run_begin(session);

	if (error)
		return error;
	error = run_loop(session);
	run_end(session);
	if (error)
		log_warn("stopped early, the report holds what was seen: %s", strerror(-error));
	if (session->finish_error) {
		log_error("what was seen cannot be summed up: %s",
			  strerror(-session->finish_error));
		return EXIT_FAILED_RUNNING;
	}
	/* Said when it was found out. */
	return run_modes_refused(&session->modes) ? EXIT_NO_TARGET : 0;
}
