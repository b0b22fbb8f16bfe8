/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which way the calls of each process here would be seen. Planning looks through the interpreter's
 * machine code: once for each file.
 */
#ifndef PYBPFPROF_CLI_WAYS_H
#define PYBPFPROF_CLI_WAYS_H

#include "python/python.h"

struct ways;

struct ways *ways_new(void); /* NULL when out of memory */
void ways_free(struct ways *ways);

struct way_choice {
	const char *name; /* "usdt", "eval", "dispatch"; NULL: none */
	char reason[256]; /* why there is none, one plain line; "" when there is one */
};

/* Of a process that python_inspect() knows (PYTHON_KNOWN). 0 or -ENOMEM. */
int ways_choose(struct ways *ways, const struct python_process *process, struct way_choice *out);

#endif
