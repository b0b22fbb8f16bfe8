/* SPDX-License-Identifier: GPL-2.0-only */
/* What a run asks of the kernel side, by its configuration. */
#ifndef PYBPFPROF_CLI_SESSION_OPTIONS_H
#define PYBPFPROF_CLI_SESSION_OPTIONS_H

#include "capture/capture.h"
#include "cli/config.h"

/* Strings are borrowed from `config`. */
void session_options_fill(const struct config *config, struct capture_options *options);
/* How long the ring may fill before it is looked at. */
int session_drain_period_ms(const struct config *config);

#endif
