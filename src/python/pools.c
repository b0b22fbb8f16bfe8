// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sweeps over the pools of all arenas: 48 bytes of each, a thousand of them in one system call. The
 * contract is in pools.h.
 */
#include "python/pools.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proc/memory.h"
#include "python/pymalloc.h"

_Static_assert((int)POOL_CLASSES == (int)PYMALLOC_CLASSES, "the classes are pymalloc's");

enum {
	BATCH = MEMORY_READ_MANY_MAX,
	REREADS = 3,
	NO_ARENA = UINT32_MAX,
};

struct sweep {
	pid_t pid;
	uint32_t pool_bytes;
	const struct pymalloc_states *states;
	uint32_t state; /* index of the one at hand */
	struct pymalloc_arena *arenas;
	struct pools *pools;
	uint32_t lost;	/* the arena of which no more can be read */
	bool lost_gone; /* because it is gone: all its pools were free */
	size_t count;
	uint64_t addresses[BATCH];
	uint32_t owners[BATCH]; /* index of the arena */
	struct pymalloc_pool headers[BATCH];
};

static void pool_is_torn(struct sweep *sweep)
{
	sweep->pools->torn++;
	sweep->pools->free_pools--;
}

static void pool_take(struct sweep *sweep, size_t index)
{
	struct pymalloc_pool *pool = &sweep->headers[index];
	struct pool_class *class;

	/* Being made, perhaps. */
	for (int i = 0; !pymalloc_pool_is_plausible(pool, sweep->owners[index], sweep->pool_bytes);
	     i++) {
		if (i == REREADS ||
		    memory_read(sweep->pid, sweep->addresses[index], pool, sizeof(*pool))) {
			pool_is_torn(sweep);
			return;
		}
	}
	if (pool->count == 0)
		return;
	class = &sweep->pools->classes[pool->szidx];
	class->pools++;
	class->used_blocks += pool->count;
	class->free_blocks += pymalloc_pool_capacity(pool->szidx, sweep->pool_bytes) - pool->count;
	sweep->pools->free_pools--;
}

/* As it is now, which may be elsewhere. */
static int arena_read_again(const struct sweep *sweep, size_t index, struct pymalloc_arena *arena)
{
	uint64_t arenas;
	int err = memory_read_u64(sweep->pid, sweep->states->states[sweep->state].arenas, &arenas);

	return err ? err :
		     memory_read(sweep->pid, arenas + index * sizeof(*arena), arena,
				 sizeof(*arena));
}

/* Unmapped first, taken off the list then: when the last of its pools is free. */
static bool arena_is_gone(const struct sweep *sweep, uint32_t index)
{
	struct pymalloc_arena now;

	return arena_read_again(sweep, index, &now) ||
	       now.address != sweep->arenas[index].address || now.nfreepools == now.ntotalpools;
}

/* The pool at `index` of the batch cannot be read: nor can the others of its arena. */
static size_t arena_skip(struct sweep *sweep, size_t index)
{
	sweep->lost = sweep->owners[index];
	sweep->lost_gone = arena_is_gone(sweep, sweep->lost);
	for (; index < sweep->count && sweep->owners[index] == sweep->lost; index++) {
		if (!sweep->lost_gone)
			pool_is_torn(sweep);
	}
	return index;
}

static int batch_take(struct sweep *sweep)
{
	size_t at = 0;

	while (at < sweep->count) {
		size_t done;
		int err = memory_read_many(sweep->pid, sweep->addresses + at, sweep->count - at,
					   sizeof(*sweep->headers), sweep->headers + at, &done);

		if (err)
			return err;
		for (size_t end = at + done; at < end; at++)
			pool_take(sweep, at);
		if (at < sweep->count)
			at = arena_skip(sweep, at);
	}
	sweep->count = 0;
	return pymalloc_deadline_passed(sweep->states) ? -ETIMEDOUT : 0;
}

static uint64_t arena_bytes_of(const struct pymalloc_arena *arena, uint32_t pool_bytes)
{
	uint64_t bytes = pool_bytes;

	/* One that is not aligned to pools has one less than would fit. */
	while (bytes < (uint64_t)arena->ntotalpools * pool_bytes)
		bytes *= 2;
	return bytes;
}

/* An arena that makes no sense may be in the making. */
static bool arena_settle(const struct sweep *sweep, size_t index)
{
	struct pymalloc_arena *arena = &sweep->arenas[index];

	for (int i = 0; !pymalloc_arena_is_plausible(arena, sweep->pool_bytes); i++) {
		if (i == REREADS || arena_read_again(sweep, index, arena))
			return false;
	}
	return true;
}

static int arena_sweep(struct sweep *sweep, size_t index)
{
	const struct pymalloc_arena *arena = &sweep->arenas[index];
	struct pools *pools = sweep->pools;
	uint64_t bytes;
	int err = 0;

	if (!arena_settle(sweep, index)) {
		pools->torn += arena->address != 0;
		return 0;
	}
	bytes = arena_bytes_of(arena, sweep->pool_bytes);
	if (pools->arena_bytes < bytes)
		pools->arena_bytes = bytes;
	pools->arenas++;
	pools->free_pools += arena->ntotalpools;
	for (uint64_t pool = pymalloc_arena_start(arena, sweep->pool_bytes);
	     pool < arena->pool_address && !err; pool += sweep->pool_bytes) {
		if (sweep->lost == index) {
			if (!sweep->lost_gone)
				pool_is_torn(sweep);
			continue;
		}
		sweep->addresses[sweep->count] = pool;
		sweep->owners[sweep->count++] = (uint32_t)index;
		if (sweep->count == BATCH)
			err = batch_take(sweep);
	}
	return err;
}

static int state_sweep(struct sweep *sweep, uint32_t state)
{
	struct pymalloc_arena *arenas;
	size_t count;
	int err = pymalloc_arenas_read(sweep->pid, sweep->states, state, &arenas, &count);

	if (err)
		return err;
	sweep->state = state;
	sweep->arenas = arenas;
	sweep->lost = NO_ARENA;
	sweep->count = 0;
	for (size_t i = 0; i < count && !err; i++) {
		if (arenas[i].address)
			err = arena_sweep(sweep, i);
	}
	if (!err)
		err = batch_take(sweep);
	free(arenas);
	return err;
}

/* An interpreter that ended meanwhile took its own allocator along; the main one's is the first. */
static int states_sweep(pid_t pid, const struct pymalloc_states *states, struct pools *pools)
{
	struct sweep *sweep = calloc(1, sizeof(*sweep));
	int err = 0;

	if (!sweep)
		return -ENOMEM;
	sweep->pid = pid;
	sweep->pool_bytes = states->pool_bytes;
	sweep->states = states;
	sweep->pools = pools;
	for (uint32_t i = 0; i < states->count && !err; i++) {
		err = state_sweep(sweep, i);
		if (i > 0 && (err == -EFAULT || err == -EUCLEAN))
			err = 0;
	}
	free(sweep);
	return err;
}

static void classes_finish(struct pools *pools)
{
	for (uint32_t i = 0; i < POOL_CLASSES; i++) {
		struct pool_class *class = &pools->classes[i];

		class->block_bytes = (i + 1) * PYMALLOC_BLOCK_STEP_BYTES;
		pools->used_bytes += class->used_blocks * class->block_bytes;
	}
}

/* More that makes no sense than sense, and it is something else. */
static bool pools_are_plausible(const struct pools *pools)
{
	uint64_t used = 0;

	for (uint32_t i = 0; i < POOL_CLASSES; i++)
		used += pools->classes[i].pools;
	return pools->torn <= used + pools->free_pools;
}

const char *pools_refusal(int err)
{
	switch (err) {
	case -ENOENT:
		return "no pymalloc in use: PYTHONMALLOC=malloc, or a build without it";
	case -ENOTSUP:
		return "where this build keeps pymalloc's arenas could not be found";
	case -ETIMEDOUT:
		return "pymalloc's arenas take too long to read";
	case -EUCLEAN:
		return "pymalloc's arenas make no sense";
	case -ESRCH:
		return "the process ended";
	default:
		return "pymalloc's arenas cannot be read";
	}
}

int pools_read(const struct python_process *python, struct pools *pools, char *reason,
	       size_t reason_size)
{
	struct pymalloc_states states = { 0 };
	struct pools found = { 0 };
	int err = pymalloc_states_find(python, &states);

	found.pool_bytes = states.pool_bytes;
	if (!err)
		err = states_sweep(python->pid, &states, &found);
	pymalloc_states_release(&states);
	if (!err && !pools_are_plausible(&found))
		err = -EUCLEAN;
	if (!err && found.arenas == 0)
		err = -ENOENT;
	if (err) {
		snprintf(reason, reason_size, "%s", pools_refusal(err));
		return err;
	}
	classes_finish(&found);
	*pools = found;
	return 0;
}

int pools_arenas(const struct python_process *python, uint64_t *addresses, size_t capacity,
		 size_t *count)
{
	struct pymalloc_states states = { 0 };
	size_t stored = 0;
	int err = pymalloc_states_find(python, &states);

	for (uint32_t i = 0; i < states.count && !err; i++) {
		struct pymalloc_arena *arenas;
		size_t length;

		err = pymalloc_arenas_read(python->pid, &states, i, &arenas, &length);
		if (err)
			break;
		for (size_t j = 0; j < length && stored < capacity; j++) {
			if (pymalloc_arena_is_plausible(&arenas[j], states.pool_bytes))
				addresses[stored++] = arenas[j].address;
		}
		free(arenas);
	}
	pymalloc_states_release(&states);
	if (err == -ENOENT)
		err = 0;
	if (!err)
		*count = stored;
	return err;
}
