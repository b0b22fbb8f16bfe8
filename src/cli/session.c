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
#include "cli/allocating.h"
#include "cli/calibrate.h"
#include "cli/calling.h"
#include "cli/collecting.h"
#include "cli/exit.h"
#include "cli/live.h"
#include "cli/living.h"
#include "cli/overhead.h"
#include "cli/sampling.h"
#include "cli/targets.h"
#include "cli/watch.h"
#include "decode/event.h"

/* Room for live blocks: buckets of the kernel's map cost 16 bytes each, used or not. */
enum {
	BLOCKS_MIN = 1 << 18,
	BLOCKS_MAX = 1 << 24,
	BLOCK_BUCKET_BYTES = 16,
	BLOCKS_MEMORY_PART = 200, /* of the machine's memory that they may take */
};

enum {
	/* The ring is drained when it can be half full at the worst, within these bounds. */
	DRAIN_MIN_MS = 10,
	DRAIN_MAX_MS = 200,
	DRAIN_CALLS_MS = 50,
	CALLS_LAST_MS = 120, /* until a busy thread's last calls are sent, and a bit */
	DRAIN_RING_BYTES = 1 << 20,
	END_DRAIN_MS = 10,
	GC_TRAP_NS = 1000, /* beside the collector's own work not worth measuring: docs/gc.md */
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
	struct sampling *sampling; /* one of these three */
	struct calling *calling;
	struct allocating *allocating;
	struct living *living;
	struct collecting *collecting;
	struct calling_cost hit_cost;
	struct overhead overhead; /* looked at when calls are followed */
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

static bool is_exact(const struct config *config)
{
	return config_has_mode(config, CONFIG_MODE_TIME) ||
	       config_has_mode(config, CONFIG_MODE_CALLGRAPH);
}

static uint32_t blocks_max_default(void)
{
	uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	uint32_t blocks = BLOCKS_MIN;

	while (blocks < BLOCKS_MAX &&
	       2ull * blocks * BLOCK_BUCKET_BYTES <= bytes / BLOCKS_MEMORY_PART)
		blocks *= 2;
	return blocks;
}

/* Modes whose probes have a limit to what they cost. */
static bool is_limited(const struct session *session)
{
	return session->calling || session->allocating || session->living || session->collecting;
}

static bool is_memory(const struct config *config)
{
	return config_has_mode(config, CONFIG_MODE_MEMORY);
}

static bool is_gc(const struct config *config)
{
	return config_has_mode(config, CONFIG_MODE_GC);
}

static bool is_lifetime(const struct config *config)
{
	return config_has_mode(config, CONFIG_MODE_LIFETIME);
}

/* Whether some report shows more of a stack than the line that was running. */
static bool wants_stacks(const struct config *config)
{
	for (size_t i = 0; i < config->report_count; i++) {
		const char *name = config->reports[i].format;

		if (strcmp(name, "table") != 0 && strcmp(name, "json") != 0)
			return true;
	}
	return config->native;
}

static void capture_options_fill(const struct config *config, struct capture_options *options)
{
	const enum probe_family family = is_exact(config)    ? PROBE_CALLS :
					 is_memory(config)   ? PROBE_MEMORY :
					 is_lifetime(config) ? PROBE_LIFETIME :
					 is_gc(config)	     ? PROBE_GC :
							       PROBE_SAMPLE;

	*options = (struct capture_options){
		.families = 1u << PROBE_LIFECYCLE | 1u << PROBE_CODE | 1u << family |
			    (config->resident ? 1u << PROBE_RSS : 0) |
			    (is_lifetime(config) ? 1u << PROBE_GC : 0),
		.min_size_bytes = config->min_size_bytes,
		.sample_bytes = config->sample_bytes,
		.blocks_max = config->max_blocks ? config->max_blocks : blocks_max_default(),
		.one_in = config->sample_one_in,
		.frames_max = is_lifetime(config) && !wants_stacks(config) ? 1 : 0,
		.rate_hz = config->rate_hz,
		.native = config->native,
		.kernel = config->kernel,
		.cgroup_path = config->cgroup,
		.scope = config->all	? CAPTURE_ALL :
			 config->cgroup ? CAPTURE_CGROUP :
					  CAPTURE_TARGETS,
	};
}

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

/* What each probe hit costs the targets; 0 where that cannot be measured. */
static void hit_cost_measure(struct session *session)
{
	struct calling_cost *cost = &session->hit_cost;
	int error = is_exact(session->config) ? calibrate_calls(session->capture, cost) :
						calibrate_memory(session->capture, cost);

	if (error)
		log_warn("what a probe costs could not be measured%s: %s",
			 is_exact(session->config) ? ", it stays in the times" : "",
			 strerror(-error));
	else
		log_verbose("a probe hit costs %u ns on entering, %u ns on leaving, %u ns stepped",
			    cost->enter_ns, cost->leave_ns, cost->stepped_ns);
}

static int calling_make(struct session *session)
{
	hit_cost_measure(session);
	session->calling = calling_new(session->config, session->capture, session->watch,
				       session->profile, &session->hit_cost);
	if (!session->calling)
		return -ENOMEM;
	session->overhead.calling = session->calling;
	return 0;
}

static int allocating_make(struct session *session)
{
	hit_cost_measure(session);
	session->overhead.programs_measured = true;
	session->allocating =
		allocating_new(session->config, session->capture, session->watch, session->profile);
	return session->allocating ? 0 : -ENOMEM;
}

static int living_make(struct session *session)
{
	hit_cost_measure(session);
	session->overhead.programs_measured = true;
	session->living =
		living_new(session->config, session->capture, session->watch, session->profile);
	return session->living ? 0 : -ENOMEM;
}

static int collecting_make(struct session *session)
{
	session->hit_cost.enter_ns = session->hit_cost.leave_ns = GC_TRAP_NS;
	session->overhead.programs_measured = true;
	session->collecting =
		collecting_new(session->config, session->capture, session->watch, session->profile);
	return session->collecting ? 0 : -ENOMEM;
}

static int parts_make(struct session *session)
{
	const struct config *config = session->config;
	struct buffer mode;

	buffer_init(&mode);
	mode_append(config, &mode);
	session->profile = profile_new(mode.bytes, is_memory(config) ? UNIT_BYTES : UNIT_NS);
	buffer_release(&mode);
	if (!session->profile)
		return -ENOMEM;
	session->watch = watch_new(session->capture, session->profile);
	if (!session->watch)
		return -ENOMEM;
	session->overhead = (struct overhead){
		.config = config,
		.capture = session->capture,
		.watch = session->watch,
		.profile = session->profile,
	};
	if (is_exact(config))
		return calling_make(session);
	if (is_memory(config))
		return allocating_make(session);
	if (is_lifetime(config))
		return living_make(session);
	if (is_gc(config))
		return collecting_make(session);
	session->profile->period_ns = 1000000000ull / config->rate_hz;
	session->profile->estimate = true;
	session->sampling = sampling_new(session->watch, session->profile, config->native);
	return session->sampling ? 0 : -ENOMEM;
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
	capture_options_fill(config, &options);
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
	sampling_free(session->sampling);
	calling_free(session->calling);
	allocating_free(session->allocating);
	living_free(session->living);
	collecting_free(session->collecting);
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
	if (session->calling)
		error = calling_event(session->calling, &event);
	else if (session->allocating)
		error = allocating_event(session->allocating, &event);
	else if (session->living)
		error = living_event(session->living, &event);
	else if (session->collecting)
		error = collecting_event(session->collecting, &event);
	else
		error = sampling_event(session->sampling, &event);
	if (!error && event.kind >= RECORD_PROCESS_NEW && event.kind <= RECORD_THREAD_FREE)
		error = watch_event(session->watch, &event);
	session->error = error;
	return error;
}

static int drain_period_ms(const struct config *config)
{
	uint64_t bytes_per_second = (uint64_t)config->rate_hz * sizeof(struct record_sample) *
				    (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t ms;

	if (is_exact(config) || is_memory(config) || is_lifetime(config) || is_gc(config))
		return DRAIN_CALLS_MS;
	/* The ring is sixteen times as large when stacks are copied, the records nine times. */
	ms = DRAIN_RING_BYTES * 1000ull / (bytes_per_second + 1);
	if (ms < DRAIN_MIN_MS)
		return DRAIN_MIN_MS;
	return ms > DRAIN_MAX_MS ? DRAIN_MAX_MS : (int)ms;
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
	if (session->calling) {
		counts.exact = true;
		counts.samples = calling_event_count(session->calling);
		counts.target_cost_ns = session->target_read.cost_ns;
	}
	if (session->allocating) {
		counts.exact = true;
		counts.samples = allocating_event_count(session->allocating);
		counts.target_cost_ns = session->target_read.cost_ns;
	}
	if (session->living) {
		counts.exact = true;
		counts.samples = living_event_count(session->living);
		counts.target_cost_ns = session->target_read.cost_ns;
	}
	if (session->collecting) {
		counts.exact = true;
		counts.samples = collecting_event_count(session->collecting);
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
	if (session->calling && calling_refused(session->calling) &&
	    watch_living_count(session->watch) < 2)
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
	if (is_limited(session))
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
		if (is_limited(session))
			error = overhead_look(&session->overhead, now_ns, more, &session->stop);
		if (!error && session->allocating)
			error = allocating_tick(session->allocating, now_ns);
		if (!error && session->living)
			error = living_tick(session->living, now_ns);
		if (!error && session->collecting)
			error = collecting_tick(session->collecting);
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
		profile->calls->stepped_hits = stats.stepped;
		profile->calls->stepped_hit_ns = session->hit_cost.stepped_ns;
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
 * The probes on calls go first, since each hit costs the targets most; then the last calls of threads
 * that are busy with something else come by the clock.
 */
static void calls_end(struct session *session)
{
	uint64_t until_ns;

	capture_calls_detach(session->capture);
	if (!watch_living_count(session->watch))
		return;
	until_ns = clock_ns(CLOCK_MONOTONIC) + CALLS_LAST_MS * 1000000ull;
	while (!session->error && clock_ns(CLOCK_MONOTONIC) < until_ns) {
		if (capture_drain(session->capture, END_DRAIN_MS, -1, on_record, session) < 0)
			return;
	}
}

static void run_end(struct session *session)
{
	struct profile *profile = session->profile;
	uint64_t end_ns;

	/* What is allocated until the probes are gone is in the kernel's list of what is alive. */
	if (session->allocating)
		allocating_end(session->allocating);
	if (session->living)
		living_end(session->living);
	end_ns = clock_ns(CLOCK_MONOTONIC);
	/* What its counters say is in the records by the time the probes go. */
	if (session->collecting && !session->error)
		session->error = collecting_end(session->collecting, end_ns);
	profile->duration_ns = end_ns - session->start_ns;
	if (session->calling) {
		calling_until(session->calling, end_ns);
		calls_end(session);
	}
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
	if (session->calling && !session->error)
		session->error = calling_finish(session->calling, end_ns);
	/* Also after an error: what was seen is nothing before it is summed. */
	if (session->allocating)
		session->finish_error = allocating_finish(session->allocating, end_ns);
	if (session->living)
		session->finish_error = living_finish(session->living, end_ns);
	if (session->collecting)
		session->finish_error = collecting_finish(session->collecting);
	stats_take(session);
	if (is_limited(session))
		overhead_finish(&session->overhead, end_ns);
	profile->cost.profiler_cpu_ns = own_cpu_ns() - session->own_cpu_start_ns;
	live_end(&session->live);
}

/* While the last targets are looked for, the first ones have their probes already. */
static bool targets_turn(void *arg)
{
	struct session *session = arg;
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	if (!is_limited(session) || session->config->duty || session->stop ||
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
		.calling = session->calling,
		.allocating = session->allocating,
		.living = session->living,
		.collecting = session->collecting,
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

int session_run(struct session *session)
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
	if (session->allocating && allocating_start(session->allocating, session->start_ns))
		return EXIT_FAILED_RUNNING;
	if (session->living && living_start(session->living, session->start_ns))
		return EXIT_FAILED_RUNNING;
	if (session->collecting && collecting_start(session->collecting, session->start_ns))
		return EXIT_FAILED_RUNNING;
	if (is_limited(session))
		overhead_start(&session->overhead, &session->hit_cost, session->start_ns);
	/* The clocks already tick: what burns CPU is asked about while we look for the rest. */
	status = session_targets_find(session);
	if (status)
		return status;
	if (session->calling) {
		/* What came before was looking for places to probe. */
		session->start_ns = clock_ns(CLOCK_MONOTONIC);
		calling_start(session->calling);
	}
	if (session->allocating)
		allocating_found(session->allocating);
	if (session->collecting && collecting_tick(session->collecting))
		return EXIT_FAILED_RUNNING;
	if (session->living && living_found(session->living))
		return EXIT_FAILED_RUNNING;
	session->end_ns = duration_ns ? clock_ns(CLOCK_MONOTONIC) + duration_ns : UINT64_MAX;
	session->profile->started_unix_ns = clock_ns(CLOCK_REALTIME);
	session->drain_ms = drain_period_ms(session->config);
	/* The first window begins when all are found; a limit holds from the first one on. */
	if (session->calling && session->config->duty)
		overhead_start(&session->overhead, &session->hit_cost, session->start_ns);
	error = command_start(session);
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
	if ((session->calling && calling_refused(session->calling)) ||
	    (session->allocating && allocating_refused(session->allocating)) ||
	    (session->living && living_refused(session->living)) ||
	    (session->collecting && collecting_refused(session->collecting)))
		return EXIT_NO_TARGET; /* said when it was found out */
	return 0;
}
