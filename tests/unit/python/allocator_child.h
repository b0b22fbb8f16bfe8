/* SPDX-License-Identifier: GPL-2.0-only */
/* A process that tells where it has the functions it allocates with. Its file is its own. */
#ifndef TESTS_UNIT_PYTHON_ALLOCATOR_CHILD_H
#define TESTS_UNIT_PYTHON_ALLOCATOR_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "proc/maps.h"
#include "python/allocator.h"

enum { CHILD_FUNCTIONS_MAX = 96 };

struct child {
	pid_t pid;
	int input;
	FILE *output;
	struct maps maps;
	uint64_t bias;
	struct {
		char name[32];
		uint64_t address;
	} functions[CHILD_FUNCTIONS_MAX];
	size_t function_count;
};

/* Starts it, with LD_PRELOAD where that is not NULL, and reads what it says until it is ready. */
void child_start(struct child *child, const char *root, const char *preload, char *const argv[]);
void child_end(struct child *child);

/* Builds targets/allocating.c; skips the test where that cannot be done here. */
void child_build(const char *compiler, const char *flags, char *path, size_t size);

/* Address of a function as the child said; 0: it has none. */
uint64_t child_function(const struct child *child, const char *name);

/* The plan's site of that name; NULL: there is none. */
const struct allocator_site *site_named(const struct allocator_plan *plan, const char *name);

/*
 * The site that a call of the function at an address runs into: the first at or soon behind it, in the
 * same file. NULL: there is none.
 */
const struct allocator_site *site_at(const struct allocator_plan *plan, const struct child *child,
				     uint64_t address);

#endif
