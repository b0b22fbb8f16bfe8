/* SPDX-License-Identifier: GPL-2.0-only */
/* Looking into a dict of another process, entry by entry, without its hash function. */
#ifndef PYBPFPROF_PYTHON_DICT_H
#define PYBPFPROF_PYTHON_DICT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "python/layout.h"

/*
 * The address of the value under an ASCII str key of at most 31 bytes, among the first
 * `entry_limit` entries in the order they were made. -ENODATA: it is not there. -EUCLEAN: this is
 * no dict, or it changed while it was read.
 */
int dict_find(pid_t pid, const struct layout *layout, uint64_t dict, const char *key,
	      size_t entry_limit, uint64_t *value);
/* The same for a key that is the very object at `key`, as interned names are. */
int dict_find_interned(pid_t pid, const struct layout *layout, uint64_t dict, uint64_t key,
		       size_t entry_limit, uint64_t *value);

#endif
