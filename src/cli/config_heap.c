// SPDX-License-Identifier: GPL-2.0-only
/* The options of `heap`: their values, and which of them go together. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/config_parse.h"
#include "cli/value.h"

enum { FREEZE_MAX_MS = 60000 };

/* In the order of enum census_sort. */
static const char *const sort_names[] = { "bytes", "count", "growth", "name" };

static int set_freeze(struct parse *parse, const char *text)
{
	if (value_count(text, &parse->config->heap.freeze_ms) || !parse->config->heap.freeze_ms ||
	    parse->config->heap.freeze_ms > FREEZE_MAX_MS) {
		buffer_printf(parse->message, "'%s' is not a number of milliseconds: 1 to %d", text,
			      FREEZE_MAX_MS);
		return -EINVAL;
	}
	return 0;
}

/* A type's name is checked against the types there are; an address must be one now. */
static int set_wanted(struct parse *parse, const char *name, const char *text, const char **out)
{
	char *end;

	if (!strncmp(text, "0x", 2)) {
		errno = 0;
		if (!strtoull(text, &end, 16) || *end || errno) {
			buffer_printf(parse->message, "'%s' is not the address of an object", text);
			return -EINVAL;
		}
	} else if (!*text) {
		buffer_printf(parse->message,
			      "--%s needs a type, such as dict or app.models.Row, "
			      "or an address",
			      name);
		return -EINVAL;
	}
	*out = text;
	return 0;
}

int config_apply_heap_value(struct parse *parse, enum option_id id, const char *text)
{
	struct config_heap *heap = &parse->config->heap;

	switch (id) {
	case OPTION_FREEZE:
		return set_freeze(parse, text);
	case OPTION_REFERRERS:
		return set_wanted(parse, "referrers", text, &heap->referrers);
	case OPTION_PATH:
		return set_wanted(parse, "path", text, &heap->path);
	case OPTION_DIFF:
		if (!*text) {
			buffer_string(parse->message, "--diff needs the file of an earlier census");
			return -EINVAL;
		}
		heap->diff = text;
		return 0;
	default:
		return -EINVAL;
	}
}

static int check_sort(struct parse *parse)
{
	struct config_heap *heap = &parse->config->heap;
	size_t sort = heap->diff ? CENSUS_SORT_GROWTH : CENSUS_SORT_BYTES;
	int err = 0;

	if (parse->sort)
		err = config_find_sort(parse, sort_names, COUNT_OF(sort_names), &sort);
	if (err)
		return err;
	if (sort == CENSUS_SORT_GROWTH && !heap->diff) {
		buffer_string(parse->message, "--sort growth needs --diff FILE to compare with");
		return -EINVAL;
	}
	heap->sort = (enum census_sort)sort;
	return 0;
}

int config_check_heap(struct parse *parse)
{
	const struct config *config = parse->config;
	const struct config_heap *heap = &config->heap;
	const struct {
		bool given;
		const char *name;
	} questions[] = {
		{ heap->diff, "--diff" },
		{ heap->referrers, "--referrers" },
		{ heap->path, "--path" },
		{ heap->retained, "--retained" },
	};
	const char *first = NULL;

	if (config->pid_count != 1) {
		buffer_string(parse->message, config->pid_count ?
						      "heap looks at one process: give one -p PID" :
						      "no process: give -p PID");
		return -EINVAL;
	}
	for (size_t i = 0; i < COUNT_OF(questions); i++) {
		if (!questions[i].given)
			continue;
		if (first) {
			buffer_printf(parse->message, "%s and %s exclude each other", first,
				      questions[i].name);
			return -EINVAL;
		}
		first = questions[i].name;
	}
	return check_sort(parse);
}

int config_check_heap_format(struct parse *parse, const char *format)
{
	const struct config_heap *heap = &parse->config->heap;

	if (!strcmp(format, "table") || !strcmp(format, "json"))
		return 0;
	if (strcmp(format, "dot") != 0) {
		buffer_printf(parse->message, "heap writes table, json or dot, not '%s'", format);
		return -EINVAL;
	}
	if (heap->path || heap->referrers)
		return 0;
	buffer_string(parse->message, "-f dot is for --path and --referrers: a census is no graph");
	return -EINVAL;
}
