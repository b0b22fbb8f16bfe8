/* SPDX-License-Identifier: GPL-2.0-only */
/* Text that was made whole in memory, written to where it belongs. */
#ifndef PYBPFPROF_CLI_OUTPUT_H
#define PYBPFPROF_CLI_OUTPUT_H

#include <stdbool.h>

#include "base/buffer.h"

/*
 * Writes all of it to `path` (NULL: standard output) and says so on standard error when that
 * fails. 0 or -errno; a buffer that ran out of memory is -ENOMEM and writes nothing.
 */
int output_text(const char *path, const struct buffer *text);

/* Appends "key": and the value, as JSON; the string is escaped. */
void output_json_string(struct buffer *out, const char *key, const char *value);
void output_json_bool(struct buffer *out, const char *key, bool value);

#endif
