// SPDX-License-Identifier: GPL-2.0-only
/*
 * -f json: one object with the keys that docs/formats.md names, written as it goes.
 *
 *	{"pybpfprof":"0.1.0","mode":["cpu"],"duration_ns":10000000000, ...
 *	"functions":[
 *	{"name":"work","class":null,"module":"app","file":"/srv/app.py","line":3,"self":...
 */
#include <errno.h>
#include <stdlib.h>

#include "model/parts.h"
#include "render/format.h"
#include "render/json_profile.h"
#include "render/renderers.h"

static void json_write_amounts(struct json_writer *json, const struct rollup_row *row)
{
	json_uint(json, "self", row->self);
	json_uint(json, "total", row->total);
	json_uint(json, "self_samples", row->self_samples);
	json_uint(json, "total_samples", row->total_samples);
}

static void json_write_function(struct json_writer *json, const struct profile *profile,
				const struct rollup_row *row)
{
	json_function_keys(json, profile, row->function);
	json_text(json, "kind", format_kind(profile->functions[row->function].kind));
	json_write_amounts(json, row);
}

static void json_write_line(struct json_writer *json, const struct profile *profile,
			    const struct rollup_row *row)
{
	const struct profile_function *function = &profile->functions[row->function];

	json_profile_text(json, "file", profile, function->file, false);
	json_int(json, "line", row->line);
	json_profile_text(json, "name", profile, function->name, false);
	json_write_amounts(json, row);
}

static int json_write_rollup(struct json_writer *json, const struct profile *profile,
			     const struct render_options *options, enum rollup_by by)
{
	struct rollup rollup;
	int err = rollup_build_matching(profile, by, options->sort, false, options->globs,
					options->glob_count, &rollup);

	if (err)
		return err;
	json_open(json, by == ROLLUP_LINE ? "lines" : "functions", '[');
	for (uint32_t i = 0; i < rollup.row_count; i++) {
		json_newline(json);
		json_open(json, NULL, '{');
		if (by == ROLLUP_LINE)
			json_write_line(json, profile, &rollup.rows[i]);
		else
			json_write_function(json, profile, &rollup.rows[i]);
		json_close(json, '}');
	}
	json_close(json, ']');
	rollup_release(&rollup);
	return 0;
}

static void json_write_frame(struct json_writer *json, const struct profile *profile, uint32_t id)
{
	const struct profile_frame *frame = &profile->frames[id];
	const struct profile_function *function = &profile->functions[frame->function];

	json_open(json, NULL, '{');
	json_profile_text(json, "name", profile, function->name, false);
	json_profile_text(json, "file", profile, function->file, false);
	json_int(json, "line", frame->line);
	json_text(json, "kind", format_kind(function->kind));
	json_close(json, '}');
}

static void json_write_stack(struct json_writer *json, const struct profile *profile,
			     const struct profile_sum *sum, uint32_t *path)
{
	const struct profile_thread *thread = &profile->threads[sum->thread];
	uint32_t depth = profile->stacks[sum->stack].depth, at = depth;

	for (uint32_t stack = sum->stack; stack; stack = profile->stacks[stack].parent)
		path[--at] = profile->stacks[stack].frame;
	json_newline(json);
	json_open(json, NULL, '{');
	json_open(json, "frames", '[');
	for (uint32_t i = 0; i < depth; i++)
		json_write_frame(json, profile, path[i]);
	json_close(json, ']');
	json_uint(json, "weight", sum->value);
	json_uint(json, "samples", sum->samples);
	json_uint(json, "pid", profile->processes[thread->process].pid);
	json_uint(json, "tid", thread->tid);
	json_close(json, '}');
}

int json_write_stacks(struct json_writer *json, const struct profile *profile,
		      const struct profile_sum *sums, uint32_t count)
{
	uint32_t deepest = 0;
	uint32_t *path;

	for (uint32_t i = 0; i < profile->stack_count; i++)
		deepest = profile->stacks[i].depth > deepest ? profile->stacks[i].depth : deepest;
	path = calloc(deepest + 1, sizeof(*path));
	if (!path)
		return -ENOMEM;
	json_open(json, "stacks", '[');
	for (uint32_t i = 0; i < count; i++)
		json_write_stack(json, profile, &sums[i], path);
	json_close(json, ']');
	free(path);
	return 0;
}

/* Sampled time: functions, stacks, lines. */
static int json_write_samples(struct json_writer *json, const struct profile *profile,
			      const struct render_options *options)
{
	int err = json_write_rollup(json, profile, options, ROLLUP_FUNCTION);

	json_newline(json);
	if (!err)
		err = json_write_stacks(json, profile, profile->sums, profile->sum_count);
	json_newline(json);
	if (!err)
		err = json_write_rollup(json, profile, options, ROLLUP_LINE);
	return err;
}

static int json_write_part(struct json_writer *json, const struct profile *profile,
			   const struct render_options *options)
{
	if (profile->memory)
		return json_write_memory(json, profile, options);
	if (profile->collections)
		return json_write_gc(json, profile, options);
	if (profile->lifetimes)
		return json_write_lifetimes(json, profile, options);
	if (profile->calls)
		return json_write_calls(json, profile, options);
	return json_write_samples(json, profile, options);
}

/*
 * Several modes: rows of calls are at the top; those of each other mode in the object of its name, so that no list
 * has numbers of two kinds. Samples without calls are at the top as well.
 */
static int json_write_parts(struct json_writer *json, const struct profile *profile,
			    const struct render_options *options)
{
	struct render_options asked = *options;
	int err = 0;

	for (enum profile_part part = 0; part < PART_COUNT && !err; part++) {
		bool samples_apart = part == PART_SAMPLES && profile->calls;
		struct profile view;

		if (!profile_has_part(profile, part))
			continue;
		profile_part_view(profile, part, &view);
		asked.by = options->part_by[part];
		json_newline(json);
		if (samples_apart)
			json_open(json, "cpu", '{');
		if (part == PART_SAMPLES)
			json_write_meaning(json, &view);
		json->nested = true;
		err = json_write_part(json, &view, &asked);
		json->nested = false;
		if (samples_apart)
			json_close(json, '}');
	}
	return err;
}

int render_json(const struct profile *profile, const struct render_options *options, FILE *stream)
{
	struct json_writer json;
	struct writer writer;
	int err, write_err;

	writer_init(&writer, stream);
	json_init(&json, &writer, false);
	json_open(&json, NULL, '{');
	json_write_head(&json, profile, options);
	err = profile->answer_count ? json_write_parts(&json, profile, options) :
				      json_write_part(&json, profile, options);
	json_close(&json, '}');
	writer_string(&writer, "\n");
	write_err = writer_finish(&writer);
	return err ? err : write_err;
}
