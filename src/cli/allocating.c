// SPDX-License-Identifier: GPL-2.0-only
/*
 * See allocating.h. A stack's number belongs to one thread of one process; the site it stands for is looked
 * up once, so that an event costs two array accesses.
 */
#include "cli/allocating.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/grow.h"
#include "base/map64.h"
#include "cli/allocators.h"
#include "cli/left_blocks.h"
#include "cli/resident.h"
#include "cli/stacks.h"
#include "meter/mappings.h"
#include "meter/memory.h"

enum {
	TICK_NS = 100000000,
	SITE_NONE = UINT32_MAX,
	SMALL_BYTES = 512, /* pymalloc's largest block */
};

struct allocating {
	const struct config *config;
	struct capture *capture;
	struct watch *watch;
	struct profile *profile;
	struct allocators *allocators;
	struct stacks *stacks;	    /* borrowed */
	struct memory_meter *meter; /* from allocating_start() on */
	struct mappings *mappings;
	struct resident *resident;
	struct left_blocks *left;
	uint32_t *sites; /* by stack id: of the memory; SITE_NONE none yet */
	size_t site_count;
	struct map64 *lost_sites; /* serial -> site of what came with no stack, + 1 */
	/* Sites of the memory by process: serial -> 1 + its newest, which leads to the one before. */
	struct map64 *newest_sites;
	uint32_t *sites_before; /* 1 + a site of the same process, 0: it is the first */
	uint32_t before_count, before_capacity;
	uint64_t ticked_ns;
	uint64_t event_count;
	uint64_t small_alive; /* blocks of pymalloc's sizes alive at the end */
};

static int on_left(void *arg, const struct memory_block_key *key, const struct memory_block *block,
		   uint64_t ended_ns);

struct allocating *allocating_new(const struct run_parts *parts)
{
	const struct config *config = parts->config;
	struct profile *profile = parts->profile;
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
	allocating->capture = parts->capture;
	allocating->watch = parts->watch;
	allocating->profile = profile;
	allocating->stacks = parts->stacks;
	allocating->mappings = mappings_new(memory);
	allocating->allocators = allocators_new(parts, allocating->mappings);
	allocating->resident = resident_new(parts->watch, profile, config->resident);
	allocating->left = left_blocks_new(parts->capture, on_left, allocating);
	allocating->lost_sites = map64_new();
	allocating->newest_sites = map64_new();
	if (!allocating->allocators || !allocating->mappings || !allocating->resident ||
	    !allocating->left || !allocating->lost_sites || !allocating->newest_sites) {
		allocating_free(allocating);
		return NULL;
	}
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
	allocators_free(allocating->allocators);
	memory_meter_free(allocating->meter);
	mappings_free(allocating->mappings);
	resident_free(allocating->resident);
	left_blocks_free(allocating->left);
	map64_free(allocating->lost_sites);
	map64_free(allocating->newest_sites);
	free(allocating->sites_before);
	free(allocating->sites);
	free(allocating);
}

const char *allocating_refusal(const struct allocating *allocating)
{
	return allocators_refusal(allocating->allocators);
}

bool allocating_refused(const struct allocating *allocating)
{
	const struct config *config = allocating->config;

	/* Where all are looked at, another may always have come. */
	return !config->all && !config->cgroup && allocating_refusal(allocating) &&
	       !allocators_any(allocating->allocators);
}

int allocating_prepare(struct allocating *allocating, struct python_process *python, pid_t pid)
{
	return allocators_prepare(allocating->allocators, python, pid);
}

uint64_t allocating_event_count(const struct allocating *allocating)
{
	return allocating->event_count;
}

/* ---- stacks ---- */

/* The memory's site, listed as one of its process when new. SITE_NONE: out of memory. */
static uint32_t site_make(struct allocating *allocating, uint32_t serial, uint32_t thread,
			  uint32_t node)
{
	struct memory *memory = allocating->profile->memory;
	uint32_t site = memory_site_of(memory, thread, node);
	uint64_t *newest;

	if (site == SITE_NONE || site < allocating->before_count)
		return site;
	newest = map64_slot(allocating->newest_sites, serial, NULL);
	if (!newest)
		return SITE_NONE;
	/* Those of somebody else in between, which begin no list here. */
	while (allocating->before_count <= site) {
		if (GROW(allocating->sites_before, allocating->before_capacity,
			 allocating->before_count))
			return SITE_NONE;
		allocating->sites_before[allocating->before_count++] = 0;
	}
	allocating->sites_before[site] = *newest;
	*newest = (uint64_t)site + 1;
	return site;
}

static int sites_reach(struct allocating *allocating, uint32_t stack_id)
{
	size_t count = 2 * (size_t)stack_id + 64;
	uint32_t *sites;

	if (stack_id < allocating->site_count)
		return 0;
	sites = reallocarray(allocating->sites, count, sizeof(*sites));
	if (!sites)
		return -ENOMEM;
	for (size_t i = allocating->site_count; i < count; i++)
		sites[i] = SITE_NONE;
	allocating->sites = sites;
	allocating->site_count = count;
	return 0;
}

/* The site that stands for those of a process whose stack was lost. */
static uint32_t lost_site(struct allocating *allocating, uint32_t serial, uint32_t tid)
{
	struct profile *profile = allocating->profile;
	uint64_t *slot = map64_slot(allocating->lost_sites, serial, NULL);
	struct profile_function function = { .kind = FRAME_NOTE };
	uint32_t thread, frame, node, site;

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
	site = site_make(allocating, serial, thread, node);
	if (site != SITE_NONE)
		*slot = (uint64_t)site + 1;
	return site;
}

/* Stacks are told for others as well: one becomes a site when something was allocated there. */
static uint32_t site_of(struct allocating *allocating, uint32_t stack_id, uint32_t serial,
			uint32_t tid)
{
	const struct told_stack *told;

	if (stack_id < allocating->site_count && allocating->sites[stack_id] != SITE_NONE)
		return allocating->sites[stack_id];
	told = stacks_told(allocating->stacks, stack_id);
	if (!told)
		return lost_site(allocating, serial, tid);
	if (sites_reach(allocating, stack_id))
		return SITE_NONE;
	allocating->sites[stack_id] = site_make(allocating, told->serial, told->thread, told->node);
	return allocating->sites[stack_id];
}

/* ---- records ---- */

static int on_memory(struct allocating *allocating, const struct record_memory *record)
{
	const struct record_header *header = &record->header;
	uint32_t site = site_of(allocating, record->stack_id, header->serial, header->tid);
	int error = site == SITE_NONE ? 0 : resident_memory(allocating->resident, record, site);
	const struct memory_free freed = {
		.time_ns = header->time_ns,
		.born_ns = record->born_ns,
		.size = record->size,
		.distance = record->distance,
		.resized = record->resized,
	};

	allocating->event_count++;
	if (site == SITE_NONE) /* of a process that has no row */
		allocating->profile->lost[DROP_RECORD_MALFORMED]++;
	if (error || site == SITE_NONE || !allocating->meter)
		return error;
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

/* What a process has does not outlive it. */
static int on_end(struct allocating *allocating, const struct record_header *header)
{
	const struct profile *profile = allocating->profile;
	const struct memory *memory = profile->memory;
	uint64_t site = 0;
	int error = 0;

	if (!header->serial || !allocating->meter)
		return 0;
	map64_get(allocating->newest_sites, header->serial, &site);
	for (; site && !error; site = allocating->sites_before[site - 1]) {
		const struct profile_thread *thread =
			&profile->threads[memory->sites[site - 1].thread];

		/* Not where many processes share a row: others of them may have the same site. */
		if (profile->processes[thread->process].serial == header->serial)
			error = memory_meter_gone(allocating->meter, site - 1, header->time_ns);
	}
	map64_remove(allocating->newest_sites, header->serial);
	if (!error)
		error = left_blocks_ended(allocating->left, header->serial, header->time_ns);
	return error;
}

int allocating_event(struct allocating *allocating, const struct event *event)
{
	int error = 0;

	switch (event->kind) {
	case RECORD_MEMORY:
		return on_memory(allocating, event->memory);
	case RECORD_PROCESS_EXEC:
	case RECORD_PROCESS_EXIT:
		error = on_end(allocating, event->header);
		break;
	default:
		break;
	}
	if (!error)
		error = allocators_event(allocating->allocators, event);
	return error ? error : resident_event(allocating->resident, event);
}

/* ---- the run ---- */

void allocating_found(struct allocating *allocating)
{
	uint64_t bytes;

	allocators_found(allocating->allocators);
	/* Their sizes as they were; one that cannot be read now is when the first tick comes. */
	resident_tick(allocating->resident, allocating->ticked_ns, &bytes);
}

int allocating_start(struct allocating *allocating, uint64_t start_ns)
{
	allocating->ticked_ns = start_ns - TICK_NS;
	allocating->meter = memory_meter_new(allocating->profile->memory, start_ns);
	return allocating->meter ? 0 : -ENOMEM;
}

int allocating_tick(struct allocating *allocating, uint64_t now_ns)
{
	uint64_t resident_bytes = 0;
	int error;

	if (now_ns - allocating->ticked_ns < TICK_NS)
		return 0;
	allocating->ticked_ns = now_ns;
	allocators_tick(allocating->allocators, now_ns);
	error = left_blocks_tick(allocating->left, now_ns);
	if (!error)
		error = resident_tick(allocating->resident, now_ns, &resident_bytes);
	return error ? error : memory_meter_tick(allocating->meter, now_ns, resident_bytes);
}

void allocating_end(struct allocating *allocating)
{
	allocators_end(allocating->allocators);
}

/* A block that was not freed. ended_ns: when its process ended; 0: it has not. */
static int on_left(void *arg, const struct memory_block_key *key, const struct memory_block *block,
		   uint64_t ended_ns)
{
	struct allocating *allocating = arg;
	uint64_t size = memory_block_size(block);
	uint32_t tid = block->size_tid & ((1u << MEMORY_TID_BITS) - 1);
	uint32_t site = site_of(allocating, block->stack_id, key->serial, tid);

	if (size <= SMALL_BYTES)
		allocating->small_alive++;
	if (site == SITE_NONE) {
		allocating->profile->lost[DROP_RECORD_MALFORMED]++;
		return 0;
	}
	if (ended_ns)
		return memory_meter_left(allocating->meter, site, block->born_ns, size, ended_ns);
	return memory_meter_alive(allocating->meter, site, block->born_ns, size);
}

static int on_block(void *arg, const struct memory_block_key *key, const struct memory_block *block)
{
	struct allocating *allocating = arg;

	return on_left(allocating, key, block, left_blocks_ended_ns(allocating->left, key->serial));
}

/*
 * What the probes saw of small blocks against what pymalloc's own pools say: of all that came and went, how
 * much agrees. Only where one process was watched, since frees of what was there before are counted together.
 */
static void coverage_check(struct allocating *allocating)
{
	struct memory *memory = allocating->profile->memory;
	struct memory_process *process = memory->processes;
	struct kernel_stats stats;
	double change = 0, seen, traffic;

	if (memory->process_count != 1 || process->coverage != MEMORY_COVERAGE_WHOLE ||
	    !process->pools_start.known || !process->pools_end.known ||
	    capture_stats(allocating->capture, &stats))
		return;
	for (int i = 0; i < MEMORY_POOL_CLASSES; i++)
		change += (double)process->pools_end.classes[i].used_blocks -
			  (double)process->pools_start.classes[i].used_blocks;
	seen = (double)allocating->small_alive - (double)stats.unknown_frees;
	traffic = (double)memory->amounts[MEMORY_VIEW_ALLOCATED].blocks +
		  (double)memory->freed.blocks + (double)stats.unknown_frees;
	if (traffic > 0)
		process->coverage_share = fmax(0, 1 - fabs(change - seen) / traffic);
}

int allocating_finish(struct allocating *allocating, uint64_t end_ns)
{
	struct memory *memory = allocating->profile->memory;
	int error;

	memory_meter_end(allocating->meter, end_ns);
	error = capture_memory_blocks(allocating->capture, on_block, allocating);
	if (!error)
		error = allocators_finish(allocating->allocators);
	if (error)
		return error;
	mappings_finish(allocating->mappings);
	resident_finish(allocating->resident);
	error = memory_meter_finish(allocating->meter, end_ns);
	if (error)
		return error;
	coverage_check(allocating);
	error = memory_sum_processes(memory, allocating->profile);
	if (!error)
		error = memory_to_stacks(memory, allocating->profile, memory->view);
	return error;
}
