// SPDX-License-Identifier: GPL-2.0-only
/* See gc_words.h. */
#include "render/gc_words.h"

#include <string.h>

#include "base/text.h"
#include "render/format.h"
#include "render/memory_words.h"

const char *gc_words_generation(const struct collections *collections, unsigned int generation)
{
	static const char *const both[ABI_GC_GENERATIONS] = {
		"generation 0 or young",
		"generation 1 or increment",
		"generation 2 or full",
	};
	bool incremental = false, other = false;

	for (uint32_t i = 0; i < collections->process_count; i++) {
		incremental |= collections->processes[i].incremental;
		other |=
			collections->processes[i].watched && !collections->processes[i].incremental;
	}
	if (incremental && other)
		return both[generation];
	return gc_generation_name(generation, incremental);
}

const char *gc_words_of(const struct profile *profile, const struct gc_collection *collection)
{
	const struct collections *collections = profile->collections;
	uint32_t thread = collections->sites[collection->site].thread;
	uint32_t process = profile->threads[thread].process;
	bool incremental =
		process < collections->process_count && collections->processes[process].incremental;

	return gc_generation_name(collection->generation, incremental);
}

void gc_words_append_frame(struct buffer *out, const struct profile *profile, uint32_t frame)
{
	const struct profile_function *function;
	const char *file;

	if (frame == PROFILE_NONE) {
		buffer_string(out, "[no Python frame]");
		return;
	}
	function = &profile->functions[profile->frames[frame].function];
	memory_append_text(out, profile, function->name);
	file = format_file(profile, function);
	if (!*file)
		return;
	buffer_string(out, " (");
	text_append_safe(out, file, strlen(file));
	if (profile->frames[frame].line > 0)
		buffer_printf(out, ":%d", profile->frames[frame].line);
	buffer_byte(out, ')');
}

void gc_words_append_stack(struct buffer *out, const struct profile *profile, uint32_t stack,
			   uint32_t limit)
{
	uint32_t depth = profile->stacks[stack].depth;

	if (!stack)
		gc_words_append_frame(out, profile, PROFILE_NONE);
	for (uint32_t i = 0; stack; i++, stack = profile->stacks[stack].parent) {
		if (i == limit) {
			buffer_printf(out, " < \xe2\x80\xa6 %u more", depth - limit);
			return;
		}
		if (i)
			buffer_string(out, " < ");
		gc_words_append_frame(out, profile, profile->stacks[stack].frame);
	}
}
