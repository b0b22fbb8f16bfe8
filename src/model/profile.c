// SPDX-License-Identifier: GPL-2.0-only
/*
 * The profile's arrays and how equal things are found in them. Every array doubles; what is found
 * by a key of two ids lies in a map64, what has a longer key (functions) in a chain behind its hash.
 */
#include "model/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "model/collections.h"
#include "model/drops.h"
#include "model/lifetimes.h"
#include "model/memory.h"

/* How equal things are found, and how much room each array has. */
struct profile_index {
	struct map64 *functions; /* hash -> the newest function of that hash */
	uint32_t *function_next; /* the older one of the same hash, or PROFILE_NONE */
	struct map64 *frames;	 /* function, line */
	struct map64 *stacks;	 /* parent, frame */
	struct map64 *processes; /* serial, pid */
	struct map64 *threads;	 /* process, tid */
	struct map64 *sums;	 /* thread, stack */
	uint32_t function_capacity;
	uint32_t function_next_capacity;
	uint32_t frame_capacity;
	uint32_t stack_capacity;
	uint32_t process_capacity;
	uint32_t thread_capacity;
	uint32_t sum_capacity;
};

static void profile_index_free(struct profile_index *index)
{
	if (!index)
		return;
	map64_free(index->functions);
	map64_free(index->frames);
	map64_free(index->stacks);
	map64_free(index->processes);
	map64_free(index->threads);
	map64_free(index->sums);
	free(index->function_next);
	free(index);
}

static struct profile_index *profile_index_new(void)
{
	struct profile_index *index = calloc(1, sizeof(*index));

	if (!index)
		return NULL;
	index->functions = map64_new();
	index->frames = map64_new();
	index->stacks = map64_new();
	index->processes = map64_new();
	index->threads = map64_new();
	index->sums = map64_new();
	if (!index->functions || !index->frames || !index->stacks || !index->processes ||
	    !index->threads || !index->sums)
		goto fail;
	return index;

fail:
	profile_index_free(index);
	return NULL;
}

struct profile *profile_new(const char *mode, enum profile_unit unit)
{
	struct profile *profile = calloc(1, sizeof(*profile));

	if (!profile)
		return NULL;
	profile->unit = unit;
	profile->strings = intern_new();
	profile->index = profile_index_new();
	if (!profile->strings || !profile->index)
		goto fail;
	profile->mode = profile_string(profile, mode);
	if (profile->mode == PROFILE_NONE ||
	    GROW(profile->stacks, profile->index->stack_capacity, 0))
		goto fail;
	profile->stacks[0] = (struct profile_stack){ 0, PROFILE_NONE, 0 };
	profile->stack_count = 1;
	return profile;

fail:
	profile_free(profile);
	return NULL;
}

void profile_free(struct profile *profile)
{
	if (!profile)
		return;
	intern_free(profile->strings);
	profile_index_free(profile->index);
	free(profile->functions);
	free(profile->frames);
	free(profile->stacks);
	free(profile->processes);
	free(profile->threads);
	free(profile->sums);
	for (int part = 0; part < PART_COUNT; part++)
		free(profile->answers[part].sums);
	calls_free(profile->calls);
	memory_free(profile->memory);
	collections_free(profile->collections);
	lifetimes_free(profile->lifetimes);
	free(profile);
}

uint32_t profile_string(struct profile *profile, const char *string)
{
	return intern_string(profile->strings, string);
}

const char *profile_text(const struct profile *profile, uint32_t string)
{
	return intern_get(profile->strings, string);
}

static uint64_t profile_mix(uint64_t hash, uint32_t value)
{
	hash = (hash ^ value) * 0x9fb21c651e98df25ull;
	return hash ^ hash >> 31;
}

static uint64_t profile_function_hash(const struct profile_function *function)
{
	uint64_t hash = profile_mix(0, function->name);

	hash = profile_mix(hash, function->class_name);
	hash = profile_mix(hash, function->module);
	hash = profile_mix(hash, function->file);
	hash = profile_mix(hash, function->line);
	return profile_mix(hash, function->kind);
}

static bool profile_function_equal(const struct profile_function *one,
				   const struct profile_function *other)
{
	return one->name == other->name && one->class_name == other->class_name &&
	       one->module == other->module && one->file == other->file &&
	       one->line == other->line && one->kind == other->kind;
}

uint32_t profile_add_function(struct profile *profile, const struct profile_function *function)
{
	struct profile_index *index = profile->index;
	uint64_t hash = profile_function_hash(function);
	uint64_t newest = PROFILE_NONE, *slot;
	uint32_t id;

	map64_get(index->functions, hash, &newest);
	for (id = newest; id != PROFILE_NONE; id = index->function_next[id]) {
		if (profile_function_equal(&profile->functions[id], function))
			return id;
	}
	id = profile->function_count;
	if (GROW(profile->functions, index->function_capacity, id) ||
	    GROW(index->function_next, index->function_next_capacity, id))
		return PROFILE_NONE;
	slot = map64_slot(index->functions, hash, NULL);
	if (!slot)
		return PROFILE_NONE;
	index->function_next[id] = newest;
	profile->functions[id] = *function;
	profile->function_count++;
	*slot = id;
	return id;
}

/*
 * The id under the key, or the slot for a new one in *slot. The array must have room already: a
 * slot once made must get its id.
 */
static uint32_t profile_find(struct map64 *map, uint64_t key, uint64_t **slot)
{
	bool added;

	*slot = map64_slot(map, key, &added);
	if (!*slot)
		return PROFILE_NONE;
	if (added)
		return PROFILE_NONE;
	return **slot;
}

uint32_t profile_add_frame(struct profile *profile, uint32_t function, int32_t line)
{
	uint32_t id = profile->frame_count, known;
	uint64_t *slot;

	if (GROW(profile->frames, profile->index->frame_capacity, id))
		return PROFILE_NONE;
	known = profile_find(profile->index->frames, map64_pair(function, line), &slot);
	if (known != PROFILE_NONE || !slot)
		return known;
	profile->frames[id] = (struct profile_frame){ function, line };
	profile->frame_count++;
	*slot = id;
	return id;
}

uint32_t profile_add_stack(struct profile *profile, uint32_t parent, uint32_t frame)
{
	uint32_t id = profile->stack_count, known;
	uint64_t *slot;

	if (GROW(profile->stacks, profile->index->stack_capacity, id))
		return PROFILE_NONE;
	known = profile_find(profile->index->stacks, map64_pair(parent, frame), &slot);
	if (known != PROFILE_NONE || !slot)
		return known;
	profile->stacks[id] =
		(struct profile_stack){ parent, frame, profile->stacks[parent].depth + 1 };
	profile->stack_count++;
	*slot = id;
	return id;
}

uint32_t profile_add_process(struct profile *profile, uint32_t serial, uint32_t pid)
{
	uint32_t id = profile->process_count, known;
	uint64_t *slot;

	if (GROW(profile->processes, profile->index->process_capacity, id))
		return PROFILE_NONE;
	/* Processes that are no Python all have serial 0: the pid tells those apart. */
	known = profile_find(profile->index->processes, map64_pair(serial, serial ? 0 : pid),
			     &slot);
	if (known != PROFILE_NONE || !slot)
		return known;
	profile->processes[id] = (struct profile_process){ .pid = pid, .serial = serial };
	profile->process_count++;
	*slot = id;
	return id;
}

uint32_t profile_add_thread(struct profile *profile, uint32_t process, uint32_t tid)
{
	uint32_t id = profile->thread_count, known;
	uint64_t *slot;

	if (GROW(profile->threads, profile->index->thread_capacity, id))
		return PROFILE_NONE;
	known = profile_find(profile->index->threads, map64_pair(process, tid), &slot);
	if (known != PROFILE_NONE || !slot)
		return known;
	profile->threads[id] = (struct profile_thread){ .process = process, .tid = tid };
	profile->thread_count++;
	*slot = id;
	return id;
}

int profile_add_sample(struct profile *profile, uint32_t thread, uint32_t stack, uint64_t samples,
		       uint64_t value)
{
	uint32_t id = profile->sum_count, known;
	uint64_t *slot;

	if (GROW(profile->sums, profile->index->sum_capacity, id))
		return -ENOMEM;
	known = profile_find(profile->index->sums, map64_pair(thread, stack), &slot);
	if (!slot)
		return -ENOMEM;
	if (known == PROFILE_NONE) {
		profile->sums[id] = (struct profile_sum){ .thread = thread, .stack = stack };
		profile->sum_count++;
		*slot = id;
		known = id;
	}
	profile->sums[known].samples += samples;
	profile->sums[known].value += value;
	profile->sample_count += samples;
	return 0;
}

int profile_replace_sums(struct profile *profile, uint32_t count)
{
	struct map64 *sums = map64_new();
	uint64_t samples = 0;

	if (!sums)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		const struct profile_sum *sum = &profile->sums[i];
		uint64_t *slot = map64_slot(sums, map64_pair(sum->thread, sum->stack), NULL);

		if (!slot)
			goto fail;
		*slot = i;
		samples += sum->samples;
	}
	map64_free(profile->index->sums);
	profile->index->sums = sums;
	profile->sum_count = count;
	profile->sample_count = samples;
	return 0;

fail:
	map64_free(sums);
	return -ENOMEM;
}

struct profile_sum *profile_take_sums(struct profile *profile)
{
	struct profile_sum *sums = profile->sums ? profile->sums : calloc(1, sizeof(*sums));

	if (!sums || profile_replace_sums(profile, 0)) {
		if (!profile->sums)
			free(sums);
		return NULL;
	}
	profile->sums = NULL;
	profile->index->sum_capacity = 0;
	return sums;
}

uint64_t profile_lost_total(const struct profile *profile)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < DROP_COUNT; i++)
		total += drop_is_lost(i) ? profile->lost[i] : 0;
	return total;
}

uint64_t profile_partial_total(const struct profile *profile)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < DROP_COUNT; i++)
		total += drop_is_lost(i) ? 0 : profile->partial[i];
	return total;
}
