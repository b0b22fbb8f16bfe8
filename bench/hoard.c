// SPDX-License-Identifier: GPL-2.0-only
/* Very many blocks that are never freed, as a library for bench/hoard.py. Built by scripts/bench. */
#include <stddef.h>
#include <stdlib.h>

/* How many of them it got. Each holds the address of the one before: none is lost to the compiler. */
size_t hoard(size_t count, size_t size, void **newest)
{
	for (size_t i = 0; i < count; i++) {
		void **block = malloc(size);

		if (!block)
			return i;
		*block = *newest;
		*newest = block;
	}
	return count;
}
