// SPDX-License-Identifier: GPL-2.0-only
/*
 * See emulated.h. Only what every kernel from 5.10 on emulates is taken: multi-byte nops, which some
 * later ones emulate too, are not, and neither is a branch with a prefix, which the kernel refuses
 * to probe (operand size) or which no compiler writes.
 */
#include "python/emulated.h"

#include <Zydis/Zydis.h>
#include <errno.h>

static int instruction_decode(const uint8_t *text, size_t bytes, ZydisDecodedInstruction *out)
{
	ZydisDecoder decoder;

	if (ZYAN_FAILED(
		    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) ||
	    ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder, NULL, text, bytes, out)))
		return -EILSEQ;
	return 0;
}

static bool is_emulated(const uint8_t *text, const ZydisDecodedInstruction *instruction)
{
	switch (text[0]) {
	case 0x50 ... 0x57: /* push */
	case 0x70 ... 0x7f: /* jcc rel8 */
	case 0x90:	    /* nop */
	case 0xe8:	    /* call rel32 */
	case 0xe9:	    /* jmp rel32 */
	case 0xeb:	    /* jmp rel8 */
		return true;
	case 0x41: /* push of r8 to r15 */
		return instruction->length == 2 && text[1] >= 0x50 && text[1] <= 0x57;
	case 0x0f: /* jcc rel32 */
		return text[1] >= 0x80 && text[1] <= 0x8f;
	default:
		return false;
	}
}

/* Whether the next instruction may be another one than that behind it, or come after anything. */
static bool leaves_line(const ZydisDecodedInstruction *instruction)
{
	switch (instruction->meta.category) {
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
	case ZYDIS_CATEGORY_SYSTEM:
	case ZYDIS_CATEGORY_UNCOND_BR:
		return true;
	default:
		return instruction->mnemonic == ZYDIS_MNEMONIC_UD0 ||
		       instruction->mnemonic == ZYDIS_MNEMONIC_UD1 ||
		       instruction->mnemonic == ZYDIS_MNEMONIC_UD2;
	}
}

bool emulated_at(const uint8_t *text, size_t bytes)
{
	ZydisDecodedInstruction instruction;

	return !instruction_decode(text, bytes, &instruction) && is_emulated(text, &instruction);
}

int emulated_first(const uint8_t *text, size_t bytes, size_t *offset)
{
	ZydisDecodedInstruction instruction;

	for (size_t at = 0; at < bytes; at += instruction.length) {
		if (instruction_decode(text + at, bytes - at, &instruction))
			break;
		if (is_emulated(text + at, &instruction)) {
			*offset = at;
			return 0;
		}
		if (leaves_line(&instruction))
			break;
	}
	return -ENOENT;
}
