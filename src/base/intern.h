/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One copy of every string, known by a small number. Id 0 is always the empty string.
 * Strings are bytes with a length (they may hold anything but are NUL-terminated behind it).
 */
#ifndef PYBPFPROF_BASE_INTERN_H
#define PYBPFPROF_BASE_INTERN_H

#include <stddef.h>
#include <stdint.h>

struct intern;

struct intern *intern_new(void); /* NULL when out of memory */
void intern_free(struct intern *intern);
/* Id of the string, added when new; UINT32_MAX when out of memory. */
uint32_t intern_add(struct intern *intern, const char *bytes, size_t length);
uint32_t intern_string(struct intern *intern, const char *string); /* NULL counts as "" */
/* Borrowed until intern_free(); "" for an unknown id. */
const char *intern_get(const struct intern *intern, uint32_t id);
size_t intern_length(const struct intern *intern, uint32_t id);
uint32_t intern_count(const struct intern *intern);

#endif
