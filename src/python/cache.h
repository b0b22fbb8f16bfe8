/* SPDX-License-Identifier: GPL-2.0-only */
/* Facts of files by (device, inode, size, mtime), so that each file is parsed once. */
#ifndef PYBPFPROF_PYTHON_CACHE_H
#define PYBPFPROF_PYTHON_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "proc/maps.h"
#include "python/binary.h"
#include "python/python.h"

/*
 * The facts of the file behind a mapping, borrowed until the next call; `open_path` gets a path that
 * opens it from here. -errno of mapping_open(), or -ENOMEM.
 */
int python_cache_binary(struct python_cache *cache, pid_t pid, const struct mapping *mapping,
			bool is_main, const struct binary **out, char *open_path,
			size_t open_path_size);

#endif
