// SPDX-License-Identifier: GPL-2.0-only
/* The options of --mode gc, and what they mean together. */
#include "cli/config_parse.h"

static const char *const gc_sort_names[] = {
	[GC_SORT_PAUSE] = "pause",
	[GC_SORT_COUNT] = "collections",
	[GC_SORT_MAX] = "max",
	[GC_SORT_COLLECTED] = "collected",
	[GC_SORT_UNCOLLECTABLE] = "uncollectable",
	[GC_SORT_NAME] = "name",
};

_Static_assert(COUNT_OF(gc_sort_names) == GC_SORT_COUNT_OF, "a name for every column");

int config_apply_gc_sort(struct parse *parse)
{
	size_t sort;
	int err;

	if (!parse->sort)
		return 0;
	err = config_find_sort(parse, gc_sort_names, GC_SORT_COUNT_OF, &sort);
	if (!err)
		parse->config->gc_sort = (enum gc_sort)sort;
	return err;
}
