// SPDX-License-Identifier: GPL-2.0-only
/*
 * The evaluation function as a graph: what its table of handlers and its other indirect jumps lead to
 * is found first, then everything that direct control flow reaches.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "proc/memory.h"
#include "python/call_eval_function.h"

enum {
	TABLE_WORDS = 256,
	TABLE_INSIDE_MIN = 64, /* handlers in the function itself, not in its cold part */
	FUNCTION_MAX_BYTES = 1 << 20,
	ROOTS_MAX = 1 << 14,
};

int eval_refuse(struct eval *eval, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(eval->reason, eval->reason_size, format, arguments);
	va_end(arguments);
	return -ENOTSUP;
}

/* ---- instructions ---- */

bool eval_instruction_at(struct eval *eval, uint32_t node, struct eval_instruction *out)
{
	return graph_decode(eval->graph, node, &out->head, out->operands);
}

/* The number of a 64-bit general register; ABI_NO_REGISTER for any other. */
static uint8_t register_number(ZydisRegister reg)
{
	if (reg < ZYDIS_REGISTER_RAX || reg > ZYDIS_REGISTER_R15)
		return ABI_NO_REGISTER;
	return (uint8_t)(reg - ZYDIS_REGISTER_RAX);
}

uint8_t eval_register_of(const ZydisDecodedOperand *operand)
{
	if (operand->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return ABI_NO_REGISTER;
	return register_number(operand->reg.value);
}

/* The register of offset(%register), 8 bytes wide; ABI_NO_REGISTER for anything else. */
static uint8_t base_of(const ZydisDecodedOperand *operand, uint16_t offset)
{
	const ZydisDecodedOperandMem *memory = &operand->mem;

	if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY || operand->size != 64 ||
	    memory->index != ZYDIS_REGISTER_NONE || memory->base == ZYDIS_REGISTER_RSP ||
	    (memory->segment != ZYDIS_REGISTER_DS && memory->segment != ZYDIS_REGISTER_SS) ||
	    memory->disp.value != offset)
		return ABI_NO_REGISTER;
	return register_number(memory->base);
}

bool eval_is_store(const struct eval_instruction *instruction, uint16_t offset, uint8_t *stored,
		   uint8_t *base)
{
	if (instruction->head.mnemonic != ZYDIS_MNEMONIC_MOV)
		return false;
	*base = base_of(&instruction->operands[0], offset);
	*stored = eval_register_of(&instruction->operands[1]);
	return *base != ABI_NO_REGISTER && *stored != ABI_NO_REGISTER;
}

bool eval_is_load(const struct eval_instruction *instruction, uint16_t offset, uint8_t *loaded,
		  uint8_t *base)
{
	if (instruction->head.mnemonic != ZYDIS_MNEMONIC_MOV)
		return false;
	*loaded = eval_register_of(&instruction->operands[0]);
	*base = base_of(&instruction->operands[1], offset);
	return *base != ABI_NO_REGISTER && *loaded != ABI_NO_REGISTER;
}

const struct graph_node *eval_node(const struct eval *eval, uint32_t node)
{
	return graph_node(eval->graph, node);
}

uint32_t eval_emulated_behind(const struct eval *eval, uint32_t node, uint16_t *kept)
{
	for (int i = 0; i < EVAL_LINE_NODES_MAX; i++) {
		*kept &= ~eval_node(eval, node)->writes;
		node = eval_node(eval, node)->next;
		if (node == GRAPH_NONE || eval_node(eval, node)->flags & GRAPH_EMULATED)
			return node;
	}
	return GRAPH_NONE;
}

/* ---- what indirect jumps lead to, which the graph cannot follow ---- */

static int root_add(struct eval *eval, uint64_t address)
{
	if (eval->root_count == ROOTS_MAX)
		return -E2BIG;
	eval->roots[eval->root_count++] = address;
	return 0;
}

static bool is_code(const struct elf_code_segment *segments, size_t count, uint64_t address)
{
	for (size_t i = 0; i < count; i++) {
		if (address - segments[i].address < segments[i].file_bytes)
			return true;
	}
	return false;
}

/* Whether it is the table of the opcodes' handlers; reads the process, where addresses are final. */
static bool is_table(const struct eval *eval, uint64_t address, uint64_t *words)
{
	const uint64_t bias = eval->process->load_bias;
	struct elf_code_segment segments[EVAL_SEGMENTS_MAX];
	size_t count = elf_file_code_segments(eval->file, segments, EVAL_SEGMENTS_MAX), inside = 0;

	if (memory_read(eval->process->pid, address + bias, words, TABLE_WORDS * sizeof(*words)))
		return false;
	for (size_t i = 0; i < TABLE_WORDS; i++) {
		words[i] -= bias;
		if (!is_code(segments, count, words[i]))
			return false;
		inside += words[i] - eval->function.address < eval->function.size;
	}
	return inside >= TABLE_INSIDE_MIN;
}

static int table_keep(struct eval *eval, uint64_t address)
{
	uint64_t words[TABLE_WORDS];
	int err = 0;

	if (!is_table(eval, address, words))
		return -ENOENT;
	for (size_t i = 0; i < TABLE_WORDS && !err; i++)
		err = root_add(eval, words[i]);
	return err;
}

/* The address that an operand of the instruction names, where it may be that of a table. */
static bool table_named(const struct eval_instruction *instruction, uint64_t at, uint64_t *address)
{
	for (size_t i = 0; i < instruction->head.operand_count_visible; i++) {
		const ZydisDecodedOperand *operand = &instruction->operands[i];

		if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY)
			continue;
		if (operand->mem.base == ZYDIS_REGISTER_RIP)
			return ZYAN_SUCCESS(
				ZydisCalcAbsoluteAddress(&instruction->head, operand, at, address));
		if (operand->mem.base == ZYDIS_REGISTER_NONE && operand->mem.scale == 8) {
			*address = (uint64_t)operand->mem.disp.value;
			return true;
		}
	}
	return false;
}

static bool is_indirect_jump(const struct eval_instruction *instruction)
{
	return instruction->head.mnemonic == ZYDIS_MNEMONIC_JMP &&
	       instruction->operands[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE;
}

/*
 * From the function's first byte to its last: code that begins behind an indirect jump is what such
 * a jump leads to (or a direct one), and the table of handlers is named somewhere.
 */
static int text_sweep(struct eval *eval, const uint8_t *text)
{
	bool behind_jump = false, has_table = false;
	ZydisDecoder decoder;
	uint64_t at = 0;
	int err = 0;

	if (ZYAN_FAILED(
		    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return -EINVAL;
	while (at < eval->function.size && !err) {
		struct eval_instruction instruction;
		uint64_t address = eval->function.address + at, table;

		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, text + at,
						       eval->function.size - at, &instruction.head,
						       instruction.operands)))
			return eval_refuse(eval, "its evaluation function cannot be disassembled");
		if (behind_jump && instruction.head.mnemonic != ZYDIS_MNEMONIC_NOP) {
			err = root_add(eval, address);
			behind_jump = false;
		}
		behind_jump |= is_indirect_jump(&instruction);
		if (!err && !has_table && table_named(&instruction, address, &table)) {
			err = table_keep(eval, table);
			has_table = !err;
			err = err == -ENOENT ? 0 : err;
		}
		at += instruction.head.length;
	}
	if (!err && !has_table)
		return eval_refuse(eval, "its evaluation function has no table of opcode handlers");
	return err;
}

static int roots_find(struct eval *eval)
{
	uint8_t *text;
	int err;

	if (!eval->function.size || eval->function.size > FUNCTION_MAX_BYTES)
		return eval_refuse(eval, "its evaluation function has an impossible size");
	text = malloc(eval->function.size);
	eval->roots = calloc(ROOTS_MAX, sizeof(*eval->roots));
	err = text && eval->roots ? 0 : -ENOMEM;
	if (!err)
		err = elf_file_read(eval->file, eval->function.address, text, eval->function.size);
	if (!err)
		err = root_add(eval, eval->function.address);
	if (!err)
		err = text_sweep(eval, text);
	free(text);
	return err;
}

int eval_function_read(struct eval *eval)
{
	int err = roots_find(eval);

	return err ? err : graph_new(eval->file, eval->roots, eval->root_count, &eval->graph);
}

void eval_function_free(struct eval *eval)
{
	graph_free(eval->graph);
	free(eval->roots);
}
