/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a process allocates: the functions its own references to malloc() and its like are bound to,
 * in whatever library that is, and the place in each at which a probe is cheap and still sees the
 * arguments and the return address where they were on entry.
 */
#ifndef PYBPFPROF_PYTHON_ALLOCATOR_H
#define PYBPFPROF_PYTHON_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pybpfprof/abi.h"
#include "python/python.h"

enum { ALLOCATOR_SITES = 48, ALLOCATOR_FILES = 4 };

struct allocator_site {
	struct memory_probe probe;
	uint64_t file_offset; /* of the instruction to probe */
	bool returns_block;   /* a return probe belongs to it, at the same place */
	bool stepped;	 /* the kernel single-steps the instruction: no emulated one was found */
	uint8_t file;	 /* index of allocator_plan.files */
	char symbol[32]; /* "malloc", "posix_memalign", "_PyObject_Malloc" */
};

struct allocator_file {
	char path[512];	     /* as the target's maps name it */
	char path_open[512]; /* opens that very file from here: /proc/PID/map_files/... */
};

struct allocator_plan {
	char name
		[32]; /* "glibc", "musl", "jemalloc", "tcmalloc", "mimalloc", else the file's name */
	/*
	 * One plain line where blocks are handed out that no probe sees, else "": an allocator with C++'s
	 * operator new of its own, whose exceptions could not pass a return probe.
	 */
	char unseen[160];
	struct allocator_file files[ALLOCATOR_FILES];
	size_t file_count;
	struct allocator_site sites[ALLOCATOR_SITES];
	size_t site_count;
};

/*
 * The C library level: malloc, calloc, realloc, reallocarray, posix_memalign, aligned_alloc, memalign,
 * valloc, pvalloc, free, and from the C library mmap, munmap, mremap, sbrk. What malloc() and free()
 * are bound to is read from the process itself (its global offset table); the others are looked for in
 * the same file. 0; -ENOENT and one plain line in `reason`: no malloc or free could be found (a
 * static executable without symbols, say); -errno and the reason else.
 */
int allocator_plan_make(const struct python_process *python, struct allocator_plan *plan,
			char *reason, size_t reason_size);

/*
 * Adds CPython's own object allocator to it: the functions that its allocator tables name. -ENOTSUP and
 * one plain line in `reason`: the build inlines them, so that single objects are not to be seen;
 * -ENOENT: they cannot be found. *needed is false where the tables lead straight to malloc (then the
 * C level sees every object).
 */
int allocator_plan_objects(const struct python_process *python, struct allocator_plan *plan,
			   bool *needed, char *reason, size_t reason_size);

#endif
