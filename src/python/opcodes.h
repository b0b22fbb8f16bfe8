/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The numbers of the opcodes that begin, leave or end a frame, which change with every minor version,
 * and which numbers have a handler at all. The table is written by scripts/gen-opcodes, which asks
 * the interpreters themselves.
 */
#ifndef PYBPFPROF_PYTHON_OPCODES_H
#define PYBPFPROF_PYTHON_OPCODES_H

#include <stdbool.h>
#include <stdint.h>

enum { OPCODE_NUMBERS = 256, OPCODES_MAX = 16 };

enum opcode_kind {
	OPCODE_NONE,   /* ends a list */
	OPCODE_RESUME, /* a frame starts, or goes on */
	OPCODE_RETURN,
	OPCODE_YIELD,
	OPCODE_RAISE,	 /* does nothing but raise */
	OPCODE_EXECUTOR, /* runs what the JIT compiler made */
	OPCODE_LOOP,	 /* 3.14+: asks whether there is a JIT compiler and it is on */
};

struct opcode {
	uint8_t number;
	uint8_t kind; /* enum opcode_kind */
	char name[26];
};

struct opcodes {
	unsigned int minor;
	uint64_t handled[OPCODE_NUMBERS / 64]; /* bit n: opcode n has a handler of its own */
	struct opcode opcodes[OPCODES_MAX];
};

/* Ascending; one of minor 0 ends it. */
extern const struct opcodes opcodes_table[];

/* NULL: a version without a table. */
const struct opcodes *opcodes_of(unsigned int minor);
bool opcode_is_handled(const struct opcodes *opcodes, unsigned int number);

#endif
