/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way from a thread's fsbase to its PyThreadState, proven on the live threads.
 * CPython keeps it in pthread-specific data (3.8 to 3.14) or in a thread-local variable (3.15); where
 * libc puts those is found by trying the forms known and keeping what every thread confirms.
 */
#ifndef PYBPFPROF_PYTHON_LOCATOR_H
#define PYBPFPROF_PYTHON_LOCATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "pybpfprof/abi.h"
#include "python/layout.h"
#include "python/threads.h"
#include "python/tls_access.h"

struct locator_clues {
	uint64_t runtime; /* address of _PyRuntime in the process */
	uint64_t bias;	  /* of the file that `accesses` are of */
	const struct tls_access *accesses;
	size_t access_count;
	bool musl; /* try musl's forms first */
};

/*
 * 0 and a locator with steps > 0 that gave the right thread state for most threads, the main one
 * among them; -ENOENT: none was proven, *out then has steps == 0 (search the thread list).
 */
int locator_find(pid_t pid, const struct layout *layout, const struct threads *threads,
		 const struct locator_clues *clues, struct python_locator *out);

/* What a locator gives for a thread pointer: the address of a PyThreadState, or 0. */
uint64_t locator_follow(pid_t pid, const struct python_locator *locator, uint64_t thread_pointer);

#endif
