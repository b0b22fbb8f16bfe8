// SPDX-License-Identifier: GPL-2.0-only
/* A thread that Python knows nothing of, as a library for bench/works.py. Built by scripts/bench. */
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

struct blocks {
	size_t count;
	size_t size;
};

static void *blocks_run(void *arg)
{
	const struct blocks *blocks = arg;

	for (size_t i = 0; i < blocks->count; i++) {
		void *block = malloc(blocks->size);

		asm volatile("" : : "r"(block) : "memory"); /* else there would be neither call */
		free(block);
	}
	return NULL;
}

/* Allocates and frees so many blocks, one at a time. 0: done. */
int stranger_blocks(size_t count, size_t size)
{
	struct blocks blocks = { count, size };
	pthread_t thread;

	if (pthread_create(&thread, NULL, blocks_run, &blocks))
		return 1;
	return pthread_join(thread, NULL);
}
