/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Progress and warnings, to standard error only, one line each, prefixed "pybpfprof: ".
 * The only mutable file-scope state of the program lives in log.c (the level, whether a live line
 * is on the terminal and must be wiped first). Pure rooms (model, decode, render, meter, python
 * tables) never log: they return -errno and let `cli` say it.
 * Control characters and escapes in what is printed are replaced before they reach the terminal.
 */
#ifndef PYBPFPROF_BASE_LOG_H
#define PYBPFPROF_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_QUIET, LOG_NORMAL, LOG_VERBOSE, LOG_DEBUG };

void log_set_level(enum log_level level);
enum log_level log_level(void);
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));	 /* always shown */
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));	 /* NORMAL on */
void log_verbose(const char *format, ...) __attribute__((format(printf, 1, 2))); /* VERBOSE on */
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A live line on a terminal, rewritten in place; NULL wipes it. Nothing where stderr is no tty. */
void log_live(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
