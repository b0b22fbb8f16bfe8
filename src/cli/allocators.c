// SPDX-License-Identifier: GPL-2.0-only
/* See allocators.h. */
#include "cli/allocators.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/grow.h"
#include "base/log.h"
#include "cli/pools_report.h"
#include "python/allocator.h"
#include "python/code_death.h"
#include "python/pools.h"

enum { ARENAS_MAX = 1 << 18 };

/* A process whose allocator is watched, living or not. */
struct allocator_target {
	pid_t pid;
	bool ended;
	struct allocator_plan *plan;   /* owned by the plans below; NULL: it is not seen */
	struct python_process *python; /* owned; NULL: not looked at by itself (yet) */
	struct memory_pools pools_start, pools_end;
	uint32_t refusal, note; /* strings of the profile; 0 none */
	enum memory_coverage coverage;
};

struct kept_plan {
	struct allocator_plan plan;
	int fds[ALLOCATOR_FILES];
	size_t fd_count;
};

struct allocators {
	const struct config *config;
	struct capture *capture;
	struct watch *watch;
	struct profile *profile;
	struct python_cache *cache;
	struct kept_plan **plans; /* owned */
	size_t plan_count;
	struct allocator_target *targets;
	uint32_t target_count, target_capacity;
	struct python_process *templates[ABI_TEMPLATES]; /* owned */
	bool found; /* those that were there have been looked at */
	char refusal[512];
};

static const char *on_target(void *arg, struct python_process *python);

struct allocators *allocators_new(const struct config *config, struct capture *capture,
				  struct watch *watch, struct profile *profile)
{
	struct allocators *allocators = calloc(1, sizeof(*allocators));

	if (!allocators)
		return NULL;
	allocators->config = config;
	allocators->capture = capture;
	allocators->watch = watch;
	allocators->profile = profile;
	allocators->cache = python_cache_new();
	if (!allocators->cache) {
		allocators_free(allocators);
		return NULL;
	}
	watch_on_target(watch, on_target, allocators);
	return allocators;
}

static void plan_free(struct kept_plan *kept)
{
	for (size_t i = 0; i < kept->fd_count; i++)
		close(kept->fds[i]);
	free(kept);
}

void allocators_free(struct allocators *allocators)
{
	if (!allocators)
		return;
	python_cache_free(allocators->cache);
	for (size_t i = 0; i < allocators->plan_count; i++)
		plan_free(allocators->plans[i]);
	for (uint32_t i = 0; i < allocators->target_count; i++)
		free(allocators->targets[i].python);
	for (size_t i = 0; i < ABI_TEMPLATES; i++)
		free(allocators->templates[i]);
	free(allocators->plans);
	free(allocators->targets);
	free(allocators);
}

const char *allocators_refusal(const struct allocators *allocators)
{
	return *allocators->refusal ? allocators->refusal : NULL;
}

void allocators_found(struct allocators *allocators)
{
	allocators->found = true;
}

/* ---- probes ---- */

/*
 * A plan outlives the process it was made for, through whose /proc its files were to be opened: they are held
 * open. NULL: out of memory, or a file is gone.
 */
static struct allocator_plan *plan_keep(struct allocators *allocators,
					const struct allocator_plan *plan)
{
	struct kept_plan **plans, *kept;

	plans = reallocarray(allocators->plans, allocators->plan_count + 1,
			     sizeof(struct kept_plan *));
	if (!plans)
		return NULL;
	allocators->plans = plans;
	kept = calloc(1, sizeof(*kept));
	if (!kept)
		return NULL;
	plans[allocators->plan_count++] = kept;
	kept->plan = *plan;
	for (size_t i = 0; i < plan->file_count; i++) {
		int fd = open(plan->files[i].path_open, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return NULL;
		kept->fds[kept->fd_count++] = fd;
		snprintf(kept->plan.files[i].path_open, sizeof(kept->plan.files[i].path_open),
			 "/proc/self/fd/%d", fd);
	}
	return &kept->plan;
}

static struct allocator_target *target_of(struct allocators *allocators, pid_t pid)
{
	for (size_t i = 0; i < allocators->target_count; i++) {
		if (allocators->targets[i].pid == pid && !allocators->targets[i].ended)
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
	int error = capture_memory_attach(allocators->capture, target->pid, plan);

	if (!error)
		target->plan = plan;
	return error;
}

/* Another that runs what `plan` was made for. */
static int target_attach_like(struct allocators *allocators, pid_t pid, struct allocator_plan *plan)
{
	struct allocator_target *target = target_new(allocators, pid);

	return target ? target_attach(allocators, target, plan) : -ENOMEM;
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
	struct allocator_plan plan;
	int error = allocator_plan_make(python, &plan, reason, reason_size);

	if (error)
		return error;
	objects_plan(allocators, python, target, &plan);
	if (*plan.unseen && !target->note)
		target->note = profile_string(allocators->profile, plan.unseen);
	*out = plan_keep(allocators, &plan);
	if (*out)
		return 0;
	snprintf(reason, reason_size, "the files of its allocator cannot be kept open");
	return -ENOMEM;
}

static bool deaths_see(struct allocators *allocators, const struct python_process *python)
{
	uint64_t offset;

	return !python_code_death_offset(python, &offset) &&
	       !capture_code_deaths_watch(allocators->capture, python->binary_open, offset);
}

/* Others that run the same interpreter are targets when they begin to run their program. */
static int template_keep(struct allocators *allocators, const struct python_process *python)
{
	struct python_process *copy = malloc(sizeof(*copy));
	uint32_t flags = PYTHON_TARGET_MEMORY, index;
	int error;

	if (!copy)
		return -ENOMEM;
	if (deaths_see(allocators, python))
		flags |= PYTHON_TARGET_DEATHS_SEEN;
	error = capture_memory_start(allocators->capture, python, flags, &index);
	if (error) {
		free(copy);
		return error;
	}
	*copy = *python;
	allocators->templates[index] = copy;
	return 0;
}

int allocators_prepare(struct allocators *allocators, struct python_process *python, pid_t pid)
{
	struct allocator_target *target = target_new(allocators, pid);
	struct allocator_plan *plan;
	char reason[256];
	int error;

	if (!target)
		return -ENOMEM;
	error = plan_make(allocators, python, target, &plan, reason, sizeof(reason));
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
	return allocators->config->objects ? "object" : "malloc";
}

static void target_describe(struct allocators *allocators, struct allocator_target *target,
			    const struct python_process *python)
{
	if (target->python)
		return;
	target->python = malloc(sizeof(*python));
	if (!target->python)
		return;
	*target->python = *python;
	if (allocators->config->objects)
		pools_report(python, &target->pools_start);
}

static const char *target_refuse(struct allocators *allocators, struct allocator_target *target,
				 const struct python_process *python, const char *reason)
{
	target->refusal = profile_string(allocators->profile, reason);
	snprintf(allocators->refusal, sizeof(allocators->refusal),
		 "pid %d: CPython %s: its allocations cannot be seen: %s", python->pid,
		 python->version, reason);
	log_warn("%s", allocators->refusal);
	return NULL;
}

/* Whether two plans put their probes into the same files at the same places. */
static bool plans_agree(const struct allocator_plan *a, const struct allocator_plan *b)
{
	struct stat left, right;

	if (a->site_count != b->site_count || a->file_count != b->file_count)
		return false;
	for (size_t i = 0; i < a->file_count; i++) {
		if (stat(a->files[i].path_open, &left) || stat(b->files[i].path_open, &right) ||
		    left.st_dev != right.st_dev || left.st_ino != right.st_ino)
			return false;
	}
	for (size_t i = 0; i < a->site_count; i++) {
		if (a->sites[i].file != b->sites[i].file ||
		    a->sites[i].file_offset != b->sites[i].file_offset)
			return false;
	}
	return true;
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

	if (plan_make(allocators, python, target, &plan, reason, sizeof(reason)) ||
	    plans_agree(plan, target->plan))
		return;
	allocators->profile->partial[DROP_MEMORY_TOO_EARLY]++;
	capture_memory_detach_from(allocators->capture, target->pid);
	target_attach(allocators, target, plan);
}

static const char *on_target(void *arg, struct python_process *python)
{
	struct allocators *allocators = arg;
	struct allocator_target *target = target_of(allocators, python->pid);
	struct allocator_plan *plan;
	char reason[256];
	int error;

	python->target.flags |= PYTHON_TARGET_MEMORY;
	if (deaths_see(allocators, python))
		python->target.flags |= PYTHON_TARGET_DEATHS_SEEN;
	if (target) {
		if (!target->python)
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
	if (error)
		return target_refuse(allocators, target, python, reason);
	if (allocators->found)
		allocators->profile->partial[DROP_MEMORY_TOO_EARLY]++;
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
	allocators->profile->partial[DROP_MEMORY_TOO_EARLY]++;
	return 0;
}

static int on_found(struct allocators *allocators, const struct record_process *record)
{
	struct python_process *like = record->parent_serial < ABI_TEMPLATES ?
					      allocators->templates[record->parent_serial] :
					      NULL;
	const struct watched_process *process;
	struct allocator_target *target;
	struct python_process found;
	struct allocator_plan *plan;
	char reason[256];

	if (!like)
		return 0;
	process = watch_found(allocators->watch, record, like);
	if (!process)
		return -ENOMEM;
	allocators->profile->processes[process->process].probes =
		profile_string(allocators->profile, way_name(allocators));
	target = target_of(allocators, record->header.pid);
	if (!target) {
		allocators->profile->partial[DROP_MEMORY_TOO_EARLY]++;
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

static void on_end(struct allocators *allocators, pid_t pid)
{
	struct allocator_target *target = target_of(allocators, pid);

	if (target)
		target->ended = true;
}

int allocators_event(struct allocators *allocators, const struct event *event)
{
	switch (event->kind) {
	case RECORD_PROCESS_FORK:
		return on_fork(allocators, event->process);
	case RECORD_PROCESS_FOUND:
		return on_found(allocators, event->process);
	case RECORD_PROCESS_EXEC:
		/* The COMMAND's own exec is what its probes were put in for. */
		if (event->header->serial)
			on_end(allocators, event->header->pid);
		return 0;
	case RECORD_PROCESS_EXIT:
		on_end(allocators, event->header->pid);
		return 0;
	default:
		return 0;
	}
}

/* ---- the end ---- */

/* The row of the profile for the last process of that number. PROFILE_NONE: it never became a target. */
static uint32_t process_of(const struct allocators *allocators, pid_t pid)
{
	const struct profile *profile = allocators->profile;

	for (uint32_t i = profile->process_count; i-- > 0;) {
		if (profile->processes[i].pid == (uint32_t)pid)
			return i;
	}
	return PROFILE_NONE;
}

/* Which mappings are pymalloc's own: of a process that still lives, by its own list. */
static void arenas_tell(struct mappings *mappings, const struct python_process *python,
			uint32_t serial)
{
	uint64_t *addresses = calloc(ARENAS_MAX, sizeof(*addresses));
	size_t count;

	if (addresses && !pools_arenas(python, addresses, ARENAS_MAX, &count))
		mappings_arenas(mappings, serial, addresses, count);
	free(addresses);
}

/* Of a CPython of that version (Include/internal/pycore_obmalloc.h, Objects/obmalloc.c). */
static uint64_t arena_bytes(const struct allocators *allocators, uint32_t serial)
{
	const struct watched_process *process = watch_process(allocators->watch, serial);

	return process && process->minor < 10 ? 256 << 10 : 1 << 20;
}

static int target_finish(struct allocators *allocators, const struct allocator_target *target,
			 struct mappings *mappings)
{
	uint32_t process = process_of(allocators, target->pid), serial;
	struct memory_process *row;

	if (process == PROFILE_NONE)
		return 0;
	row = memory_process_of(allocators->profile->memory, process);
	if (!row)
		return -ENOMEM;
	serial = allocators->profile->processes[process].serial;
	row->watched = target->plan;
	row->refusal = target->refusal;
	row->note = target->note;
	row->coverage = target->coverage;
	row->coverage_share = -1;
	if (target->plan)
		row->allocator = profile_string(allocators->profile, target->plan->name);
	row->pools_start = target->pools_start;
	row->pools_end = target->pools_end;
	if (!target->ended && target->python)
		arenas_tell(mappings, target->python, serial);
	else
		mappings_arenas_like(mappings, serial, arena_bytes(allocators, serial));
	row->mapped_bytes = mappings_bytes(mappings, serial);
	return 0;
}

void allocators_end(struct allocators *allocators)
{
	capture_memory_detach(allocators->capture);
	for (uint32_t i = 0; i < allocators->target_count && allocators->config->objects; i++) {
		struct allocator_target *target = &allocators->targets[i];

		if (!target->ended && target->python)
			pools_report(target->python, &target->pools_end);
	}
}

int allocators_finish(struct allocators *allocators, struct mappings *mappings)
{
	int error = 0;

	for (uint32_t i = 0; i < allocators->target_count && !error; i++)
		error = target_finish(allocators, &allocators->targets[i], mappings);
	return error;
}
