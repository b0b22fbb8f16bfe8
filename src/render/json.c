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
#include <string.h>
#include <sys/wait.h>

#include "model/drops.h"
#include "render/closing.h"
#include "render/format.h"
#include "render/json_writer.h"
#include "render/render.h"
#include "render/renderers.h"

/* A string of the profile; "" is null where `nullable`. */
static void json_profile_text(struct json_writer *json, const char *key,
			      const struct profile *profile, uint32_t id, bool nullable)
{
	if (!id && nullable)
		json_null(json, key);
	else
		json_string(json, key, profile_text(profile, id),
			    intern_length(profile->strings, id));
}

static void json_write_modes(struct json_writer *json, const struct profile *profile)
{
	const char *mode = profile_text(profile, profile->mode);

	json_open(json, "mode", '[');
	while (*mode) {
		size_t length = strcspn(mode, ",");

		json_string(json, NULL, mode, length);
		mode += length + (mode[length] == ',');
	}
	json_close(json, ']');
}

/* What a shell would show in $?; the signal is told apart. */
static void json_write_exit(struct json_writer *json, const struct profile_process *process)
{
	int status = process->exit_status;

	if (!process->exited) {
		json_null(json, "exit_code");
	} else if (WIFSIGNALED(status)) {
		json_int(json, "exit_code", 128 + WTERMSIG(status));
		json_int(json, "signal", WTERMSIG(status));
	} else {
		json_int(json, "exit_code", WEXITSTATUS(status));
	}
}

static void json_write_threads(struct json_writer *json, const struct profile *profile,
			       uint32_t process)
{
	json_open(json, "threads", '[');
	for (uint32_t i = 0; i < profile->thread_count; i++) {
		const struct profile_thread *thread = &profile->threads[i];

		if (thread->process != process)
			continue;
		json_open(json, NULL, '{');
		json_uint(json, "tid", thread->tid);
		json_profile_text(json, "name", profile, thread->name, false);
		json_uint(json, "cpu_ns", thread->cpu_ns);
		json_uint(json, "wall_ns", thread->wall_ns);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void json_write_targets(struct json_writer *json, const struct profile *profile)
{
	json_open(json, "targets", '[');
	for (uint32_t i = 0; i < profile->process_count; i++) {
		const struct profile_process *process = &profile->processes[i];

		json_newline(json);
		json_open(json, NULL, '{');
		json_uint(json, "pid", process->pid);
		json_profile_text(json, "command", profile, process->command, false);
		json_profile_text(json, "python", profile, process->python, true);
		json_profile_text(json, "probes", profile, process->probes, true);
		json_write_threads(json, profile, i);
		json_uint(json, "cpu_ns", process->cpu_ns);
		json_write_exit(json, process);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void json_write_drops(struct json_writer *json, const char *key, bool lost, uint64_t total,
			     const uint64_t *counts)
{
	json_open(json, key, '{');
	json_uint(json, "total", total);
	for (unsigned int i = 0; i < DROP_COUNT; i++) {
		if (drop_key(i) && drop_is_lost(i) == lost)
			json_uint(json, drop_key(i), counts[i]);
	}
	json_close(json, '}');
}

static void json_write_cost(struct json_writer *json, const struct profile *profile)
{
	const struct profile_cost *cost = &profile->cost;
	uint64_t cpu_ns = closing_cpu_ns(profile);

	json_open(json, "cost", '{');
	json_uint(json, "hits", cost->hits);
	/* A share of nothing is not 0: say that it is not known. */
	if (cpu_ns || !cost->target_ns)
		json_decimal(json, "target_share", format_ppm(cost->target_ns, cpu_ns), 6);
	else
		json_null(json, "target_share");
	json_uint(json, "target_ns", cost->target_ns);
	json_uint(json, "profiler_cpu_ns", cost->profiler_cpu_ns);
	json_bool(json, "stopped_early", cost->stopped_early);
	json_close(json, '}');
}

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
	const struct profile_function *function = &profile->functions[row->function];

	json_profile_text(json, "name", profile, function->name, false);
	json_profile_text(json, "class", profile, function->class_name, true);
	json_profile_text(json, "module", profile, function->module, true);
	json_profile_text(json, "file", profile, function->file, false);
	json_int(json, "line", function->line);
	json_text(json, "kind", format_kind(function->kind));
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

static int json_write_stacks(struct json_writer *json, const struct profile *profile)
{
	uint32_t deepest = 0;
	uint32_t *path;

	for (uint32_t i = 0; i < profile->stack_count; i++)
		deepest = profile->stacks[i].depth > deepest ? profile->stacks[i].depth : deepest;
	path = calloc(deepest + 1, sizeof(*path));
	if (!path)
		return -ENOMEM;
	json_open(json, "stacks", '[');
	for (uint32_t i = 0; i < profile->sum_count; i++)
		json_write_stack(json, profile, &profile->sums[i], path);
	json_close(json, ']');
	free(path);
	return 0;
}

static void json_write_head(struct json_writer *json, const struct profile *profile,
			    const struct render_options *options)
{
	json_text(json, "pybpfprof", options->version);
	json_write_modes(json, profile);
	json_uint(json, "started_unix_ns", profile->started_unix_ns);
	json_uint(json, "duration_ns", profile->duration_ns);
	json_newline(json);
	json_write_targets(json, profile);
	json_newline(json);
	json_write_drops(json, "lost", true, profile_lost_total(profile), profile->lost);
	json_newline(json);
	json_write_drops(json, "partial", false, profile_partial_total(profile), profile->partial);
	json_newline(json);
	json_uint(json, "unresolved", profile->unresolved);
	json_write_cost(json, profile);
	json_newline(json);
	json_text(json, "unit", format_unit(profile->unit));
	json_bool(json, "estimate", profile->estimate);
	json_uint(json, "samples", profile->sample_count);
	json_uint(json, "period_ns", profile->period_ns);
	json_newline(json);
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
	err = json_write_rollup(&json, profile, options, ROLLUP_FUNCTION);
	json_newline(&json);
	if (!err)
		err = json_write_stacks(&json, profile);
	json_newline(&json);
	if (!err)
		err = json_write_rollup(&json, profile, options, ROLLUP_LINE);
	json_close(&json, '}');
	writer_string(&writer, "\n");
	write_err = writer_finish(&writer);
	return err ? err : write_err;
}
