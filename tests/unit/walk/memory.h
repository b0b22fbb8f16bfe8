/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A made-up process for the walker: a few regions of memory at any address, read through the
 * read_user() that the kernel side's headers ask for. What lies outside is unreadable.
 */
#ifndef PYBPFPROF_TEST_MEMORY_H
#define PYBPFPROF_TEST_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PYTHON_READ_FAKE
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))

struct region {
	uint64_t start;
	uint64_t bytes;
	char *memory;
};

struct memory {
	struct region regions[16];
	unsigned int count;
	unsigned int reads;
};

/* The walker's text has no argument for it: one process at a time is looked at. */
extern struct memory *memory_current;

static inline long read_user(void *to, uint32_t size, uint64_t address)
{
	memory_current->reads++;
	for (unsigned int i = 0; i < memory_current->count; i++) {
		const struct region *region = &memory_current->regions[i];

		if (address < region->start || size > region->bytes ||
		    address - region->start > region->bytes - size)
			continue;
		memcpy(to, region->memory + (address - region->start), size);
		return 0;
	}
	return -14;
}

static inline void memory_put(struct memory *memory, uint64_t address, const void *bytes,
			      size_t size)
{
	for (unsigned int i = 0; i < memory->count; i++) {
		struct region *region = &memory->regions[i];

		if (address >= region->start && address - region->start <= region->bytes - size)
			memcpy(region->memory + (address - region->start), bytes, size);
	}
}

static inline void memory_put64(struct memory *memory, uint64_t address, uint64_t word)
{
	memory_put(memory, address, &word, 8);
}

static inline void memory_put32(struct memory *memory, uint64_t address, uint32_t word)
{
	memory_put(memory, address, &word, 4);
}

#endif
