/* SPDX-License-Identifier: GPL-2.0-only */
/* Source file and line of code addresses, from one file's DWARF line tables. */
#ifndef PYBPFPROF_RESOLVE_NATIVE_LINES_H
#define PYBPFPROF_RESOLVE_NATIVE_LINES_H

#include <stdint.h>

#include "base/buffer.h"
#include "resolve/native_elf.h"

struct native_lines;

/* -ENOENT: the file has none. -EFBIG: more than is worth it. -EIO, -ENOMEM. */
int native_lines_open(const struct native_elf *elf, struct native_lines **out);
void native_lines_free(struct native_lines *lines);

/* Appends the source file's name. -ENOENT: the tables do not cover the address. */
int native_lines_find(struct native_lines *lines, uint64_t address, struct buffer *file,
		      int32_t *line);

#endif
