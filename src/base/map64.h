/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uint64_t -> uint64_t, open addressing, never shrinks. Any key is allowed.
 * map64_pair() makes a key of two 32-bit halves. Not thread-safe.
 */
#ifndef PYBPFPROF_BASE_MAP64_H
#define PYBPFPROF_BASE_MAP64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map64;

struct map64 *map64_new(void); /* NULL when out of memory */
void map64_free(struct map64 *map);
bool map64_get(const struct map64 *map, uint64_t key, uint64_t *value); /* false: not there */
/*
 * The slot of `key`, added with value 0 when new (*added tells; may be NULL). The pointer is good
 * until the next map64_slot(). NULL when out of memory.
 */
uint64_t *map64_slot(struct map64 *map, uint64_t key, bool *added);
bool map64_remove(struct map64 *map, uint64_t key);
size_t map64_count(const struct map64 *map);

/* Visits every pair in no order; a non-zero return of `visit` stops and is returned. */
int map64_each(const struct map64 *map, int (*visit)(uint64_t key, uint64_t value, void *arg),
	       void *arg);

static inline uint64_t map64_pair(uint32_t high, uint32_t low)
{
	return (uint64_t)high << 32 | low;
}

#endif
