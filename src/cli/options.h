/* SPDX-License-Identifier: GPL-2.0-only */
/* The list of options (options.def) as a table, and how to look one up or nearly find one. */
#ifndef PYBPFPROF_CLI_OPTIONS_H
#define PYBPFPROF_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/commands.h"

enum option_id {
#define OPTION(id, letter, name, argument, commands, group, words) OPTION_##id,
#include "cli/options.def"
#undef OPTION
	OPTION_COUNT
};

enum option_group {
	OPTION_GROUP_TARGET,
	OPTION_GROUP_MEASURE,
	OPTION_GROUP_MEMORY,
	OPTION_GROUP_REPORT,
	OPTION_GROUP_GENERAL,
	OPTION_GROUP_HIDDEN, /* known, but not told of in --help */
};

struct option_entry {
	enum option_id id;
	char letter; /* 0: has none */
	const char *name;
	const char *argument;  /* NULL: takes none; "[=...]": one behind an '=' or none */
	unsigned int commands; /* bits 1 << enum command_id */
	enum option_group group;
	const char *words;
};

/* Its value is behind an '=', or there is none. */
bool option_value_is_optional(const struct option_entry *option);
const struct option_entry *option_at(size_t index); /* NULL past the last */
const struct option_entry *option_by_letter(char letter, enum command_id command);
const struct option_entry *option_by_name(const char *name, size_t length, enum command_id command);
/* The name that was probably meant; NULL when none is near. `name` is given without dashes. */
const char *option_near(const char *name, enum command_id command);

/*
 * The word of `words[0..count)` nearest to a mistyped one: a beginning of it, or a few letters
 * wrong, missing, too many or swapped. NULL when none is near.
 */
const char *nearest_word(const char *typed, const char *const *words, size_t count);

#endif
