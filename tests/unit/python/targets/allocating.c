// SPDX-License-Identifier: GPL-2.0-only
/* Says where it has been loaded, and the functions it allocates with, then waits. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern const char __ehdr_start[];

#ifdef STATIC
#define SAY(name) printf(#name " %lu\n", (unsigned long)&name)
#else
#define SAY(name) printf(#name " %lu\n", (unsigned long)dlsym(RTLD_NEXT, #name))
#endif

#ifdef TAKEN
/* A program that is not relocatable gives all others its own stub for this. */
void *(*volatile taken)(size_t);
#endif

int main(int argc, char **argv)
{
	char *block = malloc(100);

	(void)argv;
#ifdef TAKEN
	taken = malloc;
#endif
	if (argc > 100)
		free(block);
	/* Not called yet: where references are bound at the first call, this one is not. */
	if (argc > 100)
		block = calloc(argc, 3);
	if (argc > 100)
		block = mmap(block, 1, 0, 0, 0, 0);
	free(malloc(1));
#ifdef __PIC__
	printf("bias %lu\n", (unsigned long)__ehdr_start);
#else
	printf("bias 0\n");
#endif
	SAY(malloc);
	SAY(calloc);
	SAY(realloc);
	SAY(posix_memalign);
	SAY(free);
	SAY(mmap);
	SAY(munmap);
	printf("ready\n");
	fflush(stdout);
	while (read(0, &argc, 1) > 0)
		;
	return block == (void *)8;
}
