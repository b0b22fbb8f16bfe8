// SPDX-License-Identifier: GPL-2.0-only
/*
 * --mode memory in -f json. "stacks" are those of the sites, one each and in their order, and weigh
 * what is shown; everything else has all views side by side.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "render/format.h"
#include "render/json_profile.h"
#include "render/memory_words.h"
#include "render/selection.h"

struct json_memory {
	struct json_writer *json;
	const struct profile *profile;
	const struct render_options *options;
	const struct memory *memory;
};

/* ---- amounts ---- */

static void write_sizes(struct json_writer *json, const struct histogram *sizes)
{
	uint64_t octaves[HISTOGRAM_OCTAVES] = { 0 };

	histogram_octaves(sizes, octaves);
	json_open(json, "sizes", '[');
	for (unsigned int i = 0; i < HISTOGRAM_OCTAVES; i++) {
		uint64_t first = i ? 1ull << i : 0;

		if (!octaves[i])
			continue;
		json_open(json, NULL, '{');
		json_uint(json, "from", first);
		json_uint(json, "to", i ? first * 2 - 1 : 1);
		json_uint(json, "count", octaves[i]);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void write_growth(struct json_writer *json, const struct memory_sum *sum)
{
	const struct memory_trend *trend = &sum->trend;
	double per_hour = trend->bytes_per_second * 3600;

	per_hour = fmin(fmax(per_hour, -0x1p62), 0x1p62);
	json_int(json, "growth_bytes_per_hour", llround(per_hour));
	json_decimal(json, "growth_confidence", (uint64_t)(trend->confidence * 10000), 4);
	json_uint(json, "growth_readings", trend->points);
	json_uint(json, "survivors", sum->survivors.blocks);
	json_uint(json, "survivor_bytes", sum->survivors.bytes);
	json_uint(json, "first_half_blocks", sum->first_half_blocks);
	json_uint(json, "oldest_ns", sum->oldest_ns);
	json_open(json, "ages", '[');
	for (int i = 0; i < MEMORY_AGES && sum->amounts[MEMORY_VIEW_LIVE].blocks; i++) {
		json_open(json, NULL, '{');
		json_uint(json, "blocks", sum->ages[i].blocks);
		json_uint(json, "bytes", sum->ages[i].bytes);
		json_close(json, '}');
	}
	json_close(json, ']');
}

/* In the words of the contract where it has some. */
static void write_sum(const struct json_memory *out, const struct memory_sum *sum)
{
	const struct memory_amount *amounts = sum->amounts;
	struct json_writer *json = out->json;

	json_uint(json, "allocations", amounts[MEMORY_VIEW_ALLOCATED].blocks);
	json_uint(json, "allocated_bytes", amounts[MEMORY_VIEW_ALLOCATED].bytes);
	json_uint(json, "frees", sum->freed.blocks);
	json_uint(json, "freed_bytes", sum->freed.bytes);
	json_uint(json, "live_blocks", amounts[MEMORY_VIEW_LIVE].blocks);
	json_uint(json, "live_bytes", amounts[MEMORY_VIEW_LIVE].bytes);
	json_uint(json, "at_peak_blocks", amounts[MEMORY_VIEW_PEAK].blocks);
	json_uint(json, "at_peak_bytes", amounts[MEMORY_VIEW_PEAK].bytes);
	json_uint(json, "temporary_allocations", amounts[MEMORY_VIEW_TEMPORARY].blocks);
	json_uint(json, "temporary_bytes", amounts[MEMORY_VIEW_TEMPORARY].bytes);
	json_uint(json, "mappings", amounts[MEMORY_VIEW_MAPPED].blocks);
	json_uint(json, "mapped_bytes", amounts[MEMORY_VIEW_MAPPED].bytes);
	json_uint(json, "arenas", amounts[MEMORY_VIEW_ARENAS].blocks);
	json_uint(json, "arena_bytes", amounts[MEMORY_VIEW_ARENAS].bytes);
	if (out->memory->resident) {
		json_uint(json, "faults", amounts[MEMORY_VIEW_FAULTED].blocks);
		json_uint(json, "faulted_bytes", amounts[MEMORY_VIEW_FAULTED].bytes);
		json_uint(json, "resident_bytes", amounts[MEMORY_VIEW_RESIDENT].bytes);
	}
	json_uint(json, "resized", sum->resized);
	json_uint(json, "failed", sum->failed);
	if (out->memory->sample_bytes) {
		json_uint(json, "allocated_error_bytes",
			  memory_view_error(sum, MEMORY_VIEW_ALLOCATED));
		json_uint(json, "live_error_bytes", memory_view_error(sum, MEMORY_VIEW_LIVE));
		json_uint(json, "at_peak_error_bytes", memory_view_error(sum, MEMORY_VIEW_PEAK));
	}
	write_growth(json, sum);
}

/* ---- functions, lines, threads ---- */

static void write_row(const struct json_memory *out, const struct memory_row *row,
		      enum rollup_by by)
{
	const struct profile *profile = out->profile;
	enum memory_view view = out->memory->view;
	const struct profile_function *function;
	struct json_writer *json = out->json;

	function = row->function == PROFILE_NONE ? NULL : &profile->functions[row->function];
	json_newline(json);
	json_open(json, NULL, '{');
	if (by == ROLLUP_THREAD) {
		json_uint(json, "pid", profile->processes[row->process].pid);
		json_uint(json, "tid", profile->threads[row->thread].tid);
		json_profile_text(json, "name", profile, profile->threads[row->thread].name, false);
	} else if (by == ROLLUP_LINE) {
		json_profile_text(json, "file", profile, function->file, false);
		json_int(json, "line", row->line);
		json_profile_text(json, "name", profile, function->name, false);
	} else {
		json_function_keys(json, profile, row->function);
		json_text(json, "kind", format_kind(function->kind));
	}
	json_uint(json, "self", row->self.amounts[view].bytes);
	json_uint(json, "total", row->total.amounts[view].bytes);
	json_uint(json, "self_blocks", row->self.amounts[view].blocks);
	json_uint(json, "total_blocks", row->total.amounts[view].blocks);
	write_sum(out, &row->self);
	write_sizes(json, &row->sizes);
	json_close(json, '}');
}

static int write_rows(const struct json_memory *out, const char *key, enum rollup_by by)
{
	const struct render_options *options = out->options;
	struct memory_rollup rollup;
	int err = memory_rollup_build(out->profile, by, options->memory_sort, false, options->globs,
				      options->glob_count, &rollup);

	if (err)
		return err;
	json_newline(out->json);
	json_open(out->json, key, '[');
	for (uint32_t i = 0; i < rollup.row_count; i++) {
		/* What has no stack is of no function and no line. */
		if (by == ROLLUP_THREAD || rollup.rows[i].function != PROFILE_NONE)
			write_row(out, &rollup.rows[i], by);
	}
	json_close(out->json, ']');
	memory_rollup_release(&rollup);
	return 0;
}

/* ---- sites ---- */

static void write_site(const struct json_memory *out, const struct memory_site *site,
		       uint32_t place)
{
	const struct profile *profile = out->profile;
	uint32_t frame = memory_rollup_frame(profile, site->stack);
	struct json_writer *json = out->json;
	struct memory_sum sum = { 0 };
	uint32_t file = 0, name = 0;
	int32_t line = 0;

	if (frame != PROFILE_NONE) {
		const struct profile_function *function =
			&profile->functions[profile->frames[frame].function];

		file = function->file;
		name = function->name;
		line = profile->frames[frame].line;
	}
	json_newline(json);
	json_open(json, NULL, '{');
	json_uint(json, "stack", place);
	json_profile_text(json, "file", profile, file, false);
	json_int(json, "line", line);
	json_profile_text(json, "name", profile, name, false);
	json_uint(json, "tid", profile->threads[site->thread].tid);
	memory_sum_add(&sum, site);
	write_sum(out, &sum);
	write_sizes(json, &site->sizes);
	json_close(json, '}');
}

static void write_sites(const struct json_memory *out, const bool *kept)
{
	uint32_t place = 0;

	json_newline(out->json);
	json_open(out->json, "sites", '[');
	for (uint32_t i = 0; i < out->memory->site_count; i++) {
		const struct memory_site *site = &out->memory->sites[i];

		if (kept[site->stack])
			write_site(out, site, place++);
	}
	json_close(out->json, ']');
}

static int write_stacks(const struct json_memory *out, const bool *kept)
{
	const struct memory *memory = out->memory;
	struct profile_sum *sums = calloc(memory->site_count + 1ul, sizeof(*sums));
	uint32_t count = 0;
	int err;

	if (!sums)
		return -ENOMEM;
	for (uint32_t i = 0; i < memory->site_count; i++) {
		const struct memory_site *site = &memory->sites[i];

		if (!kept[site->stack])
			continue;
		sums[count++] = (struct profile_sum){
			.thread = site->thread,
			.stack = site->stack,
			.samples = site->amounts[memory->view].blocks,
			.value = site->amounts[memory->view].bytes,
		};
	}
	err = json_write_stacks(out->json, out->profile, sums, count);
	free(sums);
	return err;
}

/* ---- processes ---- */

static void write_pools(struct json_writer *json, const char *key, const struct memory_pools *pools)
{
	if (!pools->known) {
		json_null(json, key);
		return;
	}
	json_open(json, key, '{');
	json_uint(json, "arenas", pools->arenas);
	json_uint(json, "arena_bytes", pools->arena_bytes);
	json_uint(json, "arenas_bytes", pools->arenas_bytes);
	json_uint(json, "pool_bytes", pools->pool_bytes);
	json_uint(json, "free_pools", pools->free_pools);
	json_uint(json, "used_bytes", pools->used_bytes);
	json_uint(json, "torn", pools->torn);
	json_open(json, "classes", '[');
	for (unsigned int i = 0; i < MEMORY_POOL_CLASSES; i++) {
		const struct memory_pool_class *pool_class = &pools->classes[i];

		if (!pool_class->pools)
			continue;
		json_open(json, NULL, '{');
		json_uint(json, "block_bytes", pool_class->block_bytes);
		json_uint(json, "pools", pool_class->pools);
		json_uint(json, "used_blocks", pool_class->used_blocks);
		json_uint(json, "free_blocks", pool_class->free_blocks);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_close(json, '}');
}

static void write_coverage(struct json_writer *json, const struct memory_process *process)
{
	static const char *const names[] = {
		[MEMORY_COVERAGE_NONE] = "malloc",
		[MEMORY_COVERAGE_WHOLE] = "objects",
		[MEMORY_COVERAGE_INLINED] = "inlined",
		[MEMORY_COVERAGE_UNKNOWN] = "unknown",
	};

	json_text(json, "coverage", names[process->coverage]);
	if (process->coverage == MEMORY_COVERAGE_NONE || process->coverage_share < 0)
		json_null(json, "coverage_share");
	else
		json_decimal(json, "coverage_share",
			     (uint64_t)(process->coverage_share * 1000000 + 0.5), 6);
}

static void write_resident(struct json_writer *json, const struct memory_process *process)
{
	static const char *const keys[] = { "rss_start", "rss_end", "rss_peak" };
	const uint64_t values[] = { process->rss_start_bytes, process->rss_end_bytes,
				    process->rss_peak_bytes };

	for (unsigned int i = 0; i < 3; i++) {
		if (process->rss_peak_bytes)
			json_uint(json, keys[i], values[i]);
		else
			json_null(json, keys[i]);
	}
	if (process->pss_known)
		json_uint(json, "pss_end", process->pss_end_bytes);
	else
		json_null(json, "pss_end");
}

static void write_process(const struct json_memory *out, uint32_t id)
{
	const struct memory_process *process = &out->memory->processes[id];
	const struct profile *profile = out->profile;
	struct json_writer *json = out->json;
	struct buffer end;

	buffer_init(&end);
	json_newline(json);
	json_open(json, NULL, '{');
	json_uint(json, "pid", profile->processes[id].pid);
	json_bool(json, "watched", process->watched);
	json_profile_text(json, "allocator", profile, process->allocator, true);
	write_coverage(json, process);
	json_profile_text(json, "refusal", profile, process->refusal, true);
	json_profile_text(json, "note", profile, process->note, true);
	if (memory_append_end(&end, profile, id) && !buffer_error(&end))
		json_string(json, "ended", end.bytes, end.length);
	else
		json_null(json, "ended");
	json_bool(json, "oom_killed", process->oom_killed);
	write_resident(json, process);
	json_uint(json, "live_bytes", process->live.bytes);
	json_uint(json, "live_blocks", process->live.blocks);
	json_uint(json, "allocated_bytes", process->allocated.bytes);
	json_uint(json, "allocations", process->allocated.blocks);
	json_uint(json, "mapped_bytes", process->mapped_bytes);
	write_pools(json, "pools_start", &process->pools_start);
	write_pools(json, "pools_end", &process->pools_end);
	json_text(json, "pools_reason", process->pools_end.reason);
	json_close(json, '}');
	buffer_release(&end);
}

static void write_processes(const struct json_memory *out)
{
	json_newline(out->json);
	json_open(out->json, "processes", '[');
	for (uint32_t i = 0; i < out->memory->process_count && i < out->profile->process_count; i++)
		write_process(out, i);
	json_close(out->json, ']');
}

/* Of all processes; what they share counts once in pss_end only, where all that run have one. */
static void write_all_resident(const struct json_memory *out)
{
	const struct memory *memory = out->memory;
	struct memory_process all = { .pss_known = true };
	uint64_t last_bytes = 0;
	uint32_t running = 0;

	for (uint32_t i = 0; i < memory->process_count && i < out->profile->process_count; i++) {
		const struct memory_process *process = &memory->processes[i];

		all.rss_start_bytes += process->rss_start_bytes;
		last_bytes += process->rss_end_bytes;
		if (process->rss_peak_bytes > all.rss_peak_bytes)
			all.rss_peak_bytes = process->rss_peak_bytes;
		if (out->profile->processes[i].exited)
			continue;
		running++;
		all.rss_end_bytes += process->rss_end_bytes;
		all.pss_known = all.pss_known && process->pss_known;
		all.pss_end_bytes += process->pss_end_bytes;
	}
	for (uint32_t i = 0; i < memory->point_count; i++) {
		if (memory->points[i].resident_bytes > all.rss_peak_bytes)
			all.rss_peak_bytes = memory->points[i].resident_bytes;
	}
	/* What has ended is not resident at the end, unless that was the end of all. */
	if (!running)
		all.rss_end_bytes = last_bytes;
	all.pss_known = all.pss_known && running;
	if (all.rss_end_bytes > all.rss_peak_bytes)
		all.rss_peak_bytes = all.rss_end_bytes;
	write_resident(out->json, &all);
}

/* ---- the whole ---- */

static void write_asked(const struct json_memory *out)
{
	const struct memory *memory = out->memory;
	struct json_writer *json = out->json;

	json_text(json, "show", memory_view_name(memory->view));
	json_text(json, "allocator", memory->objects ? "object" : "malloc");
	json_uint(json, "sample_bytes", memory->sample_bytes);
	json_uint(json, "min_size_bytes", memory->min_size_bytes);
	json_uint(json, "temporary_allocation_limit", memory->temporary_distance);
	json_uint(json, "temporary_limit_ns", memory->temporary_ns);
	json_bool(json, "leaks", memory->leaks);
	json_bool(json, "rss", memory->resident);
}

static void write_timeline(const struct json_memory *out)
{
	const struct memory *memory = out->memory;
	struct json_writer *json = out->json;

	json_newline(json);
	json_open(json, "timeline", '[');
	for (uint32_t i = 0; i < memory->point_count; i++) {
		const struct memory_point *point = &memory->points[i];

		json_open(json, NULL, '{');
		json_uint(json, "t_ns", point->time_ns);
		json_uint(json, "live_bytes", point->live_bytes);
		json_uint(json, "rss_bytes", point->resident_bytes);
		json_uint(json, "peak_bytes", point->peak_bytes);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void write_memory(const struct json_memory *out, const bool *kept)
{
	static const uint64_t age_limits_ns[MEMORY_AGES - 1] = { 1000000000, 10000000000,
								 60000000000, 600000000000 };
	const struct memory *memory = out->memory;
	struct json_writer *json = out->json;
	struct memory_sum sum = { 0 };

	for (uint32_t i = 0; i < memory->site_count; i++)
		memory_sum_add(&sum, &memory->sites[i]);
	json_newline(json);
	if (!json->nested)
		json_open(json, "memory", '{');
	write_asked(out);
	json_newline(json);
	write_sum(out, &sum);
	json_uint(json, "unknown_frees", memory->unknown_frees);
	json_newline(json);
	json_uint(json, "peak_bytes", memory->amounts[MEMORY_VIEW_PEAK].bytes);
	json_uint(json, "peak_blocks", memory->amounts[MEMORY_VIEW_PEAK].blocks);
	json_uint(json, "peak_at_ns", memory->peak_at_ns);
	write_all_resident(out);
	json_open(json, "age_limits_ns", '[');
	for (int i = 0; i < MEMORY_AGES - 1; i++)
		json_uint(json, NULL, age_limits_ns[i]);
	json_close(json, ']');
	json_newline(json);
	write_sizes(json, &memory->sizes);
	write_processes(out);
	write_sites(out, kept);
	write_timeline(out);
	json_close(json, '}');
}

int json_write_memory(struct json_writer *json, const struct profile *profile,
		      const struct render_options *options)
{
	const struct json_memory out = { json, profile, options, profile->memory };
	bool *kept = selection_of_stacks(profile, options);
	int err;

	if (!kept)
		return -ENOMEM;
	if (json->nested)
		json_open(json, "memory", '{');
	err = write_rows(&out, "functions", ROLLUP_FUNCTION);
	json_newline(json);
	if (!err)
		err = write_stacks(&out, kept);
	if (!err)
		err = write_rows(&out, "lines", ROLLUP_LINE);
	if (!err)
		err = write_rows(&out, "threads", ROLLUP_THREAD);
	if (!err)
		write_memory(&out, kept);
	free(kept);
	return err;
}
