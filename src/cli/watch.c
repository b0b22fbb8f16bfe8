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
#include "cli/watch_threads.h"
#include "proc/process.h"
#include "proc/thread.h"
#include "python/code_death.h"

enum {
	EXPECT_FIRST_NS = 500000,
	EXPECT_LAST_NS = 100000000,
	COMMAND_BYTES_MAX = 200,
	SWEEP_PERIOD_NS = 1000000000,
	SWEEP_PROCESSES = 64, /* looked at in one sweep */
};

#define EXPECT_PYTHON_NS 3000000000ull	  /* for something that is no Python so far */
#define EXPECT_STARTING_NS 60000000000ull /* for an interpreter that is coming up */

struct expected {
	pid_t pid;
	uint64_t cpu_base_ns; /* UINT64_MAX: what it has used when found */
	uint64_t since_ns;
	uint64_t next_ns;
	uint64_t wait_ns;
	uint64_t patience_ns; /* with something that is no Python so far */
};

/* A target that is sampled already; the ends of its code objects are still to be seen. */
struct unseen {
	struct unseen *next;
	uint32_t serial;
	struct python_process process;
};

struct watch {
	struct capture *capture;
	struct profile *profile;
	struct python_cache *cache;
	struct watched_process *processes;
	uint32_t process_count;
	struct map64 *by_serial; /* serial -> index of processes */
	struct watched_threads threads;
	uint32_t unfreed_count; /* exited threads whose last CPU time is still to be told */
	struct unseen *unseen;	/* oldest first */
	struct unseen **unseen_end;
	struct expected *expected;
	size_t expected_count;
	uint64_t swept_ns;
	uint32_t sweep_next; /* index of processes */
	watch_target_fn on_target;
	void *on_target_arg;
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
	watch->unseen_end = &watch->unseen;
	watch->cache = python_cache_new();
	watch->by_serial = map64_new();
	if (!watch->cache || !watch->by_serial || watched_threads_init(&watch->threads, profile)) {
		watch_free(watch);
		return NULL;
	}
	return watch;
}

void watch_free(struct watch *watch)
{
	struct unseen *next;

	if (!watch)
		return;
	for (struct unseen *unseen = watch->unseen; unseen; unseen = next) {
		next = unseen->next;
		free(unseen);
	}
	python_cache_free(watch->cache);
	map64_free(watch->by_serial);
	free(watch->processes);
	watched_threads_release(&watch->threads);
	free(watch->expected);
	free(watch);
}

void watch_on_target(struct watch *watch, watch_target_fn on_target, void *arg)
{
	watch->on_target = on_target;
	watch->on_target_arg = arg;
}

static struct watched_process *process_of(const struct watch *watch, uint32_t serial)
{
	uint64_t index;

	if (!serial || !map64_get(watch->by_serial, serial, &index))
		return NULL;
	return &watch->processes[index];
}

const struct watched_process *watch_process(const struct watch *watch, uint32_t serial)
{
	return process_of(watch, serial);
}

static struct watched_process *process_new(struct watch *watch, uint32_t serial, pid_t pid,
					   unsigned int minor)
{
	struct watched_process *array =
		reallocarray(watch->processes, watch->process_count + 1, sizeof(*array));
	uint64_t *slot;

	if (!array)
		return NULL;
	watch->processes = array;
	slot = map64_slot(watch->by_serial, serial, NULL);
	if (!slot)
		return NULL;
	*slot = watch->process_count;
	array += watch->process_count++;
	*array = (struct watched_process){
		.serial = serial,
		.pid = pid,
		.minor = minor,
		.process = profile_add_process(watch->profile, serial, pid),
	};
	return array->process == PROFILE_NONE ? NULL : array;
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

static void process_describe(struct watch *watch, struct watched_process *watched,
			     const char *version)
{
	struct profile_process *process = &watch->profile->processes[watched->process];
	struct buffer command;

	buffer_init(&command);
	if (!proc_command_line(watched->pid, &command) && command.bytes) {
		if (command.length > COMMAND_BYTES_MAX) {
			command.length = COMMAND_BYTES_MAX;
			buffer_string(&command, "…");
		}
		process->command =
			intern_add(watch->profile->strings, command.bytes, command.length);
	}
	buffer_release(&command);
	process->python = profile_string(watch->profile, version);
	process->probes = profile_string(watch->profile, "sample");
}

/*
 * An address that named a code object once names it until its end. Where ends are not seen, or not
 * yet, every sample reads each frame's code object anew and compares.
 */
static void deaths_watch(struct watch *watch, struct python_process *process, uint32_t serial)
{
	uint64_t offset = 0;
	int error;

	error = python_code_death_offset(process, &offset);
	if (!error)
		error = capture_code_deaths_watch(watch->capture, process->binary_open, offset);
	if (!error) {
		process->target.flags |= PYTHON_TARGET_DEATHS_SEEN;
		error = capture_target_update(watch->capture, process->pid, &process->target,
					      serial);
	}
	if (error)
		log_verbose("pid %d: the end of code objects cannot be seen (%s): each one is "
			    "compared at every sample instead, which costs more",
			    process->pid, strerror(-error));
}

/*
 * Placing a probe takes the kernel some 20 ms for each interpreter file: that is for later, one at
 * a time, so that the first samples of fifty processes do not wait for it.
 */
static void deaths_watch_later(struct watch *watch, struct python_process *process, uint32_t serial)
{
	struct unseen *unseen = malloc(sizeof(*unseen));

	if (!unseen) {
		deaths_watch(watch, process, serial);
		return;
	}
	*unseen = (struct unseen){ .serial = serial, .process = *process };
	*watch->unseen_end = unseen;
	watch->unseen_end = &unseen->next;
}

/* True when there are more. */
static bool deaths_watch_next(struct watch *watch)
{
	struct unseen *unseen = watch->unseen;

	if (!unseen)
		return false;
	watch->unseen = unseen->next;
	if (!watch->unseen)
		watch->unseen_end = &watch->unseen;
	deaths_watch(watch, &unseen->process, unseen->serial);
	free(unseen);
	return watch->unseen != NULL;
}

static int process_add(struct watch *watch, struct python_process *process, uint64_t cpu_base_ns)
{
	struct adding adding = { .watch = watch, .cpu_base_ns = cpu_base_ns, .start_ns = now_ns() };
	struct watched_process *watched;
	const char *probes = NULL;
	uint32_t serial;
	int error;

	if (watch->on_target)
		probes = watch->on_target(watch->on_target_arg, process);
	error = capture_target_add(watch->capture, process->pid, &process->target, &serial);
	if (error == -EEXIST)
		return 0; /* a record of it is under way: watch_found() */
	if (error) {
		watch->profile->lost[DROP_PROCESS_TABLE_FULL]++;
		return error;
	}
	watched = process_new(watch, serial, process->pid, process->target.layout.minor);
	if (!watched)
		return -ENOMEM;
	process_describe(watch, watched, process->version);
	if (probes)
		watch->profile->processes[watched->process].probes =
			profile_string(watch->profile, probes);
	adding.process = watched;
	error = proc_each_thread(process->pid, thread_add, &adding);
	deaths_watch_later(watch, process, serial);
	log_verbose("pid %d: CPython %s in %s", process->pid, process->version, process->binary);
	return error == -ENOMEM ? error : 0;
}

static int add_based(struct watch *watch, pid_t pid, struct python_process *process,
		     uint64_t cpu_base_ns)
{
	/* Twice: what BPF found and what we were told may be the same process. */
	for (uint32_t i = 0; i < watch->process_count; i++) {
		if (watch->processes[i].pid == pid && !watch->processes[i].ended)
			return 0;
	}
	python_inspect(watch->cache, pid, process);
	if (process->verdict != PYTHON_KNOWN)
		return -EAGAIN;
	return process_add(watch, process, cpu_base_ns);
}

int watch_add(struct watch *watch, pid_t pid, struct python_process *process)
{
	return add_based(watch, pid, process, UINT64_MAX);
}

static struct expected *expected_find(struct watch *watch, pid_t pid)
{
	for (size_t i = 0; i < watch->expected_count; i++) {
		if (watch->expected[i].pid == pid)
			return &watch->expected[i];
	}
	return NULL;
}

static int expected_add(struct watch *watch, pid_t pid, uint64_t cpu_base_ns, uint64_t patience_ns)
{
	struct expected *array;
	uint64_t now = now_ns();

	array = reallocarray(watch->expected, watch->expected_count + 1, sizeof(*array));
	if (!array)
		return -ENOMEM;
	watch->expected = array;
	array[watch->expected_count++] = (struct expected){
		.pid = pid,
		.cpu_base_ns = cpu_base_ns,
		.since_ns = now,
		.next_ns = now,
		.wait_ns = EXPECT_FIRST_NS,
		.patience_ns = patience_ns,
	};
	return 0;
}

int watch_expect(struct watch *watch, pid_t pid, uint64_t cpu_base_ns)
{
	struct expected *expected = expected_find(watch, pid);

	if (!expected)
		return expected_add(watch, pid, cpu_base_ns, EXPECT_PYTHON_NS);
	/* An exec: a new program, a new chance. */
	if (cpu_base_ns != UINT64_MAX)
		expected->cpu_base_ns = cpu_base_ns;
	expected->since_ns = now_ns();
	expected->next_ns = expected->since_ns;
	expected->wait_ns = EXPECT_FIRST_NS;
	expected->patience_ns = EXPECT_PYTHON_NS;
	return 0;
}

/* One look: the kernel side asks again, at growing intervals, for as long as it runs. */
static int on_process_new(struct watch *watch, pid_t pid)
{
	return expected_find(watch, pid) ? 0 : expected_add(watch, pid, UINT64_MAX, 0);
}

/* True when there is no more to expect of it. */
static bool expected_try(struct watch *watch, struct expected *expected, uint64_t now)
{
	struct python_process process;
	int error = add_based(watch, expected->pid, &process, expected->cpu_base_ns);
	uint64_t patience_ns = expected->patience_ns;

	if (error != -EAGAIN)
		return true;
	switch (process.verdict) {
	case PYTHON_UNSUPPORTED:
	case PYTHON_DENIED:
		log_warn("pid %d: %s", expected->pid, process.reason);
		return true;
	case PYTHON_GONE:
		return true;
	case PYTHON_STARTING:
		patience_ns = EXPECT_STARTING_NS;
		break;
	default:
		break;
	}
	expected->next_ns = now + expected->wait_ns;
	expected->wait_ns += expected->wait_ns / 2;
	if (expected->wait_ns > EXPECT_LAST_NS)
		expected->wait_ns = EXPECT_LAST_NS;
	return now - expected->since_ns >= patience_ns;
}

int watch_retry(struct watch *watch)
{
	bool more = deaths_watch_next(watch);
	uint64_t now = now_ns(), next_ns = UINT64_MAX;
	size_t kept = 0;

	for (size_t i = 0; i < watch->expected_count; i++) {
		struct expected expected = watch->expected[i];

		if (expected.next_ns <= now && expected_try(watch, &expected, now))
			continue;
		if (expected.next_ns < next_ns)
			next_ns = expected.next_ns;
		watch->expected[kept++] = expected;
	}
	watch->expected_count = kept;
	if (more)
		return 0;
	if (next_ns == UINT64_MAX)
		return -1;
	return next_ns <= now ? 0 : (int)((next_ns - now) / 1000000) + 1;
}

/* ---- ends ---- */

/* What a thread used up to its very end, which its exit could not know. */
static void on_thread_free(struct watch *watch, const struct record_process *record)
{
	struct watched_process *process = process_of(watch, record->header.serial);
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
	struct watched_process *process = process_of(watch, record->header.serial);
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
	for (uint32_t i = 0; i < watch->threads.count; i++) {
		struct watched_thread *thread = &watch->threads.array[i];

		if (thread->serial == process->serial && !thread->ended)
			watched_thread_end(&watch->threads, thread,
					   thread->tid == process->pid ? cpu_ns : 0, end_ns);
	}
}

static void on_process_exit(struct watch *watch, const struct record_process *record)
{
	struct watched_process *process = process_of(watch, record->header.serial);
	struct profile_process *row;

	if (!process)
		return;
	row = &watch->profile->processes[process->process];
	row->exited = true;
	row->exit_status = record->exit_code;
	process_end(watch, process, record->header.time_ns, 0);
}

static int on_exec(struct watch *watch, const struct record_process *record)
{
	struct watched_process *process = process_of(watch, record->header.serial);

	if (process)
		process_end(watch, process, record->header.time_ns, record->cpu_ns);
	return watch_expect(watch, record->header.pid, record->cpu_ns);
}

const struct watched_process *watch_found(struct watch *watch, const struct record_process *record,
					  const struct python_process *like)
{
	const struct expected *expected = expected_find(watch, record->header.pid);
	uint64_t cpu_base_ns = expected ? expected->cpu_base_ns : UINT64_MAX;
	struct watched_process *process = process_of(watch, record->header.serial);

	if (process)
		return process;
	process = process_new(watch, record->header.serial, record->header.pid,
			      like->target.layout.minor);
	if (!process)
		return NULL;
	process_describe(watch, process, like->version);
	if (!thread_new(watch, process, record->header.tid,
			cpu_base_ns == UINT64_MAX ? record->cpu_ns : cpu_base_ns,
			record->header.time_ns))
		return NULL;
	return process;
}

static int on_fork(struct watch *watch, const struct record_process *record)
{
	const struct watched_process *parent = process_of(watch, record->parent_serial);
	struct watched_process *process;
	struct profile_process row;

	if (!parent)
		return 0; /* a followed process that is no Python (yet): its exec will tell */
	row = watch->profile->processes[parent->process];
	process = process_new(watch, record->header.serial, record->header.pid, parent->minor);
	if (!process)
		return -ENOMEM;
	watch->profile->processes[process->process].command = row.command;
	watch->profile->processes[process->process].python = row.python;
	watch->profile->processes[process->process].probes = row.probes;
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
		process = process_of(watch, serial);
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
	uint32_t count = watch->expected_count;

	for (uint32_t i = 0; i < watch->process_count; i++)
		count += !watch->processes[i].ended;
	return count;
}

uint64_t watch_cpu_ns(struct watch *watch)
{
	uint64_t sum_ns = 0, cpu_ns;

	for (uint32_t i = 0; i < watch->process_count; i++)
		sum_ns += watch->processes[i].cpu_ended_ns;
	for (uint32_t i = 0; i < watch->threads.count; i++) {
		const struct watched_thread *thread = &watch->threads.array[i];

		if (thread->ended || proc_thread_cpu_ns(thread->pid, thread->tid, &cpu_ns))
			continue;
		sum_ns += cpu_ns > thread->cpu_base_ns ? cpu_ns - thread->cpu_base_ns : 0;
	}
	return sum_ns;
}

/* Its leader may have ended while other threads go on. */
static bool process_gone(pid_t pid)
{
	struct proc_stat stat;
	int error = proc_stat_read(pid, &stat);

	return error == -ESRCH || (!error && proc_stat_is_dead(&stat) && stat.thread_count <= 1);
}

void watch_sweep(struct watch *watch)
{
	uint64_t now = now_ns();
	uint32_t looks = SWEEP_PROCESSES;

	if (now - watch->swept_ns < SWEEP_PERIOD_NS)
		return;
	watch->swept_ns = now;
	for (uint32_t i = 0; i < watch->process_count && looks; i++) {
		struct watched_process *process;

		watch->sweep_next = (watch->sweep_next + 1) % watch->process_count;
		process = &watch->processes[watch->sweep_next];
		if (process->ended)
			continue;
		looks--;
		if (!process_gone(process->pid))
			continue;
		/* The record of its end may still be in the ring: by the next sweep it is not. */
		if (process->gone) {
			capture_target_remove(watch->capture, process->pid);
			process_end(watch, process, now, 0);
		}
		process->gone = true;
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

	for (uint32_t i = 0; i < watch->process_count; i++) {
		if (watch->processes[i].ended)
			continue;
		adding.process = &watch->processes[i];
		proc_each_thread(adding.process->pid, thread_finish, &adding);
		process_end(watch, &watch->processes[i], adding.start_ns, 0);
	}
}
