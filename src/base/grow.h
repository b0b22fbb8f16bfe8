/* SPDX-License-Identifier: GPL-2.0-only */
/* Arrays that grow one element at a time, by doubling. Not thread-safe. */
#ifndef PYBPFPROF_BASE_GROW_H
#define PYBPFPROF_BASE_GROW_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The array with room for one element more than `count`, and *capacity what it has room for; or NULL, out
 * of memory or too many, and the old one stays good. `array` is malloc's or NULL.
 */
void *grow_array(void *array, uint32_t *capacity, uint32_t count, size_t element_bytes);

/* The same in place: 0 or -ENOMEM. */
#define GROW(array, capacity, count)                                                               \
	({                                                                                         \
		void *grown_array = grow_array(array, &(capacity), count, sizeof(*(array)));       \
		if (grown_array)                                                                   \
			(array) = grown_array;                                                     \
		grown_array ? 0 : -ENOMEM;                                                         \
	})

#endif
