/* SPDX-License-Identifier: GPL-2.0-only */
/* The words of a file into which the dynamic linker writes the addresses of named functions. */
#ifndef PYBPFPROF_PYTHON_ALLOCATOR_RELOCATIONS_H
#define PYBPFPROF_PYTHON_ALLOCATOR_RELOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "proc/elf_file.h"

struct relocation {
	const char *name; /* of the function; until visit() returns */
	uint64_t slot;	  /* address of the word in the file */
	bool of_call;	  /* only calls go through it, so that it may be bound at the first one */
};

/*
 * A non-zero return of `visit` stops and is returned. Those for calls come first. -ENOMEM; a file
 * without any gives 0.
 */
int relocations_each(struct elf_file *file,
		     int (*visit)(const struct relocation *relocation, void *arg), void *arg);

#endif
