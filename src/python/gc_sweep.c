// SPDX-License-Identifier: GPL-2.0-only
/*
 * See gc_sweep.h. A free block has lost its way back (`_gc_prev` is cleared when an object leaves its
 * list) and its reference count; both are asked for. Objects/obmalloc.c.
 */
#include "python/gc_sweep.h"

#include <errno.h>
#include <stdlib.h>

#include "python/objects_private.h"
#include "python/pools.h"

enum {
	ARENAS_MAX = 1 << 18,
	POOL_HEADER_BYTES = 48,
	POOL_COUNT = 0,
	POOL_CLASS = 36,
	POOL_NEXT_OFFSET = 40,
	BLOCK_STEP_BYTES = 16,
	FRONT_BYTES = 16, /* dict and weak references, where a type keeps them there */
	DEBUG_BYTES = 16, /* what debug allocators put in front of a block */
	REASON_BYTES = 256,
};

static const uint64_t LINK_MASK = ~3ULL;

struct sweep {
	struct objects *objects;
	uint64_t pool_bytes;
	gc_visit visit;
	void *arg;
};

static bool has_front(const struct objects *objects, const struct object_type *type)
{
	return (objects->layout.minor >= 11 && type->flags & TYPE_MANAGED_DICT) ||
	       (objects->layout.minor >= 12 && type->flags & TYPE_MANAGED_WEAKREF);
}

/* Whether an object that is in a list lies at `address`, with so much in front of its links. */
static bool is_tracked(struct objects *objects, uint64_t address, bool front)
{
	struct object object;
	uint64_t links[2];
	const struct object_type *type;

	if (objects_memory_read(objects->memory, address - GC_HEAD_BYTES, links, sizeof(links)) ||
	    !(links[0] & LINK_MASK) || !(links[1] & LINK_MASK) ||
	    !objects_inspect(objects, address, &object))
		return false;
	type = &objects->types[object.type];
	return type->flags & TYPE_HAVE_GC && has_front(objects, type) == front;
}

static int block_look_at(const struct sweep *sweep, uint64_t block, uint64_t bytes)
{
	uint64_t first = block + GC_HEAD_BYTES + (sweep->objects->python.debug ? DEBUG_BYTES : 0);

	for (int front = 0; front < 2; front++) {
		uint64_t address = first + (front ? FRONT_BYTES : 0);

		if (address + OBJECT_BYTES > block + bytes ||
		    !is_tracked(sweep->objects, address, front))
			continue;
		return sweep->visit(address, 0, 0, sweep->arg);
	}
	return 0;
}

static int pool_look_at(const struct sweep *sweep, uint64_t pool)
{
	uint32_t head[POOL_HEADER_BYTES / sizeof(uint32_t)];
	uint64_t bytes, end;

	if (objects_memory_read(sweep->objects->memory, pool, head, sizeof(head)) ||
	    !head[POOL_COUNT / 4] || head[POOL_CLASS / 4] >= POOL_CLASSES)
		return 0;
	bytes = (head[POOL_CLASS / 4] + 1ull) * BLOCK_STEP_BYTES;
	/* Blocks behind were never handed out. */
	end = head[POOL_NEXT_OFFSET / 4];
	if (end > sweep->pool_bytes)
		return 0;
	for (uint64_t at = POOL_HEADER_BYTES; at + bytes <= end; at += bytes) {
		int err = block_look_at(sweep, pool + at, bytes);

		if (err < 0)
			return err;
	}
	return 0;
}

int gc_sweep(struct objects *objects, gc_visit visit, void *arg)
{
	struct sweep sweep = { .objects = objects, .visit = visit, .arg = arg };
	uint64_t *arenas = calloc(ARENAS_MAX, sizeof(*arenas));
	char reason[REASON_BYTES];
	struct pools pools;
	size_t count = 0;
	int err = -ENOMEM;

	if (!arenas)
		return -ENOMEM;
	err = pools_read(&objects->python, &pools, reason, sizeof(reason));
	if (!err)
		err = pools_arenas(&objects->python, arenas, ARENAS_MAX, &count);
	/* Older than this moment nothing may be: an object that lives all the while is then seen. */
	objects_memory_forget_all(objects->memory);
	for (size_t i = 0; !err && i < count; i++) {
		uint64_t end = arenas[i] + pools.arena_bytes;
		uint64_t pool = (arenas[i] + pools.pool_bytes - 1) & ~(pools.pool_bytes - 1);

		sweep.pool_bytes = pools.pool_bytes;
		for (; !err && pool + pools.pool_bytes <= end; pool += pools.pool_bytes)
			err = pool_look_at(&sweep, pool);
	}
	free(arenas);
	return err;
}
