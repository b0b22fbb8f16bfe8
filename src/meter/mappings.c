// SPDX-License-Identifier: GPL-2.0-only
/* See mappings.h. Each process has its ranges in an array sorted by address: there are few. */
#include "meter/mappings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/grow.h"
#include "base/map64.h"

enum { PAGE_BYTES = 4096 };

struct range {
	uint64_t start, end; /* end is past it */
	uint32_t site;
	uint32_t flags; /* mmap()'s */
	bool arena;
};

struct address_space {
	uint32_t process;
	struct range *ranges;
	uint32_t count, capacity;
};

struct mappings {
	struct memory *memory;
	struct address_space *spaces;
	uint32_t count, capacity;
	struct map64 *by_process; /* -> index of spaces */
};

struct mappings *mappings_new(struct memory *memory)
{
	struct mappings *mappings = calloc(1, sizeof(*mappings));

	if (!mappings)
		return NULL;
	mappings->memory = memory;
	mappings->by_process = map64_new();
	if (!mappings->by_process) {
		mappings_free(mappings);
		return NULL;
	}
	return mappings;
}

void mappings_free(struct mappings *mappings)
{
	if (!mappings)
		return;
	for (size_t i = 0; i < mappings->count; i++)
		free(mappings->spaces[i].ranges);
	free(mappings->spaces);
	map64_free(mappings->by_process);
	free(mappings);
}

static struct address_space *space_find(const struct mappings *mappings, uint32_t process)
{
	uint64_t index;

	if (!map64_get(mappings->by_process, process, &index))
		return NULL;
	return &mappings->spaces[index];
}

static struct address_space *space_of(struct mappings *mappings, uint32_t process)
{
	struct address_space *space = space_find(mappings, process);
	uint64_t *index;

	if (space)
		return space;
	if (GROW(mappings->spaces, mappings->capacity, mappings->count))
		return NULL;
	index = map64_slot(mappings->by_process, process, NULL);
	if (!index)
		return NULL;
	*index = mappings->count;
	space = &mappings->spaces[mappings->count++];
	*space = (struct address_space){ .process = process };
	return space;
}

/* The first range that ends behind `address`. */
static size_t range_index(const struct address_space *space, uint64_t address)
{
	size_t low = 0, high = space->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (space->ranges[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int range_insert(struct address_space *space, size_t at, const struct range *range)
{
	if (GROW(space->ranges, space->capacity, space->count))
		return -ENOMEM;
	memmove(&space->ranges[at + 1], &space->ranges[at],
		(space->count - at) * sizeof(*space->ranges));
	space->ranges[at] = *range;
	space->count++;
	return 0;
}

static void range_remove(struct address_space *space, size_t at)
{
	memmove(&space->ranges[at], &space->ranges[at + 1],
		(space->count - at - 1) * sizeof(*space->ranges));
	space->count--;
}

/* Takes [start, end) out of whatever is there. */
static int space_cut(struct address_space *space, uint64_t start, uint64_t end)
{
	size_t at = range_index(space, start);

	if (start >= end) /* nothing, which would cut a range in two */
		return 0;
	while (at < space->count && space->ranges[at].start < end) {
		struct range *range = &space->ranges[at];

		if (range->start < start && range->end > end) {
			struct range rest = *range;

			rest.start = end;
			range->end = start;
			return range_insert(space, at + 1, &rest);
		}
		if (range->start < start) {
			range->end = start;
			at++;
		} else if (range->end > end) {
			range->start = end;
			at++;
		} else {
			range_remove(space, at);
		}
	}
	return 0;
}

/* A forged size must not wrap. */
static uint64_t range_end(uint64_t address, uint64_t size)
{
	const uint64_t last = UINT64_MAX - PAGE_BYTES;

	if (address > last || size > last - address)
		return last;
	return (address + size + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
}

int mappings_mapped(struct mappings *mappings, uint32_t process, uint32_t site, uint64_t address,
		    uint64_t size, uint32_t flags)
{
	struct address_space *space = space_of(mappings, process);
	struct range range = {
		.start = address, .end = range_end(address, size), .site = site, .flags = flags
	};
	int error;

	if (!space)
		return -ENOMEM;
	if (range.end <= range.start)
		return 0;
	error = space_cut(space, range.start, range.end);
	return error ? error : range_insert(space, range_index(space, address), &range);
}

int mappings_unmapped(struct mappings *mappings, uint32_t process, uint64_t address, uint64_t size)
{
	struct address_space *space = space_find(mappings, process);

	return space ? space_cut(space, address, range_end(address, size)) : 0;
}

void mappings_arenas(struct mappings *mappings, uint32_t process, const uint64_t *addresses,
		     size_t count)
{
	struct address_space *space = space_find(mappings, process);

	for (size_t i = 0; space && i < count; i++) {
		size_t at = range_index(space, addresses[i]);

		if (at < space->count && space->ranges[at].start == addresses[i])
			space->ranges[at].arena = true;
	}
}

void mappings_arenas_like(struct mappings *mappings, uint32_t process, uint64_t arena_bytes)
{
	struct address_space *space = space_find(mappings, process);

	for (uint32_t i = 0; space && i < space->count; i++) {
		struct range *range = &space->ranges[i];

		if (range->flags == (MAP_PRIVATE | MAP_ANONYMOUS) &&
		    range->end - range->start == arena_bytes)
			range->arena = true;
	}
}

uint64_t mappings_bytes(const struct mappings *mappings, uint32_t process)
{
	const struct address_space *space = space_find(mappings, process);
	uint64_t bytes = 0;

	for (size_t i = 0; space && i < space->count; i++) {
		if (!space->ranges[i].arena)
			bytes += space->ranges[i].end - space->ranges[i].start;
	}
	return bytes;
}

static void space_count(const struct mappings *mappings, const struct address_space *space)
{
	for (uint32_t i = 0; i < space->count; i++) {
		const struct range *range = &space->ranges[i];
		enum memory_view view = range->arena ? MEMORY_VIEW_ARENAS : MEMORY_VIEW_MAPPED;
		struct memory_amount *amount = &mappings->memory->sites[range->site].amounts[view];

		amount->blocks++;
		amount->bytes += range->end - range->start;
	}
}

void mappings_end(struct mappings *mappings, uint32_t process)
{
	struct address_space *space = space_find(mappings, process);
	uint64_t *index;

	if (!space)
		return;
	space_count(mappings, space);
	free(space->ranges);
	*space = mappings->spaces[--mappings->count];
	/* The last one takes its place; it is there, so that no slot is made. */
	index = map64_slot(mappings->by_process, space->process, NULL);
	if (index)
		*index = space - mappings->spaces;
	map64_remove(mappings->by_process, process);
}

void mappings_finish(struct mappings *mappings)
{
	for (uint32_t i = 0; i < mappings->count; i++)
		space_count(mappings, &mappings->spaces[i]);
}
