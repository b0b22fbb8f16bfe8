/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where in one interpreter's machine code every call and every return of a Python function can be
 * seen by a probe on an instruction that the kernel emulates. A plan is what reading the file and
 * the process says; it is to be proven on the live process before a number that it gave is shown.
 *
 * Looks only at files and at the process's memory; changes and stops nothing.
 */
#ifndef PYBPFPROF_PYTHON_CALL_PLAN_H
#define PYBPFPROF_PYTHON_CALL_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "python/python.h"

enum call_way {
	CALL_WAY_USDT,	   /* function__entry and function__return */
	CALL_WAY_EVAL,	   /* _PyEval_EvalFrameDefault: 3.8 to 3.10 */
	CALL_WAY_DISPATCH, /* the interpreter loop's handlers: 3.11 and later */
	CALL_WAY_COUNT
};

enum { CALL_PLAN_SITES = 64 };

struct call_plan_site {
	uint64_t file_offset;	   /* of the probed instruction, in process->binary_open */
	uint64_t semaphore_offset; /* of the USDT counter in that file; 0 none */
	struct call_site site;	   /* registers as far as the code tells; proven is 0 */
	char name[32];		   /* "RESUME_CHECK", "function__entry", "unwind" */
	/* A hit there means that calls are made which no probe sees: "JIT ..." says how. */
	const char *refusal; /* static; NULL: an ordinary site */
	bool stepped;	     /* not emulated, as nothing there is: a hit costs many times as much */
};

struct call_plan {
	enum call_way way;
	size_t site_count;
	struct call_plan_site sites[CALL_PLAN_SITES];
};

/*
 * 0; or -ENOTSUP and one plain line in `reason` (what was looked for and not found, or which build
 * it is that cannot be probed); or another -errno with its line.
 */
int call_plan_make(const struct python_process *process, enum call_way way, struct call_plan *out,
		   char *reason, size_t reason_size);

/* The cheapest exact way for this process that can be planned; `reason` as above when there is none. */
int call_plan_choose(const struct python_process *process, struct call_plan *out, char *reason,
		     size_t reason_size);

/* "usdt", "eval", "dispatch". */
const char *call_way_name(enum call_way way);

/* One function a way, each in its own file. */
int call_plan_usdt(const struct python_process *process, struct call_plan *out, char *reason,
		   size_t reason_size);
int call_plan_eval(const struct python_process *process, struct call_plan *out, char *reason,
		   size_t reason_size);
int call_plan_dispatch(const struct python_process *process, struct call_plan *out, char *reason,
		       size_t reason_size);

#endif
