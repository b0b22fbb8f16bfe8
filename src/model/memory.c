// SPDX-License-Identifier: GPL-2.0-only
/* The arrays of struct memory, its timeline, its sums, and how it becomes stacks. */
#include "model/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "model/profile.h"

/* A reading comes some ten times a second: each is a point of its own until there are too many. */
#define MEMORY_FIRST_POINT_NS 50000000ull

struct memory *memory_new(void)
{
	struct memory *memory = calloc(1, sizeof(*memory));

	if (!memory)
		return NULL;
	memory->point_ns = MEMORY_FIRST_POINT_NS;
	memory->site_by_key = map64_new();
	if (!memory->site_by_key)
		goto fail;
	return memory;

fail:
	memory_free(memory);
	return NULL;
}

void memory_free(struct memory *memory)
{
	if (!memory)
		return;
	for (uint32_t i = 0; i < memory->site_count; i++)
		histogram_release(&memory->sites[i].sizes);
	histogram_release(&memory->sizes);
	map64_free(memory->site_by_key);
	free(memory->sites);
	free(memory->processes);
	free(memory);
}

uint32_t memory_site_of(struct memory *memory, uint32_t thread, uint32_t stack)
{
	uint32_t id = memory->site_count;
	uint64_t *slot;

	/* Room first: a slot once made must get its site. */
	if (GROW(memory->sites, memory->site_capacity, id))
		return UINT32_MAX;
	slot = map64_slot(memory->site_by_key, map64_pair(thread, stack), NULL);
	if (!slot)
		return UINT32_MAX;
	if (*slot)
		return *slot - 1;
	memory->sites[id] = (struct memory_site){ .thread = thread, .stack = stack };
	memory->site_count++;
	*slot = memory->site_count;
	return id;
}

struct memory_process *memory_process_of(struct memory *memory, uint32_t process)
{
	while (memory->process_count <= process) {
		if (GROW(memory->processes, memory->process_capacity, memory->process_count))
			return NULL;
		memset(&memory->processes[memory->process_count++], 0, sizeof(*memory->processes));
	}
	return &memory->processes[process];
}

/* ---- the timeline ---- */

static void memory_point_merge(struct memory_point *into, const struct memory_point *later)
{
	into->time_ns = later->time_ns;
	into->live_bytes = later->live_bytes;
	if (later->resident_bytes > into->resident_bytes)
		into->resident_bytes = later->resident_bytes;
	if (later->peak_bytes > into->peak_bytes)
		into->peak_bytes = later->peak_bytes;
}

/* Appends it, or makes it part of the last one if that is of the same span. */
static void memory_point_put(struct memory *memory, const struct memory_point *point)
{
	struct memory_point *next = &memory->points[memory->point_count];

	if (memory->point_count &&
	    point->time_ns / memory->point_ns <= next[-1].time_ns / memory->point_ns) {
		memory_point_merge(&next[-1], point);
		return;
	}
	*next = *point;
	memory->point_count++;
}

void memory_add_point(struct memory *memory, const struct memory_point *point)
{
	while (memory->point_count == MEMORY_POINTS_MAX) {
		memory->point_ns *= 2;
		memory->point_count = 0;
		for (uint32_t i = 0; i < MEMORY_POINTS_MAX; i++)
			memory_point_put(memory, &memory->points[i]);
	}
	memory_point_put(memory, point);
}

/* ---- sums ---- */

static void memory_amount_add(struct memory_amount *into, const struct memory_amount *amount)
{
	into->blocks += amount->blocks;
	into->bytes += amount->bytes;
}

int memory_sum(struct memory *memory)
{
	int err = 0;

	memset(memory->amounts, 0, sizeof(memory->amounts));
	memset(&memory->freed, 0, sizeof(memory->freed));
	memory->resized = 0;
	memory->failed = 0;
	histogram_release(&memory->sizes);
	for (uint32_t i = 0; i < memory->site_count && !err; i++) {
		const struct memory_site *site = &memory->sites[i];

		for (unsigned int view = 0; view < MEMORY_VIEW_COUNT; view++)
			memory_amount_add(&memory->amounts[view], &site->amounts[view]);
		memory_amount_add(&memory->freed, &site->freed);
		memory->resized += site->resized;
		memory->failed += site->failed;
		err = histogram_merge(&memory->sizes, &site->sizes);
	}
	return err;
}

int memory_sum_processes(struct memory *memory, const struct profile *profile)
{
	for (uint32_t i = 0; i < memory->process_count; i++) {
		memset(&memory->processes[i].live, 0, sizeof(struct memory_amount));
		memset(&memory->processes[i].allocated, 0, sizeof(struct memory_amount));
	}
	for (uint32_t i = 0; i < memory->site_count; i++) {
		const struct memory_site *site = &memory->sites[i];
		struct memory_process *process;

		if (site->thread >= profile->thread_count)
			continue;
		process = memory_process_of(memory, profile->threads[site->thread].process);
		if (!process)
			return -ENOMEM;
		memory_amount_add(&process->live, &site->amounts[MEMORY_VIEW_LIVE]);
		memory_amount_add(&process->allocated, &site->amounts[MEMORY_VIEW_ALLOCATED]);
	}
	return 0;
}

int memory_to_stacks(const struct memory *memory, struct profile *profile, enum memory_view view)
{
	int err = profile_replace_sums(profile, 0);

	for (uint32_t i = 0; i < memory->site_count && !err; i++) {
		const struct memory_site *site = &memory->sites[i];
		const struct memory_amount *amount = &site->amounts[view];

		if (amount->blocks || amount->bytes)
			err = profile_add_sample(profile, site->thread, site->stack, amount->blocks,
						 amount->bytes);
	}
	return err;
}

const char *memory_view_name(enum memory_view view)
{
	static const char *const names[MEMORY_VIEW_COUNT] = {
		[MEMORY_VIEW_PEAK] = "peak",	       [MEMORY_VIEW_LIVE] = "live",
		[MEMORY_VIEW_ALLOCATED] = "allocated", [MEMORY_VIEW_TEMPORARY] = "temporary",
		[MEMORY_VIEW_RESIDENT] = "resident",   [MEMORY_VIEW_FAULTED] = "faulted",
		[MEMORY_VIEW_MAPPED] = "mapped",       [MEMORY_VIEW_ARENAS] = "arenas",
	};

	return names[view];
}
