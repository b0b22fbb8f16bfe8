// SPDX-License-Identifier: GPL-2.0-only
/* What only the whole command line can tell: one target, reports that do not collide. */
#include <errno.h>
#include <string.h>

#include "cli/config_parse.h"
#include "render/render.h"

/* Promised by the contract; refused by name as long as renderer_find() does not know them. */
static const char *const formats_later[] = { "speedscope", "pprof", "perfetto", "chrometrace",
					     "csv" };

int config_check_target(struct parse *parse)
{
	struct config *config = parse->config;
	const struct {
		bool given;
		const char *name;
	} targets[] = {
		{ config->pid_count > 0, "-p" },
		{ config->all, "--all" },
		{ config->cgroup, "--cgroup" },
		{ config->argv, "-- COMMAND" },
	};
	const char *first = NULL;

	for (size_t i = 0; i < COUNT_OF(targets); i++) {
		if (!targets[i].given)
			continue;
		if (first) {
			buffer_printf(parse->message,
				      "%s and %s exclude each other: give one target", first,
				      targets[i].name);
			return -EINVAL;
		}
		first = targets[i].name;
	}
	if (!first) {
		buffer_string(parse->message,
			      "no target: give -p PID, --all, --cgroup PATH or -- COMMAND");
		return -EINVAL;
	}
	if (config->argv) {
		if (!config->argv[0][0]) {
			buffer_string(parse->message, "the command after -- has an empty name");
			return -EINVAL;
		}
		config->subprocesses = true;
		/* Windows need something to be sized by. */
		if (!(parse->given & 1ull << OPTION_MAX_OVERHEAD) && !config->duty)
			config->max_overhead_percent = -1;
	}
	return 0;
}

/* Options that only one of the two families of modes knows, with why the other one does not. */
static const struct {
	enum option_id id;
	bool exact;
	const char *reason;
} one_sided[] = {
	{ OPTION_RATE, false, "every call is seen, none is sampled" },
	{ OPTION_NATIVE, false, "only Python's functions are seen" },
	{ OPTION_KERNEL, false, "only Python's functions are seen" },
	{ OPTION_PROBES, true, NULL },
	{ OPTION_RAW, true, NULL },
	{ OPTION_DUTY, true, NULL },
};

/* The first of the given modes that is (or is not) an exact one; NULL: none. */
static const char *first_mode(const struct config *config, bool exact)
{
	for (int mode = 0; mode < CONFIG_MODE_COUNT; mode++) {
		if (config_has_mode(config, mode) && !!(CONFIG_MODES_EXACT & 1u << mode) == exact)
			return config_mode_name(mode);
	}
	return NULL;
}

static int check_options_of_modes(struct parse *parse)
{
	const char *exact = first_mode(parse->config, true);

	for (size_t i = 0; i < COUNT_OF(one_sided); i++) {
		const char *name = option_at(one_sided[i].id)->name;

		if (!(parse->given & 1ull << one_sided[i].id) || one_sided[i].exact == !!exact)
			continue;
		if (exact)
			buffer_printf(parse->message, "--%s means nothing with --mode %s: %s", name,
				      exact, one_sided[i].reason);
		else
			buffer_printf(parse->message,
				      "--%s is for the exact modes: give --mode time or callgraph",
				      name);
		return -EINVAL;
	}
	return 0;
}

/* Modes that go together, and options that mean something in them. */
int config_check_modes(struct parse *parse)
{
	const struct config *config = parse->config;
	const char *exact = first_mode(config, true), *sampled = first_mode(config, false);
	int err;

	if (exact && sampled) {
		buffer_printf(parse->message,
			      "modes %s and %s cannot be combined in one run yet: one samples, the "
			      "other sees every call",
			      sampled, exact);
		return -EINVAL;
	}
	err = check_options_of_modes(parse);
	if (!err)
		err = config_apply_sort(parse);
	if (err)
		return err;
	if (exact && config->by == ROLLUP_LINE) {
		buffer_printf(parse->message,
			      "--by line means nothing with --mode %s: calls are "
			      "of functions",
			      exact);
		return -EINVAL;
	}
	if (sampled && config->by == ROLLUP_TREE) {
		buffer_string(parse->message,
			      "--by tree is for the exact modes: give --mode time or callgraph");
		return -EINVAL;
	}
	if (config->duty && config->max_overhead_percent <= 0) {
		buffer_string(parse->message,
			      "--duty keeps the cost under --max-overhead, which must be above 0");
		return -EINVAL;
	}
	return 0;
}

static int check_format(struct parse *parse, const struct config_report *report)
{
	const char *format = report->format;
	const struct renderer *renderer;

	if (parse->config->command != COMMAND_PROFILE) {
		if (!strcmp(format, "table") || !strcmp(format, "json"))
			return 0;
		buffer_printf(parse->message, "%s writes table or json, not '%s'",
			      config_command_name(parse->config->command), format);
		return -EINVAL;
	}
	renderer = renderer_find(format);
	if (!renderer) {
		bool later = config_word_index(format, strlen(format), formats_later,
					       COUNT_OF(formats_later)) < COUNT_OF(formats_later);

		buffer_printf(parse->message,
			      later ? "format '%s' is not built yet in this version; built: " :
				      "unknown format '%s'; known: ",
			      format);
		for (size_t i = 0; renderer_at(i); i++)
			buffer_printf(parse->message, "%s%s", i ? ", " : "", renderer_at(i)->name);
		return -EINVAL;
	}
	if (renderer->binary && !report->path && parse->host->stdout_terminal) {
		buffer_printf(parse->message, "%s is binary and not for a terminal: give -o FILE",
			      format);
		return -EINVAL;
	}
	return 0;
}

/* Every report has a known format, and no two go to one place. */
int config_check_reports(struct parse *parse)
{
	struct config *config = parse->config;

	if (!config->report_count && !config_report_add(config))
		return -ENOMEM;
	for (size_t i = 0; i < config->report_count; i++) {
		struct config_report *report = &config->reports[i];
		int err;

		if (report->path && !strcmp(report->path, "-"))
			report->path = NULL;
		if (!report->format && config->report_count > 1) {
			buffer_printf(parse->message, "-o %s has no -f of its own",
				      report->path ? report->path : "-");
			return -EINVAL;
		}
		if (!report->format)
			report->format = "table";
		err = check_format(parse, report);
		if (err)
			return err;
		for (size_t j = 0; j < i; j++) {
			const char *path = config->reports[j].path;

			if (!path && !report->path) {
				buffer_printf(parse->message,
					      "%s and %s cannot both go to standard output: give "
					      "one of them -o FILE",
					      config->reports[j].format, report->format);
				return -EINVAL;
			}
			if (path && report->path && !strcmp(path, report->path)) {
				buffer_printf(parse->message, "two reports cannot both go to %s",
					      path);
				return -EINVAL;
			}
		}
	}
	return 0;
}
