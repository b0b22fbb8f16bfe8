/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which x86-64 instructions the kernel's uprobes emulate instead of single-stepping them, and how to
 * get from an address to the first of them that is reached whenever that address is.
 * Source: arch/x86/kernel/uprobes.c (branch_setup_xol_ops, push_setup_xol_ops); docs/probes.md has
 * the prices measured.
 */
#ifndef PYBPFPROF_PYTHON_EMULATED_H
#define PYBPFPROF_PYTHON_EMULATED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `text` holds `bytes` bytes of code; false also when they hold no whole instruction. */
bool emulated_at(const uint8_t *text, size_t bytes);

/*
 * Follows straight-line code from text[0] to the first emulated instruction. 0 and its offset;
 * -ENOENT: control flow leaves the line first (ret, indirect jump), or the bytes end.
 */
int emulated_first(const uint8_t *text, size_t bytes, size_t *offset);

#endif
