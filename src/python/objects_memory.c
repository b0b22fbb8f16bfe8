// SPDX-License-Identifier: GPL-2.0-only
/*
 * See objects_memory.h. Windows are 64 KiB: four pools of CPython 3.10+, big enough that a read costs
 * more than its system call, small enough that a stray pointer costs little. Sets of four, the least
 * recently used goes.
 */
#include "python/objects_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proc/maps.h"
#include "proc/memory.h"

enum {
	PAGE_BITS = 12,
	PAGE_BYTES = 1 << PAGE_BITS,
	WINDOW_BITS = 16,
	WINDOW_BYTES = 1 << WINDOW_BITS,
	WINDOW_PAGES = WINDOW_BYTES / PAGE_BYTES,
	WAYS = 4,
	SETS_LEAST = 16,
	/* Mappings come and go: they are read again, but a forged heap must not make us do it for ever. */
	MAPS_READS_MAX = 64,
	MISSES_BEFORE_MAPS = 256,
};

struct window {
	uint64_t number; /* address >> WINDOW_BITS; of an empty one, NO_WINDOW */
	uint64_t used;	 /* when, by the clock of reads */
	uint32_t valid;	 /* a bit for each page that could be read */
	uint8_t *bytes;	 /* owned; NULL until first needed */
};

static const uint64_t NO_WINDOW = UINT64_MAX;

struct objects_memory {
	pid_t pid;
	int error;
	struct maps maps;
	unsigned int maps_reads, misses;
	struct window *windows; /* set_count * WAYS */
	uint64_t set_mask;
	uint64_t clock;
	uint64_t bytes_read;
	uint64_t faults;
	struct window *last; /* what was read last; NULL: none yet */
};

int objects_memory_new(pid_t pid, size_t cache_bytes, struct objects_memory **out)
{
	struct objects_memory *memory = calloc(1, sizeof(*memory));
	uint64_t sets = SETS_LEAST;
	int err = -ENOMEM;

	if (!memory)
		return -ENOMEM;
	memory->pid = pid;
	while (sets * 2 * WAYS * WINDOW_BYTES <= cache_bytes)
		sets *= 2;
	memory->set_mask = sets - 1;
	memory->windows = calloc(sets * WAYS, sizeof(*memory->windows));
	if (!memory->windows)
		goto fail;
	for (uint64_t i = 0; i < sets * WAYS; i++)
		memory->windows[i].number = NO_WINDOW;
	err = maps_read(pid, &memory->maps);
	if (err)
		goto fail;
	*out = memory;
	return 0;
fail:
	objects_memory_free(memory);
	return err;
}

void objects_memory_free(struct objects_memory *memory)
{
	if (!memory)
		return;
	for (uint64_t i = 0; memory->windows && i < (memory->set_mask + 1) * WAYS; i++)
		free(memory->windows[i].bytes);
	free(memory->windows);
	maps_release(&memory->maps);
	free(memory);
}

/* Device memory and the kernel's own pages may be readable, but hold no objects. */
static bool holds_objects(const struct mapping *mapping)
{
	return (mapping->flags & MAPPING_READ) && strcmp(mapping->path, "[vvar]") != 0 &&
	       strncmp(mapping->path, "/dev/", 5) != 0;
}

static void maps_renew(struct objects_memory *memory)
{
	struct maps maps;

	if (memory->maps_reads == MAPS_READS_MAX || ++memory->misses < MISSES_BEFORE_MAPS)
		return;
	memory->misses = 0;
	memory->maps_reads++;
	if (maps_read(memory->pid, &maps))
		return;
	maps_release(&memory->maps);
	memory->maps = maps;
}

static uint32_t page_bits(uint32_t first, uint32_t count)
{
	return (uint32_t)(((1ULL << count) - 1) << first);
}

/* Reads pages [first, first + count) of the window in one go, or else each by itself. */
static void pages_read(struct objects_memory *memory, struct window *window, uint32_t first,
		       uint32_t count)
{
	uint64_t base = window->number << WINDOW_BITS;
	int err =
		memory_read(memory->pid, base + (uint64_t)first * PAGE_BYTES,
			    window->bytes + (size_t)first * PAGE_BYTES, (size_t)count * PAGE_BYTES);

	memory->bytes_read += (uint64_t)count * PAGE_BYTES;
	if (!err)
		window->valid |= page_bits(first, count);
	else if (err == -ESRCH || err == -EPERM)
		memory->error = err;
	else if (count > 1) {
		for (uint32_t i = 0; i < count; i++)
			pages_read(memory, window, first + i, 1);
	}
}

/* Where the window and the mapping overlap, in pages: [*first, *first + *count). */
static bool overlap(const struct mapping *mapping, uint64_t base, uint32_t *first, uint32_t *count)
{
	uint64_t start = mapping->start > base ? mapping->start : base;
	uint64_t end = mapping->end < base + WINDOW_BYTES ? mapping->end : base + WINDOW_BYTES;

	if (start >= end)
		return false;
	*first = (uint32_t)((start - base) >> PAGE_BITS);
	*count = (uint32_t)((end - start) >> PAGE_BITS);
	return true;
}

static void window_read(struct objects_memory *memory, struct window *window)
{
	uint64_t base = window->number << WINDOW_BITS;
	uint32_t first, count, run_first = 0, run_count = 0;
	size_t low = 0, high = memory->maps.count;

	window->valid = 0;
	/* The first mapping that ends behind the window's start. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memory->maps.mappings[middle].end <= base)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < memory->maps.count && memory->maps.mappings[low].start < base + WINDOW_BYTES;
	     low++) {
		if (!holds_objects(&memory->maps.mappings[low]) ||
		    !overlap(&memory->maps.mappings[low], base, &first, &count))
			continue;
		if (run_count && run_first + run_count == first) {
			run_count += count;
			continue;
		}
		if (run_count)
			pages_read(memory, window, run_first, run_count);
		run_first = first;
		run_count = count;
	}
	if (run_count)
		pages_read(memory, window, run_first, run_count);
}

static struct window *window_find(struct objects_memory *memory, uint64_t number)
{
	struct window *set = &memory->windows[(number & memory->set_mask) * WAYS];
	struct window *oldest = set;

	if (memory->last && memory->last->number == number)
		return memory->last;
	memory->clock++;
	for (int i = 0; i < WAYS; i++) {
		if (set[i].number == number) {
			set[i].used = memory->clock;
			memory->last = &set[i];
			return &set[i];
		}
		if (set[i].used < oldest->used)
			oldest = &set[i];
	}
	if (!oldest->bytes)
		oldest->bytes = malloc(WINDOW_BYTES);
	if (!oldest->bytes) {
		memory->error = -ENOMEM;
		return NULL;
	}
	oldest->number = number;
	oldest->used = memory->clock;
	memory->last = oldest;
	window_read(memory, oldest);
	return oldest;
}

/* The part of a read that lies in one window. */
static int part_read(struct objects_memory *memory, uint64_t address, uint8_t *out, size_t bytes)
{
	size_t offset = address & (WINDOW_BYTES - 1);
	uint32_t first = (uint32_t)(offset >> PAGE_BITS);
	uint32_t last = (uint32_t)((offset + bytes - 1) >> PAGE_BITS);
	uint32_t wanted = page_bits(first, last - first + 1);
	struct window *window = window_find(memory, address >> WINDOW_BITS);

	if (!window)
		return memory->error;
	if ((window->valid & wanted) != wanted) {
		/* A new mapping, perhaps; the window is looked at again when the maps were. */
		unsigned int reads = memory->maps_reads;

		maps_renew(memory);
		if (memory->maps_reads != reads)
			window_read(memory, window);
		if ((window->valid & wanted) != wanted) {
			memory->faults++;
			return memory->error ? memory->error : -EFAULT;
		}
	}
	memcpy(out, window->bytes + offset, bytes);
	return 0;
}

int objects_memory_read(struct objects_memory *memory, uint64_t address, void *out, size_t bytes)
{
	uint8_t *to = out;

	if (address + bytes < address || address >> 56)
		return -EFAULT;
	while (bytes) {
		size_t room = WINDOW_BYTES - (address & (WINDOW_BYTES - 1));
		size_t part = bytes < room ? bytes : room;
		int err = part_read(memory, address, to, part);

		if (err)
			return err;
		address += part;
		to += part;
		bytes -= part;
	}
	return 0;
}

uint64_t objects_memory_word(struct objects_memory *memory, uint64_t address)
{
	uint64_t word;

	return objects_memory_read(memory, address, &word, sizeof(word)) ? 0 : word;
}

int objects_memory_string(struct objects_memory *memory, uint64_t address, char *out, size_t size)
{
	size_t length = 0;

	while (length + 1 < size) {
		int err = objects_memory_read(memory, address + length, out + length, 1);

		if (err && length == 0)
			return err;
		if (err || !out[length])
			break;
		length++;
	}
	out[length] = '\0';
	return 0;
}

void objects_memory_forget(struct objects_memory *memory, uint64_t address)
{
	uint64_t number = address >> WINDOW_BITS;
	struct window *set = &memory->windows[(number & memory->set_mask) * WAYS];

	for (int i = 0; i < WAYS; i++) {
		if (set[i].number == number) {
			set[i].number = NO_WINDOW;
			set[i].used = 0;
		}
	}
}

void objects_memory_forget_all(struct objects_memory *memory)
{
	for (uint64_t i = 0; i < (memory->set_mask + 1) * WAYS; i++) {
		memory->windows[i].number = NO_WINDOW;
		memory->windows[i].used = 0;
	}
}

int objects_memory_error(const struct objects_memory *memory)
{
	return memory->error;
}

uint64_t objects_memory_bytes_read(const struct objects_memory *memory)
{
	return memory->bytes_read;
}

uint64_t objects_memory_faults(const struct objects_memory *memory)
{
	return memory->faults;
}
