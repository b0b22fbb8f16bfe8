/* SPDX-License-Identifier: GPL-2.0-only */
/* What classes made in Python have in their slots, read from some that every interpreter has. */
#ifndef PYBPFPROF_PYTHON_LIFETIME_SLOTS_H
#define PYBPFPROF_PYTHON_LIFETIME_SLOTS_H

#include <stdint.h>

#include "python/python.h"

/* Addresses in the process. */
struct lifetime_slots {
	uint64_t alloc;	       /* tp_alloc: PyType_GenericAlloc() */
	uint64_t dealloc;      /* tp_dealloc: subtype_dealloc() */
	uint64_t type_dealloc; /* that of their own type */
	uint64_t module_new;   /* tp_new of the type of modules; 0: not found */
	unsigned int classes;  /* that were asked, and said the same */
};

/*
 * 0; -ENOENT: no such class was found; -EUCLEAN: they contradict each other; -ESRCH, -EPERM and the
 * like.
 */
int lifetime_slots_read(const struct python_process *python, struct lifetime_slots *out);

#endif
