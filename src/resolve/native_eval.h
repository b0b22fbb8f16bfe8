/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which code of a file is CPython's evaluation loop. Compilers move its unlikely parts far away,
 * and a stripped build keeps no symbol for those; here they are recognized by proof: such a part
 * begins with a stack frame already made, which no function does, and jumps go from it into the
 * middle of the loop.
 */
#ifndef PYBPFPROF_RESOLVE_NATIVE_EVAL_H
#define PYBPFPROF_RESOLVE_NATIVE_EVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolve/native_cfi.h"
#include "resolve/native_symbols.h"

#define NATIVE_EVAL_NAME "_PyEval_EvalFrameDefault"

enum {
	NATIVE_EVAL_PARTS = 16, /* code ranges whose answer is kept */
};

struct native_eval_part {
	uint64_t start, end;
	bool is_eval;
};

struct native_eval {
	uint64_t start, end; /* the loop by its symbol; end 0: this file has none */
	struct native_eval_part parts[NATIVE_EVAL_PARTS];
	size_t next_part;
};

void native_eval_init(struct native_eval *eval, const struct native_symbols *symbols,
		      const struct native_elf *symbols_elf);

/* For an address no symbol covers. */
bool native_eval_is_part(struct native_eval *eval, const struct native_elf *elf,
			 struct native_cfi *cfi, uint64_t address);

#endif
