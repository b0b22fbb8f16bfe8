// SPDX-License-Identifier: GPL-2.0-only
/*
 * `pybpfprof doctor`:
 *
 *	ok        kernel          Linux 6.1.0-49-cloud-amd64
 *	degraded  sample rate     4000 samples a second at most
 *	                          fix: sysctl kernel.perf_event_max_sample_rate=100000
 */
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buffer.h"
#include "capture/kernel_check.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/exit.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "pybpfprof/version.h"

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

static void append_table(struct buffer *out, const struct kernel_check *check, bool color)
{
	for (size_t i = 0; i < check->count; i++) {
		const struct kernel_check_line *line = &check->lines[i];

		buffer_printf(out, "%s%-8s%s  %-14s  %s\n", color ? state_color(line->state) : "",
			      kernel_check_state_name(line->state), color ? "\x1b[0m" : "",
			      line->name, line->finding);
		if (line->fix[0])
			buffer_printf(out, "%26sfix: %s\n", "", line->fix);
	}
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

static void append_json(struct buffer *out, const struct kernel_check *check)
{
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
		if (line->fix[0])
			output_json_string(out, "fix", line->fix);
		else
			buffer_string(out, "\"fix\": null");
		buffer_string(out, " }");
	}
	buffer_string(out, " ] }\n");
}

int cmd_doctor(const struct config *config)
{
	const struct config_report *report = &config->reports[0];
	bool color = !report->path && terminal_color(STDOUT_FILENO, config->no_color);
	struct kernel_check check;
	struct buffer text;
	int err;

	signals_ignore_pipe();
	kernel_check_run(&check);
	buffer_init(&text);
	if (!strcmp(report->format, "json"))
		append_json(&text, &check);
	else
		append_table(&text, &check, color);
	err = output_text(report->path, &text);
	buffer_release(&text);
	if (err)
		return EXIT_FAILED_RUNNING;
	return check.usable ? EXIT_REPORT : EXIT_NOT_ALLOWED;
}
