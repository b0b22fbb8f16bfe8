/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where CPython, up and complete, begins to run its program: the entry of Py_RunMain(), exported by every
 * build and come past once in each process that the python command started.
 */
#ifndef PYBPFPROF_PYTHON_RUN_MAIN_H
#define PYBPFPROF_PYTHON_RUN_MAIN_H

#include <stdint.h>

#include "python/python.h"

/* Its offset in `process->binary_open` and its address there. -ENOENT: no such symbol; -errno. */
int python_run_main(const struct python_process *process, uint64_t *file_offset, uint64_t *address);

#endif
