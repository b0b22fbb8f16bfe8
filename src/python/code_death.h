/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where CPython ends a code object: the entry of code_dealloc(), read from PyCode_Type's live slot,
 * so that stripped binaries have it too.
 */
#ifndef PYBPFPROF_PYTHON_CODE_DEATH_H
#define PYBPFPROF_PYTHON_CODE_DEATH_H

#include <stdint.h>

#include "python/python.h"

/*
 * The offset in `process->binary_open` of an instruction at that entry which the kernel emulates
 * when probed: any other would cost the target many times as much. -ENOTSUP: there is none;
 * -ESRCH, -EFAULT: the process could not be read.
 */
int python_code_death_offset(const struct python_process *process, uint64_t *file_offset);

#endif
