/* SPDX-License-Identifier: GPL-2.0-only */
/* Files: small ones read whole with a bound, reports written to a temporary name and renamed. */
#ifndef PYBPFPROF_BASE_FS_H
#define PYBPFPROF_BASE_FS_H

#include <stddef.h>
#include <stdio.h>

#include "base/buffer.h"

/* Appends at most `limit` bytes of the file. 0, or -errno; -EFBIG when there was more. */
int fs_read(const char *path, size_t limit, struct buffer *out);

struct fs_output;
/* Opens PATH.tmp.PID beside `path` (NULL or "-": standard output). 0 or -errno. */
int fs_output_open(const char *path, struct fs_output **out);
FILE *fs_output_stream(struct fs_output *output); /* borrowed */
/* Flushes, fsyncs, renames into place. 0 or -errno (ENOSPC, EPIPE, ...); always frees. */
int fs_output_commit(struct fs_output *output);
void fs_output_abandon(struct fs_output *output); /* removes the temporary; takes NULL */

#endif
