// SPDX-License-Identifier: GPL-2.0-only
/*
 * The open-addressing map. Linear probing at a load of at most 3/4; removal shifts the run behind
 * it back, so that no tombstones pile up in maps that live as long as the host does.
 */
#include "base/map64.h"

#include <stdlib.h>

enum { MAP64_FIRST_SLOTS = 16 };

struct map64_entry {
	uint64_t key;
	uint64_t value;
};

struct map64 {
	struct map64_entry *entries;
	uint8_t *used; /* one byte each: a key may have any value, so it cannot mark the empty */
	size_t slot_count; /* a power of two, or 0 */
	size_t count;
};

/* Keys are ids and addresses, regular in their low bits: mix them well. */
static uint64_t map64_hash(uint64_t key)
{
	key ^= key >> 32;
	key *= 0x9fb21c651e98df25ull;
	key ^= key >> 29;
	key *= 0xd6e8feb86659fd93ull;
	return key ^ key >> 32;
}

struct map64 *map64_new(void)
{
	return calloc(1, sizeof(struct map64));
}

void map64_free(struct map64 *map)
{
	if (!map)
		return;
	free(map->entries);
	free(map->used);
	free(map);
}

/* Where `key` is, or the empty slot where it would go. There is always an empty slot. */
static size_t map64_find(const struct map64 *map, uint64_t key)
{
	size_t mask = map->slot_count - 1;
	size_t at = map64_hash(key) & mask;

	while (map->used[at] && map->entries[at].key != key)
		at = (at + 1) & mask;
	return at;
}

static int map64_grow(struct map64 *map)
{
	struct map64 grown = { .slot_count = MAP64_FIRST_SLOTS, .count = map->count };

	if (map->slot_count)
		grown.slot_count = map->slot_count * 2;
	grown.entries = calloc(grown.slot_count, sizeof(*grown.entries));
	grown.used = calloc(grown.slot_count, 1);
	if (!grown.entries || !grown.used)
		goto fail;
	for (size_t i = 0; i < map->slot_count; i++) {
		size_t at;

		if (!map->used[i])
			continue;
		at = map64_find(&grown, map->entries[i].key);
		grown.entries[at] = map->entries[i];
		grown.used[at] = 1;
	}
	free(map->entries);
	free(map->used);
	*map = grown;
	return 0;

fail:
	free(grown.entries);
	free(grown.used);
	return -1;
}

bool map64_get(const struct map64 *map, uint64_t key, uint64_t *value)
{
	size_t at;

	if (!map->count)
		return false;
	at = map64_find(map, key);
	if (!map->used[at])
		return false;
	if (value)
		*value = map->entries[at].value;
	return true;
}

uint64_t *map64_slot(struct map64 *map, uint64_t key, bool *added)
{
	size_t at = 0;

	if (added)
		*added = false;
	if (map->slot_count) {
		at = map64_find(map, key);
		if (map->used[at])
			return &map->entries[at].value;
	}
	if ((map->count + 1) * 4 > map->slot_count * 3) {
		if (map64_grow(map))
			return NULL;
		at = map64_find(map, key);
	}
	map->used[at] = 1;
	map->entries[at] = (struct map64_entry){ .key = key };
	map->count++;
	if (added)
		*added = true;
	return &map->entries[at].value;
}

bool map64_remove(struct map64 *map, uint64_t key)
{
	size_t mask = map->slot_count - 1;
	size_t hole, at;

	if (!map->count)
		return false;
	hole = map64_find(map, key);
	if (!map->used[hole])
		return false;
	for (at = (hole + 1) & mask; map->used[at]; at = (at + 1) & mask) {
		size_t home = map64_hash(map->entries[at].key) & mask;

		/* An entry may move into the hole only if its home is not behind it. */
		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		map->entries[hole] = map->entries[at];
		hole = at;
	}
	map->used[hole] = 0;
	map->count--;
	return true;
}

size_t map64_count(const struct map64 *map)
{
	return map->count;
}

int map64_each(const struct map64 *map, int (*visit)(uint64_t key, uint64_t value, void *arg),
	       void *arg)
{
	for (size_t i = 0; i < map->slot_count; i++) {
		int result;

		if (!map->used[i])
			continue;
		result = visit(map->entries[i].key, map->entries[i].value, arg);
		if (result)
			return result;
	}
	return 0;
}
