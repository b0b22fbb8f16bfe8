// SPDX-License-Identifier: GPL-2.0-only
/* The table of keys that dicts, and the instances of a class, have. Objects/dictobject.c, dict-common.h. */
#include <errno.h>

#include "python/objects_private.h"

enum {
	KEYS_READ_BYTES = 40,
	SLOTS_LOG2_AT = 8,
	LOG2_MAX = 40,
	SLOTS_MAX_BYTE = 0xff,
	SLOTS_MAX_SHORT = 0xffff,
	KEYS_USABLE_BACK = 8, /* dk_usable lies before dk_nentries */
};

static const uint64_t SLOTS_MAX_INT = 0xffffffff;

static uint64_t index_bytes_of(uint64_t slots)
{
	if (slots <= SLOTS_MAX_BYTE)
		return slots;
	if (slots <= SLOTS_MAX_SHORT)
		return slots * 2;
	return slots <= SLOTS_MAX_INT ? slots * 4 : slots * 8;
}

int object_keys_read(struct objects *objects, uint64_t address, struct object_keys *keys)
{
	const struct layout *walk = &objects->walk;
	uint8_t head[KEYS_READ_BYTES];

	if (!address || address & 7 ||
	    objects_memory_read(objects->memory, address, head, sizeof(head)))
		return -EUCLEAN;
	keys->count = word_in(head, walk->keys_entry_count);
	keys->usable = word_in(head, walk->keys_entry_count - KEYS_USABLE_BACK);
	keys->refcount = word_in(head, 0);
	keys->words = 3;
	keys->key_word = 1;
	if (walk->keys_size != ABI_NO_OFFSET) {
		keys->slots = word_in(head, walk->keys_size);
		keys->index_bytes = index_bytes_of(keys->slots);
	} else {
		if (head[SLOTS_LOG2_AT] > LOG2_MAX || head[walk->keys_index_log2_bytes] > LOG2_MAX)
			return -EUCLEAN;
		keys->slots = 1ULL << head[SLOTS_LOG2_AT];
		keys->index_bytes = 1ULL << head[walk->keys_index_log2_bytes];
		if (head[walk->keys_kind] != 0) {
			keys->words = 2;
			keys->key_word = 0;
		}
	}
	/* Torn, forged, or no table at all. */
	if (keys->slots > 1ULL << LOG2_MAX || keys->count > keys->slots ||
	    keys->usable > keys->slots)
		return -EUCLEAN;
	keys->entries = address + walk->keys_indices + keys->index_bytes;
	return 0;
}
