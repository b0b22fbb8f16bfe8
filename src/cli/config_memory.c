// SPDX-License-Identifier: GPL-2.0-only
/* The options of --mode memory: their values, and what they mean together. */
#include <errno.h>
#include <string.h>

#include "cli/config_parse.h"
#include "cli/value.h"

enum { MAX_BLOCKS_MAX = 2000000000 /* more a map of the kernel cannot have room for */ };

static const char *const memory_sort_names[] = {
	[MEMORY_SORT_PEAK] = "peak",	       [MEMORY_SORT_LIVE] = "live",
	[MEMORY_SORT_ALLOCATED] = "allocated", [MEMORY_SORT_TEMPORARY] = "temporary",
	[MEMORY_SORT_RESIDENT] = "resident",   [MEMORY_SORT_FAULTED] = "faulted",
	[MEMORY_SORT_MAPPED] = "mapped",       [MEMORY_SORT_ARENAS] = "arenas",
	[MEMORY_SORT_FREED] = "freed",	       [MEMORY_SORT_ALLOCATIONS] = "allocations",
	[MEMORY_SORT_SIZE] = "size",	       [MEMORY_SORT_GROWTH] = "growth",
	[MEMORY_SORT_TOTAL] = "total",	       [MEMORY_SORT_NAME] = "name",
};

_Static_assert(COUNT_OF(memory_sort_names) == MEMORY_SORT_COUNT, "a name for every column");

static const char *const allocator_names[] = { "malloc", "object" };

bool config_memory_has_view(const char *text)
{
	return config_word_index(text, strlen(text), memory_sort_names, MEMORY_VIEW_COUNT) <
	       MEMORY_VIEW_COUNT;
}

static int apply_show(struct parse *parse)
{
	const char *text = parse->show;
	size_t show;

	if (!text || (config_has_part(parse->config, PART_LIFETIMES) &&
		      config_lifetime_has_view(text) && !config_memory_has_view(text)))
		return 0;
	show = config_word_index(text, strlen(text), memory_sort_names, MEMORY_VIEW_COUNT);
	if (show == MEMORY_VIEW_COUNT)
		return config_refuse_word(parse, "--show", text, strlen(text), memory_sort_names,
					  MEMORY_VIEW_COUNT);
	parse->config->show = (enum memory_view)show;
	parse->config->show_given = true;
	return 0;
}

static int set_allocator(struct parse *parse, const char *text)
{
	size_t allocator =
		config_word_index(text, strlen(text), allocator_names, COUNT_OF(allocator_names));

	if (allocator == COUNT_OF(allocator_names))
		return config_refuse_word(parse, "--allocator", text, strlen(text), allocator_names,
					  COUNT_OF(allocator_names));
	parse->config->objects = allocator > 0;
	return 0;
}

/* A number counts allocations; a time has its unit. */
static int set_temporary(struct parse *parse, const char *text)
{
	struct config *config = parse->config;

	config->temporary_distance = config->temporary_ns = 0;
	if (!value_large_count(text, &config->temporary_distance) &&
	    config->temporary_distance < UINT32_MAX)
		return 0;
	config->temporary_distance = 0;
	/* A number alone would be seconds. */
	if (text[strspn(text, "0123456789.")] && !value_duration(text, &config->temporary_ns))
		return 0;
	buffer_printf(parse->message,
		      "'%s' is neither a number of allocations nor a time; examples: "
		      "--temporary, --temporary=10, --temporary=10ms",
		      text);
	return -EINVAL;
}

static int set_bytes(struct parse *parse, const char *option, const char *text, uint64_t *bytes)
{
	int err = value_bytes(text, bytes);

	if (err == -ERANGE)
		buffer_printf(parse->message, "%s %s is out of bounds: 1 byte to 1 TiB", option,
			      text);
	else if (err)
		buffer_printf(parse->message,
			      "'%s' is not a number of bytes; examples: 4096, 512k, 1M, 1.5GiB",
			      text);
	return err ? -EINVAL : 0;
}

static int set_max_blocks(struct parse *parse, const char *text)
{
	uint64_t count = 0;

	if (value_large_count(text, &count) || count > MAX_BLOCKS_MAX) {
		buffer_printf(parse->message,
			      "'%s' is not a number of blocks, 1 to 2G; examples: 500k, 20M", text);
		return -EINVAL;
	}
	parse->config->max_blocks = count;
	return 0;
}

int config_apply_memory_value(struct parse *parse, enum option_id id, const char *text)
{
	switch (id) {
	case OPTION_TEMPORARY:
		return set_temporary(parse, text);
	case OPTION_ALLOCATOR:
		return set_allocator(parse, text);
	case OPTION_MIN_SIZE:
		return set_bytes(parse, "--min-size", text, &parse->config->min_size_bytes);
	case OPTION_MAX_BLOCKS:
		return set_max_blocks(parse, text);
	default:
		return -EINVAL;
	}
}

int config_apply_memory_sort(struct parse *parse)
{
	struct config *config = parse->config;
	size_t sort;
	int err;

	config->memory_sort = config->leaks ? MEMORY_SORT_GROWTH : (enum memory_sort)config->show;
	if (!parse->sort)
		return 0;
	err = config_find_sort(parse, memory_sort_names, MEMORY_SORT_COUNT, &sort);
	if (!err)
		config->memory_sort = (enum memory_sort)sort;
	return err;
}

static bool is_given(const struct parse *parse, enum option_id id)
{
	return parse->given & 1ull << id;
}

static int check_resident(struct parse *parse)
{
	const struct config *config = parse->config;
	const char *option = NULL, *word = NULL;

	if (config->show == MEMORY_VIEW_RESIDENT || config->show == MEMORY_VIEW_FAULTED) {
		option = "show";
		word = memory_sort_names[config->show];
	} else if (parse->sort && (!strcmp(parse->sort, memory_sort_names[MEMORY_SORT_RESIDENT]) ||
				   !strcmp(parse->sort, memory_sort_names[MEMORY_SORT_FAULTED]))) {
		option = "sort";
		word = parse->sort;
	}
	if (!option || config->resident)
		return 0;
	buffer_printf(parse->message, "--%s %s needs --rss, which counts page faults", option,
		      word);
	return -EINVAL;
}

int config_check_memory(struct parse *parse)
{
	struct config *config = parse->config;
	int err = apply_show(parse);

	if (!err && parse->sample &&
	    !(config_has_part(config, PART_LIFETIMES) && !strncmp(parse->sample, "1/", 2)))
		err = set_bytes(parse, "--sample", parse->sample, &config->sample_bytes);
	if (err)
		return err;
	if (config->sample_bytes && config->min_size_bytes) {
		buffer_string(parse->message,
			      "--sample and --min-size exclude each other: sampling by bytes "
			      "passes over most small blocks by itself, and tells of them all");
		return -EINVAL;
	}
	if (is_given(parse, OPTION_TEMPORARY) && config->leaks && !config->show_given) {
		buffer_string(
			parse->message,
			"--temporary and --leaks ask opposite questions: give one of them, or "
			"--show as well");
		return -EINVAL;
	}
	if (!config->show_given && is_given(parse, OPTION_TEMPORARY))
		config->show = MEMORY_VIEW_TEMPORARY;
	else if (!config->show_given && config->leaks)
		config->show = MEMORY_VIEW_LIVE;
	return check_resident(parse);
}
