// SPDX-License-Identifier: GPL-2.0-only
/*
 * -f json of --mode gc: stacks that triggered collections, weighing their pauses, then everything about
 * collections, generations, lines, processes and the course of time.
 *
 *	"gc":{"generations":[{"generation":0,"count":588,"total_ns":201115733, ...
 */
#include <errno.h>
#include <stdlib.h>

#include "render/format.h"
#include "render/gc_words.h"
#include "render/json_profile.h"

struct json_gc {
	struct json_writer *json;
	const struct profile *profile;
	const struct render_options *options;
	const struct collections *collections;
	const bool *matching; /* by stack */
};

static void write_amount(struct json_writer *json, const struct gc_amount *amount)
{
	json_uint(json, "count", amount->count);
	json_uint(json, "asked", amount->asked);
	json_uint(json, "total_ns", amount->pause_ns);
	json_uint(json, "min_ns", amount->min_ns);
	json_uint(json, "mean_ns", amount->count ? amount->pause_ns / amount->count : 0);
	json_uint(json, "max_ns", amount->max_ns);
	json_uint(json, "collected", amount->collected);
	json_uint(json, "uncollectable", amount->uncollectable);
}

static void write_quantiles(struct json_writer *json, const struct gc_amount *amount,
			    const struct histogram *pauses)
{
	static const struct {
		const char *key;
		double fraction;
	} quantiles[] = { { "p50_ns", 0.5 }, { "p90_ns", 0.9 }, { "p99_ns", 0.99 } };

	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		json_uint(json, quantiles[i].key,
			  histogram_quantile_within(pauses, quantiles[i].fraction, amount->min_ns,
						    amount->max_ns));
}

static void write_generations(const struct json_gc *out)
{
	struct json_writer *json = out->json;
	uint64_t watched_ns = collections_watched_ns(out->collections);

	json_newline(json);
	json_open(json, "generations", '[');
	for (int i = 0; i < ABI_GC_GENERATIONS; i++) {
		const struct gc_generation *generation = &out->collections->generations[i];

		json_newline(json);
		json_open(json, NULL, '{');
		json_uint(json, "generation", i);
		json_text(json, "name", gc_words_generation(out->collections, i));
		write_amount(json, &generation->amount);
		write_quantiles(json, &generation->amount, &generation->pauses);
		json_decimal(json, "wall_share",
			     format_ppm(generation->amount.pause_ns, watched_ns), 6);
		json_close(json, '}');
	}
	json_close(json, ']');
}

/* ---- one by one ---- */

static void write_place(const struct json_gc *out, uint32_t stack)
{
	uint32_t frame = gc_rollup_frame(out->profile, stack), file = 0, name = 0;
	int32_t line = 0;

	if (frame != PROFILE_NONE) {
		const struct profile_frame *at = &out->profile->frames[frame];

		file = out->profile->functions[at->function].file;
		name = out->profile->functions[at->function].name;
		line = at->line;
	}
	json_profile_text(out->json, "file", out->profile, file, true);
	json_int(out->json, "line", line);
	json_profile_text(out->json, "name", out->profile, name, true);
}

static void write_collection(const struct json_gc *out, const struct gc_collection *collection,
			     const uint32_t *places)
{
	const struct gc_site_sum *site = &out->collections->sites[collection->site];
	const struct profile_thread *thread = &out->profile->threads[site->thread];
	struct json_writer *json = out->json;

	if (!out->matching[site->stack])
		return;
	json_newline(json);
	json_open(json, NULL, '{');
	json_uint(json, "t_ns", collection->start_ns);
	json_uint(json, "pid", out->profile->processes[thread->process].pid);
	json_uint(json, "tid", thread->tid);
	json_uint(json, "generation", collection->generation);
	json_text(json, "kind", gc_words_of(out->profile, collection));
	json_uint(json, "duration_ns", collection->pause_ns);
	json_uint(json, "collected", collection->collected);
	json_uint(json, "uncollectable", collection->uncollectable);
	json_bool(json, "asked", collection->asked);
	json_uint(json, "stack", places[collection->site]);
	write_place(out, site->stack);
	json_close(json, '}');
}

static void write_collections(const struct json_gc *out, const uint32_t *places)
{
	const struct collections *collections = out->collections;

	json_newline(out->json);
	json_open(out->json, "collections", '[');
	for (uint32_t i = 0; i < collections->listed_count; i++)
		write_collection(out, &collections->listed[i], places);
	json_close(out->json, ']');
	json_newline(out->json);
	json_uint(out->json, "collections_omitted",
		  collections->amount.count - collections->listed_count);
	json_newline(out->json);
	json_open(out->json, "worst", '[');
	for (uint32_t i = 0; i < collections->worst_count; i++)
		write_collection(out, &collections->worst[i], places);
	json_close(out->json, ']');
}

/* ---- lines, processes, time ---- */

static int write_lines(const struct json_gc *out)
{
	const struct render_options *options = out->options;
	struct json_writer *json = out->json;
	struct gc_rollup rollup;
	int err = gc_rollup_build(out->profile, ROLLUP_LINE, options->gc_sort, false,
				  options->globs, options->glob_count, &rollup);

	if (err)
		return err;
	json_newline(json);
	json_open(json, "lines", '[');
	for (uint32_t i = 0; i < rollup.row_count; i++) {
		const struct gc_row *row = &rollup.rows[i];
		uint32_t file = 0, name = 0;

		if (row->function != PROFILE_NONE) {
			file = out->profile->functions[row->function].file;
			name = out->profile->functions[row->function].name;
		}
		json_newline(json);
		json_open(json, NULL, '{');
		json_profile_text(json, "file", out->profile, file, true);
		json_int(json, "line", row->line);
		json_profile_text(json, "name", out->profile, name, true);
		write_amount(json, &row->amount);
		json_open(json, "by_generation", '[');
		for (int j = 0; j < ABI_GC_GENERATIONS; j++)
			json_uint(json, NULL, row->amounts[j].count);
		json_close(json, ']');
		json_close(json, '}');
	}
	json_close(json, ']');
	gc_rollup_release(&rollup);
	return 0;
}

static void write_counts(struct json_writer *json, const char *key, const uint64_t *counts)
{
	json_open(json, key, '[');
	for (int i = 0; i < ABI_GC_GENERATIONS; i++)
		json_uint(json, NULL, counts[i]);
	json_close(json, ']');
}

static void write_processes(const struct json_gc *out)
{
	const struct collections *collections = out->collections;
	struct json_writer *json = out->json;

	json_newline(json);
	json_open(json, "processes", '[');
	for (uint32_t i = 0; i < collections->process_count && i < out->profile->process_count;
	     i++) {
		const struct gc_process *process = &collections->processes[i];

		if (!process->watched)
			continue;
		json_newline(json);
		json_open(json, NULL, '{');
		json_uint(json, "pid", out->profile->processes[i].pid);
		json_bool(json, "incremental", process->incremental);
		write_counts(json, "before", process->before);
		write_counts(json, "counted", process->real);
		write_counts(json, "seen", process->seen);
		json_bool(json, "counted_at_end", process->is_read);
		json_uint(json, "begun_before", process->too_early);
		json_uint(json, "unfinished", process->unfinished);
		if (process->is_read)
			json_bool(json, "disabled", process->disabled);
		else
			json_null(json, "disabled");
		json_uint(json, "wall_ns", process->watched_ns);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void write_timeline(const struct json_gc *out)
{
	const struct collections *collections = out->collections;
	struct json_writer *json = out->json;

	json_newline(json);
	json_uint(json, "timeline_step_ns", collections->span_ns);
	json_open(json, "timeline", '[');
	for (uint32_t i = 0; i < collections->span_count; i++) {
		const struct gc_span *span = &collections->spans[i];

		json_open(json, NULL, '{');
		json_uint(json, "t_ns", i * collections->span_ns);
		json_uint(json, "collections", span->collections);
		json_uint(json, "pause_ns", span->pause_ns);
		json_uint(json, "max_ns", span->max_ns);
		json_close(json, '}');
	}
	json_close(json, ']');
}

/* The stacks are those of the sites that match, in their order. */
static int write_stacks(const struct json_gc *out, uint32_t *places)
{
	const struct collections *collections = out->collections;
	struct profile_sum *sums = calloc(collections->site_count + 1, sizeof(*sums));
	uint32_t count = 0;
	int err;

	if (!sums)
		return -ENOMEM;
	for (uint32_t i = 0; i < collections->site_count; i++) {
		const struct gc_site_sum *site = &collections->sites[i];
		struct gc_amount amount = { 0 };

		for (int j = 0; j < ABI_GC_GENERATIONS; j++)
			gc_amount_merge(&amount, &site->amounts[j]);
		if (!out->matching[site->stack] || !amount.count)
			continue;
		places[i] = count;
		sums[count++] = (struct profile_sum){ site->thread, site->stack, amount.count,
						      amount.pause_ns };
	}
	err = json_write_stacks(out->json, out->profile, sums, count);
	free(sums);
	return err;
}

int json_write_gc(struct json_writer *json, const struct profile *profile,
		  const struct render_options *options)
{
	bool *matching = gc_stacks_matching(profile, options->globs, options->glob_count);
	struct json_gc out = { json, profile, options, profile->collections, matching };
	uint32_t *places = calloc(profile->collections->site_count + 1, sizeof(*places));
	int err = -ENOMEM;

	if (json->nested)
		json_open(json, "gc", '{');
	if (matching && places)
		err = write_stacks(&out, places);
	json_newline(json);
	if (!json->nested)
		json_open(json, "gc", '{');
	if (!err) {
		write_generations(&out);
		write_collections(&out, places);
		err = write_lines(&out);
		write_processes(&out);
		write_timeline(&out);
	}
	json_close(json, '}');
	free(places);
	free(matching);
	return err;
}
