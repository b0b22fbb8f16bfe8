// SPDX-License-Identifier: GPL-2.0-only
/* The contract is in static_reads.h. Branches are not followed: every byte is looked at once. */
#include "python/static_reads.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "proc/elf_file.h"

enum { FUNCTIONS_MAX = 4 };

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

static size_t read_add(struct static_read *out, size_t count, size_t size, struct static_read read)
{
	for (size_t i = 0; i < count; i++) {
		if (out[i].address == read.address && out[i].bytes == read.bytes)
			return count;
	}
	if (count < size)
		out[count++] = read;
	return count;
}

size_t static_reads_decode(const uint8_t *code, size_t bytes, uint64_t address,
			   struct static_read *out, size_t size)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction instruction;
	ZydisDecoder decoder;
	size_t count = 0;

	if (ZYAN_FAILED(
		    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return 0;
	for (size_t at = 0; at < bytes; at += instruction.length) {
		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code + at, bytes - at,
						       &instruction, operands)))
			break;
		for (int i = 0; i < instruction.operand_count_visible; i++) {
			ZyanU64 target;

			if (operand_is_static(&operands[i]) &&
			    ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&instruction, &operands[i],
								  address + at, &target)))
				count = read_add(
					out, count, size,
					(struct static_read){ target, operands[i].size / 8u });
		}
	}
	return count;
}

static int function_read(struct elf_file *file, const struct elf_symbol *symbol, uint8_t *code,
			 struct static_reads *function)
{
	size_t bytes =
		symbol->size < STATIC_READS_CODE_BYTES ? symbol->size : STATIC_READS_CODE_BYTES;
	int err;

	if (!symbol->found || bytes == 0)
		return 0;
	err = elf_file_read(file, symbol->address, code, bytes);
	if (!err)
		function->count = static_reads_decode(code, bytes, symbol->address, function->reads,
						      STATIC_READS_MAX);
	return err;
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
	for (size_t i = 0; i < count && !err; i++)
		err = function_read(file, &symbols[i], code, &functions[i]);
done:
	free(code);
	elf_file_close(file);
	close(fd);
	return err;
}
