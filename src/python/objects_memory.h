/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Another process's memory through a cache of large windows: a census reads the same pages over and
 * over, a few bytes at a time. What is read is as old as its window; whoever finds that two things
 * contradict each other has their windows read anew. Only what is mapped is ever asked for.
 */
#ifndef PYBPFPROF_PYTHON_OBJECTS_MEMORY_H
#define PYBPFPROF_PYTHON_OBJECTS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct objects_memory;

/* 0; -ESRCH, -EACCES (from /proc/PID/maps), -E2BIG, -ENOMEM. Holds at most `cache_bytes` of windows. */
int objects_memory_new(pid_t pid, size_t cache_bytes, struct objects_memory **out);
void objects_memory_free(struct objects_memory *memory);

/* All of it, or -EFAULT (not mapped, not readable), -ESRCH (the process is gone), -ENOMEM. */
int objects_memory_read(struct objects_memory *memory, uint64_t address, void *out, size_t bytes);
/* 0 where it cannot be read. */
uint64_t objects_memory_word(struct objects_memory *memory, uint64_t address);
/* At most `size` - 1 bytes and a NUL; -EFAULT when not even its first byte can be read. */
int objects_memory_string(struct objects_memory *memory, uint64_t address, char *out, size_t size);

/* What was read there, or anywhere, is old: the next read asks the process. */
void objects_memory_forget(struct objects_memory *memory, uint64_t address);
void objects_memory_forget_all(struct objects_memory *memory);

/* -ESRCH once the process has been found gone, else 0. */
int objects_memory_error(const struct objects_memory *memory);
uint64_t objects_memory_bytes_read(const struct objects_memory *memory);
/* How many reads found nothing mapped, by a list of mappings that may be older than what is there. */
uint64_t objects_memory_faults(const struct objects_memory *memory);

#endif
