/* SPDX-License-Identifier: GPL-2.0-only */
/* What a descriptor of ours leads to. */
#ifndef PYBPFPROF_CLI_TERMINAL_H
#define PYBPFPROF_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

bool terminal_is(int fd);
/* Columns of the terminal; 0 when it is none (a report there is not cut). */
uint32_t terminal_columns(int fd);
/* Whether ANSI colours may be written: a terminal that is not "dumb", and colours not refused. */
bool terminal_color(int fd, bool no_color);

#endif
