/* SPDX-License-Identifier: GPL-2.0-only */
/* Proving on the live process that a file's CPython runs there and lies as its version's table says. */
#ifndef PYBPFPROF_PYTHON_PROVE_H
#define PYBPFPROF_PYTHON_PROVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "python/binary.h"
#include "python/python.h"

struct candidate {
	pid_t pid;
	const struct binary *binary; /* of kind BINARY_CPYTHON */
	uint64_t bias;		     /* of the binary */
	uint64_t runtime;	     /* addresses in the process; code_type 0: not known yet */
	uint64_t code_type;
	bool glibc, musl; /* as the mapped files tell; neither for a static executable */
};

/*
 * Sets process->verdict, with a reason or with version and target. Tries a few times, as the process
 * runs while we read; returns in well under 100 ms whatever the process holds.
 */
void candidate_prove(const struct candidate *candidate, struct python_process *process);

#endif
