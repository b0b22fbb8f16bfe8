// SPDX-License-Identifier: GPL-2.0-only
/*
 * What stands below the rows of memory: sizes, processes, CPython's own allocator.
 *
 *	sizes of 1,234,567 allocations: median about 64 B, 99 % up to 4.00 KiB
 *	  < 128 B   81.2 %  ████████████████████████████████
 *	  < 512 B   12.3 %  █████
 */
#include <string.h>
#include <sys/wait.h>

#include "render/format.h"
#include "render/memory_words.h"
#include "render/table_memory.h"
#include "render/table_rows.h"

enum {
	SIZES_FIRST_OCTAVE = 5, /* the first range ends at 32 bytes, each next at four times more */
	SIZES_RANGES = 12,
	SIZES_BAR = 48,
	COMMAND_NARROWEST = 8,
};

/* ---- sizes ---- */

/* The histogram's steps are narrow, but not single bytes. */
static void append_about(struct buffer *out, const struct histogram *sizes, double fraction)
{
	memory_append_bytes(out, histogram_quantile(sizes, fraction));
}

static void append_range(struct buffer *out, unsigned int range, bool last, uint64_t count,
			 uint64_t all, uint64_t most)
{
	unsigned int octave = SIZES_FIRST_OCTAVE + 2 * (last ? range - 1 : range);
	unsigned int bar = (unsigned __int128)count * SIZES_BAR / most;
	struct buffer limit;

	buffer_init(&limit);
	buffer_printf(&limit, "%s %llu %s", last ? ">=" : "<", 1ull << (octave % 10),
		      octave < 10 ? "B" :
		      octave < 20 ? "KiB" :
				    "MiB");
	buffer_printf(out, "%12s ", buffer_error(&limit) ? "" : limit.bytes);
	buffer_clear(&limit);
	format_percent(&limit, count, all);
	buffer_printf(out, "%6s %%%s", buffer_error(&limit) ? "" : limit.bytes, count ? "  " : "");
	buffer_release(&limit);
	for (unsigned int i = 0; i < bar; i++)
		buffer_string(out, "\xe2\x96\x88");
	/* What is there is never shown as if it were not. */
	if (count && !bar)
		buffer_string(out, "\xe2\x96\x8f");
	buffer_byte(out, '\n');
}

void table_memory_append_sizes(struct buffer *out, const struct memory *memory)
{
	uint64_t octaves[HISTOGRAM_OCTAVES] = { 0 }, ranges[SIZES_RANGES] = { 0 };
	uint64_t all = histogram_count(&memory->sizes), most = 0;
	unsigned int first = SIZES_RANGES, end = 0;

	if (!all)
		return;
	histogram_octaves(&memory->sizes, octaves);
	for (unsigned int i = 0; i < HISTOGRAM_OCTAVES; i++) {
		unsigned int range = i < SIZES_FIRST_OCTAVE ? 0 : (i - SIZES_FIRST_OCTAVE) / 2 + 1;

		ranges[range < SIZES_RANGES ? range : SIZES_RANGES - 1] += octaves[i];
	}
	for (unsigned int i = 0; i < SIZES_RANGES; i++) {
		if (!ranges[i])
			continue;
		first = first < i ? first : i;
		end = i + 1;
		most = ranges[i] > most ? ranges[i] : most;
	}
	buffer_string(out, "sizes of ");
	if (memory->sample_bytes)
		buffer_string(out, "about ");
	memory_append_counted(out, memory->amounts[MEMORY_VIEW_ALLOCATED].blocks, "allocation");
	buffer_string(out, ": median about ");
	append_about(out, &memory->sizes, 0.5);
	buffer_string(out, ", 99 % up to ");
	append_about(out, &memory->sizes, 0.99);
	buffer_byte(out, '\n');
	for (unsigned int i = first; i < end; i++)
		append_range(out, i, i == SIZES_RANGES - 1, ranges[i], all, most);
}

/* ---- processes ---- */

static void bytes_cell(struct grid *grid, uint64_t bytes, bool known)
{
	if (known)
		table_value_cell(grid, UNIT_BYTES, bytes);
	else
		grid_cell(grid, "-", 1);
}

/* "running", "status 3", "SIGSEGV", "out of memory" */
static void append_short_end(struct buffer *out, const struct profile *profile, uint32_t id)
{
	const struct memory_process *process = memory_process_at(profile, id);
	const struct profile_process *described = &profile->processes[id];
	int status = described->exit_status;

	if (!described->exited)
		buffer_string(out, "running");
	else if (process && process->oom_killed)
		buffer_string(out, "out of memory");
	else if (WIFSIGNALED(status))
		memory_append_signal(out, WTERMSIG(status));
	else
		buffer_printf(out, "status %d", WEXITSTATUS(status));
}

static void process_row(struct grid *grid, const struct profile *profile, uint32_t id)
{
	const struct memory_process *process = memory_process_at(profile, id);
	const struct memory_process unknown = { 0 };
	struct buffer cell;

	process = process ? process : &unknown;
	table_value_cell(grid, UNIT_SAMPLES, profile->processes[id].pid);
	bytes_cell(grid, process->rss_start_bytes, process->rss_peak_bytes);
	bytes_cell(grid, process->rss_end_bytes, process->rss_peak_bytes);
	bytes_cell(grid, process->rss_peak_bytes, process->rss_peak_bytes);
	bytes_cell(grid, process->pss_end_bytes, process->pss_known);
	bytes_cell(grid, process->live.bytes, !process->refusal);
	buffer_init(&cell);
	append_short_end(&cell, profile, id);
	grid_take(grid, &cell);
	buffer_release(&cell);
	table_text_cell(grid, profile, profile->processes[id].command);
	grid_end_row(grid, GRID_PLAIN);
}

/* Resident sizes do not add up, as processes share pages; their shares do. */
static void processes_sum(struct grid *grid, const struct profile *profile)
{
	const struct memory *memory = profile->memory;
	uint64_t pss_bytes = 0, live_bytes = 0;
	uint32_t alive = 0, known = 0;
	struct buffer cell;

	for (uint32_t i = 0; i < memory->process_count && i < profile->process_count; i++) {
		const struct memory_process *process = &memory->processes[i];

		live_bytes += process->live.bytes;
		if (profile->processes[i].exited)
			continue;
		alive++;
		known += process->pss_known;
		pss_bytes += process->pss_known ? process->pss_end_bytes : process->rss_end_bytes;
	}
	grid_cell(grid, "all", 3);
	for (int i = 0; i < 3; i++)
		grid_cell(grid, "", 0);
	bytes_cell(grid, pss_bytes, known);
	table_value_cell(grid, UNIT_BYTES, live_bytes);
	buffer_init(&cell);
	memory_append_count(&cell, alive);
	buffer_string(&cell, " running");
	if (known && known < alive) {
		buffer_string(&cell, ", RSS of ");
		memory_append_count(&cell, alive - known);
	}
	grid_take(grid, &cell);
	buffer_release(&cell);
	grid_cell(grid, "-", 1);
	grid_end_row(grid, GRID_BOLD);
}

void table_memory_fill_processes(struct grid *grid, const struct profile *profile, uint32_t limit,
				 uint32_t *hidden)
{
	uint32_t shown = profile->process_count;

	if (limit && shown > limit)
		shown = limit;
	*hidden = profile->process_count - shown;
	grid_column(grid, "PID", true, 0);
	grid_ranked_column(grid, "RSS START", 1);
	grid_column(grid, "RSS END", true, 0);
	grid_column(grid, "RSS PEAK", true, 0);
	grid_column(grid, "PSS", true, 0);
	grid_column(grid, "LIVE", true, 0);
	grid_column(grid, "ENDED", false, 0);
	grid_text_column(grid, "COMMAND", COMMAND_NARROWEST, 18);
	grid->heat_column = UINT32_MAX;
	for (uint32_t i = 0; i < shown; i++)
		process_row(grid, profile, i);
	processes_sum(grid, profile);
}

/* ---- CPython's own allocator ---- */

static void append_change(struct buffer *out, uint64_t before, uint64_t now)
{
	buffer_byte(out, now < before ? '-' : '+');
	memory_append_count(out, now < before ? before - now : now - before);
}

static void pool_row(struct grid *grid, const struct memory_pool_class *now,
		     const struct memory_pool_class *before)
{
	struct buffer cell;

	table_value_cell(grid, UNIT_BYTES, now->block_bytes);
	buffer_init(&cell);
	memory_append_count(&cell, now->pools);
	grid_take(grid, &cell);
	memory_append_count(&cell, now->used_blocks);
	grid_take(grid, &cell);
	if (before)
		append_change(&cell, before->used_blocks, now->used_blocks);
	else
		buffer_byte(&cell, '-');
	grid_take(grid, &cell);
	memory_append_count(&cell, now->free_blocks);
	grid_take(grid, &cell);
	format_percent(&cell, now->free_blocks, now->used_blocks + now->free_blocks);
	grid_take(grid, &cell);
	memory_append_bytes(&cell, now->free_blocks * now->block_bytes);
	grid_take(grid, &cell);
	buffer_release(&cell);
	grid_end_row(grid, GRID_PLAIN);
}

static void pools_title(struct buffer *title, const struct profile *profile, uint32_t id)
{
	const struct memory_process *process = memory_process_at(profile, id);
	const struct memory_pools *now = &process->pools_end, *before = &process->pools_start;
	uint64_t free_bytes = 0;

	for (unsigned int i = 0; i < MEMORY_POOL_CLASSES; i++)
		free_bytes += now->classes[i].free_blocks * now->classes[i].block_bytes;
	buffer_printf(title, "small objects of pid %u, in CPython's own allocator: ",
		      profile->processes[id].pid);
	memory_append_bytes(title, now->used_bytes);
	buffer_string(title, " used of ");
	memory_append_bytes(title, now->arenas_bytes);
	buffer_string(title, " in ");
	memory_append_counted(title, now->arenas, "arena");
	if (before->known) {
		buffer_string(title, " (at the start ");
		memory_append_bytes(title, before->used_bytes);
		buffer_string(title, " of ");
		memory_append_bytes(title, before->arenas_bytes);
		buffer_byte(title, ')');
	}
	buffer_string(title, "; ");
	memory_append_bytes(title, free_bytes);
	buffer_string(title, " lie between blocks in use (");
	format_share(title, free_bytes, free_bytes + now->used_bytes);
	buffer_string(title, " fragmentation), ");
	memory_append_counted(title, now->free_pools, "pool");
	buffer_string(title, now->free_pools == 1 ? " is empty" : " are empty");
	if (now->torn) {
		buffer_string(title, "; ");
		memory_append_counted(title, now->torn, "pool");
		buffer_string(title, " changed while read and not counted");
	}
	buffer_byte(title, '\n');
}

void table_memory_fill_pools(struct grid *grid, struct buffer *title, const struct profile *profile,
			     uint32_t id)
{
	const struct memory_process *process = memory_process_at(profile, id);

	pools_title(title, profile, id);
	grid_column(grid, "BLOCK", true, 0);
	grid_column(grid, "POOLS", true, 0);
	grid_column(grid, "USED", true, 0);
	grid_column(grid, "CHANGE", true, 0);
	grid_column(grid, "FREE", true, 0);
	grid_column(grid, "FREE%", true, 0);
	grid_column(grid, "UNUSED", true, 0);
	grid->heat_column = UINT32_MAX;
	for (unsigned int i = 0; i < MEMORY_POOL_CLASSES; i++) {
		const struct memory_pool_class *now = &process->pools_end.classes[i];
		const struct memory_pool_class *before = &process->pools_start.classes[i];
		bool known = process->pools_start.known;

		if (now->pools || (known && before->used_blocks))
			pool_row(grid, now, known ? before : NULL);
	}
}
