// SPDX-License-Identifier: GPL-2.0-only
/* The contract is in static_reads.h. Every byte of a function is looked at once, in order. */
#include "python/static_reads.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "proc/elf_file.h"

enum { FUNCTIONS_MAX = 4, REST_BYTES = 2048 };

/* At a fixed address: relative to the instruction, or absolute in position-dependent code. */
static bool operand_is_static(const ZydisDecodedOperand *operand)
{
	const ZydisDecodedOperandMem *memory = &operand->mem;

	return operand->type == ZYDIS_OPERAND_TYPE_MEMORY && memory->type == ZYDIS_MEMOP_TYPE_MEM &&
	       (operand->actions & ZYDIS_OPERAND_ACTION_MASK_READ) &&
	       (operand->size == 32 || operand->size == 64) &&
	       memory->segment != ZYDIS_REGISTER_FS && memory->segment != ZYDIS_REGISTER_GS &&
	       memory->index == ZYDIS_REGISTER_NONE &&
	       (memory->base == ZYDIS_REGISTER_RIP || memory->base == ZYDIS_REGISTER_NONE);
}

static void read_add(struct static_reads *reads, uint64_t address, uint32_t bytes)
{
	for (size_t i = 0; i < reads->count; i++) {
		if (reads->reads[i].address == address && reads->reads[i].bytes == bytes)
			return;
	}
	if (reads->count < STATIC_READS_MAX)
		reads->reads[reads->count++] = (struct static_read){ address, bytes };
}

static bool is_jump(const ZydisDecodedInstruction *instruction)
{
	return instruction->meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
	       instruction->meta.category == ZYDIS_CATEGORY_COND_BR;
}

uint64_t static_reads_decode(const uint8_t *code, size_t bytes, uint64_t address,
			     struct static_reads *reads)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction instruction;
	ZydisDecoder decoder;
	uint64_t rest = 0;

	if (ZYAN_FAILED(
		    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return 0;
	for (size_t at = 0; at < bytes; at += instruction.length) {
		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code + at, bytes - at,
						       &instruction, operands)))
			break;
		for (int i = 0; i < instruction.operand_count_visible; i++) {
			const bool jump = operands[i].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
					  is_jump(&instruction);
			ZyanU64 target;

			if ((!jump && !operand_is_static(&operands[i])) ||
			    ZYAN_FAILED(ZydisCalcAbsoluteAddress(&instruction, &operands[i],
								 address + at, &target)))
				continue;
			if (!jump)
				read_add(reads, target, operands[i].size / 8u);
			else if (!rest && target - address >= bytes)
				rest = target;
		}
	}
	return rest;
}

static void function_read(struct elf_file *file, const struct elf_symbol *symbol, uint8_t *code,
			  struct static_reads *function)
{
	size_t bytes =
		symbol->size < STATIC_READS_CODE_BYTES ? symbol->size : STATIC_READS_CODE_BYTES;
	uint64_t rest;

	if (!symbol->found || bytes == 0 || elf_file_read(file, symbol->address, code, bytes))
		return;
	rest = static_reads_decode(code, bytes, symbol->address, function);
	/* How long that is no symbol tells; what follows it adds reads that prove nothing. */
	if (rest && !elf_file_read(file, rest, code, REST_BYTES))
		static_reads_decode(code, REST_BYTES, rest, function);
}

int static_reads_find(const char *path, struct static_reads *functions, size_t count)
{
	struct elf_symbol symbols[FUNCTIONS_MAX] = { 0 };
	struct elf_file *file = NULL;
	uint8_t *code = NULL;
	int fd, err;

	if (count > FUNCTIONS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		functions[i].count = 0;
		symbols[i].name = functions[i].function;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = elf_file_open(fd, &file);
	if (err)
		goto done;
	err = -ENOMEM;
	code = malloc(STATIC_READS_CODE_BYTES);
	if (!code)
		goto done;
	/* An executable that embeds CPython need not export it. */
	if (elf_file_find_symbols(file, ELF_DYNAMIC_SYMBOLS, symbols, count) < count)
		elf_file_find_symbols(file, ELF_ALL_SYMBOLS, symbols, count);
	err = 0;
	for (size_t i = 0; i < count; i++)
		function_read(file, &symbols[i], code, &functions[i]);
done:
	free(code);
	elf_file_close(file);
	close(fd);
	return err;
}
