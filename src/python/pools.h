/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPython's small-block allocator (pymalloc) read from outside: arenas, pools, size classes. The target
 * runs on meanwhile: what changes under the reader's eyes is read again, and counted when it still does.
 */
#ifndef PYBPFPROF_PYTHON_POOLS_H
#define PYBPFPROF_PYTHON_POOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "python/python.h"

enum { POOL_CLASSES = 32 };

struct pool_class {
	uint32_t block_bytes;
	uint64_t pools;
	uint64_t used_blocks;
	uint64_t free_blocks;
};

struct pools {
	uint64_t arena_bytes; /* of one */
	uint64_t pool_bytes;
	uint64_t arenas;
	uint64_t free_pools; /* in arenas, of no class yet or any more */
	uint64_t used_bytes; /* blocks in use, at their class's size */
	struct pool_class classes[POOL_CLASSES];
	uint64_t torn; /* pools whose header made no sense however often it was read */
};

/*
 * 0; or with one plain line in `reason`: -ENOENT: this process has no pymalloc (PYTHONMALLOC=malloc, a
 * build without it); -ENOTSUP: it cannot be found in this build; -EUCLEAN: what it says makes no sense;
 * -ETIMEDOUT: there are too many arenas to read; -ESRCH: the process is gone; -errno. A microsecond
 * for a pool, and what of its first page is swapped out is swapped in.
 */
int pools_read(const struct python_process *python, struct pools *pools, char *reason,
	       size_t reason_size);
/* The same line by that error, for as long as the program lives. */
const char *pools_refusal(int err);

/*
 * Where the arenas lie, so that an mmap() can be told to be one. Up to `capacity` addresses; none where
 * no pymalloc is in use. 0, -errno.
 */
int pools_arenas(const struct python_process *python, uint64_t *addresses, size_t capacity,
		 size_t *count);

/* CPython's allocator tables: raw, mem, obj; each a context and four functions, process addresses. */
enum allocator_domain { ALLOCATOR_RAW, ALLOCATOR_MEM, ALLOCATOR_OBJECT, ALLOCATOR_DOMAINS };

struct allocator_table {
	uint64_t context, malloc, calloc, realloc, free;
};

/* 0, -ENOENT (not found in this build), -errno. */
int allocator_tables_read(const struct python_process *python,
			  struct allocator_table tables[ALLOCATOR_DOMAINS]);

#endif
