/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where in an allocator's function to put a probe, told by its machine code: an instruction that the
 * kernel emulates, passed once by every call, with the arguments still in registers and the stack
 * pointer, where the kernel looks for the return address, still what it was on entry.
 */
#ifndef PYBPFPROF_PYTHON_ALLOCATOR_PLACE_H
#define PYBPFPROF_PYTHON_ALLOCATOR_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PLACE_ARGUMENTS_MAX = 4, PLACE_TEXT_MAX_BYTES = 1 << 14 };

/* What must be the same at the place as on entry. */
struct place_needs {
	uint8_t arguments; /* how many count */
	uint8_t context;   /* 1: a context comes before them, which does not count */
	bool returns;	   /* a return probe goes there, too */
};

struct place {
	uint32_t offset; /* from the entry */
	uint8_t context; /* 1: the arguments are where they would be if a context came before them */
	bool stepped;	 /* there is none: the entry, which the kernel single-steps */
};

/* `text` is the function's code, as much of it as is known to be its own. */
void place_find(const uint8_t *text, size_t bytes, const struct place_needs *needs,
		struct place *out);

/*
 * Whether a function does nothing itself: each way through it ends in a jump to another one, as
 * reallocarray() ends in realloc(), or returns NULL. `is_known` is asked about the addresses jumped to.
 * `address` is that of text[0].
 */
bool place_forwards(const uint8_t *text, size_t bytes, uint64_t address,
		    bool (*is_known)(uint64_t address, void *arg), void *arg);

#endif
