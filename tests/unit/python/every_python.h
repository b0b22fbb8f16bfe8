/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs a script of tests/unit/python/targets by every Python that scripts/test-pythons knows of. */
#ifndef PYBPFPROF_TESTS_EVERY_PYTHON_H
#define PYBPFPROF_TESTS_EVERY_PYTHON_H

#include <stdio.h>
#include <sys/types.h>

enum { EVERY_PYTHON_MAX = 64 };

struct every_python {
	char name[64], root[256], interpreter[256];
	unsigned int minor;
};

/* Those under another root only for root. Skips the test when there is none. */
size_t every_python_list(struct every_python *pythons);

struct every_python_run {
	pid_t pid;
	FILE *output;
	char script[512];
};

/* `variable`: NAME=VALUE for its environment, or NULL. */
void every_python_start(struct every_python_run *run, const struct every_python *python,
			const char *script, const char *argument, const char *variable);
void every_python_end(struct every_python_run *run);

#endif
