/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DWARF expressions of unwind tables, worked out as far as a row can say it: "what lies at" or
 * "the value of" one register plus a constant. That covers what compilers and C libraries write:
 * realigned stacks, PLT entries, the signal trampoline. Anything more is -ENOTSUP.
 */
#ifndef PYBPFPROF_RESOLVE_NATIVE_EXPRESSION_H
#define PYBPFPROF_RESOLVE_NATIVE_EXPRESSION_H

#include "resolve/native_row.h"
#include "resolve/native_span.h"

struct native_place {
	uint8_t base; /* an enum native_register or NATIVE_BASE_CFA */
	bool load;    /* the value is in memory at base + offset; else it is base + offset */
	int64_t offset;
};

/*
 * `address` is the program counter the row is for. With `from_cfa` the expression starts with the
 * CFA on its stack, as those of registers do.
 */
int native_expression_place(struct native_span expression, uint64_t address, bool from_cfa,
			    struct native_place *out);

#endif
