/* SPDX-License-Identifier: GPL-2.0-only */
/* CPython's small-block allocator as it lies in a target's memory, put into the profile's terms. */
#ifndef PYBPFPROF_CLI_POOLS_REPORT_H
#define PYBPFPROF_CLI_POOLS_REPORT_H

#include "model/memory.h"
#include "python/python.h"

/*
 * Fills *out whole: `known`, or a `reason` that lives as long as the program. 0 also when there is no
 * pymalloc in that process; -errno, with the reason in *out, when it could not be read: -ESRCH (the
 * process is gone), -ENOTSUP, -EUCLEAN, -ETIMEDOUT, -EPERM, -ENOMEM. Takes a microsecond for a pool:
 * 60 ms for 1 GiB in arenas (3.8 and 3.9: four times as long).
 */
int pools_report(const struct python_process *python, struct memory_pools *out);

#endif
