// SPDX-License-Identifier: GPL-2.0-only
/*
 * `pybpfprof doctor`:
 *
 *	ok        kernel          Linux 6.1.0-49-cloud-amd64
 *	degraded  sample rate     4000 samples a second at most
 *	                          fix: sysctl kernel.perf_event_max_sample_rate=100000
 *	ok        calls           CPython 3.11.2, 3 processes, /usr/bin/python3.11: dispatch
 *	degraded  calls           CPython 3.14.0, 1 process, /opt/bin/python3: none: built with tail calls
 *	                          fix: sampled modes work, --mode cpu for one
 *
 * The last lines tell, for each interpreter that runs here, how its calls would be seen exactly.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/text.h"
#include "capture/kernel_check.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/exit.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/ways.h"
#include "proc/process.h"
#include "pybpfprof/version.h"
#include "python/python.h"

static const char calls_fix[] = "sampled modes work, --mode cpu for one";

/* Processes of one interpreter, whose calls would all be seen the same way. */
struct doctor_python {
	char version[16];
	char binary[512];
	struct way_choice way;
	size_t process_count;
};

struct doctor {
	struct kernel_check check;
	struct python_cache *cache;
	struct ways *ways;
	struct doctor_python *pythons;
	size_t python_count;
};

/* ---- the Pythons that run here ---- */

static bool is_same(const struct doctor_python *python, const struct python_process *process,
		    const struct way_choice *way)
{
	return !strcmp(python->version, process->version) &&
	       !strcmp(python->binary, process->binary) && python->way.name == way->name &&
	       !strcmp(python->way.reason, way->reason);
}

static int keep_python(struct doctor *doctor, const struct python_process *process,
		       const struct way_choice *way)
{
	struct doctor_python *pythons;

	for (size_t i = 0; i < doctor->python_count; i++) {
		if (is_same(&doctor->pythons[i], process, way)) {
			doctor->pythons[i].process_count++;
			return 0;
		}
	}
	pythons = realloc(doctor->pythons, (doctor->python_count + 1) * sizeof(*pythons));
	if (!pythons)
		return -ENOMEM;
	doctor->pythons = pythons;
	pythons += doctor->python_count++;
	memset(pythons, 0, sizeof(*pythons));
	memcpy(pythons->version, process->version, sizeof(pythons->version));
	memcpy(pythons->binary, process->binary, sizeof(pythons->binary));
	pythons->way = *way;
	pythons->process_count = 1;
	return 0;
}

/* What cannot be looked at is the business of the checks, and of `list`. */
static int look_at(pid_t pid, void *arg)
{
	struct doctor *doctor = arg;
	struct python_process process;
	struct way_choice way;
	int err;

	python_inspect(doctor->cache, pid, &process);
	if (process.verdict != PYTHON_KNOWN)
		return 0;
	err = ways_choose(doctor->ways, &process, &way);
	return err ? err : keep_python(doctor, &process, &way);
}

static int doctor_gather(struct doctor *doctor)
{
	kernel_check_run(&doctor->check);
	doctor->cache = python_cache_new();
	doctor->ways = ways_new();
	if (!doctor->cache || !doctor->ways)
		return -ENOMEM;
	return proc_each(look_at, doctor);
}

static void doctor_release(struct doctor *doctor)
{
	free(doctor->pythons);
	ways_free(doctor->ways);
	python_cache_free(doctor->cache);
}

/* ---- table ---- */

static const char *state_color(enum kernel_check_state state)
{
	switch (state) {
	case KERNEL_CHECK_OK:
		return "\x1b[32m";
	case KERNEL_CHECK_DEGRADED:
		return "\x1b[33m";
	case KERNEL_CHECK_MISSING:
		return "\x1b[31m";
	}
	return "";
}

/* One line of the table, begun: what follows is the finding. */
static void append_state(struct buffer *out, enum kernel_check_state state, const char *name,
			 bool color)
{
	buffer_printf(out, "%s%-8s%s  %-14s  ", color ? state_color(state) : "",
		      kernel_check_state_name(state), color ? "\x1b[0m" : "", name);
}

static void append_fix(struct buffer *out, const char *fix)
{
	buffer_printf(out, "%26sfix: %s\n", "", fix);
}

static void append_python(struct buffer *out, const struct doctor_python *python, bool color)
{
	append_state(out, python->way.name ? KERNEL_CHECK_OK : KERNEL_CHECK_DEGRADED, "calls",
		     color);
	buffer_printf(out, "CPython %s, %zu process%s, ", python->version, python->process_count,
		      python->process_count == 1 ? "" : "es");
	text_append_safe(out, python->binary, strlen(python->binary));
	if (python->way.name) {
		buffer_printf(out, ": %s\n", python->way.name);
		return;
	}
	buffer_string(out, ": none: ");
	text_append_safe(out, python->way.reason, strlen(python->way.reason));
	buffer_byte(out, '\n');
	append_fix(out, calls_fix);
}

static void append_table(struct buffer *out, const struct doctor *doctor, bool color)
{
	const struct kernel_check *check = &doctor->check;

	for (size_t i = 0; i < check->count; i++) {
		const struct kernel_check_line *line = &check->lines[i];

		append_state(out, line->state, line->name, color);
		buffer_printf(out, "%s\n", line->finding);
		if (line->fix[0])
			append_fix(out, line->fix);
	}
	for (size_t i = 0; i < doctor->python_count; i++)
		append_python(out, &doctor->pythons[i], color);
	if (check->usable) {
		buffer_string(out, "\nEverything needed is here.\n");
		return;
	}
	buffer_string(out, "\nNothing can be profiled here. Missing:");
	for (size_t i = 0; i < check->count; i++) {
		const struct kernel_check_line *line = &check->lines[i];

		if (line->needed && line->state == KERNEL_CHECK_MISSING)
			buffer_printf(out, " %s;", line->name);
	}
	out->bytes[out->length - 1] = '.';
	buffer_byte(out, '\n');
}

/* ---- JSON ---- */

static void append_json_or_null(struct buffer *out, const char *key, const char *value)
{
	if (value && *value)
		output_json_string(out, key, value);
	else
		buffer_printf(out, "\"%s\": null", key);
}

static void append_json_pythons(struct buffer *out, const struct doctor *doctor)
{
	buffer_string(out, "\"pythons\": [");
	for (size_t i = 0; i < doctor->python_count; i++) {
		const struct doctor_python *python = &doctor->pythons[i];

		buffer_printf(out, "%s\n    { ", i ? "," : "");
		output_json_string(out, "version", python->version);
		buffer_string(out, ", ");
		output_json_string(out, "binary", python->binary);
		buffer_printf(out, ", \"processes\": %zu, ", python->process_count);
		append_json_or_null(out, "plan", python->way.name);
		buffer_string(out, ", ");
		append_json_or_null(out, "plan_reason", python->way.reason);
		buffer_string(out, " }");
	}
	buffer_string(out, " ]");
}

static void append_json(struct buffer *out, const struct doctor *doctor)
{
	const struct kernel_check *check = &doctor->check;
	struct utsname name;

	uname(&name);
	buffer_string(out, "{ ");
	output_json_string(out, "pybpfprof", PYBPFPROF_VERSION);
	buffer_string(out, ", ");
	output_json_string(out, "kernel", name.release);
	buffer_string(out, ", ");
	output_json_bool(out, "usable", check->usable);
	buffer_string(out, ",\n  \"checks\": [");
	for (size_t i = 0; i < check->count; i++) {
		const struct kernel_check_line *line = &check->lines[i];

		buffer_printf(out, "%s\n    { ", i ? "," : "");
		output_json_string(out, "name", line->name);
		buffer_string(out, ", ");
		output_json_string(out, "state", kernel_check_state_name(line->state));
		buffer_string(out, ", ");
		output_json_bool(out, "needed", line->needed);
		buffer_string(out, ", ");
		output_json_string(out, "finding", line->finding);
		buffer_string(out, ", ");
		append_json_or_null(out, "fix", line->fix);
		buffer_string(out, " }");
	}
	buffer_string(out, " ],\n  ");
	append_json_pythons(out, doctor);
	buffer_string(out, " }\n");
}

int cmd_doctor(const struct config *config)
{
	const struct config_report *report = &config->reports[0];
	bool color = !report->path && terminal_color(STDOUT_FILENO, config->no_color);
	struct doctor doctor = { .python_count = 0 };
	struct buffer text;
	int err;

	signals_ignore_pipe();
	buffer_init(&text);
	err = doctor_gather(&doctor);
	if (err) {
		log_error("cannot look at the processes here: %s", strerror(-err));
	} else {
		if (!strcmp(report->format, "json"))
			append_json(&text, &doctor);
		else
			append_table(&text, &doctor, color);
		err = output_text(report->path, &text);
	}
	buffer_release(&text);
	doctor_release(&doctor);
	if (err)
		return EXIT_FAILED_RUNNING;
	return doctor.check.usable ? EXIT_REPORT : EXIT_NOT_ALLOWED;
}
