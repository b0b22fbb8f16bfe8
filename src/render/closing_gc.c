// SPDX-License-Identifier: GPL-2.0-only
/* What reports of collections say around their numbers. */
#include "render/closing.h"
#include "render/format.h"
#include "render/memory_words.h"

/* By generation, added up over processes. */
struct counted {
	uint64_t before, real, seen, too_early, unfinished;
	bool all_read;
};

static struct counted count_all(const struct collections *collections)
{
	struct counted sum = { .all_read = true };

	for (uint32_t i = 0; i < collections->process_count; i++) {
		const struct gc_process *process = &collections->processes[i];

		for (int j = 0; j < ABI_GC_GENERATIONS; j++) {
			sum.before += process->before[j];
			sum.real += process->real[j];
			sum.seen += process->seen[j];
		}
		sum.too_early += process->too_early;
		sum.unfinished += process->unfinished;
		sum.all_read &= process->is_read || !process->watched;
	}
	return sum;
}

void closing_append_gc_summary(struct buffer *out, const struct profile *profile)
{
	const struct collections *collections = profile->collections;

	memory_append_text(out, profile, profile->mode);
	buffer_string(out, MEMORY_DOT);
	format_ns(out, profile->duration_ns);
	buffer_string(out, MEMORY_DOT);
	memory_append_counted(out, collections->amount.count, "collection");
	if (collections->amount.count) {
		buffer_string(out, MEMORY_DOT);
		format_ns(out, collections->amount.pause_ns);
		buffer_string(out, " paused: ");
		format_share(out, collections->amount.pause_ns,
			     collections_watched_ns(collections));
		buffer_string(out, " of wall time, ");
		format_share(out, collections->amount.pause_ns, closing_cpu_ns(profile));
		buffer_string(out, " of CPU time");
	}
	buffer_byte(out, '\n');
}

/* The collectors' own counts against the records. */
static void append_completeness(struct buffer *out, const struct counted *sum)
{
	uint64_t missing = sum->real - sum->seen;

	if (!sum->real)
		return;
	buffer_string(out, "complete: by the collectors' own counters");
	if (!sum->all_read)
		buffer_string(out, ", as the last collection of a process that ended told them,");
	buffer_string(out, sum->real == 1 ? " there was " : " there were ");
	memory_append_counted(out, sum->real, "collection");
	if (!missing) {
		buffer_string(out, ": every one was seen\n");
		return;
	}
	buffer_string(out, "; of these ");
	memory_append_count(out, missing);
	buffer_string(out, missing == 1 ? " is not in the numbers above\n" :
					  " are not in the numbers above\n");
}

static void append_processes(struct buffer *out, const struct profile *profile)
{
	const struct collections *collections = profile->collections;

	for (uint32_t i = 0; i < collections->process_count && i < profile->process_count; i++) {
		const struct gc_process *process = &collections->processes[i];

		if (process->disabled)
			buffer_printf(out,
				      "note: pid %u has switched automatic collection off "
				      "(gc.disable()): only gc.collect() collects\n",
				      profile->processes[i].pid);
		if (process->unfinished)
			buffer_printf(out,
				      "note: pid %u had %s that never ended, in no number above\n",
				      profile->processes[i].pid,
				      process->unfinished == 1 ? "a collection" : "collections");
	}
}

void closing_append_gc_notes(struct buffer *out, const struct profile *profile)
{
	const struct collections *collections = profile->collections;
	struct counted sum = count_all(collections);

	append_completeness(out, &sum);
	if (sum.before) {
		buffer_string(out, "note: ");
		memory_append_counted(out, sum.before, "collection");
		buffer_string(out, sum.before == 1 ? " was over before we watched\n" :
						     " were over before we watched\n");
	}
	append_processes(out, profile);
	if (collections->listed_count < collections->amount.count) {
		buffer_string(out, "note: one by one only the first ");
		memory_append_count(out, collections->listed_count);
		buffer_string(out, " collections are listed (json); sums, quantiles, the timeline "
				   "and the worst are of all\n");
	}
	if (collections_any_incremental(collections))
		buffer_string(out,
			      "note: CPython 3.14.0 to 3.14.4 collects by increments: \"young\" "
			      "are new objects, an \"increment\" is those and a part of the old "
			      "ones, \"full\" is all\n");
}
