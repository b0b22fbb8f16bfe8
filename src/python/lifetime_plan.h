/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where instances are made and ended in one build of CPython: which functions to probe.
 *
 * Ends: subtype_dealloc(), which every class made in Python has in its tp_dealloc slot. Makings:
 * PyType_GenericAlloc(), which they have in tp_alloc, and the copies of it that a compiler that
 * sees the whole program makes for itself and calls instead: functions that take the type as first
 * argument and give back a new object of that type. Found from the exported function, its address
 * in the comparisons that stand before such calls (object_new() has one), and what those call in
 * turn.
 */
#ifndef PYBPFPROF_PYTHON_LIFETIME_PLAN_H
#define PYBPFPROF_PYTHON_LIFETIME_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "python/allocator.h"
#include "python/python.h"

struct lifetime_addresses {
	uint64_t subtype_dealloc; /* in the process: what tp_dealloc of a Python class must be */
	uint64_t type_dealloc;	  /* classes end here */
};

/*
 * Fills `plan` with sites whose probe.call is LIFETIME_BIRTH, at each place where a function that makes
 * instances has just given one its type; LIFETIME_MAKE (returns_block: they hand out an object), for
 * functions where such places cannot be told; LIFETIME_END, LIFETIME_TYPE_END. All but the first are
 * at the first instruction a probe is cheap at where the arguments (of LIFETIME_MAKE, the stack
 * pointer, too) are as on entry. plan->name is "objects"; `probe.address` is in the file, as for
 * allocators. A function that only leads on to another of them is not in it. 0; -ENOENT and one plain
 * line in `reason`: ends cannot be seen, nothing can be done; where only makings cannot be found it is
 * 0, plan->unseen says why, and there are no sites of the first two kinds; where a build makes some in
 * line, which no probe sees, it says how many places do.
 */
int lifetime_plan_make(const struct python_process *python, struct allocator_plan *plan,
		       struct lifetime_addresses *addresses, char *reason, size_t reason_size);

/*
 * Adds a LIFETIME_END site for the function at `address`: what tp_dealloc of some type of C's is.
 */
int lifetime_plan_end_add(const struct python_process *python, struct allocator_plan *plan,
			  uint64_t address);

#endif
