// SPDX-License-Identifier: GPL-2.0-only
/* A library that is put in front of malloc() and free() only, as leak hunters are. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

static void *(*next_malloc)(size_t);
static void (*next_free)(void *);
static size_t blocks;

void *malloc(size_t size)
{
	if (!next_malloc)
		next_malloc = dlsym(RTLD_NEXT, "malloc");
	blocks++;
	return next_malloc(size);
}

void free(void *block)
{
	if (!next_free)
		next_free = dlsym(RTLD_NEXT, "free");
	blocks--;
	next_free(block);
}
