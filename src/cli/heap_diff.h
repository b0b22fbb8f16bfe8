/* SPDX-License-Identifier: GPL-2.0-only */
/* An earlier census, as -f json wrote it, set beside the one of now. */
#ifndef PYBPFPROF_CLI_HEAP_DIFF_H
#define PYBPFPROF_CLI_HEAP_DIFF_H

#include "base/buffer.h"
#include "model/census.h"

/*
 * Adds the earlier counts to the census's types, and types that are gone. 0; -EINVAL (no census in that file,
 * *message says why), -ENOMEM, or why it cannot be read.
 */
int heap_diff_apply(const char *path, struct census *census, struct buffer *message);

#endif
