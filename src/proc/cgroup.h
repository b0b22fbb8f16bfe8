/* SPDX-License-Identifier: GPL-2.0-only */
/* Who is in a cgroup (v2), by its directory. */
#ifndef PYBPFPROF_PROC_CGROUP_H
#define PYBPFPROF_PROC_CGROUP_H

#include <sys/types.h>

/*
 * Visits every process of the cgroup at `path` and of those below it, in no order; a non-zero return of `visit`
 * stops and is returned. Processes come and go meanwhile: one that is moved may be met twice, or not.
 * 0; -errno when `path` cannot be read.
 */
int cgroup_each(const char *path, int (*visit)(pid_t pid, void *arg), void *arg);

#endif
