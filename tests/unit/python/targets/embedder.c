// SPDX-License-Identifier: GPL-2.0-only
/*
 * embedder KEYS SCRIPT [ARG...]: makes KEYS pthread keys, then runs a script in an interpreter of a
 * libpython it is linked with, or (LOAD) loads by itself. COPY: it uses a variable of the library in
 * a way that makes the linker give it a copy.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef int main_function(int argc, char **argv);

#ifndef LOAD
extern main_function Py_BytesMain;
#endif
#ifdef COPY
extern char PyCode_Type[];
extern char _PyRuntime[];
#endif

int main(int argc, char **argv)
{
	pthread_key_t key;

	for (int i = 0; i < atoi(argv[1]); i++)
		pthread_key_create(&key, NULL);
#ifdef LOAD
	void *library = dlopen(LOAD, RTLD_NOW | RTLD_GLOBAL);
	main_function *run = library ? (main_function *)dlsym(library, "Py_BytesMain") : NULL;

	if (!run)
		return 1;
#else
	main_function *run = Py_BytesMain;
#endif
#ifdef COPY
	/* The address must be known to the linker: a copy is made for it. */
	if (PyCode_Type == _PyRuntime)
		return 1;
#endif
	return run(argc - 1, argv + 1);
}
