/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For --mode lifetime: which classes a process has, by address, and how many instances of each are alive,
 * read from outside as `pybpfprof heap` does.
 */
#ifndef PYBPFPROF_CLI_CENSUS_OF_CLASSES_H
#define PYBPFPROF_CLI_CENSUS_OF_CLASSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "python/python.h"

struct class_facts {
	uint64_t address; /* of the type */
	uint64_t dealloc; /* its tp_dealloc */
	uint32_t flags;	  /* tp_flags */
	/*
	 * basic + items * item + extra is what sys.getsizeof() says of an instance, but for what it has
	 * in blocks of their own: the text of a str, a list's items, a dict's table.
	 */
	uint32_t basic_bytes, item_bytes;
	uint32_t extra_bytes; /* in front of an instance, mostly */
	char module[256];     /* "" not known; raw bytes of the target */
	char name[512];	      /* qualified; "" not known */
};

struct classes; /* of one process; not thread-safe */

/* 0; -ENOTSUP, -ESRCH, -EPERM, -EFAULT, -ENOMEM. */
int classes_open(const struct python_process *python, struct classes **out);
void classes_close(struct classes *classes); /* takes NULL */

/*
 * Reads the type at `address` as it is now; what was known of the address before does not count. -ENODATA:
 * there is no type there (any more).
 */
int classes_read(struct classes *classes, uint64_t address, struct class_facts *out);

/*
 * How many instances of each class are alive: sorted by address. Those of C's types that refer to nothing
 * (int, str, bytes, float) are not counted: nobody follows their lives, and they are most of a heap.
 */
struct class_count {
	uint64_t address;
	uint64_t count;
};

struct class_counts {
	struct class_count *array; /* owned */
	size_t count;
	uint64_t time_ns; /* CLOCK_MONOTONIC when the reading began */
	uint64_t
		until_ns; /* and ended: what was made or ended in between may or may not be in it */
	bool complete;	  /* no list was torn */
};

/* A census, without stopping the process. 0 or as classes_open(). */
int classes_count(struct classes *classes, struct class_counts *out);
void class_counts_release(struct class_counts *counts); /* takes a zeroed one */

/*
 * Addresses of all types that the last classes_count() met, in ascending order, those without an instance
 * included. Borrowed until the next one. 0: none was made.
 */
size_t classes_types(const struct classes *classes, const uint64_t **addresses);

#endif
