// SPDX-License-Identifier: GPL-2.0-only
/* Opening a process for a census, and telling an object from other bytes. See objects.h. */
#include "python/objects.h"

#include <errno.h>
#include <stdlib.h>

#include "python/objects_private.h"

int objects_open(const struct python_process *python, size_t cache_bytes, struct objects **out)
{
	struct objects *objects = calloc(1, sizeof(*objects));
	int err;

	if (!objects)
		return -ENOMEM;
	objects->python = *python;
	objects->last_index = UINT32_MAX;
	err = objects_layout_read(python, &objects->layout, &objects->walk);
	if (err)
		goto fail;
	err = -ENOMEM;
	objects->type_indices = map64_new();
	if (!objects->type_indices)
		goto fail;
	err = objects_memory_new(python->pid, cache_bytes, &objects->memory);
	if (err)
		goto fail;
	/* PyCode_Type is known, and its type is PyType_Type, which is its own. */
	objects->type_type = objects_word(objects, python->target.code_type + OBJECT_TYPE);
	err = -EFAULT;
	if (!objects->type_type ||
	    objects_word(objects, objects->type_type + OBJECT_TYPE) != objects->type_type)
		goto fail;
	*out = objects;
	return 0;
fail:
	objects_close(objects);
	return err;
}

void objects_close(struct objects *objects)
{
	if (!objects)
		return;
	objects_types_free(objects);
	map64_free(objects->type_indices);
	objects_memory_free(objects->memory);
	free(objects);
}

struct objects_memory *objects_memory_of(struct objects *objects)
{
	return objects->memory;
}

const struct objects_layout *objects_layout_in(const struct objects *objects)
{
	return &objects->layout;
}

const struct layout *objects_walk_layout(const struct objects *objects)
{
	return &objects->walk;
}

const struct python_process *objects_process(const struct objects *objects)
{
	return &objects->python;
}

/*
 * A free block still has its last object's type, but where the count was, a pointer to the next free one
 * or nothing. Counts are below 2^32; 3.14 and later have an overflow, which is 0, and flags above.
 */
static bool refcount_is_plausible(const struct objects *objects, uint64_t word)
{
	if (objects->layout.minor >= 14)
		return (uint32_t)word != 0 && !(word >> 32 & 0xffff);
	return word != 0 && word <= UINT32_MAX;
}

bool objects_inspect(struct objects *objects, uint64_t address, struct object *out)
{
	uint64_t head[2];
	uint32_t index;

	if (address & 7 || address < 4096 ||
	    objects_memory_read(objects->memory, address, head, sizeof(head)) ||
	    !refcount_is_plausible(objects, head[0]))
		return false;
	if (head[1] == objects->last_type) {
		index = objects->last_index;
	} else {
		index = objects_type_find(objects, head[1]);
		objects->last_type = head[1];
		objects->last_index = index;
	}
	if (index == UINT32_MAX)
		return false;
	out->address = address;
	out->type = index;
	return true;
}

uint32_t objects_type_count(const struct objects *objects)
{
	return objects->type_count;
}

const struct object_type *objects_type_at(const struct objects *objects, uint32_t index)
{
	return index < objects->type_count ? &objects->types[index] : NULL;
}
