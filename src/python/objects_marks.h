/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets of addresses, one bit for every eight bytes of memory that was touched, kept in chunks of one
 * MiB: a set of ten million objects costs about a sixtieth of what the objects themselves take.
 */
#ifndef PYBPFPROF_PYTHON_OBJECTS_MARKS_H
#define PYBPFPROF_PYTHON_OBJECTS_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct objects_marks;

/* Refuses to grow beyond `limit_bytes`. NULL when out of memory. */
struct objects_marks *objects_marks_new(size_t limit_bytes);
void objects_marks_free(struct objects_marks *marks);
void objects_marks_clear(struct objects_marks *marks);

bool objects_marks_has(struct objects_marks *marks, uint64_t address);
/* 1: was not in it and is now; 0: was in it; -ENOMEM; -ENOSPC: the limit. `address` is 8-aligned. */
int objects_marks_add(struct objects_marks *marks, uint64_t address);
uint64_t objects_marks_count(const struct objects_marks *marks);

/* All of them in ascending order; a non-zero return of `visit` stops and is returned. -ENOMEM. */
int objects_marks_each(struct objects_marks *marks, int (*visit)(uint64_t address, void *arg),
		       void *arg);

#endif
