// SPDX-License-Identifier: GPL-2.0-only
/*
 * -f flamegraph: one HTML file that needs nothing else. The page (flamegraph.html, .css and the scripts
 * flamegraph*.js) is embedded at build time; its @MARKS@ are filled in here. The profile goes
 * in as JSON in a data block, arrays of numbers by index, and the page's script makes trees of it;
 * nothing of it is ever read as HTML: text is made safe, then escaped for the block it stands in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "flamegraph_assets.h"
#include "model/parts.h"
#include "render/closing.h"
#include "render/flamegraph_parts.h"
#include "render/format.h"
#include "render/json_writer.h"
#include "render/memory_words.h"
#include "render/renderers.h"
#include "render/selection.h"

enum { FLAMEGRAPH_LINE_NUMBERS = 4096 }; /* numbers between two line breaks */

void flamegraph_text(struct json_writer *json, const char *key, const char *bytes, size_t length)
{
	struct buffer safe;

	buffer_init(&safe);
	text_append_safe(&safe, bytes, length);
	if (buffer_error(&safe))
		writer_fail(json->writer, buffer_error(&safe));
	json_string(json, key, safe.length ? safe.bytes : "", safe.length);
	buffer_release(&safe);
}

static void flamegraph_id(struct json_writer *json, const struct profile *profile, uint32_t id)
{
	flamegraph_text(json, NULL, profile_text(profile, id), intern_length(profile->strings, id));
}

/* An array of the lines in `text`, which is emptied. */
static void flamegraph_lines(struct json_writer *json, const char *key, struct buffer *text)
{
	char *line = text->bytes, *end;

	if (buffer_error(text))
		writer_fail(json->writer, buffer_error(text));
	json_open(json, key, '[');
	for (; line && (end = strchr(line, '\n')); line = end + 1)
		json_string(json, NULL, line, end - line);
	json_close(json, ']');
	buffer_clear(text);
}

static void flamegraph_write_head(struct json_writer *json, const struct profile *profile,
				  const struct render_options *options)
{
	const char *title = options->title ? options->title : "pybpfprof";
	struct buffer text;

	buffer_init(&text);
	flamegraph_text(json, "title", title, strlen(title));
	json_text(json, "version", options->version);
	json_text(json, "unit", format_unit(profile->unit));
	json_text(json, "counts", profile->calls && !profile->answer_count ? "calls" : "samples");
	closing_append_targets(&text, profile, 8);
	flamegraph_lines(json, "targets", &text);
	closing_append_summary(&text, profile, options);
	/* Of several modes a line each. */
	for (size_t i = 0; i + 1 < text.length; i++)
		text.bytes[i] = text.bytes[i] == '\n' ? ';' : text.bytes[i];
	json_string(json, "summary", text.bytes, text.length ? text.length - 1 : 0);
	buffer_clear(&text);
	closing_append_cost(&text, profile, options);
	flamegraph_lines(json, "closing", &text);
	buffer_release(&text);
}

static void flamegraph_write_functions(struct json_writer *json, const struct profile *profile)
{
	json_newline(json);
	json_open(json, "functions", '[');
	for (uint32_t i = 0; i < profile->function_count; i++) {
		const struct profile_function *function = &profile->functions[i];
		const char *place = format_file(profile, function);

		json_newline(json);
		json_open(json, NULL, '[');
		flamegraph_id(json, profile, function->name);
		flamegraph_id(json, profile, function->module);
		flamegraph_id(json, profile, function->file);
		flamegraph_text(json, NULL, place, strlen(place));
		json_int(json, NULL, function->line);
		json_uint(json, NULL, format_origin(profile, function));
		json_close(json, ']');
	}
	json_close(json, ']');
}

static void flamegraph_write_tasks(struct json_writer *json, const struct profile *profile)
{
	json_newline(json);
	json_open(json, "processes", '[');
	for (uint32_t i = 0; i < profile->process_count; i++) {
		json_open(json, NULL, '[');
		json_uint(json, NULL, profile->processes[i].pid);
		flamegraph_id(json, profile, profile->processes[i].command);
		json_close(json, ']');
	}
	json_close(json, ']');
	json_newline(json);
	json_open(json, "threads", '[');
	for (uint32_t i = 0; i < profile->thread_count; i++) {
		json_open(json, NULL, '[');
		json_uint(json, NULL, profile->threads[i].process);
		json_uint(json, NULL, profile->threads[i].tid);
		flamegraph_id(json, profile, profile->threads[i].name);
		json_close(json, ']');
	}
	json_close(json, ']');
}

void flamegraph_number(struct json_writer *json, uint64_t number, uint32_t index)
{
	if (index && index % FLAMEGRAPH_LINE_NUMBERS == 0)
		json_newline(json);
	json_uint(json, NULL, number);
}

static void flamegraph_write_tree(struct json_writer *json, const struct profile *profile)
{
	json_newline(json);
	json_open(json, "frames", '[');
	for (uint32_t i = 0; i < profile->frame_count; i++) {
		flamegraph_number(json, profile->frames[i].function, i);
		json_int(json, NULL, profile->frames[i].line);
	}
	json_close(json, ']');
	json_newline(json);
	json_open(json, "parents", '[');
	for (uint32_t i = 0; i < profile->stack_count; i++)
		flamegraph_number(json, profile->stacks[i].parent, i);
	json_close(json, ']');
	json_newline(json);
	json_open(json, "stackFrames", '[');
	for (uint32_t i = 0; i < profile->stack_count; i++)
		flamegraph_number(json, i ? profile->stacks[i].frame : 0, i);
	json_close(json, ']');
}

static void flamegraph_write_sums(struct json_writer *json, const struct profile *profile)
{
	json_newline(json);
	json_open(json, "sums", '[');
	for (uint32_t i = 0; i < profile->sum_count; i++) {
		flamegraph_number(json, profile->sums[i].thread, i);
		json_uint(json, NULL, profile->sums[i].stack);
		json_uint(json, NULL, profile->sums[i].samples);
		json_uint(json, NULL, profile->sums[i].value);
	}
	json_close(json, ']');
}

/* ---- memory ---- */

/* What the blocks of a view are called. */
static const char *flamegraph_blocks(enum memory_view view)
{
	switch (view) {
	case MEMORY_VIEW_ALLOCATED:
	case MEMORY_VIEW_TEMPORARY:
		return "allocations";
	case MEMORY_VIEW_RESIDENT:
		return "pages";
	case MEMORY_VIEW_FAULTED:
		return "page faults";
	case MEMORY_VIEW_MAPPED:
		return "mappings";
	case MEMORY_VIEW_ARENAS:
		return "arenas";
	default:
		return "blocks";
	}
}

/* Behind an amount and a colon: what it is of. */
static void flamegraph_append_words(struct buffer *out, const struct profile *profile,
				    enum memory_view view)
{
	const struct memory *memory = profile->memory;

	switch (view) {
	case MEMORY_VIEW_PEAK:
		buffer_string(out, "alive when most was, ");
		format_ns(out, memory->peak_at_ns);
		buffer_string(out, " after the start");
		break;
	case MEMORY_VIEW_ALLOCATED:
		buffer_string(out, "allocated in the meantime, whether freed since or not");
		break;
	case MEMORY_VIEW_TEMPORARY:
		memory_append_temporary(out, memory);
		break;
	case MEMORY_VIEW_RESIDENT:
		buffer_string(out, "made resident in the meantime, and resident at the end");
		break;
	case MEMORY_VIEW_FAULTED:
		buffer_string(out, "made resident, however often");
		break;
	case MEMORY_VIEW_MAPPED:
		buffer_string(out, "mapped in the meantime and still mapped, touched or not");
		break;
	case MEMORY_VIEW_ARENAS:
		buffer_string(out, "taken by pymalloc for small objects, and not given back");
		break;
	default:
		buffer_string(out, memory_view_words(view));
	}
	if (memory->sample_bytes && view <= MEMORY_VIEW_TEMPORARY)
		buffer_string(out, "; estimated");
}

/* What was not looked for is not shown as nothing. */
static bool flamegraph_has_view(const struct memory *memory, enum memory_view view)
{
	switch (view) {
	case MEMORY_VIEW_PEAK:
	case MEMORY_VIEW_LIVE:
	case MEMORY_VIEW_ALLOCATED:
		return true;
	case MEMORY_VIEW_TEMPORARY:
		return memory->temporary_distance || memory->temporary_ns;
	case MEMORY_VIEW_RESIDENT:
	case MEMORY_VIEW_FAULTED:
		return memory->resident;
	default:
		return memory->amounts[view].bytes;
	}
}

/* Half the width of the 95 % interval of each of the view's sums, where they are estimates. */
static void flamegraph_write_errors(struct json_writer *json, const struct memory *memory,
				    enum memory_view view, const bool *kept)
{
	uint32_t written = 0;

	json_open(json, "errors", '[');
	for (uint32_t i = 0; i < memory->site_count; i++) {
		const struct memory_site *site = &memory->sites[i];
		struct memory_sum sum = { 0 };

		if (!kept[site->stack] || !site->amounts[view].bytes)
			continue;
		memory_sum_add(&sum, site);
		flamegraph_number(json, memory_view_error(&sum, view), written++);
	}
	json_close(json, ']');
}

static void flamegraph_write_view(struct json_writer *json, const struct profile *profile,
				  enum memory_view view, const bool *kept, const char *mode)
{
	const struct memory *memory = profile->memory;
	uint32_t written = 0;
	struct buffer words;

	buffer_init(&words);
	flamegraph_append_words(&words, profile, view);
	json_newline(json);
	json_open(json, NULL, '{');
	flamegraph_view_name(json, mode, memory_view_name(view));
	json_text(json, "counts", flamegraph_blocks(view));
	json_text(json, "unit", format_unit(UNIT_BYTES));
	json_string(json, "words", words.length ? words.bytes : "", words.length);
	json_open(json, "sums", '[');
	for (uint32_t i = 0; i < memory->site_count; i++) {
		const struct memory_site *site = &memory->sites[i];

		if (!kept[site->stack] || !site->amounts[view].bytes)
			continue;
		flamegraph_number(json, site->thread, written++);
		json_uint(json, NULL, site->stack);
		json_uint(json, NULL, site->amounts[view].blocks);
		json_uint(json, NULL, site->amounts[view].bytes);
	}
	json_close(json, ']');
	if (memory->sample_bytes)
		flamegraph_write_errors(json, memory, view, kept);
	json_close(json, '}');
	buffer_release(&words);
}

static void flamegraph_write_memory_views(struct json_writer *json, const struct profile *profile,
					  const struct render_options *options, const char *mode)
{
	const struct memory *memory = profile->memory;
	bool *kept = selection_of_stacks(profile, options);

	if (!kept) {
		writer_fail(json->writer, -ENOMEM);
		return;
	}
	for (enum memory_view view = 0; view < MEMORY_VIEW_COUNT; view++) {
		if (view == memory->view || flamegraph_has_view(memory, view))
			flamegraph_write_view(json, profile, view, kept, mode);
	}
	free(kept);
}

/* Of all sites: nobody knows what those that -F selects had when. */
static void flamegraph_write_timeline(struct json_writer *json, const struct profile *profile,
				      const struct render_options *options)
{
	const struct memory *memory = profile->memory;

	json_newline(json);
	json_open(json, "memory", '{');
	json_uint(json, "end_ns", profile->duration_ns);
	json_uint(json, "peak_at_ns", memory->peak_at_ns);
	json_uint(json, "peak_bytes", memory->amounts[MEMORY_VIEW_PEAK].bytes);
	json_bool(json, "selected", options->glob_count > 0);
	json_open(json, "timeline", '[');
	for (uint32_t i = 0; i < memory->point_count; i++) {
		const struct memory_point *point = &memory->points[i];

		flamegraph_number(json, point->time_ns, i);
		json_uint(json, NULL, point->live_bytes);
		json_uint(json, NULL, point->peak_bytes);
		json_uint(json, NULL, point->resident_bytes);
	}
	json_close(json, ']');
	json_close(json, '}');
}

/* ---- all of it ---- */

void flamegraph_view_name(struct json_writer *json, const char *mode, const char *name)
{
	struct buffer whole;

	buffer_init(&whole);
	if (mode)
		buffer_printf(&whole, "%s ", mode);
	buffer_string(&whole, name);
	if (buffer_error(&whole))
		writer_fail(json->writer, buffer_error(&whole));
	json_string(json, "name", whole.length ? whole.bytes : "", whole.length);
	buffer_release(&whole);
}

/* Time, as one view among others. */
static void flamegraph_write_time_view(struct json_writer *json, const struct profile *profile)
{
	const char *mode = profile_text(profile, profile->mode);

	json_newline(json);
	json_open(json, NULL, '{');
	json_text(json, "name", mode);
	json_text(json, "counts", profile->calls ? "calls" : "samples");
	json_text(json, "unit", format_unit(profile->unit));
	json_text(json, "words",
		  profile->calls ? "how long functions ran, waiting or not" :
				   "on a CPU, as far as the samples tell");
	flamegraph_write_sums(json, profile);
	json_close(json, '}');
}

static const char *flamegraph_shown(const struct profile *profile)
{
	return profile->memory	    ? memory_view_name(profile->memory->view) :
	       profile->lifetimes   ? lifetime_view_name(profile->lifetimes->view) :
	       profile->collections ? "pause" :
				      profile_text(profile, profile->mode);
}

/* What one mode has to choose from; `mode`: its name, where there are others besides. */
static void flamegraph_write_views_of(struct json_writer *json, const struct profile *profile,
				      const struct render_options *options, const char *mode)
{
	if (profile->memory)
		flamegraph_write_memory_views(json, profile, options, mode);
	else if (profile->lifetimes)
		flamegraph_write_lifetime_views(json, profile, options, mode);
	else if (profile->collections)
		flamegraph_write_gc_views(json, profile, options, mode);
	else
		flamegraph_write_time_view(json, profile);
}

static void flamegraph_write_views(struct json_writer *json, const struct profile *profile,
				   const struct render_options *options)
{
	const enum profile_part first = profile_first_part(profile);
	const bool several = profile->answer_count;
	struct buffer show;
	struct profile view;

	profile_part_view(profile, first, &view);
	buffer_init(&show);
	if (several && first > PART_SAMPLES)
		buffer_printf(&show, "%s ", profile_text(&view, view.mode));
	buffer_string(&show, flamegraph_shown(&view));
	json_newline(json);
	json_string(json, "show", show.length ? show.bytes : "", show.length);
	buffer_release(&show);
	json_open(json, "views", '[');
	for (enum profile_part part = first; part < PART_COUNT; part++) {
		if (!profile_has_part(profile, part))
			continue;
		profile_part_view(profile, part, &view);
		flamegraph_write_views_of(json, &view, options,
					  several ? profile_text(&view, view.mode) : NULL);
	}
	json_close(json, ']');
}

/* There is one chart: of the first mode that has one. */
static void flamegraph_write_course(struct json_writer *json, const struct profile *profile,
				    const struct render_options *options)
{
	if (profile->memory)
		flamegraph_write_timeline(json, profile, options);
	else if (profile->lifetimes)
		flamegraph_write_lifetime_course(json, profile, options);
	else if (profile->collections)
		flamegraph_write_gc_course(json, profile);
}

static void flamegraph_write_profile(struct writer *writer, const struct profile *profile,
				     const struct render_options *options)
{
	struct json_writer json;

	json_init(&json, writer, true);
	json_open(&json, NULL, '{');
	flamegraph_write_head(&json, profile, options);
	flamegraph_write_functions(&json, profile);
	flamegraph_write_tasks(&json, profile);
	flamegraph_write_tree(&json, profile);
	if (profile->answer_count || profile_first_part(profile) > PART_SAMPLES) {
		flamegraph_write_views(&json, profile, options);
		flamegraph_write_course(&json, profile, options);
	} else {
		flamegraph_write_sums(&json, profile);
	}
	json_close(&json, '}');
}

static void flamegraph_write_title(struct writer *writer, const struct render_options *options)
{
	const char *title = options->title ? options->title : "pybpfprof";

	text_append_html(&writer->scratch, title, strlen(title));
	writer_scratch(writer);
}

static void flamegraph_write_script(struct writer *writer)
{
	writer_string(writer, flamegraph_data_js);
	writer_string(writer, flamegraph_memory_js);
	writer_string(writer, flamegraph_lifetime_js);
	writer_string(writer, flamegraph_gc_js);
	writer_string(writer, flamegraph_table_js);
	writer_string(writer, flamegraph_js);
}

int render_flamegraph(const struct profile *profile, const struct render_options *options,
		      FILE *stream)
{
	const char *at = flamegraph_html, *mark;
	struct writer writer;

	writer_init(&writer, stream);
	while ((mark = strchr(at, '@'))) {
		const char *end = strchr(mark + 1, '@');
		size_t length = end ? (size_t)(end - mark - 1) : 0;

		writer_bytes(&writer, at, mark - at);
		if (length == 5 && !strncmp(mark + 1, "TITLE", length))
			flamegraph_write_title(&writer, options);
		else if (length == 5 && !strncmp(mark + 1, "STYLE", length))
			writer_string(&writer, flamegraph_css);
		else if (length == 6 && !strncmp(mark + 1, "SCRIPT", length))
			flamegraph_write_script(&writer);
		else if (length == 4 && !strncmp(mark + 1, "DATA", length))
			flamegraph_write_profile(&writer, profile, options);
		at = end ? end + 1 : mark + 1;
	}
	writer_string(&writer, at);
	return writer_finish(&writer);
}
