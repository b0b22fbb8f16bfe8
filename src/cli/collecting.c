// SPDX-License-Identifier: GPL-2.0-only
/*
 * See collecting.h. A collector's counters are read from outside after its process has become a target, so
 * that every collection is in them or in a record, and once more before the probes go.
 */
#include "cli/collecting.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/grow.h"
#include "base/log.h"
#include "cli/collecting_stacks.h"
#include "meter/collections.h"
#include "python/code_death.h"
#include "python/collector.h"

/* A process under watch, from the moment it became a target. */
struct collecting_target {
	pid_t pid;
	uint32_t serial;		   /* 0: not known yet */
	struct python_process *python;	   /* owned */
	const struct collector_plan *plan; /* of the run's plans; NULL: refused */
	uint64_t since_ns;
	bool is_read; /* its counters were, at the start; or need not be */
};

struct collecting {
	const struct config *config;
	struct capture *capture;
	struct watch *watch;
	struct profile *profile;
	struct python_cache *cache;
	struct stacks *stacks;		/* borrowed */
	struct collector_plans *plans;	/* borrowed */
	struct collection_meter *meter; /* from collecting_start() on */
	struct collecting_target *targets;
	uint32_t target_count, target_capacity;
	const struct collector_plan *placed; /* the last plan that was put in place */
	const struct collector_plan *template_plans[ABI_TEMPLATES]; /* NULL: not ours */
	uint64_t start_ns, event_count;
	bool any; /* a target was there whose collections can be seen */
	char refusal[512];
};

static const char *on_target(void *arg, struct python_process *python);
static void on_placed(void *arg, const struct python_process *python);

struct collecting *collecting_new(const struct run_parts *parts)
{
	struct collecting *collecting = calloc(1, sizeof(*collecting));
	struct profile *profile = parts->profile;

	if (!collecting)
		return NULL;
	collecting->config = parts->config;
	collecting->capture = parts->capture;
	collecting->watch = parts->watch;
	collecting->profile = profile;
	collecting->stacks = parts->stacks;
	collecting->plans = parts->collector_plans;
	profile->collections = collections_new();
	collecting->cache = python_cache_new();
	if (!collecting->cache || !profile->collections) {
		collecting_free(collecting);
		return NULL;
	}
	watch_on_target(parts->watch, on_target, on_placed, collecting);
	return collecting;
}

void collecting_free(struct collecting *collecting)
{
	if (!collecting)
		return;
	collection_meter_free(collecting->meter);
	python_cache_free(collecting->cache);
	for (uint32_t i = 0; i < collecting->target_count; i++)
		free(collecting->targets[i].python);
	free(collecting->targets);
	free(collecting);
}

const char *collecting_refusal(const struct collecting *collecting)
{
	return *collecting->refusal ? collecting->refusal : NULL;
}

bool collecting_refused(const struct collecting *collecting)
{
	const struct config *config = collecting->config;

	/* Where all are looked at, another may always have come. */
	return !config->all && !config->cgroup && collecting_refusal(collecting) &&
	       !collecting->any;
}

uint64_t collecting_event_count(const struct collecting *collecting)
{
	return collecting->event_count;
}

int collecting_start(struct collecting *collecting, uint64_t start_ns)
{
	collecting->start_ns = start_ns;
	collecting->meter = collection_meter_new(collecting->profile->collections, start_ns);
	return collecting->meter ? 0 : -ENOMEM;
}

/* ---- plans ---- */

/* Whether the ends of its code objects are seen: then an address seen once needs no second look. */
static bool deaths_see(struct collecting *collecting, const struct python_process *python)
{
	uint64_t offset;

	return !python_code_death_offset(python, &offset) &&
	       !capture_code_deaths_watch(collecting->capture, python->binary_open, offset);
}

/* Others that run the same interpreter are followed from their first collection on. */
static void on_placed(void *arg, const struct python_process *python)
{
	struct collecting *collecting = arg;
	uint32_t index;

	if (!collecting->placed)
		return;
	if (!capture_gc_template(collecting->capture, python, python->target.flags, &index) &&
	    !watch_template_keep(collecting->watch, index, python))
		collecting->template_plans[index] = collecting->placed;
}

static int probes_place(struct collecting *collecting, struct python_process *python,
			const struct collector_plan **plan, char *reason, size_t reason_size)
{
	int error = collector_plans_find(collecting->plans, python, plan, reason, reason_size);

	collecting->placed = NULL;
	if (error)
		return error;
	error = capture_gc_attach(collecting->capture, python, *plan);
	if (error) {
		snprintf(reason, reason_size, "its probes cannot be put in: %s", strerror(-error));
		return error;
	}
	if (deaths_see(collecting, python))
		python->target.flags |= PYTHON_TARGET_DEATHS_SEEN;
	python->target.flags |= PYTHON_TARGET_GC;
	collecting->placed = *plan;
	return 0;
}

int collecting_prepare(struct collecting *collecting, struct python_process *python)
{
	const struct collector_plan *plan;
	char reason[256];
	int error = probes_place(collecting, python, &plan, reason, sizeof(reason));

	if (!error)
		on_placed(collecting, python);
	return error;
}

/* ---- targets ---- */

static struct collecting_target *target_of(struct collecting *collecting, pid_t pid)
{
	for (uint32_t i = 0; i < collecting->target_count; i++) {
		if (collecting->targets[i].pid == pid)
			return &collecting->targets[i];
	}
	return NULL;
}

/* Its row of the profile; PROFILE_NONE: none of its own. */
static uint32_t row_of(const struct collecting *collecting, uint32_t serial)
{
	const struct watched_process *process = watch_process(collecting->watch, serial);

	return process ? process->process : PROFILE_NONE;
}

static int target_row_fill(struct collecting *collecting, const struct collecting_target *target,
			   uint64_t until_ns)
{
	uint32_t row = row_of(collecting, target->serial);
	struct gc_process *process;

	if (row == PROFILE_NONE)
		return 0;
	process = collections_process_of(collecting->profile->collections, row);
	if (!process)
		return -ENOMEM;
	process->watched = true;
	if (target->plan)
		process->incremental |= target->plan->incremental;
	if (until_ns > target->since_ns)
		process->watched_ns += until_ns - target->since_ns;
	return 0;
}

static void target_remove(struct collecting *collecting, struct collecting_target *target)
{
	free(target->python);
	*target = collecting->targets[--collecting->target_count];
}

/* NULL: out of memory. Takes a copy of `python`. */
static struct collecting_target *target_add(struct collecting *collecting,
					    const struct python_process *python, uint32_t serial,
					    const struct collector_plan *plan, uint64_t since_ns)
{
	struct collecting_target *target = target_of(collecting, python->pid);
	struct python_process *copy = malloc(sizeof(*copy));

	if (!copy || (!target && GROW(collecting->targets, collecting->target_capacity,
				      collecting->target_count))) {
		free(copy);
		return NULL;
	}
	*copy = *python;
	/* Its number is used again, and its end was not told. */
	if (target)
		free(target->python);
	else
		target = &collecting->targets[collecting->target_count++];
	*target = (struct collecting_target){
		.pid = python->pid,
		.serial = serial,
		.python = copy,
		.plan = plan,
		.since_ns = since_ns > collecting->start_ns ? since_ns : collecting->start_ns,
	};
	collecting->any = true;
	return target;
}

static const char *on_target(void *arg, struct python_process *python)
{
	struct collecting *collecting = arg;
	const struct collector_plan *plan = NULL;
	char reason[384];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!probes_place(collecting, python, &plan, reason, sizeof(reason))) {
		if (!target_add(collecting, python, 0, plan,
				now.tv_sec * 1000000000ull + now.tv_nsec))
			log_warn("pid %d: out of memory", python->pid);
		return collector_way_name(plan->way);
	}
	snprintf(collecting->refusal, sizeof(collecting->refusal),
		 "pid %d: CPython %s: its collections cannot be seen: %s", python->pid,
		 python->version, reason);
	log_warn("%s", collecting->refusal);
	return NULL;
}

/* The number the kernel side knows it by, once it is a target. */
static bool serial_find(struct collecting *collecting, struct collecting_target *target)
{
	const struct watched_process *process;

	for (uint32_t i = 0; !target->serial; i++) {
		process = watch_process_at(collecting->watch, i);
		if (!process)
			return false;
		if (process->serial && process->pid == target->pid && !process->ended)
			target->serial = process->serial;
	}
	return true;
}

typedef int (*counts_fn)(struct collection_meter *meter, uint32_t serial, uint32_t process,
			 uint64_t collector, const struct gc_counts *counts);

/* False in *done: they could not be read. */
static int counters_read(struct collecting *collecting, const struct collecting_target *target,
			 counts_fn feed, bool *done, bool *disabled)
{
	struct collector_reading readings[COLLECTORS_MAX];
	uint32_t row = row_of(collecting, target->serial);
	size_t count = 0;
	int error = 0;

	*done = false;
	if (row == PROFILE_NONE || collectors_read(target->python, target->plan, readings, &count))
		return 0;
	*disabled = count > 0;
	for (size_t i = 0; i < count && !error; i++) {
		*disabled &= !readings[i].enabled;
		error = feed(collecting->meter, target->serial, row, readings[i].collector,
			     readings[i].counts);
	}
	*done = !error;
	return error;
}

int collecting_tick(struct collecting *collecting)
{
	bool done, disabled;
	int error = 0;

	for (uint32_t i = 0; i < collecting->target_count && !error; i++) {
		struct collecting_target *target = &collecting->targets[i];

		if (target->is_read || !serial_find(collecting, target))
			continue;
		error = counters_read(collecting, target, collection_meter_before, &done,
				      &disabled);
		target->is_read = true;
	}
	return error;
}

/* ---- records ---- */

static int on_gc(struct collecting *collecting, const struct record_gc *record)
{
	uint32_t row = row_of(collecting, record->header.serial), site = UINT32_MAX;
	int error;

	collecting->event_count++;
	if (row == PROFILE_NONE) {
		collecting->profile->lost[DROP_RECORD_MALFORMED]++;
		return 0;
	}
	if (record->start_ns) {
		error = collecting_site(collecting->watch, collecting->stacks, collecting->profile,
					record, &site);
		if (error)
			return error;
	}
	return collection_meter_ended(collecting->meter, record, row, site);
}

/* The child has its parent's interpreter, and what its collectors have counted. */
static int on_fork(struct collecting *collecting, const struct record_process *record)
{
	const struct collecting_target *parent = target_of(collecting, record->parent_pid);
	struct collecting_target *target;
	struct python_process *python;

	if (!parent || !record->header.serial)
		return 0;
	python = malloc(sizeof(*python));
	if (!python)
		return -ENOMEM;
	*python = *parent->python;
	python->pid = record->header.pid;
	target = target_add(collecting, python, record->header.serial, parent->plan,
			    record->header.time_ns);
	free(python);
	if (!target)
		return -ENOMEM;
	target->is_read = true;
	return collection_meter_fork(collecting->meter, record->parent_serial,
				     record->header.serial);
}

static int on_found(struct collecting *collecting, const struct record_process *record)
{
	uint32_t index = record->parent_serial;
	const struct python_process *like = watch_template(collecting->watch, index);
	const struct collector_plan *plan = like ? collecting->template_plans[index] : NULL;
	struct collecting_target *target = NULL;
	struct python_process *found;

	if (!plan)
		return 0;
	found = malloc(sizeof(*found));
	if (found) {
		/* The same interpreter, but it may lie elsewhere. */
		python_inspect(collecting->cache, record->header.pid, found);
		if (found->verdict != PYTHON_KNOWN)
			*found = *like;
		found->pid = record->header.pid;
		target = target_add(collecting, found, record->header.serial, plan,
				    record->header.time_ns);
	}
	free(found);
	if (!target)
		return -ENOMEM;
	/* What it had before its first collection, that one's record tells. */
	target->is_read = true;
	watch_seen_by(collecting->watch, record->header.serial, collector_way_name(plan->way));
	return 0;
}

static int unfinished_count(void *arg, const struct gc_running_key *key,
			    const struct gc_running *running)
{
	struct collecting *collecting = arg;
	uint32_t row = row_of(collecting, key->serial);
	struct gc_process *process;

	(void)running;
	collecting->profile->partial[DROP_GC_UNFINISHED]++;
	if (row == PROFILE_NONE)
		return 0;
	process = collections_process_of(collecting->profile->collections, row);
	if (!process)
		return -ENOMEM;
	process->unfinished++;
	return 0;
}

/* A process that ends, or is to run another program. */
static int on_end(struct collecting *collecting, const struct record_header *header)
{
	struct collecting_target *target = target_of(collecting, header->pid);
	int error = 0;

	if (header->serial)
		error = capture_gc_running_take(collecting->capture, header->serial,
						unfinished_count, collecting);
	/* The COMMAND's own exec is of no target yet. */
	if (error || !target || !header->serial)
		return error;
	target->serial = header->serial;
	error = target_row_fill(collecting, target, header->time_ns);
	target_remove(collecting, target);
	return error;
}

int collecting_event(struct collecting *collecting, const struct event *event)
{
	switch (event->kind) {
	case RECORD_GC:
		return on_gc(collecting, event->gc);
	case RECORD_PROCESS_FORK:
		return on_fork(collecting, event->process);
	case RECORD_PROCESS_FOUND:
		return on_found(collecting, event->process);
	case RECORD_PROCESS_EXEC:
	case RECORD_PROCESS_EXIT:
		return on_end(collecting, event->header);
	default:
		return 0;
	}
}

/* ---- the end ---- */

static int target_end(struct collecting *collecting, const struct collecting_target *target,
		      uint64_t end_ns)
{
	struct gc_process *process;
	bool done = false, disabled = false;
	int error = target_row_fill(collecting, target, end_ns);

	if (!error)
		error = counters_read(collecting, target, collection_meter_after, &done, &disabled);
	if (error || !done)
		return error;
	process = collections_process_of(collecting->profile->collections,
					 row_of(collecting, target->serial));
	process->is_read = true;
	process->disabled = disabled;
	return 0;
}

int collecting_end(struct collecting *collecting, uint64_t end_ns)
{
	int error = collecting_tick(collecting);

	for (uint32_t i = 0; i < collecting->target_count && !error; i++) {
		if (serial_find(collecting, &collecting->targets[i]))
			error = target_end(collecting, &collecting->targets[i], end_ns);
		/* It may be told to have ended yet. */
		collecting->targets[i].since_ns = end_ns;
	}
	return error;
}

/* Losses that were counted where they happened are not to be counted twice. */
static uint64_t known_losses(const struct collecting *collecting)
{
	static const enum drop_reason reasons[] = { DROP_RING_FULL, DROP_SCRATCH_BUSY,
						    DROP_GC_UNREADABLE, DROP_GC_TABLE_FULL };
	struct kernel_stats stats;
	uint64_t sum = 0;

	if (capture_stats(collecting->capture, &stats))
		return 0;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		sum += stats.drops[reasons[i]];
	return sum;
}

int collecting_finish(struct collecting *collecting)
{
	struct profile *profile = collecting->profile;
	uint64_t unseen, too_early, known = known_losses(collecting);
	int error = capture_gc_running_take(collecting->capture, 0, unfinished_count, collecting);

	if (!error)
		error = collection_meter_finish(collecting->meter, &unseen, &too_early);
	if (error)
		return error;
	profile->partial[DROP_GC_TOO_EARLY] += too_early;
	profile->lost[DROP_GC_UNSEEN] += unseen > known ? unseen - known : 0;
	return collections_to_stacks(profile->collections, profile);
}
