// SPDX-License-Identifier: GPL-2.0-only
/* What every JSON report has, whatever was measured: see docs/formats.md. */
#include "render/json_profile.h"

#include <string.h>
#include <sys/wait.h>

#include "model/drops.h"
#include "render/closing.h"
#include "render/format.h"

void json_profile_text(struct json_writer *json, const char *key, const struct profile *profile,
		       uint32_t id, bool nullable)
{
	if (!id && nullable)
		json_null(json, key);
	else
		json_string(json, key, profile_text(profile, id),
			    intern_length(profile->strings, id));
}

void json_function_keys(struct json_writer *json, const struct profile *profile, uint32_t id)
{
	const struct profile_function *function = &profile->functions[id];

	json_profile_text(json, "name", profile, function->name, false);
	json_profile_text(json, "class", profile, function->class_name, true);
	json_profile_text(json, "module", profile, function->module, true);
	json_profile_text(json, "file", profile, function->file, false);
	json_int(json, "line", function->line);
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

/* What is known of the cost of exact probes. */
static void json_write_probes(struct json_writer *json, const struct profile *profile)
{
	const struct profile_cost *cost = &profile->cost;
	const struct calls *calls = profile->calls;
	double share = calls->observed_share < 0 ? 0 : calls->observed_share;

	json_profile_text(json, "stop_reason", profile, cost->stop_reason, true);
	if (cost->stopped_early && cost->stopped_after_ns)
		json_uint(json, "stopped_after_ns", cost->stopped_after_ns);
	else
		json_null(json, "stopped_after_ns");
	/* A probe whose cost was not measured does not cost nothing. */
	if (calls->stepped_hits) {
		json_uint(json, "stepped_hits", calls->stepped_hits);
		json_uint(json, "stepped_hit_ns", calls->stepped_hit_ns);
	}
	if (calls->probe_hit_ns)
		json_uint(json, "hit_ns", calls->probe_hit_ns);
	else
		json_null(json, "hit_ns");
	json_uint(json, "compensated_ns", calls->compensated_ns);
	json_bool(json, "raw", calls->raw);
	json_decimal(json, "observed_share", (uint64_t)(share * 1000000 + 0.5), 6);
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
	if (profile->calls) {
		json_write_probes(json, profile);
	} else if (cost->stepped_hits) {
		json_uint(json, "stepped_hits", cost->stepped_hits);
		json_uint(json, "stepped_hit_ns", cost->stepped_hit_ns);
	}
	json_close(json, '}');
}

/* All calls together. */
static void json_write_sum(struct json_writer *json, const struct profile *profile)
{
	struct closing_calls sum;

	closing_sum_calls(profile, &sum);
	json_uint(json, "calls", sum.calls);
	json_uint(json, "primitive_calls", sum.primitive);
	json_uint(json, "self_ns", sum.self_ns);
	json_uint(json, "cpu_self_ns", sum.cpu_self_ns);
	json_uint(json, "events", profile->calls->event_count);
	json_uint(json, "resynchronised", profile->calls->resynchronised);
}

void json_write_head(struct json_writer *json, const struct profile *profile,
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
	if (!profile->answer_count)
		json_write_meaning(json, profile);
	else if (profile->calls)
		json_write_sum(json, profile);
	json_newline(json);
}

void json_write_meaning(struct json_writer *json, const struct profile *profile)
{
	json_text(json, "unit", format_unit(profile->unit));
	json_bool(json, "estimate", profile->estimate);
	if (profile->calls) {
		json_write_sum(json, profile);
	} else {
		json_uint(json, "samples", profile->sample_count);
		json_uint(json, "period_ns", profile->period_ns);
	}
	json_newline(json);
}
