// SPDX-License-Identifier: GPL-2.0-only
/* The contract is in version.h. CPython: Include/patchlevel.h, Objects/dict-common.h. */
#include "python/version.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proc/memory.h"

enum {
	LEVEL_FINAL = 0xf,
	KEYS_HEAD_BYTES = 40,
	ENTRIES_MAX = 4096,
	INDEX_MAX_BYTES = 1 << 20,
	ENTRY_WORDS = 3, /* hash, key, value; where all keys are str from 3.11: key, value */
};

void version_words(uint32_t hexversion, char *out, size_t size)
{
	unsigned int level = hexversion >> 4 & 0xf;
	int length = snprintf(out, size, "%u.%u.%u", hexversion >> 24, version_minor(hexversion),
			      hexversion >> 8 & 0xff);

	if (level == LEVEL_FINAL || length < 0 || (size_t)length >= size)
		return;
	snprintf(out + length, size - (size_t)length, "%s%u",
		 level == 0xa ? "a" :
		 level == 0xb ? "b" :
				"rc",
		 hexversion & 0xf);
}

int version_check(uint32_t hexversion, char *reason, size_t size)
{
	unsigned int major = hexversion >> 24, minor = version_minor(hexversion);
	char words[16];

	version_words(hexversion, words, sizeof(words));
	if (major < 3 || (major == 3 && minor < LAYOUT_MINOR_FIRST))
		snprintf(reason, size, "Python %s is not supported (3.%d to 3.%d are)", words,
			 LAYOUT_MINOR_FIRST, LAYOUT_MINOR_LAST);
	else if (major > 3 || !layout_of(minor))
		snprintf(reason, size, "Python %u.%u is not known to this pybpfprof", major, minor);
	else if ((hexversion >> 4 & 0xf) != LEVEL_FINAL)
		snprintf(reason, size, "Python %s is a pre-release: its layout was not settled",
			 words);
	else
		return 0;
	return -ENOTSUP;
}

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

int version_read_sys(pid_t pid, const struct layout *layout, uint64_t interpreter,
		     uint32_t *hexversion)
{
	uint64_t entry[ENTRY_WORDS], dict;
	struct entries entries;
	int err;

	if (memory_read_u64(pid, interpreter + layout->interp_sysdict, &dict))
		return -EUCLEAN;
	if (!dict)
		return -ENODATA;
	err = entries_find(pid, layout, dict, &entries);
	if (err)
		return err;
	for (size_t i = 0; i < entries.count; i++) {
		uint64_t at = entries.address + i * entries.words * sizeof(*entry);

		if (memory_read(pid, at, entry, entries.words * sizeof(*entry)))
			return -EUCLEAN;
		if (!key_is(pid, layout, entry[entries.key_word], "hexversion"))
			continue;
		/* Below 2^30, so a single digit. */
		if (memory_read_u32(pid, entry[entries.key_word + 1] + layout->long_digits,
				    hexversion))
			return -EUCLEAN;
		return 0;
	}
	return -ENODATA;
}
