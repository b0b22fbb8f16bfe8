// SPDX-License-Identifier: GPL-2.0-only
/* The table of options, and what was probably meant by a word that is not in it. */
#include <string.h>

#include "cli/options.h"

enum {
	ON_PROFILE = 1 << COMMAND_PROFILE,
	ON_HEAP = 1 << COMMAND_HEAP,
	ON_ALL = (1 << COMMAND_COUNT) - 1,
	WORD_LENGTH_MAX = 32, /* longer words are not mistyped ones of ours */
};

static const struct option_entry option_table[] = {
#define OPTION(id, letter, name, argument, commands, group, words)                                 \
	{ OPTION_##id, letter, name, argument, ON_##commands, OPTION_GROUP_##group, words },
#include "cli/options.def"
#undef OPTION
};

const struct option_entry *option_at(size_t index)
{
	return index < OPTION_COUNT ? &option_table[index] : NULL;
}

bool option_value_is_optional(const struct option_entry *option)
{
	return option->argument && option->argument[0] == '[';
}

const struct option_entry *option_by_letter(char letter, enum command_id command)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (letter && option_table[i].letter == letter &&
		    (option_table[i].commands & 1u << command))
			return &option_table[i];
	}
	return NULL;
}

const struct option_entry *option_by_name(const char *name, size_t length, enum command_id command)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (strlen(option_table[i].name) == length &&
		    !memcmp(option_table[i].name, name, length) &&
		    (option_table[i].commands & 1u << command))
			return &option_table[i];
	}
	return NULL;
}

/* Edits (insert, delete, replace, swap of neighbours) between two short words. */
static unsigned int edit_distance(const char *left, size_t left_length, const char *right,
				  size_t right_length)
{
	unsigned char rows[3][WORD_LENGTH_MAX + 1];

	for (size_t j = 0; j <= right_length; j++)
		rows[0][j] = (unsigned char)j;
	for (size_t i = 1; i <= left_length; i++) {
		unsigned char *row = rows[i % 3];
		const unsigned char *above = rows[(i - 1) % 3];

		row[0] = (unsigned char)i;
		for (size_t j = 1; j <= right_length; j++) {
			unsigned char best = above[j - 1] + (left[i - 1] != right[j - 1]);

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && left[i - 1] == right[j - 2] &&
			    left[i - 2] == right[j - 1] && rows[(i - 2) % 3][j - 2] + 1 < best)
				best = rows[(i - 2) % 3][j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[left_length % 3][right_length];
}

const char *nearest_word(const char *typed, const char *const *words, size_t count)
{
	size_t typed_length = strlen(typed);
	unsigned int best = (unsigned int)(typed_length + 2) / 3 + 1;
	const char *found = NULL;

	if (typed_length < 2 || typed_length > WORD_LENGTH_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(words[i]);
		unsigned int distance;

		if (length < 2 || length > WORD_LENGTH_MAX)
			continue;
		if (!strncmp(typed, words[i], typed_length))
			return words[i];
		distance = edit_distance(typed, typed_length, words[i], length);
		if (distance < best) {
			best = distance;
			found = words[i];
		}
	}
	return found;
}

const char *option_near(const char *name, enum command_id command)
{
	const char *words[OPTION_COUNT];
	size_t count = 0;

	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if ((option_table[i].commands & 1u << command) &&
		    option_table[i].group != OPTION_GROUP_HIDDEN)
			words[count++] = option_table[i].name;
	}
	return nearest_word(name, words, count);
}
