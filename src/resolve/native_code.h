/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a few bytes of x86-64 code tell that unwind tables do not. No disassembler: only patterns
 * that mean one thing wherever they stand.
 */
#ifndef PYBPFPROF_RESOLVE_NATIVE_CODE_H
#define PYBPFPROF_RESOLVE_NATIVE_CODE_H

#include <stdbool.h>
#include <stdint.h>

#include "resolve/native_elf.h"

/*
 * Whether a call instruction ends right before the address. What unwinding takes for a return
 * address and has none before it, is none.
 */
bool native_code_follows_call(const struct native_elf *elf, uint64_t address);

/* Whether the address lies between the pops at a function's end. */
bool native_code_is_epilogue(const struct native_elf *elf, uint64_t address);

/* Whether it is an entry of procedure linkage that jumps on at once; some linkers give no table. */
bool native_code_is_linkage(const struct native_elf *elf, uint64_t address);

#endif
