/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processes that may become CPython: each is looked at again, at growing intervals, for as long as
 * there is something to hope for. Knows when to look, not how. Times are CLOCK_MONOTONIC.
 */
#ifndef PYBPFPROF_CLI_EXPECTED_H
#define PYBPFPROF_CLI_EXPECTED_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct expected {
	pid_t pid;
	uint64_t cpu_base_ns; /* UINT64_MAX: what it has used when found */
	uint64_t since_ns;
	uint64_t next_ns;
	uint64_t wait_ns;
	uint64_t patience_ns; /* with something that is no Python so far */
};

struct expected_list {
	struct expected *array;
	size_t count;
};

enum expected_look {
	EXPECTED_OVER,	   /* found, or there is nothing to hope for */
	EXPECTED_NOT_YET,  /* no Python so far */
	EXPECTED_STARTING, /* an interpreter is coming up */
};

#define EXPECTED_PATIENCE_NS 3000000000ull /* with a program that has just begun */

void expected_release(struct expected_list *list);

/* NULL: not expected. Borrowed until the next call. */
const struct expected *expected_find(const struct expected_list *list, pid_t pid);
/*
 * Adds `pid`, to be looked at at once. One that is there begins anew, and keeps the CPU time it was
 * added with where `cpu_base_ns` is UINT64_MAX. 0 or -ENOMEM.
 */
int expected_add(struct expected_list *list, pid_t pid, uint64_t cpu_base_ns, uint64_t patience_ns,
		 uint64_t now_ns);
/*
 * Looks at those whose time has come; `look` must not change the list. Milliseconds until the next
 * time, -1: none is left.
 */
int expected_retry(struct expected_list *list, uint64_t now_ns,
		   enum expected_look (*look)(void *arg, const struct expected *expected),
		   void *arg);

#endif
