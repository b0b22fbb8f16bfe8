/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The functions of a file that make instances: PyType_GenericAlloc() and the compiler's copies of
 * it.
 */
#ifndef PYBPFPROF_PYTHON_LIFETIME_MAKERS_H
#define PYBPFPROF_PYTHON_LIFETIME_MAKERS_H

#include <stddef.h>
#include <stdint.h>

#include "python/allocator_modules.h"

enum { LIFETIME_MAKERS_MAX = 16 };

struct lifetime_makers {
	uint64_t addresses[LIFETIME_MAKERS_MAX]; /* in the file */
	size_t count;
	/*
	 * Places that ask whether a type's tp_alloc is PyType_GenericAlloc(), by what they do then.
	 */
	size_t calling; /* call one of the above */
	size_t inlined; /* have its instructions themselves: what they make is not seen */
	size_t other;	/* nothing of the kind */
};

/*
 * `generic_alloc` is what classes made in Python have in tp_alloc, `module_new` what the type of
 * modules has in tp_new (0: not known), both in the file. 0; -E2BIG: more than fit; -ENOMEM;
 * -errno.
 */
int lifetime_makers_find(const struct module *module, uint64_t generic_alloc, uint64_t module_new,
			 struct lifetime_makers *out);

#endif
