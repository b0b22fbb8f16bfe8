/* SPDX-License-Identifier: GPL-2.0-only */
/* What /proc tells about one thread. -ESRCH: it is gone. */
#ifndef PYBPFPROF_PROC_THREAD_H
#define PYBPFPROF_PROC_THREAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* CPU time of the thread's whole life, as the scheduler counts it. */
int proc_thread_cpu_ns(pid_t pid, pid_t tid, uint64_t *cpu_ns);
/* The kernel's name of the thread, at most 15 bytes, which may be any. */
int proc_thread_name(pid_t pid, pid_t tid, char *name, size_t size);

#endif
