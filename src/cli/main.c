// SPDX-License-Identifier: GPL-2.0-only
/* Reads the command line, runs the command, turns errors into exit statuses. */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fs.h"
#include "base/log.h"
#include "cli/config.h"
#include "cli/exit.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "cli/value.h"
#include "pybpfprof/version.h"

static uint32_t read_sample_rate_limit(void)
{
	struct buffer text;
	uint32_t limit = 0;

	buffer_init(&text);
	if (!fs_read("/proc/sys/kernel/perf_event_max_sample_rate", 32, &text) && text.length) {
		text.bytes[strcspn(text.bytes, "\n")] = 0;
		if (value_count(text.bytes, &limit))
			limit = 0;
	}
	buffer_release(&text);
	return limit;
}

static int print_about(const struct config *config)
{
	struct buffer text;
	int err;

	signals_ignore_pipe();
	buffer_init(&text);
	if (config->action == CONFIG_VERSION)
		buffer_printf(&text, "pybpfprof %s\n", PYBPFPROF_VERSION);
	else
		help_append(&text, config->command);
	err = output_text(NULL, &text);
	buffer_release(&text);
	return err ? EXIT_FAILED_RUNNING : EXIT_REPORT;
}

static void set_log_level(const struct config *config)
{
	if (config->quiet)
		log_set_level(LOG_QUIET);
	else if (config->verbosity > 1)
		log_set_level(LOG_DEBUG);
	else if (config->verbosity)
		log_set_level(LOG_VERBOSE);
}

static int run_command(const struct config *config)
{
	switch (config->command) {
#define COMMAND(id, name, function, words)                                                         \
	case COMMAND_##id:                                                                         \
		return function(config);
#define COMMAND_LATER(name)
#include "cli/commands.def"
#undef COMMAND
#undef COMMAND_LATER
	case COMMAND_COUNT:
		break;
	}
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const char *no_color = getenv("NO_COLOR");
	struct config_host host = {
		.no_color = no_color && *no_color,
		.stdout_terminal = isatty(STDOUT_FILENO),
		.sample_rate_limit = read_sample_rate_limit(),
	};
	struct config config;
	struct buffer message;
	int status;

	/* For text only: numbers in reports keep their point, whatever the user's language. */
	setlocale(LC_CTYPE, "");
	buffer_init(&message);
	switch (config_parse(argc, argv, &host, &config, &message)) {
	case 0:
		set_log_level(&config);
		status = config.action == CONFIG_RUN ? run_command(&config) : print_about(&config);
		break;
	case -EINVAL:
		log_error("%s", message.length ? message.bytes : "wrong command line");
		status = EXIT_USAGE;
		break;
	default:
		log_error("out of memory");
		status = EXIT_FAILED_RUNNING;
		break;
	}
	config_release(&config);
	buffer_release(&message);
	return status;
}
