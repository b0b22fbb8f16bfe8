/* SPDX-License-Identifier: GPL-2.0-only */
/* Which module a function belongs to: `__name__` of its globals. */
#ifndef PYBPFPROF_PYTHON_MODULE_H
#define PYBPFPROF_PYTHON_MODULE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Reads the name into `name`, as ASCII ("__main__", "json.decoder"). `filename` is the function's
 * co_filename. -ENODATA: the globals have no such name, are another file's, or are gone.
 */
int python_module_name(pid_t pid, unsigned int minor, uint64_t globals, const char *filename,
		       char *name, size_t size);

#endif
