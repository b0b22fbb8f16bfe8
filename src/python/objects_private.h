/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files objects_*.c share; private to them. */
#ifndef PYBPFPROF_PYTHON_OBJECTS_PRIVATE_H
#define PYBPFPROF_PYTHON_OBJECTS_PRIVATE_H

#include <string.h>

#include "base/map64.h"
#include "python/objects.h"

struct objects {
	struct python_process python;
	struct objects_layout layout;
	struct layout walk;
	struct objects_memory *memory;
	uint64_t type_type; /* PyType_Type */
	struct object_type *types;
	uint32_t type_count, type_capacity;
	struct map64 *type_indices; /* address -> index + 1; 0: looked like no type */
	uint64_t module_key; /* the str '__module__' that class dicts have as key; 0: unknown */
	uint64_t last_type;  /* the one looked up last, and its index */
	uint32_t last_index;
};

/* A dict's or a class's table of keys. */
struct object_keys {
	uint64_t entries; /* address of the first */
	uint64_t count;	  /* entries in use, holes included */
	uint64_t usable;  /* and free ones behind them */
	uint64_t slots;
	uint64_t index_bytes;
	uint64_t refcount;
	uint32_t words;	   /* of an entry: 3 (hash, key, value) or 2 (key, value) */
	uint32_t key_word; /* which of them is the key; the value is the next */
};

/* 0 or -EUCLEAN. */
int object_keys_read(struct objects *objects, uint64_t address, struct object_keys *keys);
uint64_t object_keys_bytes(const struct objects *objects, const struct object_keys *keys);

/*
 * The type at that address: its index, read when it is new. UINT32_MAX: no type, or out of memory.
 */
uint32_t objects_type_find(struct objects *objects, uint64_t address);
void objects_types_free(struct objects *objects);

/* How many items an object of variable size has; 0 where ob_size is not one. */
uint64_t objects_item_count(struct objects *objects, const struct object *object,
			    const struct object_type *type);
/* Digits of an int, and whether it is negative. */
uint64_t objects_digits(struct objects *objects, uint64_t address, bool *negative);
/* Slots of the interpreter frame of this code object: locals, cells and stack; 0 when unreadable. */
uint64_t objects_frame_slots(struct objects *objects, uint64_t code);

static inline uint64_t objects_word(struct objects *objects, uint64_t address)
{
	return objects_memory_word(objects->memory, address);
}

static inline uint64_t word_in(const void *bytes, size_t offset)
{
	uint64_t word;

	memcpy(&word, (const char *)bytes + offset, sizeof(word));
	return word;
}

#endif
