/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands by number and by function; one file cmd_NAME.c each, one line in commands.def. */
#ifndef PYBPFPROF_CLI_COMMANDS_H
#define PYBPFPROF_CLI_COMMANDS_H

struct config;

enum command_id {
#define COMMAND(id, name, function, words) COMMAND_##id,
#define COMMAND_LATER(name)
#include "cli/commands.def"
#undef COMMAND
#undef COMMAND_LATER
	COMMAND_COUNT
};

/* Each runs to its end and returns the exit status of the process. */
#define COMMAND(id, name, function, words) int function(const struct config *config);
#define COMMAND_LATER(name)
#include "cli/commands.def"
#undef COMMAND
#undef COMMAND_LATER

#endif
