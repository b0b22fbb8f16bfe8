// SPDX-License-Identifier: GPL-2.0-only
/* See grow.h. */
#include "base/grow.h"

#include <stdlib.h>

enum { FIRST_ELEMENTS = 64 };

void *grow_array(void *array, uint32_t *capacity, uint32_t count, size_t element_bytes)
{
	uint32_t larger = *capacity ? *capacity * 2 : FIRST_ELEMENTS;
	void *grown;

	if (count < *capacity)
		return array;
	if (*capacity > UINT32_MAX / 4)
		return NULL;
	grown = realloc(array, larger * element_bytes);
	if (grown)
		*capacity = larger;
	return grown;
}
