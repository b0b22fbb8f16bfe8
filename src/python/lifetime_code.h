/* SPDX-License-Identifier: GPL-2.0-only */
/* All the machine code of a file at once, to find out where in it something is named. */
#ifndef PYBPFPROF_PYTHON_LIFETIME_CODE_H
#define PYBPFPROF_PYTHON_LIFETIME_CODE_H

#include <Zydis/Zydis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "python/allocator_modules.h"

struct code_segment {
	uint64_t address; /* in the file */
	size_t bytes;
	uint8_t *text;
};

struct code {
	struct code_segment segments[MODULE_SEGMENTS_MAX];
	size_t segment_count;
	ZydisDecoder decoder;
};

struct code_instruction {
	uint64_t address; /* in the file */
	ZydisDecodedInstruction head;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

/*
 * 0; -E2BIG: more code than any interpreter has; -ENOMEM; -errno. The module is not needed later.
 */
int code_load(const struct module *module, struct code *out);
void code_release(struct code *code);

/* false: no code of the file lies there, or no instruction. */
bool code_read(const struct code *code, uint64_t address, struct code_instruction *out);

static inline uint64_t code_next(const struct code_instruction *instruction)
{
	return instruction->address + instruction->head.length;
}

/* Where a direct call, jump or branch leads to. */
bool code_target(const struct code_instruction *instruction, uint64_t *target);

/* What an operand at a fixed address, or relative to the instruction, refers to. */
bool code_refers(const struct code_instruction *instruction, size_t operand, uint64_t *address);

/*
 * A function, or the one that the entry of a linkage table leads to; 0: it is in another file, or
 * nowhere.
 */
uint64_t code_function_at(const struct module *module, uint64_t address);

/* Whether some call in the file leads there. */
bool code_is_called(const struct code *code, uint64_t address);

/*
 * Every place in the code where four bytes are `address`, or what an instruction that ends behind
 * them has to say to refer to it: most of them are the last bytes of an instruction. A non-zero
 * return of `visit` stops and is returned.
 */
int code_mentions(const struct code *code, uint64_t address,
		  int (*visit)(const struct code *code, uint64_t at, void *arg), void *arg);

#endif
