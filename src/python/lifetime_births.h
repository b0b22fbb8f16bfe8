/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where, inside a function that makes instances, one has just been given its type: a probe there sees
 * the instance and the type in registers, and costs one trap, where entry and return cost two.
 */
#ifndef PYBPFPROF_PYTHON_LIFETIME_BIRTHS_H
#define PYBPFPROF_PYTHON_LIFETIME_BIRTHS_H

#include <stddef.h>
#include <stdint.h>

#include "python/allocator_modules.h"

enum { LIFETIME_BIRTHS_MAX = 4 };

struct lifetime_birth {
	uint64_t address; /* in the file, of an instruction that the kernel emulates */
	/* General registers that hold, when it is met: */
	uint8_t object; /* what lies `object_offset` bytes before it */
	uint8_t object_offset;
	uint8_t type;
	uint8_t items; /* how many items were asked for; ABI_NO_REGISTER: none ever are */
};

struct lifetime_births {
	struct lifetime_birth places[LIFETIME_BIRTHS_MAX];
	size_t count;
};

/*
 * Each instance that the function at `maker`, an address in the file, hands out passes exactly one
 * of the places found. 0; -ENOTSUP: that cannot be shown of this function; -ENOMEM; -errno.
 */
int lifetime_births_find(const struct module *module, uint64_t maker, struct lifetime_births *out);

#endif
