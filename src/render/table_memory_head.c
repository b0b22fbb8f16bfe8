// SPDX-License-Identifier: GPL-2.0-only
/*
 * What stands around the rows of memory: totals, the course of time, the verdict on leaks, sizes.
 *
 *	allocated  1.20 GiB in 1,234,567 allocations, 20,576/s, mean 1.02 KiB
 *	freed      1.10 GiB in 1,200,000; 12.3 MiB in 45,000 temporary: freed within 1 allocation
 *	peak       312 MiB in 98,000 blocks, 41.2 s after the start
 *	live       100 MiB in 34,567 blocks at the end
 *	RSS        from 120 MiB to 340 MiB, peak 351 MiB; PSS at the end 330 MiB
 *	live ▁▂▂▃▄▅▆▇█▇▆▅▃▂
 */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "model/memory_trend.h"
#include "render/format.h"
#include "render/memory_words.h"
#include "render/table_memory.h"

enum { COURSE_COLUMNS = 60 };

static void append_name(struct buffer *out, const char *name)
{
	buffer_printf(out, "%-*s", TABLE_MEMORY_NAME, name);
}

static void append_in(struct buffer *out, const struct memory_amount *amount, const char *noun)
{
	memory_append_bytes(out, amount->bytes);
	buffer_string(out, " in ");
	memory_append_counted(out, amount->blocks, noun);
}

static void append_allocated(struct buffer *out, const struct profile *profile,
			     const struct memory_sum *sum)
{
	const struct memory_amount *allocated = &sum->amounts[MEMORY_VIEW_ALLOCATED];

	append_name(out, "allocated");
	memory_append_bytes(out, allocated->bytes);
	memory_append_error(out, memory_view_error(sum, MEMORY_VIEW_ALLOCATED));
	buffer_string(out, " in ");
	memory_append_counted(out, allocated->blocks, "allocation");
	if (profile->duration_ns && allocated->blocks) {
		double rate = allocated->blocks / (profile->duration_ns / 1e9);

		buffer_string(out, ", ");
		memory_append_count(out, (uint64_t)(rate + 0.5));
		buffer_string(out, "/s, mean ");
		memory_append_bytes(out, memory_mean_bytes(allocated));
	}
	buffer_byte(out, '\n');
}

static void append_freed(struct buffer *out, const struct memory *memory)
{
	const struct memory_amount *temporary = &memory->amounts[MEMORY_VIEW_TEMPORARY];

	append_name(out, "freed");
	memory_append_bytes(out, memory->freed.bytes);
	buffer_string(out, " in ");
	memory_append_count(out, memory->freed.blocks);
	if (temporary->blocks) {
		buffer_string(out, "; ");
		memory_append_bytes(out, temporary->bytes);
		buffer_string(out, " in ");
		memory_append_count(out, temporary->blocks);
		buffer_string(out, " temporary: ");
		memory_append_temporary(out, memory);
	}
	buffer_byte(out, '\n');
}

static void append_alive(struct buffer *out, const struct profile *profile,
			 const struct memory_sum *sum)
{
	append_name(out, "peak");
	memory_append_bytes(out, sum->amounts[MEMORY_VIEW_PEAK].bytes);
	memory_append_error(out, memory_view_error(sum, MEMORY_VIEW_PEAK));
	buffer_string(out, " in ");
	memory_append_counted(out, sum->amounts[MEMORY_VIEW_PEAK].blocks, "block");
	buffer_string(out, ", ");
	format_ns(out, profile->memory->peak_at_ns);
	buffer_string(out, " after the start\n");
	append_name(out, "live");
	memory_append_bytes(out, sum->amounts[MEMORY_VIEW_LIVE].bytes);
	memory_append_error(out, memory_view_error(sum, MEMORY_VIEW_LIVE));
	buffer_string(out, " in ");
	memory_append_counted(out, sum->amounts[MEMORY_VIEW_LIVE].blocks, "block");
	buffer_string(out, " at the end\n");
}

/* Of one process: several have a table of their own, as their sizes do not add up. */
static void append_resident(struct buffer *out, const struct profile *profile)
{
	const struct memory_process *process = memory_process_at(profile, 0);

	if (!process || profile->process_count > 1 || !process->rss_peak_bytes)
		return;
	append_name(out, "RSS");
	buffer_string(out, "from ");
	memory_append_bytes(out, process->rss_start_bytes);
	buffer_string(out, " to ");
	memory_append_bytes(out, process->rss_end_bytes);
	buffer_string(out, ", peak ");
	memory_append_bytes(out, process->rss_peak_bytes);
	if (process->pss_known && process->pss_end_bytes) {
		buffer_string(out, "; PSS at the end ");
		memory_append_bytes(out, process->pss_end_bytes);
	}
	buffer_byte(out, '\n');
}

/* Of one process alone: of several, the table of processes tells. */
static void append_end(struct buffer *out, const struct profile *profile)
{
	if (profile->process_count != 1 || !profile->processes[0].exited ||
	    !profile->processes[0].exit_status)
		return;
	append_name(out, "ended");
	memory_append_end(out, profile, 0);
	buffer_string(out, ": the report is of what was seen until then\n");
}

static void append_pages(struct buffer *out, const struct memory *memory)
{
	if (memory->amounts[MEMORY_VIEW_MAPPED].bytes) {
		append_name(out, "mapped");
		append_in(out, &memory->amounts[MEMORY_VIEW_MAPPED], "mapping");
		buffer_string(out, " still there at the end\n");
	}
	if (memory->amounts[MEMORY_VIEW_ARENAS].bytes) {
		append_name(out, "arenas");
		append_in(out, &memory->amounts[MEMORY_VIEW_ARENAS], "arena");
		buffer_string(out, " of small objects, taken and still there\n");
	}
	if (memory->resident) {
		append_name(out, "faulted");
		append_in(out, &memory->amounts[MEMORY_VIEW_FAULTED], "page fault");
		buffer_string(out, ", ");
		memory_append_bytes(out, memory->amounts[MEMORY_VIEW_RESIDENT].bytes);
		buffer_string(out, " of it resident at the end\n");
	}
	if (memory->failed) {
		append_name(out, "failed");
		memory_append_counted(out, memory->failed, "allocation");
		buffer_string(out, " got nothing\n");
	}
}

/* ---- the course of time ---- */

static uint64_t point_value(const struct memory_point *point, bool resident)
{
	if (resident)
		return point->resident_bytes;
	return point->peak_bytes > point->live_bytes ? point->peak_bytes : point->live_bytes;
}

/* The most in each of the columns; what no reading fell into is as it was before. */
static uint64_t fill_course(const struct memory *memory, bool resident, uint64_t *values)
{
	uint64_t end_ns = memory->points[memory->point_count - 1].time_ns + 1, most = 0;
	bool known[COURSE_COLUMNS] = { false };

	memset(values, 0, COURSE_COLUMNS * sizeof(*values));
	for (uint32_t i = 0; i < memory->point_count; i++) {
		const struct memory_point *point = &memory->points[i];
		uint64_t value = point_value(point, resident);
		unsigned int at = (unsigned __int128)point->time_ns * COURSE_COLUMNS / end_ns;

		if (at >= COURSE_COLUMNS)
			continue;
		known[at] = true;
		values[at] = value > values[at] ? value : values[at];
		most = value > most ? value : most;
	}
	for (unsigned int i = 1; i < COURSE_COLUMNS; i++)
		values[i] = known[i] ? values[i] : values[i - 1];
	return most;
}

static void append_course(struct buffer *out, const struct memory *memory, bool resident)
{
	uint64_t values[COURSE_COLUMNS], most;

	if (memory->point_count < 2)
		return;
	most = fill_course(memory, resident, values);
	if (!most)
		return;
	append_name(out, resident ? "RSS" : "live");
	for (unsigned int i = 0; i < COURSE_COLUMNS; i++) {
		/* U+2581 to U+2588, an eighth each; nothing is a blank. */
		unsigned int eighths = ((unsigned __int128)values[i] * 8 + most - 1) / most;

		if (eighths)
			buffer_printf(out, "\xe2\x96%c", (char)(0x80 + eighths));
		else
			buffer_byte(out, ' ');
	}
	buffer_byte(out, ' ');
	memory_append_bytes(out, most);
	buffer_byte(out, '\n');
}

void table_memory_append_head(struct buffer *out, const struct profile *profile)
{
	const struct memory *memory = profile->memory;
	struct memory_sum sum = { 0 };

	for (uint32_t i = 0; i < memory->site_count; i++)
		memory_sum_add(&sum, &memory->sites[i]);
	append_allocated(out, profile, &sum);
	append_freed(out, memory);
	append_alive(out, profile, &sum);
	append_pages(out, memory);
	append_resident(out, profile);
	append_end(out, profile);
	append_course(out, memory, false);
	append_course(out, memory, true);
}

/* ---- the verdict on leaks ---- */

static const char *row_noun(enum rollup_by by)
{
	switch (by) {
	case ROLLUP_LINE:
		return "line";
	case ROLLUP_CLASS:
		return "class";
	case ROLLUP_MODULE:
		return "module";
	case ROLLUP_THREAD:
		return "thread";
	case ROLLUP_PROCESS:
		return "process";
	default:
		return "function";
	}
}

static void append_row_name(struct buffer *out, const struct memory_sheet *sheet,
			    const struct memory_row *row)
{
	const struct profile *profile = sheet->profile;
	const struct profile_function *function;

	if (row->function == PROFILE_NONE) {
		if (row->thread != PROFILE_NONE)
			buffer_printf(out, "thread %u", profile->threads[row->thread].tid);
		else if (row->process != PROFILE_NONE)
			buffer_printf(out, "pid %u", profile->processes[row->process].pid);
		else
			buffer_string(out, "what has no stack");
		return;
	}
	function = &profile->functions[row->function];
	if (sheet->rollup.by == ROLLUP_MODULE) {
		memory_append_text(out, profile,
				   function->module ? function->module : function->file);
	} else if (sheet->rollup.by == ROLLUP_CLASS && function->class_name) {
		memory_append_text(out, profile, function->class_name);
	} else {
		memory_append_text(out, profile, function->name);
		buffer_string(out, " at ");
		text_append_safe(out, format_file(profile, function),
				 strlen(format_file(profile, function)));
		if (row->line > 0)
			buffer_printf(out, ":%d", row->line);
	}
}

static void append_growing(struct buffer *out, const struct memory_sheet *sheet, uint32_t count,
			   double slope, const struct memory_row *steepest)
{
	const struct memory_sum *self = &steepest->self;
	const char *noun = row_noun(sheet->rollup.by);
	const char *unit = sheet->growth_seconds > 1 ? "h" : "s";

	memory_append_counted(out, count, noun);
	buffer_printf(out, "%s, by ", count == 1 ? " keeps growing" : " keep growing");
	memory_append_growth(out, slope, sheet->growth_seconds);
	buffer_printf(out, "/%s; ", unit);
	append_row_name(out, sheet, steepest);
	if (count > 1) {
		buffer_string(out, " most, by ");
		memory_append_growth(out, self->trend.bytes_per_second, sheet->growth_seconds);
		buffer_printf(out, "/%s", unit);
	}
	buffer_string(out, " (");
	memory_append_confidence(out, &self->trend);
	buffer_string(out, " sure)");
	if (self->first_half_blocks) {
		buffer_string(out, ": ");
		memory_append_count(out, self->survivors.blocks);
		buffer_string(out, " of ");
		memory_append_counted(out, self->first_half_blocks, "block");
		buffer_string(out, " from the first half of the run are still alive");
	}
	buffer_string(out, "\nwhat grows may be a cache that fills: look again later whether it "
			   "has stopped\n");
}

void table_memory_append_verdict(struct buffer *out, const struct memory_sheet *sheet)
{
	const struct memory_row *steepest = NULL;
	uint32_t count = 0, points = 0;
	double slope = 0;

	for (uint32_t i = 0; i < sheet->rollup.row_count; i++) {
		const struct memory_row *row = &sheet->rollup.rows[i];
		const struct memory_trend *trend = &row->self.trend;

		points = trend->points > points ? trend->points : points;
		if (!memory_trend_grows(trend))
			continue;
		count++;
		slope += trend->bytes_per_second;
		if (!steepest || trend->bytes_per_second > steepest->self.trend.bytes_per_second)
			steepest = row;
	}
	if (count) {
		append_growing(out, sheet, count, slope, steepest);
		return;
	}
	if (points < MEMORY_TREND_ENOUGH) {
		buffer_string(out, "too little was seen to tell what grows: give it longer, with "
				   "-d or until Ctrl-C\n");
		return;
	}
	buffer_string(out, "nothing keeps growing: of ");
	memory_append_bytes(out, sheet->rollup.sum.amounts[MEMORY_VIEW_LIVE].bytes);
	buffer_printf(out, " alive at the end, no %s surely grew in ", row_noun(sheet->rollup.by));
	format_ns(out, sheet->profile->duration_ns);
	buffer_string(out, "; a slow leak needs a longer look\n");
}
