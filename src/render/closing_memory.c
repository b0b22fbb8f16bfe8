// SPDX-License-Identifier: GPL-2.0-only
/* What reports of memory say around their numbers. */
#include "base/text.h"
#include "render/closing.h"
#include "render/format.h"
#include "render/memory_words.h"

enum { GAPS_MAX = 8 }; /* processes of which is told what was not seen */

void closing_append_memory_target(struct buffer *out, const struct profile *profile, uint32_t id)
{
	const struct memory_process *process = memory_process_at(profile, id);

	if (process && process->allocator) {
		buffer_string(out, MEMORY_DOT);
		memory_append_text(out, profile, process->allocator);
	}
	if (process && process->refusal)
		buffer_string(out, MEMORY_DOT "its allocations are not seen");
	else if (process && process->coverage != MEMORY_COVERAGE_NONE &&
		 memory_misses_objects(process))
		buffer_string(out, MEMORY_DOT "small objects are not all seen");
	if (profile->processes[id].exited) {
		buffer_string(out, MEMORY_DOT);
		memory_append_end(out, profile, id);
	}
}

void closing_append_memory_summary(struct buffer *out, const struct profile *profile)
{
	const struct memory *memory = profile->memory;
	const struct memory_amount *allocated = &memory->amounts[MEMORY_VIEW_ALLOCATED];

	memory_append_text(out, profile, profile->mode);
	buffer_string(out, MEMORY_DOT);
	format_ns(out, profile->duration_ns);
	buffer_string(out, MEMORY_DOT);
	memory_append_counted(out, allocated->blocks, "allocation");
	buffer_string(out, MEMORY_DOT);
	memory_append_counted(out, memory->freed.blocks, "free");
	buffer_string(out, MEMORY_DOT);
	if (memory->leaks)
		buffer_string(out, "growing");
	else
		buffer_string(out, memory_view_words(memory->view));
	buffer_byte(out, '\n');
}

static void append_recorded(struct buffer *out, const struct memory *memory)
{
	if (memory->sample_bytes) {
		buffer_string(out, "estimates: about one allocation in ");
		memory_append_bytes(out, memory->sample_bytes);
		buffer_string(out,
			      " was recorded; \xc2\xb1 is half of the range that holds the true "
			      "number 95 times in 100\n");
	}
	if (memory->min_size_bytes) {
		buffer_string(out, "note: only allocations of ");
		memory_append_bytes(out, memory->min_size_bytes);
		buffer_string(out, " and more were recorded (--min-size)\n");
	}
}

static void append_unknown_frees(struct buffer *out, const struct memory *memory)
{
	bool one = memory->unknown_frees == 1;

	if (!memory->unknown_frees)
		return;
	buffer_string(out, "note: ");
	memory_append_counted(out, memory->unknown_frees, "free");
	if (memory->sample_bytes || memory->min_size_bytes)
		buffer_printf(out, " of %s not recorded or allocated before we looked",
			      one ? "a block" : "blocks");
	else
		buffer_printf(out, " of %s allocated before we looked", one ? "a block" : "blocks");
	buffer_printf(out, "; %s not in the numbers\n", one ? "it is" : "they are");
}

void closing_append_memory_notes(struct buffer *out, const struct profile *profile)
{
	uint32_t shown = 0;

	append_recorded(out, profile->memory);
	append_unknown_frees(out, profile->memory);
	for (uint32_t i = 0; i < profile->process_count; i++) {
		if (!memory_has_gap(profile, i) || shown++ >= GAPS_MAX)
			continue;
		buffer_string(out, "note: ");
		memory_append_gap(out, profile, i);
		buffer_byte(out, '\n');
	}
	if (shown > GAPS_MAX) {
		buffer_string(out, "note: the same or the like of ");
		memory_append_count(out, shown - GAPS_MAX);
		buffer_string(out, " more: -f json tells of all\n");
	}
}
