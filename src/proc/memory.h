/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one door to another process's memory. Reads only, never stops the process, so what comes
 * back may be torn between two of its writes: callers check what they read.
 */
#ifndef PYBPFPROF_PROC_MEMORY_H
#define PYBPFPROF_PROC_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { MEMORY_READ_MAX_BYTES = 1 << 20, MEMORY_READ_MANY_MAX = 1024 };

/*
 * All of the `bytes` at `address`, or nothing: -EFAULT (not mapped, or only in part), -EINVAL (more
 * than MEMORY_READ_MAX_BYTES, or none), -ESRCH (the process is gone), -EPERM (we may not look).
 */
int memory_read(pid_t pid, uint64_t address, void *out, size_t bytes);
int memory_read_u32(pid_t pid, uint64_t address, uint32_t *out);
int memory_read_u64(pid_t pid, uint64_t address, uint64_t *out);
/*
 * `bytes` at each of up to MEMORY_READ_MANY_MAX addresses, one behind the other into `out`, by one
 * system call. *done is how many came whole: fewer than `count` when the one after them cannot be
 * read. 0 also then; -EINVAL, -ESRCH, -EPERM.
 */
int memory_read_many(pid_t pid, const uint64_t *addresses, size_t count, size_t bytes, void *out,
		     size_t *done);
/* A NUL-terminated string, cut to fit; -EFAULT when not even its first byte can be read. */
int memory_read_string(pid_t pid, uint64_t address, char *out, size_t size);

#endif
