// SPDX-License-Identifier: GPL-2.0-only
/* See lifetime_code.h. */
#include "python/lifetime_code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	CODE_MAX_BYTES = 1 << 26, /* an interpreter has a few MB */
	CALL_OPCODE = 0xe8,
	DISPLACEMENT_BYTES = 4,
};

void code_release(struct code *code)
{
	for (size_t i = 0; i < code->segment_count; i++)
		free(code->segments[i].text);
	code->segment_count = 0;
}

int code_load(const struct module *module, struct code *out)
{
	int err = -ENOTSUP;

	out->segment_count = 0;
	if (ZYAN_FAILED(ZydisDecoderInit(&out->decoder, ZYDIS_MACHINE_MODE_LONG_64,
					 ZYDIS_STACK_WIDTH_64)))
		return err;
	for (size_t i = 0; i < module->segment_count; i++) {
		const struct elf_code_segment *from = &module->segments[i];
		struct code_segment *to = &out->segments[out->segment_count];

		if (!from->file_bytes)
			continue;
		err = -E2BIG;
		if (from->file_bytes > CODE_MAX_BYTES)
			goto fail;
		*to = (struct code_segment){ .address = from->address, .bytes = from->file_bytes };
		err = -ENOMEM;
		to->text = malloc(to->bytes);
		if (!to->text)
			goto fail;
		out->segment_count++;
		err = elf_file_read(module->file, to->address, to->text, to->bytes);
		if (err)
			goto fail;
	}
	return 0;
fail:
	code_release(out);
	return err;
}

bool code_read(const struct code *code, uint64_t address, struct code_instruction *out)
{
	for (size_t i = 0; i < code->segment_count; i++) {
		const struct code_segment *segment = &code->segments[i];
		const uint64_t skip = address - segment->address;

		if (skip >= segment->bytes)
			continue;
		out->address = address;
		return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&code->decoder, segment->text + skip,
							   segment->bytes - skip, &out->head,
							   out->operands));
	}
	return false;
}

bool code_target(const struct code_instruction *instruction, uint64_t *target)
{
	switch (instruction->head.meta.category) {
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_UNCOND_BR:
		return instruction->operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
		       ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&instruction->head,
							     &instruction->operands[0],
							     instruction->address, target));
	default:
		return false;
	}
}

bool code_refers(const struct code_instruction *instruction, size_t operand, uint64_t *address)
{
	const ZydisDecodedOperand *what = &instruction->operands[operand];

	return operand < instruction->head.operand_count_visible &&
	       what->type == ZYDIS_OPERAND_TYPE_MEMORY && what->mem.index == ZYDIS_REGISTER_NONE &&
	       (what->mem.base == ZYDIS_REGISTER_RIP || what->mem.base == ZYDIS_REGISTER_NONE) &&
	       what->mem.segment != ZYDIS_REGISTER_FS && what->mem.segment != ZYDIS_REGISTER_GS &&
	       ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&instruction->head, what, instruction->address,
						     address));
}

uint64_t code_function_at(const struct module *module, uint64_t address)
{
	char name[64];
	struct elf_symbol symbol = { .name = name };

	if (!module_is_stub(module, address))
		return address;
	if (!module_stub_name(module, address, name, sizeof(name)) ||
	    !module_symbols_find(module, false, &symbol, 1))
		return 0;
	return symbol.address;
}

static uint32_t word_at(const uint8_t *text)
{
	uint32_t word;

	memcpy(&word, text, sizeof(word));
	return word;
}

bool code_is_called(const struct code *code, uint64_t address)
{
	for (size_t i = 0; i < code->segment_count; i++) {
		const struct code_segment *segment = &code->segments[i];
		const uint8_t *text = segment->text;

		for (size_t at = 1; at + DISPLACEMENT_BYTES <= segment->bytes; at++) {
			const uint64_t next = segment->address + at + DISPLACEMENT_BYTES;

			if (text[at - 1] == CALL_OPCODE &&
			    word_at(text + at) == (uint32_t)(address - next))
				return true;
		}
	}
	return false;
}

int code_mentions(const struct code *code, uint64_t address,
		  int (*visit)(const struct code *code, uint64_t at, void *arg), void *arg)
{
	for (size_t i = 0; i < code->segment_count; i++) {
		const struct code_segment *segment = &code->segments[i];

		for (size_t at = 0; at + DISPLACEMENT_BYTES <= segment->bytes; at++) {
			const uint32_t word = word_at(segment->text + at);
			const uint64_t next = segment->address + at + DISPLACEMENT_BYTES;
			int err;

			if (word != (uint32_t)address && word != (uint32_t)(address - next))
				continue;
			err = visit(code, segment->address + at, arg);
			if (err)
				return err;
		}
	}
	return 0;
}
