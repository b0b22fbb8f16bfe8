// SPDX-License-Identifier: GPL-2.0-only
/* See allocators.h. */
#include "cli/allocators.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/grow.h"
#include "base/log.h"
#include "cli/allocators_private.h"
#include "cli/lives_plan.h"
#include "cli/pools_report.h"
#include "python/code_death.h"
#include "python/collector.h"

/* By then what a process has exec'ed is up, if it is a Python; and has made its first classes. */
#define EXEC_PATIENCE_NS 5000000000ull

enum { PLAN_TRIES = 400, PLAN_PAUSE_NS = 5000000 };

static const char *on_target(void *arg, struct python_process *python);

static bool is_lifetime(const struct allocators *allocators)
{
	return allocators->family == PROBE_LIFETIME;
}

/* Each process under watch takes some of them. */
static void descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Whether CPython's own allocator is looked into. */
static bool has_pools(const struct allocators *allocators)
{
	return allocators->config->objects && !is_lifetime(allocators);
}

struct allocators *allocators_new(const struct run_parts *parts, struct mappings *mappings)
{
	struct allocators *allocators = calloc(1, sizeof(*allocators));

	if (!allocators)
		return NULL;
	allocators->config = parts->config;
	allocators->capture = parts->capture;
	allocators->watch = parts->watch;
	allocators->profile = parts->profile;
	allocators->collector_plans = parts->collector_plans;
	allocators->family = mappings ? PROBE_MEMORY : PROBE_LIFETIME;
	allocators->mappings = mappings;
	allocators->too_early =
		is_lifetime(allocators) ? DROP_LIFETIME_TOO_EARLY : DROP_MEMORY_TOO_EARLY;
	allocators->cache = python_cache_new();
	if (!allocators->cache) {
		allocators_free(allocators);
		return NULL;
	}
	watch_on_target(parts->watch, on_target, NULL, allocators);
	descriptors_raise();
	return allocators;
}

void allocators_free(struct allocators *allocators)
{
	if (!allocators)
		return;
	python_cache_free(allocators->cache);
	kept_plans_release(&allocators->plans);
	for (uint32_t i = 0; i < allocators->target_count; i++)
		free(allocators->targets[i].python);
	free(allocators->targets);
	free(allocators);
}

void allocators_on_process(struct allocators *allocators, allocators_process_fn on_process,
			   void *arg)
{
	allocators->on_process = on_process;
	allocators->on_process_arg = arg;
}

const char *allocators_refusal(const struct allocators *allocators)
{
	return *allocators->refusal ? allocators->refusal : NULL;
}

bool allocators_any(const struct allocators *allocators)
{
	return allocators->any;
}

void allocators_found(struct allocators *allocators)
{
	allocators->found = true;
}

/* ---- probes ---- */

static struct allocator_target *target_of(struct allocators *allocators, pid_t pid)
{
	for (size_t i = 0; i < allocators->target_count; i++) {
		if (allocators->targets[i].pid == pid)
			return &allocators->targets[i];
	}
	return NULL;
}

/* NULL: out of memory. Good until the next one. */
static struct allocator_target *target_new(struct allocators *allocators, pid_t pid)
{
	struct allocator_target *target;

	if (GROW(allocators->targets, allocators->target_capacity, allocators->target_count))
		return NULL;
	target = &allocators->targets[allocators->target_count++];
	*target = (struct allocator_target){ .pid = pid };
	return target;
}

static int target_attach(struct allocators *allocators, struct allocator_target *target,
			 struct allocator_plan *plan)
{
	int error =
		capture_memory_attach(allocators->capture, allocators->family, target->pid, plan);

	target->plan = error ? NULL : plan;
	return error;
}

/* Another that runs what `plan` was made for. */
static int target_attach_like(struct allocators *allocators, pid_t pid, struct allocator_plan *plan)
{
	struct allocator_target *target = target_new(allocators, pid);
	int error = target ? target_attach(allocators, target, plan) : -ENOMEM;

	if (target && error)
		allocators->target_count--;
	return error;
}

/* Its numbers into its row, PROFILE_NONE: there is none; what stood for it is given back. */
static int target_end(struct allocators *allocators, struct allocator_target *target,
		      uint32_t process, uint32_t serial)
{
	int error = allocator_target_finish(allocators, target, process, serial, true);

	capture_memory_detach_from(allocators->capture, allocators->family, target->pid);
	free(target->python);
	*target = allocators->targets[--allocators->target_count];
	return error;
}

/* Adds CPython's own allocator to the plan where its functions are called; says what is not seen. */
static void objects_plan(struct allocators *allocators, const struct python_process *python,
			 struct allocator_target *target, struct allocator_plan *plan)
{
	char reason[256];
	bool needed = false;
	int error;

	if (!allocators->config->objects)
		return;
	error = allocator_plan_objects(python, plan, &needed, reason, sizeof(reason));
	if (!error) {
		target->coverage = MEMORY_COVERAGE_WHOLE;
		return;
	}
	target->coverage = error == -ENOTSUP ? MEMORY_COVERAGE_INLINED : MEMORY_COVERAGE_UNKNOWN;
	target->note = profile_string(allocators->profile, reason);
	log_warn("pid %d: single objects are not seen: %s", python->pid, reason);
}

static int plan_make(struct allocators *allocators, const struct python_process *python,
		     struct allocator_target *target, struct allocator_plan **out, char *reason,
		     size_t reason_size)
{
	struct allocator_plan plan = { 0 };
	int error;

	/* Where objects are made and ended is the same in all that run a file; --types asks each. */
	if (is_lifetime(allocators) && !allocators->config->type_count) {
		*out = kept_plans_of_file(&allocators->plans, python->binary_open);
		if (*out)
			return 0;
	}
	error = is_lifetime(allocators) ?
			lives_plan(allocators->config, python, &plan, reason, reason_size) :
			allocator_plan_make(python, &plan, reason, reason_size);
	if (error)
		return error;
	if (!is_lifetime(allocators))
		objects_plan(allocators, python, target, &plan);
	if (*plan.unseen && !target->note)
		target->note = profile_string(allocators->profile, plan.unseen);
	error = kept_plans_add(&allocators->plans, &plan, out);
	if (error)
		snprintf(reason, reason_size, "the files of its allocator cannot be kept open: %s",
			 strerror(-error));
	return error;
}

static bool deaths_see(struct allocators *allocators, const struct python_process *python)
{
	uint64_t offset;

	return !python_code_death_offset(python, &offset) &&
	       !capture_code_deaths_watch(allocators->capture, python->binary_open, offset);
}

/* Whether it is seen when a thread of it collects: what ends meanwhile ends by the collector. */
static bool collections_see(struct allocators *allocators, const struct python_process *python)
{
	const struct collector_plan *plan;
	char reason[256];
	int error;

	if (!is_lifetime(allocators))
		return false;
	error = collector_plans_find(allocators->collector_plans, python, &plan, reason,
				     sizeof(reason));
	if (!error)
		error = capture_gc_attach(allocators->capture, python, plan);
	if (error)
		log_verbose("pid %d: its collections are not seen: %s", python->pid,
			    strerror(-error));
	return !error;
}

/* What the probes that are in place for it besides tell of it. */
static uint32_t flags_of(struct allocators *allocators, const struct python_process *python)
{
	return PYTHON_TARGET_MEMORY |
	       (deaths_see(allocators, python) ? PYTHON_TARGET_DEATHS_SEEN : 0) |
	       (collections_see(allocators, python) ? PYTHON_TARGET_GC : 0);
}

/* Others that run the same interpreter are targets when they begin to run their program. */
static int template_keep(struct allocators *allocators, const struct python_process *python)
{
	uint32_t index;
	int error = capture_memory_start(allocators->capture, allocators->family, python,
					 flags_of(allocators, python), &index);

	if (!error)
		error = watch_template_keep(allocators->watch, index, python);
	allocators->has_template |= !error;
	return error;
}

/* Of an interpreter that waits for us, but may still be on its way up: nothing runs before it is. */
static int plan_await(struct allocators *allocators, const struct python_process *python,
		      struct allocator_target *target, struct allocator_plan **plan)
{
	const struct timespec pause = { .tv_nsec = PLAN_PAUSE_NS };
	char reason[256];
	int error;

	for (int i = 0; i < PLAN_TRIES; i++) {
		if (i)
			nanosleep(&pause, NULL);
		error = plan_make(allocators, python, target, plan, reason, sizeof(reason));
		if (error != -ENOENT || !is_lifetime(allocators))
			break;
	}
	return error;
}

int allocators_prepare(struct allocators *allocators, struct python_process *python, pid_t pid)
{
	struct allocator_target *target = target_new(allocators, pid);
	struct allocator_plan *plan;
	int error;

	if (!target)
		return -ENOMEM;
	error = plan_await(allocators, python, target, &plan);
	if (!error)
		error = template_keep(allocators, python);
	if (!error)
		error = target_attach(allocators, target, plan);
	if (error)
		allocators->target_count--;
	return error;
}

static const char *way_name(const struct allocators *allocators)
{
	if (is_lifetime(allocators))
		return "objects";
	return allocators->config->objects ? "object" : "malloc";
}

static void target_describe(struct allocators *allocators, struct allocator_target *target,
			    const struct python_process *python)
{
	allocators->any |= target->plan != NULL;
	if (allocators->on_process)
		allocators->on_process(allocators->on_process_arg, python, target->plan);
	if (target->python)
		return;
	target->python = malloc(sizeof(*python));
	if (!target->python)
		return;
	*target->python = *python;
	if (has_pools(allocators))
		pools_report(python, &target->pools_start);
}

static const char *target_refuse(struct allocators *allocators, struct allocator_target *target,
				 const struct python_process *python, const char *reason)
{
	target->refusal = profile_string(allocators->profile, reason);
	snprintf(allocators->refusal, sizeof(allocators->refusal),
		 "pid %d: CPython %s: its %s cannot be seen: %s", python->pid, python->version,
		 is_lifetime(allocators) ? "objects" : "allocations", reason);
	log_warn("%s", allocators->refusal);
	return NULL;
}

/*
 * The plan of a process whose probes are in already was made from another's, or before its program was up:
 * now it can be asked itself.
 */
static void target_verify(struct allocators *allocators, struct allocator_target *target,
			  const struct python_process *python)
{
	struct allocator_plan *plan;
	char reason[256];
	int error;

	/* What it forked as was under watch already; what it execs, only where its start is seen. */
	if (target->exec_ns && !allocators->has_template)
		allocators->profile->partial[allocators->too_early]++;
	target->exec_ns = 0;
	if (plan_make(allocators, python, target, &plan, reason, sizeof(reason)) ||
	    plan == target->plan)
		return;
	allocators->profile->partial[allocators->too_early]++;
	capture_memory_detach_from(allocators->capture, allocators->family, target->pid);
	error = target_attach(allocators, target, plan);
	if (error) {
		snprintf(reason, sizeof(reason), "its probes cannot be put in: %s",
			 strerror(-error));
		target_refuse(allocators, target, python, reason);
	}
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* An interpreter that is just coming up has no classes yet that tell where objects are made and ended. */
static bool target_wait(struct allocators *allocators, struct allocator_target *target,
			const struct python_process *python, int error)
{
	if (error != -ENOENT || !is_lifetime(allocators) || allocators->config->pid_count)
		return false;
	target->python = malloc(sizeof(*python));
	if (!target->python)
		return false;
	*target->python = *python;
	target->retry_ns = now_ns() + EXEC_PATIENCE_NS;
	return true;
}

static void target_retry(struct allocators *allocators, struct allocator_target *target,
			 uint64_t time_ns)
{
	struct allocator_plan *plan;
	char reason[256];
	int error = plan_make(allocators, target->python, target, &plan, reason, sizeof(reason));

	if (!error)
		error = target_attach(allocators, target, plan);
	if (error && time_ns < target->retry_ns)
		return;
	target->retry_ns = 0;
	if (error) {
		target_refuse(allocators, target, target->python, reason);
		return;
	}
	allocators->profile->partial[allocators->too_early]++;
	target_describe(allocators, target, target->python);
}

static const char *on_target(void *arg, struct python_process *python)
{
	struct allocators *allocators = arg;
	struct allocator_target *target = target_of(allocators, python->pid);
	struct allocator_plan *plan;
	char reason[256];
	int error;

	python->target.flags |= flags_of(allocators, python);
	/* Its number is used again, and its end was not told. */
	if (target && target->python) {
		target_end(allocators, target,
			   allocator_process_of(allocators->profile, python->pid), 0);
		target = NULL;
	}
	if (target) {
		target_verify(allocators, target, python);
		target_describe(allocators, target, python);
		return way_name(allocators);
	}
	target = target_new(allocators, python->pid);
	if (!target)
		return NULL;
	error = plan_make(allocators, python, target, &plan, reason, sizeof(reason));
	if (!error) {
		error = target_attach(allocators, target, plan);
		if (error)
			snprintf(reason, sizeof(reason), "its probes cannot be put in: %s",
				 strerror(-error));
	}
	if (error && !allocators->config->pid_count && kill(python->pid, 0) && errno == ESRCH) {
		log_verbose("pid %d: it has ended before its probes were in", python->pid);
		allocators->target_count--;
		return NULL;
	}
	if (error && target_wait(allocators, target, python, error))
		return way_name(allocators);
	if (error)
		return target_refuse(allocators, target, python, reason);
	if (allocators->found)
		allocators->profile->partial[allocators->too_early]++;
	target_describe(allocators, target, python);
	return way_name(allocators);
}

/* The child has its parent's files at its parent's addresses. */
static int on_fork(struct allocators *allocators, const struct record_process *record)
{
	struct allocator_target *parent = target_of(allocators, record->parent_pid);
	int error;

	if (!parent || !record->header.serial || target_of(allocators, record->header.pid))
		return 0;
	if (!parent->plan)
		return 0;
	error = target_attach_like(allocators, record->header.pid, parent->plan);
	if (error == -ENOMEM)
		return error;
	if (error)
		log_verbose("pid %d: its probes cannot be put in: %s", record->header.pid,
			    strerror(-error)); /* ESRCH: it has ended already */
	allocators->profile->partial[allocators->too_early]++;
	return 0;
}

static int on_found(struct allocators *allocators, const struct record_process *record)
{
	struct allocator_target *target;
	struct python_process found;
	struct allocator_plan *plan;
	char reason[256];

	if (!watch_template(allocators->watch, record->parent_serial))
		return 0;
	watch_seen_by(allocators->watch, record->header.serial, way_name(allocators));
	target = target_of(allocators, record->header.pid);
	if (!target) {
		allocators->profile->partial[allocators->too_early]++;
		target = target_new(allocators, record->header.pid);
		if (!target)
			return -ENOMEM;
	}
	/* The same interpreter, but it may lie elsewhere, and use another allocator. */
	python_inspect(allocators->cache, target->pid, &found);
	if (found.verdict != PYTHON_KNOWN)
		return 0;
	if (target->plan)
		target_verify(allocators, target, &found);
	else if (!plan_make(allocators, &found, target, &plan, reason, sizeof(reason)))
		target_attach(allocators, target, plan);
	target_describe(allocators, target, &found);
	return 0;
}

/* A process that ends, or is to run another program. */
static int on_end(struct allocators *allocators, const struct record_header *header)
{
	struct allocator_target *target = target_of(allocators, header->pid);
	const struct watched_process *process = watch_process(allocators->watch, header->serial);

	if (!target)
		return 0;
	return target_end(allocators, target,
			  process && !process->shares_row ? process->process : PROFILE_NONE,
			  header->serial);
}

/* Its probes stay for what it runs now: files are what they are for. */
static int on_exec(struct allocators *allocators, const struct record_header *header)
{
	struct allocator_target *target = target_of(allocators, header->pid);
	const struct watched_process *process = watch_process(allocators->watch, header->serial);
	int error;

	/* The COMMAND's own exec is what its probes were put in for. */
	if (!target || !header->serial)
		return 0;
	error = allocator_target_finish(allocators, target,
					process && !process->shares_row ? process->process :
									  PROFILE_NONE,
					header->serial, true);
	free(target->python);
	*target = (struct allocator_target){
		.pid = target->pid,
		.plan = target->plan,
		.exec_ns = header->time_ns,
	};
	return error;
}

int allocators_event(struct allocators *allocators, const struct event *event)
{
	switch (event->kind) {
	case RECORD_PROCESS_FORK:
		return on_fork(allocators, event->process);
	case RECORD_PROCESS_FOUND:
		return on_found(allocators, event->process);
	case RECORD_PROCESS_EXEC:
		return on_exec(allocators, event->header);
	case RECORD_PROCESS_EXIT:
		return on_end(allocators, event->header);
	default:
		return 0;
	}
}

void allocators_tick(struct allocators *allocators, uint64_t time_ns)
{
	for (uint32_t i = allocators->target_count; i-- > 0;) {
		struct allocator_target *target = &allocators->targets[i];

		/* It runs something else than a Python: that must not pay. */
		if (target->exec_ns && time_ns > target->exec_ns + EXEC_PATIENCE_NS)
			target_end(allocators, target, PROFILE_NONE, 0);
		else if (target->retry_ns)
			target_retry(allocators, target, time_ns);
	}
}

/* ---- the end ---- */

void allocators_end(struct allocators *allocators)
{
	capture_memory_detach(allocators->capture, allocators->family);
	for (uint32_t i = 0; i < allocators->target_count && has_pools(allocators); i++) {
		struct allocator_target *target = &allocators->targets[i];

		if (target->python)
			pools_report(target->python, &target->pools_end);
	}
}

int allocators_finish(struct allocators *allocators)
{
	const struct profile *profile = allocators->profile;
	int error = 0;

	for (uint32_t i = 0; i < allocators->target_count && !error; i++) {
		struct allocator_target *target = &allocators->targets[i];
		uint32_t process = allocator_process_of(profile, target->pid);

		if (process != PROFILE_NONE && !target->exec_ns)
			error = allocator_target_finish(allocators, target, process,
							profile->processes[process].serial, false);
	}
	return error;
}
