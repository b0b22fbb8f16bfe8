/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the few functions are that matter to who reads the evaluation loop's calls: those that never
 * come back, and the one that clears a frame that ends. Known by their names, called directly,
 * through the procedure linkage table or through the global offset table.
 */
#ifndef PYBPFPROF_PYTHON_CALL_DISPATCH_CALLEE_H
#define PYBPFPROF_PYTHON_CALL_DISPATCH_CALLEE_H

#include <stdint.h>

#include "proc/elf_file.h"

enum callee {
	CALLEE_OTHER,
	CALLEE_NEVER_RETURNS,
	CALLEE_CLEARS_FRAME, /* _PyEval_FrameClearAndPop(tstate, frame); before 3.13 without _ */
};

struct callees;

/* The file is borrowed. -ENOMEM. */
int callees_new(struct elf_file *file, struct callees **out);
void callees_free(struct callees *callees);

/* Of the function, or the linkage table's entry, at an address in the file. */
enum callee callee_at(const struct callees *callees, uint64_t address);
/* Of the function whose address is in the word at an address in the file. */
enum callee callee_of_slot(const struct callees *callees, uint64_t slot);

#endif
