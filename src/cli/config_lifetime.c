// SPDX-License-Identifier: GPL-2.0-only
/* The options of --mode lifetime: their values, and what they mean together. */
#include <errno.h>
#include <string.h>

#include "cli/config_parse.h"
#include "cli/value.h"

enum { SAMPLE_ONE_IN_MAX = 1 << 20 };

static const char *const lifetime_sort_names[] = {
	[LIFETIME_SORT_CREATED] = "created",	 [LIFETIME_SORT_LIVE] = "live",
	[LIFETIME_SORT_BYTES] = "bytes",	 [LIFETIME_SORT_AGE] = "age",
	[LIFETIME_SORT_DESTROYED] = "destroyed", [LIFETIME_SORT_GROWTH] = "growth",
	[LIFETIME_SORT_NAME] = "name",
};

_Static_assert(COUNT_OF(lifetime_sort_names) == LIFETIME_SORT_COUNT, "a name for every column");

int config_add_type(struct parse *parse, const char *text)
{
	struct config *config = parse->config;
	const char **types;

	if (!*text) {
		buffer_string(
			parse->message,
			"--types needs a pattern, such as dict, collections.deque or 'numpy.*'");
		return -EINVAL;
	}
	types = config_array_grow(config->types, config->type_count, sizeof(*types));
	if (!types)
		return -ENOMEM;
	config->types = types;
	types[config->type_count++] = text;
	return 0;
}

bool config_lifetime_has_view(const char *text)
{
	return config_word_index(text, strlen(text), lifetime_sort_names, LIFETIME_VIEW_COUNT) <
	       LIFETIME_VIEW_COUNT;
}

static int apply_show(struct parse *parse)
{
	const char *text = parse->show;
	size_t view;

	/* With both modes a view of one of them is that one's, and live is of both. */
	if (!text || (config_has_part(parse->config, PART_MEMORY) && config_memory_has_view(text) &&
		      !config_lifetime_has_view(text)))
		return 0;
	view = config_word_index(text, strlen(text), lifetime_sort_names, LIFETIME_VIEW_COUNT);
	if (view == LIFETIME_VIEW_COUNT)
		return config_refuse_word(parse, "--show", text, strlen(text), lifetime_sort_names,
					  LIFETIME_VIEW_COUNT);
	parse->config->lifetime_view = (enum lifetime_view)view;
	return 0;
}

/* "1/64": lives are taken whole or not at all, so it is objects that are counted, not bytes. */
static int apply_sample(struct parse *parse)
{
	const char *text = parse->sample;
	uint64_t one_in = 0;

	/* With both modes a share is of objects, a size of bytes. */
	if (!text || (config_has_part(parse->config, PART_MEMORY) && strncmp(text, "1/", 2) != 0))
		return 0;
	if (strncmp(text, "1/", 2) || value_large_count(text + 2, &one_in) ||
	    one_in > SAMPLE_ONE_IN_MAX) {
		buffer_printf(parse->message,
			      "'%s' is not a share of objects, 1/1 to 1/%d; example: --sample 1/64",
			      text, SAMPLE_ONE_IN_MAX);
		return -EINVAL;
	}
	parse->config->sample_one_in = one_in;
	return 0;
}

int config_apply_lifetime_sort(struct parse *parse)
{
	struct config *config = parse->config;
	size_t sort;
	int err;

	config->lifetime_sort = (enum lifetime_sort)config->lifetime_view;
	if (!parse->sort)
		return 0;
	err = config_find_sort(parse, lifetime_sort_names, LIFETIME_SORT_COUNT, &sort);
	if (!err)
		config->lifetime_sort = (enum lifetime_sort)sort;
	return err;
}

int config_check_lifetime(struct parse *parse)
{
	int err = apply_show(parse);

	if (!err)
		err = apply_sample(parse);
	return err;
}
