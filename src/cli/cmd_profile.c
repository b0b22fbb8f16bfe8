// SPDX-License-Identifier: GPL-2.0-only
/* The default command: profile, then print or write the reports. */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/exit.h"
#include "cli/launch.h"
#include "cli/session.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "model/parts.h"
#include "pybpfprof/version.h"
#include "render/render.h"

static void options_fill(const struct config *config, const struct config_report *report,
			 struct render_options *options)
{
	bool terminal = !report->path && isatty(STDOUT_FILENO);

	*options = (struct render_options){
		.by = config->by,
		.sort = config->sort,
		.call_sort = config->call_sort,
		.memory_sort = config->memory_sort,
		.lifetime_sort = config->lifetime_sort,
		.gc_sort = config->gc_sort,
		.limit = config->limit,
		.split_threads = config->threads,
		.color = !report->path && terminal_color(STDOUT_FILENO, config->no_color),
		.by_lines = config_has_mode(config, CONFIG_MODE_LINE),
		.columns = terminal ? terminal_columns(STDOUT_FILENO) : 0,
		.version = PYBPFPROF_VERSION,
		.title = config->title,
		.globs = config->globs,
		.glob_count = config->glob_count,
	};
	memcpy(options->part_by, config->part_by, sizeof(options->part_by));
}

/* 0 or -errno, said. */
static int report_write(const struct config *config, const struct config_report *report,
			const struct profile *profile)
{
	const struct renderer *renderer = renderer_find(report->format);
	const char *where = report->path ? report->path : "standard output";
	struct render_options options;
	struct fs_output *output;
	int error = fs_output_open(report->path, &output);

	if (error) {
		log_error("cannot write %s: %s", where, strerror(-error));
		return error;
	}
	options_fill(config, report, &options);
	error = renderer->render(profile, &options, fs_output_stream(output));
	if (error)
		fs_output_abandon(output);
	else
		error = fs_output_commit(output);
	if (error)
		log_error("cannot write %s: %s", where, strerror(-error));
	else if (report->path)
		log_verbose("%s: %s", report->format, report->path);
	return error;
}

static int reports_write(const struct config *config, struct signals *signals,
			 struct profile *profile)
{
	uint64_t dropped = 0;
	int status = EXIT_REPORT;

	if (config->glob_count &&
	    profile_parts_filter(profile, config->globs, config->glob_count, &dropped)) {
		log_error("out of memory");
		return EXIT_FAILED_RUNNING;
	}
	if (dropped)
		log_verbose("%llu samples without a function that -F names are left out",
			    (unsigned long long)dropped);
	/* A pipe nobody reads must not make us unkillable. */
	signals_let_go(signals);
	for (size_t i = 0; i < config->report_count; i++) {
		if (report_write(config, &config->reports[i], profile))
			status = EXIT_FAILED_RUNNING;
	}
	signals_hold(signals);
	return status;
}

/* What is wrong with where a report shall go is better known before the run than after it. */
static int reports_check(const struct config *config)
{
	for (size_t i = 0; i < config->report_count; i++) {
		const char *path = config->reports[i].path;
		char directory[PATH_MAX];

		if (!path || !strcmp(path, "-"))
			continue;
		if (strlen(path) >= sizeof(directory)) {
			log_error("cannot write %s: %s", path, strerror(ENAMETOOLONG));
			return EXIT_FAILED_RUNNING;
		}
		strcpy(directory, path);
		if (access(dirname(directory), W_OK | X_OK)) {
			log_error("cannot write %s: %s", path, strerror(errno));
			return EXIT_FAILED_RUNNING;
		}
	}
	return 0;
}

static int run(const struct config *config, struct launch *launch, struct signals *signals)
{
	struct session *session = NULL;
	int wait_status, status = session_open(config, launch, signals, &session);

	if (!status)
		status = session_run(session);
	if (!status && launch && !session_profile(session)->process_count) {
		log_error("%s: ran no CPython that could be profiled", config->argv[0]);
		status = EXIT_NO_TARGET;
	}
	if (!status)
		status = reports_write(config, signals, session_profile(session));
	session_free(session);
	if (!launch || !launch_is_started(launch))
		return status;
	/* -d, Ctrl-C or a refusal ended the run: the command goes on, on the terminal that is ours. */
	if (launch_wait_end(launch, signals, &wait_status) || status != EXIT_REPORT)
		return status;
	return launch_exit_status(wait_status);
}

int cmd_profile(const struct config *config)
{
	struct launch *launch = NULL;
	struct signals signals;
	int error, status;

	status = reports_check(config);
	if (status)
		return status;
	status = EXIT_FAILED_RUNNING;
	error = signals_open(&signals);
	if (!error && config->argv)
		error = launch_prepare(config->argv, &signals, &launch);
	if (error)
		log_error("%s", strerror(-error));
	else
		status = run(config, launch, &signals);
	launch_release(launch);
	signals_close(&signals);
	return status;
}
