/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where pymalloc keeps its arenas in a live process, and the structures they are described by:
 * CPython's Objects/obmalloc.c, the same in 3.8 to 3.15. Knows nothing of what is in the pools.
 */
#ifndef PYBPFPROF_PYTHON_PYMALLOC_H
#define PYBPFPROF_PYTHON_PYMALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "python/python.h"

enum { PYMALLOC_CLASSES = 32, PYMALLOC_BLOCK_STEP_BYTES = 16 };

/* struct arena_object */
struct pymalloc_arena {
	uint64_t address;      /* 0: not in use */
	uint64_t pool_address; /* pools from here on were never used */
	uint32_t nfreepools, ntotalpools;
	uint64_t freepools, nextarena, prevarena;
};
_Static_assert(sizeof(struct pymalloc_arena) == 48, "as in obmalloc.c");

/* struct pool_header, at the start of every pool */
struct pymalloc_pool {
	uint32_t count; /* of blocks in use; 0: the pool is free, and szidx out of date */
	uint32_t reserved;
	uint64_t freeblock, nextpool, prevpool;
	uint32_t arenaindex, szidx;
	uint32_t nextoffset, maxnextoffset;
};
_Static_assert(sizeof(struct pymalloc_pool) == 48, "as in obmalloc.c");

/* Addresses of the variables of one allocator; interpreters may have one of their own (3.12+). */
struct pymalloc_state {
	uint64_t arenas;    /* a pointer to an array of arenas */
	uint64_t maxarenas; /* uint32_t, its length */
};

struct pymalloc_states {
	struct pymalloc_state *states;
	uint32_t count, capacity;
	uint32_t pool_bytes;
	/* Reading takes no longer, whatever is forged: work, and time where the machine is busy. */
	uint64_t cpu_deadline_ns, deadline_ns;
};

/*
 * All of a process. 0; -ENOENT: there is no pymalloc in use in it; -ENOTSUP: it cannot be found, or
 * nothing proves that what was found is it; -ESRCH, -EPERM, -ENOMEM. Release what 0 gave.
 */
int pymalloc_states_find(const struct python_process *python, struct pymalloc_states *out);
void pymalloc_states_release(struct pymalloc_states *states);

bool pymalloc_deadline_passed(const struct pymalloc_states *states);

/*
 * A copy of the arenas as they were at one moment, *count of them, to be freed; those with address 0
 * are none. -EUCLEAN: what is there makes no sense; -ETIMEDOUT; -errno of memory_read(), -ENOMEM.
 */
int pymalloc_arenas_read(pid_t pid, const struct pymalloc_states *states, uint32_t index,
			 struct pymalloc_arena **arenas, size_t *count);

/* Whether an arena in use can be one: all its numbers fit each other. */
bool pymalloc_arena_is_plausible(const struct pymalloc_arena *arena, uint32_t pool_bytes);
/* The first pool of an arena. */
uint64_t pymalloc_arena_start(const struct pymalloc_arena *arena, uint32_t pool_bytes);
/* Whether a header that was read in that arena can be a pool's. */
bool pymalloc_pool_is_plausible(const struct pymalloc_pool *pool, size_t arena_index,
				uint32_t pool_bytes);
/* How many blocks a pool of a class has. */
uint32_t pymalloc_pool_capacity(uint32_t size_class, uint32_t pool_bytes);

#endif
