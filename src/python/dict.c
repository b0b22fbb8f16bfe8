// SPDX-License-Identifier: GPL-2.0-only
/* See dict.h. CPython: Objects/dict-common.h, pycore_dict.h. */
#include "python/dict.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "proc/memory.h"

enum {
	KEYS_HEAD_BYTES = 40,
	ENTRIES_MAX = 4096,
	INDEX_MAX_BYTES = 1 << 20,
	ENTRIES_AT_ONCE = 64,
	ENTRY_WORDS = 3, /* hash, key, value; where all keys are str from 3.11: key, value */
};

static uint64_t word_at(const void *bytes, size_t offset)
{
	uint64_t word;

	memcpy(&word, (const char *)bytes + offset, sizeof(word));
	return word;
}

/* A dict's table of entries, in the order they were made. */
struct entries {
	uint64_t address;
	size_t count;
	size_t words;	 /* of each */
	size_t key_word; /* which of them is the key; the value is the next */
};

static int entries_find(pid_t pid, const struct layout *layout, uint64_t dict, struct entries *out)
{
	uint8_t head[KEYS_HEAD_BYTES];
	uint64_t keys, index_bytes;

	if (memory_read_u64(pid, dict + layout->dict_keys, &keys) ||
	    memory_read(pid, keys, head, sizeof(head)))
		return -EUCLEAN;
	out->count = word_at(head, layout->keys_entry_count);
	out->words = ENTRY_WORDS;
	out->key_word = 1;
	if (layout->keys_size != ABI_NO_OFFSET) {
		uint64_t slots = word_at(head, layout->keys_size);

		index_bytes = slots <= 0xff ? slots : slots <= 0xffff ? slots * 2 : slots * 4;
		if (slots > INDEX_MAX_BYTES)
			return -EUCLEAN;
	} else {
		uint8_t log2_bytes = head[layout->keys_index_log2_bytes];

		if (log2_bytes > 20)
			return -EUCLEAN;
		index_bytes = 1ULL << log2_bytes;
		if (head[layout->keys_kind] != 0) {
			out->words = ENTRY_WORDS - 1;
			out->key_word = 0;
		}
	}
	if (out->count > ENTRIES_MAX || index_bytes > INDEX_MAX_BYTES)
		return -EUCLEAN;
	out->address = keys + layout->keys_indices + index_bytes;
	return 0;
}

static bool key_is(pid_t pid, const struct layout *layout, uint64_t key, const char *name)
{
	size_t length = strlen(name);
	uint64_t key_length;
	char text[32];

	return key && !memory_read_u64(pid, key + layout->walk.unicode_length, &key_length) &&
	       key_length == length && length < sizeof(text) &&
	       !memory_read(pid, key + layout->walk.unicode_ascii_data, text, length) &&
	       memcmp(text, name, length) == 0;
}

/* A key known by its address (an interned str is the same object everywhere), or by its text. */
struct wanted {
	uint64_t address;
	const char *text;
};

static bool is_wanted(pid_t pid, const struct layout *layout, uint64_t key,
		      const struct wanted *wanted)
{
	return wanted->text ? key_is(pid, layout, key, wanted->text) : key == wanted->address;
}

static int wanted_find(pid_t pid, const struct layout *layout, uint64_t dict,
		       const struct wanted *wanted, size_t entry_limit, uint64_t *value)
{
	uint64_t words[ENTRIES_AT_ONCE * ENTRY_WORDS];
	struct entries entries;
	size_t count, left;
	int err = entries_find(pid, layout, dict, &entries);

	if (err)
		return err;
	left = entries.count < entry_limit ? entries.count : entry_limit;
	for (; left; left -= count, entries.address += count * entries.words * sizeof(*words)) {
		count = left < ENTRIES_AT_ONCE ? left : ENTRIES_AT_ONCE;
		if (memory_read(pid, entries.address, words,
				count * entries.words * sizeof(*words)))
			return -EUCLEAN;
		for (size_t i = 0; i < count; i++) {
			const uint64_t *entry = &words[i * entries.words];

			if (!is_wanted(pid, layout, entry[entries.key_word], wanted))
				continue;
			*value = entry[entries.key_word + 1];
			return 0;
		}
	}
	return -ENODATA;
}

int dict_find(pid_t pid, const struct layout *layout, uint64_t dict, const char *key,
	      size_t entry_limit, uint64_t *value)
{
	const struct wanted wanted = { .text = key };

	return wanted_find(pid, layout, dict, &wanted, entry_limit, value);
}

int dict_find_interned(pid_t pid, const struct layout *layout, uint64_t dict, uint64_t key,
		       size_t entry_limit, uint64_t *value)
{
	const struct wanted wanted = { .address = key };

	return wanted_find(pid, layout, dict, &wanted, entry_limit, value);
}
