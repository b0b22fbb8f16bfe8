// SPDX-License-Identifier: GPL-2.0-only
/* See watch.h. */
#include "cli/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/map64.h"
#include "cli/expected.h"
#include "cli/watch_deaths.h"
#include "cli/watch_processes.h"
#include "cli/watch_threads.h"
#include "proc/process.h"
#include "proc/thread.h"

enum {
	SWEEP_PERIOD_NS = 1000000000,
	SWEEP_PROCESSES = 64, /* looked at in one sweep */
};

#define FORGET_AFTER_NS 10000000000ull /* its end: by then no record can speak of it any more */

struct watch {
	struct capture *capture;
	struct profile *profile;
	struct python_cache *cache;
	struct watched_processes processes;
	struct watched_threads threads;
	uint32_t unfreed_count; /* exited threads whose last CPU time is still to be told */
	struct watch_deaths deaths;
	struct expected_list expected;
	uint64_t swept_ns;
	uint32_t sweep_next; /* index of processes */
	struct {
		watch_target_fn on_target;
		watch_placed_fn on_placed;
		void *arg;
	} listeners[WATCH_LISTENERS];
	size_t listener_count;
	struct python_process *templates[ABI_TEMPLATES]; /* owned */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

struct watch *watch_new(struct capture *capture, struct profile *profile)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	watch->capture = capture;
	watch->profile = profile;
	watch->deaths.capture = capture;
	watch->cache = python_cache_new();
	if (!watch->cache || watched_processes_init(&watch->processes, profile) ||
	    watched_threads_init(&watch->threads, profile)) {
		watch_free(watch);
		return NULL;
	}
	return watch;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	watch_deaths_release(&watch->deaths);
	expected_release(&watch->expected);
	python_cache_free(watch->cache);
	watched_processes_release(&watch->processes);
	watched_threads_release(&watch->threads);
	for (size_t i = 0; i < ABI_TEMPLATES; i++)
		free(watch->templates[i]);
	free(watch);
}

void watch_on_target(struct watch *watch, watch_target_fn on_target, watch_placed_fn on_placed,
		     void *arg)
{
	if (watch->listener_count == WATCH_LISTENERS)
		return;
	watch->listeners[watch->listener_count].on_target = on_target;
	watch->listeners[watch->listener_count].on_placed = on_placed;
	watch->listeners[watch->listener_count++].arg = arg;
}

const struct watched_process *watch_process(const struct watch *watch, uint32_t serial)
{
	return watched_process_find(&watch->processes, serial);
}

const struct watched_process *watch_process_at(const struct watch *watch, uint32_t index)
{
	return index < watch->processes.count ? &watch->processes.array[index] : NULL;
}

static struct watched_thread *thread_new(struct watch *watch, struct watched_process *process,
					 pid_t tid, uint64_t cpu_base_ns, uint64_t start_ns)
{
	const struct watched_thread thread = {
		.serial = process->serial,
		.pid = process->pid,
		.tid = tid,
		.cpu_base_ns = cpu_base_ns,
		.start_ns = start_ns,
	};

	return watched_thread_add(&watch->threads, &thread, process->process,
				  &process->thread_rows);
}

/* Threads there are when a process comes under watch. */
struct adding {
	struct watch *watch;
	struct watched_process *process;
	uint64_t cpu_base_ns; /* UINT64_MAX: what each has used by now */
	uint64_t start_ns;
};

static int thread_add(pid_t tid, void *arg)
{
	struct adding *adding = arg;
	/* The CPU time at an exec is that of the one thread that goes on. */
	uint64_t cpu_ns = adding->cpu_base_ns == UINT64_MAX || tid == adding->process->pid ?
				  adding->cpu_base_ns :
				  0;

	if (cpu_ns == UINT64_MAX && proc_thread_cpu_ns(adding->process->pid, tid, &cpu_ns))
		return 0; /* it has just ended */
	if (!thread_new(adding->watch, adding->process, tid, cpu_ns, adding->start_ns))
		return -ENOMEM;
	return 0;
}

/* Everybody's probes are in place; `probes`: how it is seen by each, NULL where nothing is said. */
static void process_place(struct watch *watch, struct python_process *process, const char **probes)
{
	for (size_t i = 0; i < watch->listener_count; i++)
		probes[i] = watch->listeners[i].on_target(watch->listeners[i].arg, process);
	for (size_t i = 0; i < watch->listener_count; i++) {
		if (watch->listeners[i].on_placed)
			watch->listeners[i].on_placed(watch->listeners[i].arg, process);
	}
}

static int process_add(struct watch *watch, struct python_process *process, uint64_t cpu_base_ns)
{
	struct adding adding = { .watch = watch, .cpu_base_ns = cpu_base_ns, .start_ns = now_ns() };
	const char *probes[WATCH_LISTENERS] = { NULL };
	struct watched_process *watched;
	uint32_t serial;
	int error;

	process_place(watch, process, probes);
	error = capture_target_add(watch->capture, process->pid, &process->target, &serial);
	if (error == -EEXIST)
		return 0; /* a record of it is under way: watch_found() */
	if (error) {
		watch->profile->lost[DROP_PROCESS_TABLE_FULL]++;
		return error;
	}
	watched = watched_process_add(&watch->processes, serial, process->pid,
				      process->target.layout.minor);
	if (!watched)
		return -ENOMEM;
	watched_process_describe(&watch->processes, watched, process->version);
	for (size_t i = 0; i < watch->listener_count; i++)
		watched_process_seen_by(&watch->processes, watched, probes[i]);
	adding.process = watched;
	error = proc_each_thread(process->pid, thread_add, &adding);
	watch_deaths_later(&watch->deaths, process, serial);
	log_verbose("pid %d: CPython %s in %s", process->pid, process->version, process->binary);
	return error == -ENOMEM ? error : 0;
}

static const struct watched_process *living_find(const struct watch *watch, pid_t pid)
{
	for (uint32_t i = 0; i < watch->processes.count; i++) {
		const struct watched_process *process = &watch->processes.array[i];

		if (process->pid == pid && !process->ended)
			return process;
	}
	return NULL;
}

static int add_based(struct watch *watch, pid_t pid, struct python_process *process,
		     uint64_t cpu_base_ns)
{
	/* Twice: what BPF found and what we were told may be the same process. */
	if (living_find(watch, pid))
		return 0;
	python_inspect(watch->cache, pid, process);
	if (process->verdict != PYTHON_KNOWN)
		return -EAGAIN;
	return process_add(watch, process, cpu_base_ns);
}

int watch_add(struct watch *watch, pid_t pid, struct python_process *process)
{
	return add_based(watch, pid, process, UINT64_MAX);
}

int watch_expect(struct watch *watch, pid_t pid, uint64_t cpu_base_ns)
{
	return expected_add(&watch->expected, pid, cpu_base_ns, EXPECTED_PATIENCE_NS, now_ns());
}

/* One look: the kernel side asks again, at growing intervals, for as long as it runs. */
static int on_process_new(struct watch *watch, pid_t pid)
{
	if (expected_find(&watch->expected, pid))
		return 0;
	return expected_add(&watch->expected, pid, UINT64_MAX, 0, now_ns());
}

static enum expected_look on_look(void *arg, const struct expected *expected)
{
	struct python_process process;
	int error = add_based(arg, expected->pid, &process, expected->cpu_base_ns);

	if (error != -EAGAIN)
		return EXPECTED_OVER;
	switch (process.verdict) {
	case PYTHON_UNSUPPORTED:
	case PYTHON_DENIED:
		log_warn("pid %d: %s", expected->pid, process.reason);
		return EXPECTED_OVER;
	case PYTHON_GONE:
		return EXPECTED_OVER;
	case PYTHON_STARTING:
		return EXPECTED_STARTING;
	default:
		return EXPECTED_NOT_YET;
	}
}

int watch_retry(struct watch *watch)
{
	bool more = watch_deaths_next(&watch->deaths);
	int next_ms = expected_retry(&watch->expected, now_ns(), on_look, watch);

	return more ? 0 : next_ms;
}

/* ---- ends ---- */

/* What a thread used up to its very end, which its exit could not know. */
static void on_thread_free(struct watch *watch, const struct record_process *record)
{
	struct watched_process *process =
		watched_process_find(&watch->processes, record->header.serial);
	struct watched_thread *thread =
		watched_thread_find(&watch->threads, record->header.serial, record->header.tid);

	if (!process)
		return;
	if (watch->unfreed_count)
		watch->unfreed_count--;
	process->cpu_ended_ns += record->cpu_ns;
	watch->profile->processes[process->process].cpu_ns += record->cpu_ns;
	if (!thread)
		return;
	watch->profile->threads[thread->thread].cpu_ns += record->cpu_ns;
	/* The number may be another thread's from now on. */
	if (thread->ended)
		watched_thread_forget(&watch->threads, thread);
}

static void on_thread_exit(struct watch *watch, const struct record_process *record)
{
	struct watched_process *process =
		watched_process_find(&watch->processes, record->header.serial);
	struct watched_thread *thread;

	if (!process)
		return;
	watch->unfreed_count++;
	process->cpu_ended_ns += record->cpu_ns;
	thread = watched_thread_find(&watch->threads, process->serial, record->header.tid);
	if (thread) {
		process->cpu_ended_ns -= thread->cpu_base_ns;
		/* The last name it had: pools name their threads late. */
		if (watch->profile->threads[thread->thread].tid)
			watch->profile->threads[thread->thread].name =
				intern_add(watch->profile->strings, record->comm,
					   strnlen(record->comm, sizeof(record->comm)));
		watched_thread_end(&watch->threads, thread, record->cpu_ns, record->header.time_ns);
	} else {
		/* Never sampled, not there at the start: no row of its own, but its time counts. */
		watch->profile->processes[process->process].cpu_ns += record->cpu_ns;
	}
}

static void process_end(struct watch *watch, struct watched_process *process, uint64_t end_ns,
			uint64_t cpu_ns)
{
	if (process->ended)
		return;
	process->ended = true;
	process->ended_ns = now_ns();
	for (uint32_t i = 0; i < watch->threads.count; i++) {
		struct watched_thread *thread = &watch->threads.array[i];

		if (thread->serial == process->serial && !thread->ended)
			watched_thread_end(&watch->threads, thread,
					   thread->tid == process->pid ? cpu_ns : 0, end_ns);
	}
}

static void on_process_exit(struct watch *watch, const struct record_process *record)
{
	struct watched_process *process =
		watched_process_find(&watch->processes, record->header.serial);
	struct profile_process *row;

	if (!process)
		return;
	row = &watch->profile->processes[process->process];
	if (!process->shares_row) {
		row->exited = true;
		row->exit_status = record->exit_code;
	}
	process_end(watch, process, record->header.time_ns, 0);
}

static int on_exec(struct watch *watch, const struct record_process *record)
{
	struct watched_process *process =
		watched_process_find(&watch->processes, record->header.serial);

	if (process)
		process_end(watch, process, record->header.time_ns, record->cpu_ns);
	return watch_expect(watch, record->header.pid, record->cpu_ns);
}

int watch_template_keep(struct watch *watch, uint32_t index, const struct python_process *python)
{
	if (watch->templates[index])
		return 0;
	watch->templates[index] = malloc(sizeof(*python));
	if (!watch->templates[index])
		return -ENOMEM;
	*watch->templates[index] = *python;
	return 0;
}

const struct python_process *watch_template(const struct watch *watch, uint32_t index)
{
	return index < ABI_TEMPLATES ? watch->templates[index] : NULL;
}

void watch_seen_by(struct watch *watch, uint32_t serial, const char *probes)
{
	const struct watched_process *process = watch_process(watch, serial);

	if (process)
		watched_process_seen_by(&watch->processes, process, probes);
}

int watch_found(struct watch *watch, const struct record_process *record)
{
	const struct python_process *like = watch_template(watch, record->parent_serial);
	const struct expected *expected = expected_find(&watch->expected, record->header.pid);
	uint64_t cpu_base_ns = expected ? expected->cpu_base_ns : UINT64_MAX;
	struct watched_process *process =
		watched_process_find(&watch->processes, record->header.serial);

	if (process || !like)
		return 0;
	process = watched_process_add(&watch->processes, record->header.serial, record->header.pid,
				      like->target.layout.minor);
	if (!process)
		return -ENOMEM;
	watched_process_describe(&watch->processes, process, like->version);
	if (!thread_new(watch, process, record->header.tid,
			cpu_base_ns == UINT64_MAX ? record->cpu_ns : cpu_base_ns,
			record->header.time_ns))
		return -ENOMEM;
	return 0;
}

static int on_fork(struct watch *watch, const struct record_process *record)
{
	const struct watched_process *parent =
		watched_process_find(&watch->processes, record->parent_serial);
	struct watched_process *process;
	uint32_t like;

	if (!parent)
		return 0;	/* a followed process that is no Python (yet): its exec will tell */
	like = parent->process; /* adding may move them */
	process = watched_process_add(&watch->processes, record->header.serial, record->header.pid,
				      parent->minor);
	if (!process)
		return -ENOMEM;
	watched_process_describe_as(&watch->processes, process, like);
	if (!thread_new(watch, process, record->header.pid, 0, record->header.time_ns))
		return -ENOMEM;
	return 0;
}

int watch_event(struct watch *watch, const struct event *event)
{
	switch (event->kind) {
	case RECORD_PROCESS_NEW:
		return on_process_new(watch, event->header->pid);
	case RECORD_PROCESS_EXEC:
		return on_exec(watch, event->process);
	case RECORD_PROCESS_FORK:
		return on_fork(watch, event->process);
	case RECORD_THREAD_EXIT:
		on_thread_exit(watch, event->process);
		return 0;
	case RECORD_THREAD_FREE:
		on_thread_free(watch, event->process);
		return 0;
	case RECORD_PROCESS_EXIT:
		on_process_exit(watch, event->process);
		return 0;
	default:
		return 0;
	}
}

uint32_t watch_thread(struct watch *watch, uint32_t serial, pid_t tid, uint64_t now)
{
	struct watched_thread *thread = watched_thread_find(&watch->threads, serial, tid);
	struct watched_process *process;

	if (!thread) {
		process = watched_process_find(&watch->processes, serial);
		if (!process)
			return PROFILE_NONE;
		/* Born while watched: all its CPU time counts. */
		thread = thread_new(watch, process, tid, 0, now);
	}
	return thread ? thread->thread : PROFILE_NONE;
}

uint32_t watch_unfreed_count(const struct watch *watch)
{
	return watch->unfreed_count;
}

uint32_t watch_living_count(const struct watch *watch)
{
	uint32_t count = watch->expected.count;

	for (uint32_t i = 0; i < watch->processes.count; i++)
		count += !watch->processes.array[i].ended;
	return count;
}

uint64_t watch_cpu_ns(struct watch *watch)
{
	uint64_t sum_ns = watch->processes.cpu_forgotten_ns, cpu_ns;

	for (uint32_t i = 0; i < watch->processes.count; i++)
		sum_ns += watch->processes.array[i].cpu_ended_ns;
	for (uint32_t i = 0; i < watch->threads.count; i++) {
		const struct watched_thread *thread = &watch->threads.array[i];

		if (thread->ended || proc_thread_cpu_ns(thread->pid, thread->tid, &cpu_ns))
			continue;
		sum_ns += cpu_ns > thread->cpu_base_ns ? cpu_ns - thread->cpu_base_ns : 0;
	}
	return sum_ns;
}

/* Its rows stay; what would find them by a record does not. */
static void process_forget(struct watch *watch, struct watched_process *process)
{
	struct watched_threads *threads = &watch->threads;

	for (uint32_t i = 0; i < threads->count; i++) {
		if (threads->array[i].serial == process->serial)
			watched_thread_forget(threads, &threads->array[i]);
	}
	watched_process_forget(&watch->processes, process);
}

static void process_sweep(struct watch *watch, struct watched_process *process, uint64_t now)
{
	if (process->ended) {
		if (process->serial && now - process->ended_ns > FORGET_AFTER_NS)
			process_forget(watch, process);
		return;
	}
	if (!watched_process_is_gone(process))
		return;
	/* The record of its end may still be in the ring: by the next sweep it is not. */
	if (process->gone) {
		process_end(watch, process, now, 0);
		if (!living_find(watch, process->pid))
			capture_target_remove(watch->capture, process->pid);
	}
	process->gone = true;
}

void watch_sweep(struct watch *watch)
{
	uint64_t now = now_ns();
	uint32_t looks = SWEEP_PROCESSES;

	if (now - watch->swept_ns < SWEEP_PERIOD_NS)
		return;
	watch->swept_ns = now;
	for (uint32_t i = 0; i < watch->processes.count && looks; i++) {
		watch->sweep_next = (watch->sweep_next + 1) % watch->processes.count;
		looks -= !watch->processes.array[watch->sweep_next].ended;
		process_sweep(watch, &watch->processes.array[watch->sweep_next], now);
	}
}

/* A thread alive at the end that was neither there at the start nor ever sampled. */
static int thread_finish(pid_t tid, void *arg)
{
	struct adding *adding = arg;
	struct watched_thread *thread =
		watched_thread_find(&adding->watch->threads, adding->process->serial, tid);
	uint64_t cpu_ns;

	if (proc_thread_cpu_ns(adding->process->pid, tid, &cpu_ns))
		return 0;
	if (!thread)
		thread = thread_new(adding->watch, adding->process, tid, 0, adding->start_ns);
	if (!thread)
		return -ENOMEM;
	watched_thread_end(&adding->watch->threads, thread, cpu_ns, adding->start_ns);
	return 0;
}

void watch_finish(struct watch *watch)
{
	struct adding adding = { .watch = watch, .start_ns = now_ns() };

	for (uint32_t i = 0; i < watch->processes.count; i++) {
		if (watch->processes.array[i].ended)
			continue;
		adding.process = &watch->processes.array[i];
		proc_each_thread(adding.process->pid, thread_finish, &adding);
		process_end(watch, &watch->processes.array[i], adding.start_ns, 0);
	}
}
