// SPDX-License-Identifier: GPL-2.0-only
/*
 * See allocating.h. A stack's number belongs to one thread of one process; the site it stands for is looked
 * up once, so that an event costs two array accesses.
 */
#include "cli/allocating.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/log.h"
#include "base/map64.h"
#include "cli/stacks.h"
#include "meter/mappings.h"
#include "meter/memory.h"
#include "python/allocator.h"
#include "python/code_death.h"
#include "python/pools.h"
int pools_report(const struct python_process *python, struct memory_pools *out);

enum {
	TICK_NS = 100000000,
	ARENAS_MAX = 1 << 18,
	SITE_NONE = UINT32_MAX,
};

/* A process whose allocator is watched, living or not. */
struct allocating_target {
	pid_t pid;
	bool ended;
	struct allocator_plan *plan;   /* owned by the plans below; NULL: it is not seen */
	struct python_process *python; /* owned; NULL: not looked at by itself (yet) */
	struct memory_pools pools_start;
	uint32_t refusal, note; /* strings of the profile; 0 none */
	enum memory_coverage coverage;
};

struct allocating {
	const struct config *config;
	struct capture *capture;
	struct watch *watch;
	struct profile *profile;
	struct stacks *stacks;
	struct python_cache *cache;
	struct memory_meter *meter; /* from allocating_start() on */
	uint32_t *sites;	    /* by stack id: of the memory; SITE_NONE not told */
	size_t site_count;
	struct mappings *mappings;
	struct map64 *lost_sites;      /* serial -> site of what came with no stack, + 1 */
	struct allocator_plan **plans; /* each different one, owned */
	size_t plan_count;
	struct allocating_target *targets;
	uint32_t target_count, target_capacity;
	struct python_process *templates[ABI_TEMPLATES]; /* owned */
	uint64_t start_ns;
	uint64_t ticked_ns;
	uint64_t event_count;
	bool found; /* those that were there have been looked at */
	char refusal[512];
};

static const char *on_target(void *arg, struct python_process *python);

struct allocating *allocating_new(const struct config *config, struct capture *capture,
				  struct watch *watch, struct profile *profile)
{
	struct allocating *allocating = calloc(1, sizeof(*allocating));
	struct memory *memory = memory_new();

	if (!allocating || !memory)
		goto fail;
	profile->memory = memory;
	memory->resident = config->resident;
	memory->objects = config->objects;
	memory->leaks = config->leaks;
	memory->sample_bytes = config->sample_bytes;
	memory->min_size_bytes = config->min_size_bytes;
	memory->temporary_distance = config->temporary_distance;
	memory->temporary_ns = config->temporary_ns;
	memory->view = config->show;
	allocating->config = config;
	allocating->capture = capture;
	allocating->watch = watch;
	allocating->profile = profile;
	allocating->stacks = stacks_new(watch, profile, config->native);
	allocating->lost_sites = map64_new();
	allocating->cache = python_cache_new();
	allocating->mappings = mappings_new(memory);
	if (!allocating->stacks || !allocating->lost_sites || !allocating->mappings ||
	    !allocating->cache) {
		allocating_free(allocating);
		return NULL;
	}
	watch_on_target(watch, on_target, allocating);
	return allocating;
fail:
	memory_free(memory);
	free(allocating);
	return NULL;
}

void allocating_free(struct allocating *allocating)
{
	if (!allocating)
		return;
	stacks_free(allocating->stacks);
	python_cache_free(allocating->cache);
	memory_meter_free(allocating->meter);
	map64_free(allocating->lost_sites);
	mappings_free(allocating->mappings);
	for (size_t i = 0; i < allocating->plan_count; i++)
		free(allocating->plans[i]);
	for (size_t i = 0; i < ABI_TEMPLATES; i++)
		free(allocating->templates[i]);
	for (size_t i = 0; i < allocating->target_count; i++)
		free(allocating->targets[i].python);
	free(allocating->plans);
	free(allocating->targets);
	free(allocating->sites);
	free(allocating);
}

const char *allocating_refusal(const struct allocating *allocating)
{
	return *allocating->refusal ? allocating->refusal : NULL;
}

uint64_t allocating_event_count(const struct allocating *allocating)
{
	return allocating->event_count;
}

/* ---- probes ---- */

/* Plans are equal where processes share files: kept once. NULL: out of memory. */
static struct allocator_plan *plan_keep(struct allocating *allocating,
					const struct allocator_plan *plan)
{
	struct allocator_plan **plans, *copy;

	plans = reallocarray(allocating->plans, allocating->plan_count + 1,
			     sizeof(struct allocator_plan *));
	if (!plans)
		return NULL;
	allocating->plans = plans;
	copy = malloc(sizeof(*copy));
	if (!copy)
		return NULL;
	*copy = *plan;
	plans[allocating->plan_count++] = copy;
	return copy;
}

static struct allocating_target *target_of(struct allocating *allocating, pid_t pid)
{
	for (size_t i = 0; i < allocating->target_count; i++) {
		if (allocating->targets[i].pid == pid && !allocating->targets[i].ended)
			return &allocating->targets[i];
	}
	return NULL;
}

/* NULL: out of memory. Good until the next one. */
static struct allocating_target *target_new(struct allocating *allocating, pid_t pid)
{
	struct allocating_target *target;

	if (GROW(allocating->targets, allocating->target_capacity, allocating->target_count))
		return NULL;
	target = &allocating->targets[allocating->target_count++];
	*target = (struct allocating_target){ .pid = pid };
	return target;
}

static int target_attach(struct allocating *allocating, struct allocating_target *target,
			 struct allocator_plan *plan)
{
	int error = capture_memory_attach(allocating->capture, target->pid, plan);

	if (!error)
		target->plan = plan;
	return error;
}

/* Another that runs what `plan` was made for. */
static int target_attach_like(struct allocating *allocating, pid_t pid, struct allocator_plan *plan)
{
	struct allocating_target *target = target_new(allocating, pid);

	return target ? target_attach(allocating, target, plan) : -ENOMEM;
}

/* Adds CPython's own allocator to the plan where its functions are called; says what is not seen. */
static void objects_plan(struct allocating *allocating, const struct python_process *python,
			 struct allocating_target *target, struct allocator_plan *plan)
{
	char reason[256];
	bool needed = false;
	int error;

	if (!allocating->config->objects)
		return;
	error = allocator_plan_objects(python, plan, &needed, reason, sizeof(reason));
	if (!error) {
		target->coverage = MEMORY_COVERAGE_WHOLE;
		return;
	}
	target->coverage = error == -ENOTSUP ? MEMORY_COVERAGE_INLINED : MEMORY_COVERAGE_UNKNOWN;
	target->note = profile_string(allocating->profile, reason);
	log_warn("pid %d: single objects are not seen: %s", python->pid, reason);
}

static int plan_make(struct allocating *allocating, const struct python_process *python,
		     struct allocating_target *target, struct allocator_plan **out, char *reason,
		     size_t reason_size)
{
	struct allocator_plan plan;
	int error = allocator_plan_make(python, &plan, reason, reason_size);

	if (error)
		return error;
	objects_plan(allocating, python, target, &plan);
	*out = plan_keep(allocating, &plan);
	if (*out)
		return 0;
	snprintf(reason, reason_size, "out of memory");
	return -ENOMEM;
}

static bool deaths_see(struct allocating *allocating, const struct python_process *python)
{
	uint64_t offset;

	return !python_code_death_offset(python, &offset) &&
	       !capture_code_deaths_watch(allocating->capture, python->binary_open, offset);
}

/* Others that run the same interpreter are targets when they begin to run their program. */
static int template_keep(struct allocating *allocating, const struct python_process *python)
{
	struct python_process *copy = malloc(sizeof(*copy));
	uint32_t flags = PYTHON_TARGET_MEMORY, index;
	int error;

	if (!copy)
		return -ENOMEM;
	if (deaths_see(allocating, python))
		flags |= PYTHON_TARGET_DEATHS_SEEN;
	error = capture_memory_start(allocating->capture, python, flags, &index);
	if (error) {
		free(copy);
		return error;
	}
	*copy = *python;
	allocating->templates[index] = copy;
	return 0;
}

int allocating_prepare(struct allocating *allocating, struct python_process *python, pid_t pid)
{
	struct allocating_target *target = target_new(allocating, pid);
	struct allocator_plan *plan;
	char reason[256];
	int error;

	if (!target)
		return -ENOMEM;
	error = plan_make(allocating, python, target, &plan, reason, sizeof(reason));
	if (!error)
		error = template_keep(allocating, python);
	if (!error)
		error = target_attach(allocating, target, plan);
	if (error)
		allocating->target_count--;
	return error;
}

static const char *way_name(const struct allocating *allocating)
{
	return allocating->config->objects ? "object" : "malloc";
}

static void target_describe(struct allocating *allocating, struct allocating_target *target,
			    const struct python_process *python)
{
	if (target->python)
		return;
	target->python = malloc(sizeof(*python));
	if (!target->python)
		return;
	*target->python = *python;
	if (allocating->config->objects)
		pools_report(python, &target->pools_start);
}

static const char *target_refuse(struct allocating *allocating, struct allocating_target *target,
				 const struct python_process *python, const char *reason)
{
	target->refusal = profile_string(allocating->profile, reason);
	snprintf(allocating->refusal, sizeof(allocating->refusal),
		 "pid %d: CPython %s: its allocations cannot be seen: %s", python->pid,
		 python->version, reason);
	log_warn("%s", allocating->refusal);
	return NULL;
}

static const char *on_target(void *arg, struct python_process *python)
{
	struct allocating *allocating = arg;
	struct allocating_target *target = target_of(allocating, python->pid);
	struct allocator_plan *plan;
	char reason[256];
	int error;

	python->target.flags |= PYTHON_TARGET_MEMORY;
	if (deaths_see(allocating, python))
		python->target.flags |= PYTHON_TARGET_DEATHS_SEEN;
	if (target) {
		target_describe(allocating, target, python);
		return way_name(allocating);
	}
	target = target_new(allocating, python->pid);
	if (!target)
		return NULL;
	error = plan_make(allocating, python, target, &plan, reason, sizeof(reason));
	if (!error) {
		error = target_attach(allocating, target, plan);
		if (error)
			snprintf(reason, sizeof(reason), "its probes cannot be put in: %s",
				 strerror(-error));
	}
	if (error)
		return target_refuse(allocating, target, python, reason);
	if (allocating->found)
		allocating->profile->partial[DROP_MEMORY_TOO_EARLY]++;
	target_describe(allocating, target, python);
	return way_name(allocating);
}

/* ---- stacks ---- */

static uint32_t node_of(struct profile *profile, const struct meter_stack *stack)
{
	uint32_t node = 0;

	for (uint32_t i = stack->count; i-- > 0 && node != PROFILE_NONE;)
		node = profile_add_stack(profile, node, stack->frames[i]);
	return node;
}

static int on_stack(struct allocating *allocating, const struct record_sample *record)
{
	uint32_t thread = watch_thread(allocating->watch, record->header.serial, record->header.tid,
				       record->header.time_ns);
	const struct meter_stack *stack;
	uint32_t node, *sites;
	int error;

	if (thread == PROFILE_NONE) {
		allocating->profile->lost[DROP_RECORD_MALFORMED]++;
		return 0;
	}
	error = stacks_of(allocating->stacks, record, &stack);
	if (error)
		return error;
	if (record->stack_id >= allocating->site_count) {
		size_t count = 2 * (size_t)record->stack_id + 64;

		sites = reallocarray(allocating->sites, count, sizeof(*sites));
		if (!sites)
			return -ENOMEM;
		for (size_t i = allocating->site_count; i < count; i++)
			sites[i] = SITE_NONE;
		allocating->sites = sites;
		allocating->site_count = count;
	}
	node = node_of(allocating->profile, stack);
	if (node == PROFILE_NONE)
		return -ENOMEM;
	allocating->sites[record->stack_id] =
		memory_site_of(allocating->profile->memory, thread, node);
	return allocating->sites[record->stack_id] == UINT32_MAX ? -ENOMEM : 0;
}

/* The site that stands for those of a process whose stack was lost. */
static uint32_t lost_site(struct allocating *allocating, uint32_t serial, uint32_t tid)
{
	struct profile *profile = allocating->profile;
	uint64_t *slot = map64_slot(allocating->lost_sites, serial, NULL);
	struct profile_function function = { .kind = FRAME_NOTE };
	uint32_t thread, frame, node;

	if (!slot)
		return SITE_NONE;
	if (*slot)
		return *slot - 1;
	thread = watch_thread(allocating->watch, serial, tid, 0);
	if (thread == PROFILE_NONE)
		return SITE_NONE;
	function.name = profile_string(profile, "[stack lost]");
	frame = profile_add_frame(profile, profile_add_function(profile, &function), 0);
	node = profile_add_stack(profile, 0, frame);
	*slot = (uint64_t)memory_site_of(profile->memory, thread, node) + 1;
	return *slot - 1;
}

static uint32_t site_of(struct allocating *allocating, uint32_t stack_id, uint32_t serial,
			uint32_t tid)
{
	if (stack_id < allocating->site_count && allocating->sites[stack_id] != SITE_NONE)
		return allocating->sites[stack_id];
	return lost_site(allocating, serial, tid);
}

/* ---- records ---- */

static int on_memory(struct allocating *allocating, const struct record_memory *record)
{
	const struct record_header *header = &record->header;
	uint32_t site = site_of(allocating, record->stack_id, header->serial, header->tid);
	const struct memory_free freed = {
		.time_ns = header->time_ns,
		.born_ns = record->born_ns,
		.size = record->size,
		.distance = record->distance,
		.resized = record->resized,
	};

	allocating->event_count++;
	if (site == SITE_NONE || !allocating->meter)
		return 0;
	switch (record->kind) {
	case MEMORY_ALLOCATED:
		return memory_meter_allocated(allocating->meter, site, header->time_ns,
					      record->born_ns, record->size, record->resized);
	case MEMORY_FREED:
		return memory_meter_freed(allocating->meter, site, &freed);
	case MEMORY_FAILED:
		memory_meter_failed(allocating->meter, site);
		return 0;
	case MEMORY_MAPPED:
		return mappings_mapped(allocating->mappings, header->serial, site, record->address,
				       record->size, record->detail);
	case MEMORY_UNMAPPED:
		return mappings_unmapped(allocating->mappings, header->serial, record->address,
					 record->size);
	default:
		return 0;
	}
}

/* The child has its parent's files at its parent's addresses. */
static int on_fork(struct allocating *allocating, const struct record_process *record)
{
	struct allocating_target *parent = target_of(allocating, record->parent_pid);
	int error;

	if (!parent || !record->header.serial || target_of(allocating, record->header.pid))
		return 0;
	if (!parent->plan)
		return 0;
	error = target_attach_like(allocating, record->header.pid, parent->plan);
	if (error == -ENOMEM)
		return error;
	/* -ESRCH: it has ended already. */
	allocating->profile->partial[DROP_MEMORY_TOO_EARLY]++;
	return 0;
}

static int on_found(struct allocating *allocating, const struct record_process *record)
{
	struct python_process *like = record->parent_serial < ABI_TEMPLATES ?
					      allocating->templates[record->parent_serial] :
					      NULL;
	const struct watched_process *process;
	struct allocating_target *target;
	struct python_process found;
	struct allocator_plan *plan;
	char reason[256];

	if (!like)
		return 0;
	process = watch_found(allocating->watch, record, like);
	if (!process)
		return -ENOMEM;
	allocating->profile->processes[process->process].probes =
		profile_string(allocating->profile, way_name(allocating));
	target = target_of(allocating, record->header.pid);
	if (!target) {
		allocating->profile->partial[DROP_MEMORY_TOO_EARLY]++;
		target = target_new(allocating, record->header.pid);
		if (!target)
			return -ENOMEM;
	}
	/* The same interpreter, but it may lie elsewhere, and use another allocator. */
	python_inspect(allocating->cache, target->pid, &found);
	if (found.verdict != PYTHON_KNOWN)
		return 0;
	if (!target->plan && !plan_make(allocating, &found, target, &plan, reason, sizeof(reason)))
		target_attach(allocating, target, plan);
	target_describe(allocating, target, &found);
	return 0;
}

static void on_end(struct allocating *allocating, pid_t pid)
{
	struct allocating_target *target = target_of(allocating, pid);

	if (target)
		target->ended = true;
}

int allocating_event(struct allocating *allocating, const struct event *event)
{
	switch (event->kind) {
	case RECORD_MEMORY:
		return on_memory(allocating, event->memory);
	case RECORD_MEMORY_STACK:
		return on_stack(allocating, event->sample);
	case RECORD_PROCESS_FORK:
		return on_fork(allocating, event->process);
	case RECORD_PROCESS_FOUND:
		return on_found(allocating, event->process);
	case RECORD_PROCESS_EXEC:
		/* The COMMAND's own exec is what its probes were put in for. */
		if (event->header->serial)
			on_end(allocating, event->header->pid);
		return stacks_event(allocating->stacks, event);
	case RECORD_PROCESS_EXIT:
		on_end(allocating, event->header->pid);
		return stacks_event(allocating->stacks, event);
	default:
		return stacks_event(allocating->stacks, event);
	}
}

/* ---- the run ---- */

void allocating_found(struct allocating *allocating)
{
	allocating->found = true;
}

int allocating_start(struct allocating *allocating, uint64_t start_ns)
{
	allocating->start_ns = start_ns;
	allocating->ticked_ns = start_ns;
	allocating->meter = memory_meter_new(allocating->profile->memory, start_ns);
	return allocating->meter ? 0 : -ENOMEM;
}

int allocating_tick(struct allocating *allocating, uint64_t now_ns)
{
	if (now_ns - allocating->ticked_ns < TICK_NS)
		return 0;
	allocating->ticked_ns = now_ns;
	return memory_meter_tick(allocating->meter, now_ns, 0);
}

static int on_alive(void *arg, const struct memory_block_key *key, const struct memory_block *block)
{
	struct allocating *allocating = arg;
	uint32_t tid = block->size_tid & ((1u << MEMORY_TID_BITS) - 1);
	uint32_t site = site_of(allocating, block->stack_id, key->serial, tid);

	if (site == SITE_NONE)
		return 0;
	return memory_meter_alive(allocating->meter, site, block->born_ns,
				  memory_block_size(block));
}

/* The row of the profile for the last process of that number. PROFILE_NONE: it never became a target. */
static uint32_t process_of(const struct allocating *allocating, pid_t pid)
{
	const struct profile *profile = allocating->profile;

	for (uint32_t i = profile->process_count; i-- > 0;) {
		if (profile->processes[i].pid == (uint32_t)pid)
			return i;
	}
	return PROFILE_NONE;
}

/* Which mappings are pymalloc's own: of a process that still lives, by its own list. */
static void arenas_tell(struct allocating *allocating, const struct python_process *python,
			uint32_t serial)
{
	uint64_t *addresses = calloc(ARENAS_MAX, sizeof(*addresses));
	size_t count;

	if (addresses && !pools_arenas(python, addresses, ARENAS_MAX, &count))
		mappings_arenas(allocating->mappings, serial, addresses, count);
	free(addresses);
}

/* Of a CPython of that version (Include/internal/pycore_obmalloc.h, Objects/obmalloc.c). */
static uint64_t arena_bytes(const struct allocating *allocating, uint32_t serial)
{
	const struct watched_process *process = watch_process(allocating->watch, serial);

	return process && process->minor < 10 ? 256 << 10 : 1 << 20;
}

static int target_finish(struct allocating *allocating, const struct allocating_target *target)
{
	uint32_t process = process_of(allocating, target->pid), serial;
	struct memory_process *row;

	if (process == PROFILE_NONE)
		return 0;
	row = memory_process_of(allocating->profile->memory, process);
	if (!row)
		return -ENOMEM;
	serial = allocating->profile->processes[process].serial;
	row->watched = target->plan;
	row->refusal = target->refusal;
	row->note = target->note;
	row->coverage = target->coverage;
	row->coverage_share = -1;
	if (target->plan)
		row->allocator = profile_string(allocating->profile, target->plan->name);
	row->pools_start = target->pools_start;
	if (!target->ended && target->python) {
		arenas_tell(allocating, target->python, serial);
		if (allocating->config->objects)
			pools_report(target->python, &row->pools_end);
	} else
		mappings_arenas_like(allocating->mappings, serial, arena_bytes(allocating, serial));
	row->mapped_bytes = mappings_bytes(allocating->mappings, serial);
	return 0;
}

int allocating_finish(struct allocating *allocating, uint64_t end_ns)
{
	struct memory *memory = allocating->profile->memory;
	int error = capture_memory_blocks(allocating->capture, on_alive, allocating);

	for (uint32_t i = 0; i < allocating->target_count && !error; i++)
		error = target_finish(allocating, &allocating->targets[i]);
	if (error)
		return error;
	mappings_finish(allocating->mappings);
	error = memory_meter_finish(allocating->meter, end_ns);
	if (!error)
		error = memory_sum_processes(memory, allocating->profile);
	if (!error)
		error = memory_to_stacks(memory, allocating->profile, memory->view);
	return error;
}
