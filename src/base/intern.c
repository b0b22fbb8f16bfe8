// SPDX-License-Identifier: GPL-2.0-only
/*
 * One copy of every string. Bytes lie in blocks that never move, so that a borrowed pointer stays
 * good; the table of ids is open addressing over a 32-bit hash kept with each string.
 */
#include "base/intern.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	INTERN_BLOCK_BYTES = 32 * 1024,
	INTERN_FIRST_SLOTS = 64,
	INTERN_FIRST_STRINGS = 32,
};

struct intern_block {
	struct intern_block *next;
	size_t used;
	size_t size;
	char bytes[];
};

struct intern_entry {
	const char *bytes;
	uint32_t length;
	uint32_t hash;
};

struct intern {
	struct intern_block *blocks; /* the first one is being filled */
	struct intern_entry *entries;
	uint32_t count;
	uint32_t capacity;
	uint32_t *slots; /* id + 1; 0: empty */
	uint32_t slot_count;
};

static uint32_t intern_hash(const char *bytes, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325ull ^ length;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)bytes[i]) * 0x100000001b3ull;
	hash ^= hash >> 32;
	hash *= 0xd6e8feb86659fd93ull;
	return hash >> 32;
}

/* The slot of the string, or the empty slot where it would go. */
static uint32_t intern_find(const struct intern *intern, const char *bytes, size_t length,
			    uint32_t hash)
{
	uint32_t mask = intern->slot_count - 1;
	uint32_t at = hash & mask;

	for (; intern->slots[at]; at = (at + 1) & mask) {
		const struct intern_entry *entry = &intern->entries[intern->slots[at] - 1];

		if (entry->hash == hash && entry->length == length &&
		    !memcmp(entry->bytes, bytes, length))
			break;
	}
	return at;
}

static bool intern_grow_slots(struct intern *intern)
{
	uint32_t slot_count = intern->slot_count ? intern->slot_count * 2 : INTERN_FIRST_SLOTS;
	uint32_t *slots = calloc(slot_count, sizeof(*slots));

	if (!slots)
		return false;
	for (uint32_t id = 0; id < intern->count; id++) {
		uint32_t at = intern->entries[id].hash & (slot_count - 1);

		while (slots[at])
			at = (at + 1) & (slot_count - 1);
		slots[at] = id + 1;
	}
	free(intern->slots);
	intern->slots = slots;
	intern->slot_count = slot_count;
	return true;
}

static bool intern_grow_entries(struct intern *intern)
{
	uint32_t capacity = intern->capacity ? intern->capacity * 2 : INTERN_FIRST_STRINGS;
	struct intern_entry *entries;

	entries = realloc(intern->entries, capacity * sizeof(*entries));
	if (!entries)
		return false;
	intern->entries = entries;
	intern->capacity = capacity;
	return true;
}

static const char *intern_keep(struct intern *intern, const char *bytes, size_t length)
{
	struct intern_block *block = intern->blocks;
	char *kept;

	if (!block || block->size - block->used < length + 1) {
		size_t size = INTERN_BLOCK_BYTES - sizeof(*block);

		if (length + 1 > size)
			size = length + 1;
		block = malloc(sizeof(*block) + size);
		if (!block)
			return NULL;
		*block = (struct intern_block){ .next = intern->blocks, .size = size };
		intern->blocks = block;
	}
	kept = block->bytes + block->used;
	if (length)
		memcpy(kept, bytes, length);
	kept[length] = '\0';
	block->used += length + 1;
	return kept;
}

struct intern *intern_new(void)
{
	struct intern *intern = calloc(1, sizeof(*intern));

	if (!intern)
		return NULL;
	if (intern_add(intern, "", 0) == UINT32_MAX)
		goto fail;
	return intern;

fail:
	intern_free(intern);
	return NULL;
}

void intern_free(struct intern *intern)
{
	struct intern_block *block, *next;

	if (!intern)
		return;
	for (block = intern->blocks; block; block = next) {
		next = block->next;
		free(block);
	}
	free(intern->entries);
	free(intern->slots);
	free(intern);
}

uint32_t intern_add(struct intern *intern, const char *bytes, size_t length)
{
	uint32_t hash = intern_hash(bytes, length);
	const char *kept;
	uint32_t at;

	if (length >= UINT32_MAX)
		return UINT32_MAX;
	if (intern->slot_count) {
		at = intern_find(intern, bytes, length, hash);
		if (intern->slots[at])
			return intern->slots[at] - 1;
	}
	if (intern->count >= UINT32_MAX / 4)
		return UINT32_MAX;
	if (intern->count == intern->capacity && !intern_grow_entries(intern))
		return UINT32_MAX;
	if ((intern->count + 1) * 2 > intern->slot_count && !intern_grow_slots(intern))
		return UINT32_MAX;
	kept = intern_keep(intern, bytes, length);
	if (!kept)
		return UINT32_MAX;
	at = intern_find(intern, bytes, length, hash);
	intern->entries[intern->count] = (struct intern_entry){ kept, length, hash };
	intern->slots[at] = ++intern->count;
	return intern->count - 1;
}

uint32_t intern_string(struct intern *intern, const char *string)
{
	return string ? intern_add(intern, string, strlen(string)) : 0;
}

const char *intern_get(const struct intern *intern, uint32_t id)
{
	return id < intern->count ? intern->entries[id].bytes : "";
}

size_t intern_length(const struct intern *intern, uint32_t id)
{
	return id < intern->count ? intern->entries[id].length : 0;
}

uint32_t intern_count(const struct intern *intern)
{
	return intern->count;
}
