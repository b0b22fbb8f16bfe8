// SPDX-License-Identifier: GPL-2.0-only
/* The flame graph's data of --mode gc: stacks by pause and by number, and the course of both over time. */
#include <errno.h>
#include <stdlib.h>

#include "model/collections_rollup.h"
#include "render/flamegraph_parts.h"
#include "render/format.h"

static void write_view(struct json_writer *json, const struct collections *collections, bool pauses,
		       const bool *matching, const char *mode)
{
	uint32_t written = 0;

	json_newline(json);
	json_open(json, NULL, '{');
	flamegraph_view_name(json, mode, pauses ? "pause" : "collections");
	json_text(json, "counts", "collections");
	json_text(json, "unit", format_unit(pauses ? UNIT_NS : UNIT_SAMPLES));
	json_text(json, "words",
		  pauses ? "how long the collector ran, by where it was triggered" :
			   "how often the collector ran, by where it was triggered");
	json_open(json, "sums", '[');
	for (uint32_t i = 0; i < collections->site_count; i++) {
		const struct gc_site_sum *site = &collections->sites[i];
		struct gc_amount amount = { 0 };

		for (int j = 0; j < ABI_GC_GENERATIONS; j++)
			gc_amount_merge(&amount, &site->amounts[j]);
		if (!amount.count || !matching[site->stack])
			continue;
		flamegraph_number(json, site->thread, written++);
		json_uint(json, NULL, site->stack);
		json_uint(json, NULL, amount.count);
		json_uint(json, NULL, pauses ? amount.pause_ns : amount.count);
	}
	json_close(json, ']');
	json_close(json, '}');
}

/* Of each span: collections that began in it, its pauses, the longest of those that began in it. */
void flamegraph_write_gc_course(struct json_writer *json, const struct profile *profile)
{
	const struct collections *collections = profile->collections;

	json_newline(json);
	json_open(json, "gc", '{');
	json_uint(json, "end_ns", profile->duration_ns);
	json_uint(json, "span_ns", collections->span_ns);
	json_open(json, "spans", '[');
	for (uint32_t i = 0; i < collections->span_count; i++) {
		const struct gc_span *span = &collections->spans[i];

		flamegraph_number(json, span->collections, i);
		json_uint(json, NULL, span->pause_ns);
		json_uint(json, NULL, span->max_ns);
	}
	json_close(json, ']');
	json_close(json, '}');
}

void flamegraph_write_gc_views(struct json_writer *json, const struct profile *profile,
			       const struct render_options *options, const char *mode)
{
	bool *matching = gc_stacks_matching(profile, options->globs, options->glob_count);

	if (!matching) {
		writer_fail(json->writer, -ENOMEM);
		return;
	}
	write_view(json, profile->collections, true, matching, mode);
	write_view(json, profile->collections, false, matching, mode);
	free(matching);
}
