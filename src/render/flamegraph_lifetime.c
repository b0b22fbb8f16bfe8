// SPDX-License-Identifier: GPL-2.0-only
/* The flame graph's data of --mode lifetime. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "render/flamegraph_parts.h"
#include "render/format.h"
#include "render/memory_words.h"

enum { CLASSES_MAX = 8 }; /* lines that the chart tells apart */

/* ---- views ---- */

static const struct {
	enum profile_unit unit;
	const char *words; /* behind an amount and a colon */
} views[LIFETIME_VIEW_COUNT] = {
	[LIFETIME_VIEW_CREATED] = { UNIT_SAMPLES,
				    "made in the meantime, whether ended since or not" },
	[LIFETIME_VIEW_LIVE] = { UNIT_SAMPLES, "made in the meantime and alive at the end" },
	[LIFETIME_VIEW_BYTES] = { UNIT_BYTES, "made in the meantime and alive at the end" },
	[LIFETIME_VIEW_AGE] = { UNIT_NS, "how long they lived, added up, up to the end" },
};

static void write_view(struct json_writer *json, const struct lifetimes *lifetimes,
		       enum lifetime_view view, const bool *kept, const char *mode)
{
	uint32_t written = 0;

	json_newline(json);
	json_open(json, NULL, '{');
	flamegraph_view_name(json, mode, lifetime_view_name(view));
	json_text(json, "counts", "objects");
	json_text(json, "unit", format_unit(views[view].unit));
	json_text(json, "words", views[view].words);
	json_open(json, "sums", '[');
	for (uint32_t i = 0; i < lifetimes->site_count; i++) {
		const struct lifetime_site *site = &lifetimes->sites[i];
		uint64_t objects, value = lifetime_site_value(site, view, &objects);

		if (!kept[i] || !value)
			continue;
		flamegraph_number(json, site->thread, written++);
		json_uint(json, NULL, site->leaf ? site->leaf : site->stack);
		json_uint(json, NULL, objects);
		json_uint(json, NULL, value);
	}
	json_close(json, ']');
	json_close(json, '}');
}

/* ---- the course of time ---- */

struct course {
	uint32_t class_index;
	uint64_t most;
	uint64_t alive[LIFETIME_SPANS]; /* at the end of each span */
};

/*
 * Where there is no census, at least those were there at the start that ended since and were not made in
 * the meantime.
 */
static void course_fill(struct course *course, const struct lifetimes *lifetimes, uint32_t id)
{
	const struct lifetime_class *row = &lifetimes->classes[id];
	bool counted = row->census_start != LIFETIME_UNKNOWN;
	int64_t alive = (int64_t)(counted ? row->census_start : row->destroyed_before);

	*course = (struct course){ .class_index = id };
	for (uint32_t i = 0; i < lifetimes->span_count && i < LIFETIME_SPANS; i++) {
		alive += (int64_t)row->spans[i].created - row->spans[i].destroyed;
		course->alive[i] = alive > 0 ? (uint64_t)alive : 0;
		if (course->alive[i] > course->most)
			course->most = course->alive[i];
	}
}

/* Into those so far, the largest first, if it is one of the largest. */
static uint32_t course_insert(struct course *courses, uint32_t count, const struct course *course)
{
	uint32_t at = count;

	while (at && courses[at - 1].most < course->most)
		at--;
	if (at == CLASSES_MAX)
		return count;
	if (count == CLASSES_MAX)
		count--;
	memmove(&courses[at + 1], &courses[at], (count - at) * sizeof(*courses));
	courses[at] = *course;
	return count + 1;
}

static void write_course(struct json_writer *json, const struct profile *profile,
			 const struct course *course)
{
	const struct lifetimes *lifetimes = profile->lifetimes;
	const struct lifetime_class *row = &lifetimes->classes[course->class_index];
	struct buffer name;

	buffer_init(&name);
	if (row->module) {
		memory_append_text(&name, profile, row->module);
		buffer_byte(&name, '.');
	}
	memory_append_text(&name, profile, row->name);
	json_newline(json);
	json_open(json, NULL, '{');
	flamegraph_text(json, "name", name.length ? name.bytes : "", name.length);
	json_open(json, "alive", '[');
	for (uint32_t i = 0; i < lifetimes->span_count && i < LIFETIME_SPANS; i++)
		json_uint(json, NULL, course->alive[i]);
	json_close(json, ']');
	json_close(json, '}');
	buffer_release(&name);
}

static void write_courses(struct json_writer *json, const struct profile *profile, const bool *kept)
{
	const struct lifetimes *lifetimes = profile->lifetimes;
	struct course courses[CLASSES_MAX + 1];
	uint32_t count = 0;

	for (uint32_t i = 0; i < lifetimes->class_count; i++) {
		struct course course;

		/* Of ends alone no course can be told. */
		if (!kept[i] || lifetimes->classes[i].births != LIFETIME_BIRTHS_PROBED)
			continue;
		if (!lifetimes->classes[i].created && !lifetimes->classes[i].destroyed_before)
			continue;
		course_fill(&course, lifetimes, i);
		if (course.most)
			count = course_insert(courses, count, &course);
	}
	json_newline(json);
	json_open(json, "lifetimes", '{');
	json_uint(json, "end_ns", profile->duration_ns);
	json_uint(json, "span_ns", lifetimes->span_ns);
	json_open(json, "classes", '[');
	for (uint32_t i = 0; i < count; i++)
		write_course(json, profile, &courses[i]);
	json_close(json, ']');
	json_close(json, '}');
}

void flamegraph_write_lifetime_views(struct json_writer *json, const struct profile *profile,
				     const struct render_options *options, const char *mode)
{
	struct lifetimes_kept kept = { NULL, NULL };

	if (lifetimes_keep(profile, options->globs, options->glob_count, &kept)) {
		writer_fail(json->writer, -ENOMEM);
		return;
	}
	for (enum lifetime_view view = 0; view < LIFETIME_VIEW_COUNT; view++)
		write_view(json, profile->lifetimes, view, kept.sites, mode);
	lifetimes_kept_release(&kept);
}

void flamegraph_write_lifetime_course(struct json_writer *json, const struct profile *profile,
				      const struct render_options *options)
{
	struct lifetimes_kept kept = { NULL, NULL };

	if (lifetimes_keep(profile, options->globs, options->glob_count, &kept)) {
		writer_fail(json->writer, -ENOMEM);
		return;
	}
	write_courses(json, profile, kept.classes);
	lifetimes_kept_release(&kept);
}
