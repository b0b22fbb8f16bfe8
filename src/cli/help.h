/* SPDX-License-Identifier: GPL-2.0-only */
/* --help, made of the .def lists, under 80 columns. */
#ifndef PYBPFPROF_CLI_HELP_H
#define PYBPFPROF_CLI_HELP_H

#include "base/buffer.h"
#include "cli/commands.h"

void help_append(struct buffer *out, enum command_id command);

#endif
