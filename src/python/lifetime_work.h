/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether a function makes an instance of the type that is its first argument, told by the fields
 * of the type that it reads before it calls anybody: tp_basicsize and tp_flags, for the size, and
 * no slots.
 */
#ifndef PYBPFPROF_PYTHON_LIFETIME_WORK_H
#define PYBPFPROF_PYTHON_LIFETIME_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "pybpfprof/abi.h"
#include "python/lifetime_code.h"

enum work {
	WORK_OTHER,
	WORK_DONE,   /* it makes the instance */
	WORK_CALLED, /* it has another one make it */
};

/*
 * *callee, with WORK_CALLED: the address in the file that it calls with the type as first argument.
 */
enum work work_of(const struct code *code, uint64_t address, uint64_t *callee);

/* Offsets in a PyTypeObject, the same in 3.8 to 3.15. */
enum { WORK_BASICSIZE = 0x20, WORK_FLAGS = 0xa8, WORK_DOC = 0xb0 };

static inline bool work_reads_basicsize(int64_t offset)
{
	return offset == WORK_BASICSIZE;
}

/* The flags are tested byte by byte, too. */
static inline bool work_reads_flags(int64_t offset)
{
	return offset >= WORK_FLAGS && offset < WORK_DOC;
}

/* The number of the 64-bit general register that this is one or a part of; ABI_NO_REGISTER. */
uint8_t work_register(ZydisRegister reg);

#endif
