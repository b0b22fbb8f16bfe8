// SPDX-License-Identifier: GPL-2.0-only
/* See objects_marks.h. */
#include "python/objects_marks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map64.h"

enum {
	CHUNK_BITS = 20,
	GRAIN_BITS = 3,
	CHUNK_WORDS = 1 << (CHUNK_BITS - GRAIN_BITS - 6),
	CHUNK_BYTES = CHUNK_WORDS * 8,
};

struct chunk {
	uint64_t number; /* address >> CHUNK_BITS */
	uint64_t words[CHUNK_WORDS];
};

struct objects_marks {
	struct map64 *chunks; /* number -> struct chunk *, owned */
	struct chunk *last;   /* what was asked for last; NULL: none */
	size_t limit_bytes;
	uint64_t count;
};

struct objects_marks *objects_marks_new(size_t limit_bytes)
{
	struct objects_marks *marks = calloc(1, sizeof(*marks));

	if (!marks)
		return NULL;
	marks->limit_bytes = limit_bytes;
	marks->chunks = map64_new();
	if (marks->chunks)
		return marks;
	free(marks);
	return NULL;
}

static int chunk_free(uint64_t number, uint64_t value, void *arg)
{
	(void)number;
	(void)arg;
	free((struct chunk *)(uintptr_t)value);
	return 0;
}

void objects_marks_free(struct objects_marks *marks)
{
	if (!marks)
		return;
	map64_each(marks->chunks, chunk_free, NULL);
	map64_free(marks->chunks);
	free(marks);
}

static int chunk_clear(uint64_t number, uint64_t value, void *arg)
{
	struct chunk *chunk = (struct chunk *)(uintptr_t)value;

	(void)number;
	(void)arg;
	memset(chunk->words, 0, sizeof(chunk->words));
	return 0;
}

void objects_marks_clear(struct objects_marks *marks)
{
	map64_each(marks->chunks, chunk_clear, NULL);
	marks->count = 0;
}

static struct chunk *chunk_find(struct objects_marks *marks, uint64_t number)
{
	uint64_t value;

	if (marks->last && marks->last->number == number)
		return marks->last;
	if (!map64_get(marks->chunks, number, &value))
		return NULL;
	marks->last = (struct chunk *)(uintptr_t)value;
	return marks->last;
}

static uint64_t *word_of(struct chunk *chunk, uint64_t address, uint64_t *bit)
{
	uint64_t at = (address & ((1ULL << CHUNK_BITS) - 1)) >> GRAIN_BITS;

	*bit = 1ULL << (at & 63);
	return &chunk->words[at >> 6];
}

bool objects_marks_has(struct objects_marks *marks, uint64_t address)
{
	struct chunk *chunk = chunk_find(marks, address >> CHUNK_BITS);
	uint64_t bit;

	return chunk && (*word_of(chunk, address, &bit) & bit);
}

static int chunk_make(struct objects_marks *marks, uint64_t number, struct chunk **out)
{
	struct chunk *chunk;
	uint64_t *slot;

	if ((map64_count(marks->chunks) + 1) * CHUNK_BYTES > marks->limit_bytes)
		return -ENOSPC;
	chunk = calloc(1, sizeof(*chunk));
	if (!chunk)
		return -ENOMEM;
	chunk->number = number;
	slot = map64_slot(marks->chunks, number, NULL);
	if (!slot) {
		free(chunk);
		return -ENOMEM;
	}
	*slot = (uintptr_t)chunk;
	marks->last = chunk;
	*out = chunk;
	return 0;
}

int objects_marks_add(struct objects_marks *marks, uint64_t address)
{
	struct chunk *chunk = chunk_find(marks, address >> CHUNK_BITS);
	uint64_t *word, bit;

	if (!chunk) {
		int err = chunk_make(marks, address >> CHUNK_BITS, &chunk);

		if (err)
			return err;
	}
	word = word_of(chunk, address, &bit);
	if (*word & bit)
		return 0;
	*word |= bit;
	marks->count++;
	return 1;
}

uint64_t objects_marks_count(const struct objects_marks *marks)
{
	return marks->count;
}

struct collected {
	const struct chunk **chunks;
	size_t count;
};

static int chunk_collect(uint64_t number, uint64_t value, void *arg)
{
	struct collected *collected = arg;

	(void)number;
	collected->chunks[collected->count++] = (const struct chunk *)(uintptr_t)value;
	return 0;
}

static int compare_chunks(const void *left, const void *right)
{
	uint64_t a = (*(const struct chunk *const *)left)->number;
	uint64_t b = (*(const struct chunk *const *)right)->number;

	return (a > b) - (a < b);
}

static int chunk_each(const struct chunk *chunk, int (*visit)(uint64_t address, void *arg),
		      void *arg)
{
	for (uint64_t i = 0; i < CHUNK_WORDS; i++) {
		for (uint64_t word = chunk->words[i]; word; word &= word - 1) {
			uint64_t at = i * 64 + (uint64_t)__builtin_ctzll(word);
			int err = visit((chunk->number << CHUNK_BITS) + (at << GRAIN_BITS), arg);

			if (err)
				return err;
		}
	}
	return 0;
}

int objects_marks_each(struct objects_marks *marks, int (*visit)(uint64_t address, void *arg),
		       void *arg)
{
	struct collected collected = { 0 };
	int err = 0;

	if (!map64_count(marks->chunks))
		return 0;
	collected.chunks = calloc(map64_count(marks->chunks), sizeof(*collected.chunks));
	if (!collected.chunks)
		return -ENOMEM;
	map64_each(marks->chunks, chunk_collect, &collected);
	qsort(collected.chunks, collected.count, sizeof(*collected.chunks), compare_chunks);
	for (size_t i = 0; !err && i < collected.count; i++)
		err = chunk_each(collected.chunks[i], visit, arg);
	free(collected.chunks);
	return err;
}
