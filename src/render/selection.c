// SPDX-License-Identifier: GPL-2.0-only
/* -F as a bit for each stack. */
#include "render/selection.h"

#include <stdlib.h>

static bool *selection_of_functions(const struct profile *profile,
				    const struct render_options *options)
{
	bool *functions = calloc(profile->function_count + 1ul, sizeof(*functions));

	for (uint32_t i = 0; functions && i < profile->function_count; i++)
		functions[i] =
			profile_function_matches(profile, i, options->globs, options->glob_count);
	return functions;
}

bool *selection_of_stacks(const struct profile *profile, const struct render_options *options)
{
	bool *stacks = calloc(profile->stack_count + 1ul, sizeof(*stacks));
	bool *functions = selection_of_functions(profile, options);

	if (!stacks || !functions) {
		free(stacks);
		free(functions);
		return NULL;
	}
	/* A parent comes before its children. */
	for (uint32_t i = 0; i < profile->stack_count; i++) {
		const struct profile_stack *stack = &profile->stacks[i];

		stacks[i] = !options->glob_count;
		if (i)
			stacks[i] |= stacks[stack->parent] ||
				     functions[profile->frames[stack->frame].function];
	}
	free(functions);
	return stacks;
}
