/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the parser share: config.c, config_value.c, config_memory.c, config_check.c. */
#ifndef PYBPFPROF_CLI_CONFIG_PARSE_H
#define PYBPFPROF_CLI_CONFIG_PARSE_H

#include "cli/config.h"
#include "cli/options.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

_Static_assert(OPTION_COUNT <= 64, "parse.given has a bit for every option");

/* The modes that see every call; the others sample. */
#define CONFIG_MODES_EXACT (1u << CONFIG_MODE_TIME | 1u << CONFIG_MODE_CALLGRAPH)

struct parse {
	struct config *config;
	const struct config_host *host;
	struct buffer *message;
	const char *sort; /* as typed: which columns there are, the modes tell; NULL: not given */
	const char *show; /* the same of --show and --sample */
	const char *sample;
	uint64_t given; /* bits 1 << enum option_id: what was on the command line */
};

/* All ints: 0; -EINVAL with one line appended to parse->message; -ENOMEM. */

/* config_value.c */
int config_apply_flag(struct parse *parse, enum option_id id);
int config_apply_value(struct parse *parse, enum option_id id, const char *text);
/* 0 or -EINVAL: the column that parse->sort names, in the modes that were given. */
int config_apply_sort(struct parse *parse);
/* The place of parse->sort among `words`, in *sort. */
int config_find_sort(struct parse *parse, const char *const *words, size_t count, size_t *sort);
/* -EINVAL: says that the word is none of those; `what` it should be: "mode". */
int config_refuse_word(struct parse *parse, const char *what, const char *word, size_t length,
		       const char *const *words, size_t count);
/* One more report, with neither format nor path yet. NULL when out of memory. */
struct config_report *config_report_add(struct config *config);

/* config_memory.c: the options of --mode memory */
int config_apply_memory_value(struct parse *parse, enum option_id id, const char *text);
int config_apply_memory_sort(struct parse *parse);
int config_check_memory(struct parse *parse);

/* config_gc.c: the options of --mode gc */
int config_apply_gc_sort(struct parse *parse);

/* config_lifetime.c: the options of --mode lifetime */
int config_add_type(struct parse *parse, const char *text);
int config_apply_lifetime_sort(struct parse *parse);
int config_check_lifetime(struct parse *parse);
/* Whether --show takes that word there; so does memory, in config_memory.c. */
bool config_lifetime_has_view(const char *text);
bool config_memory_has_view(const char *text);

/* config_heap.c: the options of `heap` */
int config_apply_heap_value(struct parse *parse, enum option_id id, const char *text);
int config_check_heap(struct parse *parse);
/* Whether `heap` writes this format, given what it was asked for; refused otherwise. */
int config_check_heap_format(struct parse *parse, const char *format);

/* config_check.c: what only the whole command line can tell. */
int config_check_modes(struct parse *parse);
int config_check_target(struct parse *parse);
int config_check_reports(struct parse *parse);

/* "" for the command without a name. */
const char *config_command_name(enum command_id command);
/* Index of the word in `words`, `count` when it is none of them. */
size_t config_word_index(const char *word, size_t length, const char *const *words, size_t count);
/*
 * The array with room for one element more behind its `count`, zeroed; it may have moved, and is
 * the caller's to keep. NULL when out of memory: the old one is still there.
 */
void *config_array_grow(void *array, size_t count, size_t element_bytes);

#endif
