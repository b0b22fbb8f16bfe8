// SPDX-License-Identifier: GPL-2.0-only
/*
 * Follows the handful of instructions a compiler makes of a thread-local read, with what each
 * register holds. Straight on, without following branches: the functions looked at are a few
 * instructions long, and every finding is proven on the live process before it is used.
 */
#include "python/tls_access.h"

#include <Zydis/Zydis.h>
#include <stdbool.h>
#include <string.h>

enum { REGISTERS = 16, CANARY_OFFSET = 0x28 };

enum held_kind {
	HELD_UNKNOWN,
	HELD_CONSTANT,	 /* offset */
	HELD_ADDRESS,	 /* got: an address in the file */
	HELD_GOT_WORD,	 /* *(got) */
	HELD_THREAD,	 /* fs + offset */
	HELD_THREAD_GOT, /* fs + *(got) + offset */
	HELD_BLOCK,	 /* what __tls_get_addr(got) returned, + offset */
	HELD_DESCRIPTOR, /* what the descriptor at got returned */
};

struct held {
	enum held_kind kind;
	int64_t offset;
	uint64_t got;
};

struct walk {
	struct held registers[REGISTERS];
	struct tls_access *out;
	size_t size, count;
};

static const struct held unknown = { HELD_UNKNOWN, 0, 0 };

/* What the 64-bit register that holds `reg` holds. */
static struct held *held_of(struct walk *walk, ZydisRegister reg)
{
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
		return NULL;
	return &walk->registers[whole - ZYDIS_REGISTER_RAX];
}

static void access_add(struct walk *walk, enum tls_access_kind kind, int64_t offset, uint64_t got)
{
	if (walk->count < walk->size)
		walk->out[walk->count++] = (struct tls_access){ kind, offset, got };
}

/* The address a memory operand names, as a thing held; fs-relative ones included. */
static struct held address_of(struct walk *walk, const ZydisDecodedInstruction *instruction,
			      const ZydisDecodedOperand *operand, uint64_t at)
{
	const ZydisDecodedOperandMem *memory = &operand->mem;
	const int64_t offset = memory->disp.has_displacement ? memory->disp.value : 0;
	const bool thread = memory->segment == ZYDIS_REGISTER_FS;
	struct held *base;
	struct held result;
	ZyanU64 absolute;

	if (memory->index != ZYDIS_REGISTER_NONE)
		return unknown;
	if (memory->base == ZYDIS_REGISTER_RIP) {
		if (thread ||
		    ZYAN_FAILED(ZydisCalcAbsoluteAddress(instruction, operand, at, &absolute)))
			return unknown;
		return (struct held){ HELD_ADDRESS, 0, absolute };
	}
	if (memory->base == ZYDIS_REGISTER_NONE)
		return thread ? (struct held){ HELD_THREAD, offset, 0 } : unknown;
	base = held_of(walk, memory->base);
	if (!base)
		return unknown;
	result = *base;
	result.offset += offset;
	if (!thread)
		return result;
	/* fs:[register]: the register is the variable's offset from the thread pointer. */
	if (result.kind == HELD_CONSTANT)
		return (struct held){ HELD_THREAD, result.offset, 0 };
	if (result.kind == HELD_GOT_WORD)
		return (struct held){ HELD_THREAD_GOT, result.offset, result.got };
	if (result.kind == HELD_DESCRIPTOR)
		return result;
	return unknown;
}

/* A load of 8 bytes: of a thread-local variable, or of a word on the way to one. */
static struct held load(struct walk *walk, const struct held *address, bool thread)
{
	switch (address->kind) {
	case HELD_THREAD:
		/* The word at fs:0 is the thread pointer itself. */
		if (thread && address->offset == 0)
			return (struct held){ HELD_THREAD, 0, 0 };
		if (address->offset != CANARY_OFFSET)
			access_add(walk, TLS_LOCAL_EXEC, address->offset, 0);
		return unknown;
	case HELD_THREAD_GOT:
		access_add(walk, TLS_INITIAL_EXEC, address->offset, address->got);
		return unknown;
	case HELD_BLOCK:
		access_add(walk, TLS_GENERAL_DYNAMIC, address->offset, address->got);
		return unknown;
	case HELD_DESCRIPTOR:
		if (thread)
			access_add(walk, TLS_DESCRIPTOR, address->offset, address->got);
		return unknown;
	case HELD_ADDRESS:
		return (struct held){ HELD_GOT_WORD, 0, address->got + (uint64_t)address->offset };
	default:
		return unknown;
	}
}

/* The sum of two things held, one of which must be the thread pointer. */
static struct held sum(const struct held *a, const struct held *b)
{
	if (b->kind == HELD_THREAD && a->kind != HELD_THREAD) {
		const struct held *swap = a;

		a = b;
		b = swap;
	}
	if (a->kind != HELD_THREAD || a->offset != 0)
		return unknown;
	if (b->kind == HELD_GOT_WORD)
		return (struct held){ HELD_THREAD_GOT, b->offset, b->got };
	if (b->kind == HELD_CONSTANT)
		return (struct held){ HELD_THREAD, b->offset, 0 };
	return unknown;
}

static void step_call(struct walk *walk, const ZydisDecodedInstruction *instruction,
		      const ZydisDecodedOperand *operands, uint64_t at)
{
	const struct held *argument = held_of(walk, ZYDIS_REGISTER_RDI);
	const struct held *rax = held_of(walk, ZYDIS_REGISTER_RAX);
	struct held result = unknown;

	/* A descriptor is called through its own first word, with its address in rax. */
	if (operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY && rax->kind == HELD_ADDRESS) {
		struct held target = address_of(walk, instruction, &operands[0], at);

		if (target.kind == HELD_ADDRESS && target.got == rax->got) {
			*held_of(walk, ZYDIS_REGISTER_RAX) =
				(struct held){ HELD_DESCRIPTOR, 0, rax->got };
			return;
		}
	}
	if (argument->kind == HELD_ADDRESS)
		result = (struct held){ HELD_BLOCK, 0, argument->got };
	memset(walk->registers, 0, sizeof(walk->registers));
	*held_of(walk, ZYDIS_REGISTER_RAX) = result;
}

static struct held value_of(struct walk *walk, const ZydisDecodedInstruction *instruction,
			    const ZydisDecodedOperand *operand, uint64_t at)
{
	switch (operand->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER: {
		const struct held *held = held_of(walk, operand->reg.value);

		return held ? *held : unknown;
	}
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		return (struct held){ HELD_CONSTANT, operand->imm.value.s, 0 };
	case ZYDIS_OPERAND_TYPE_MEMORY: {
		struct held address = address_of(walk, instruction, operand, at);

		if (operand->size != 64)
			return unknown;
		return load(walk, &address, operand->mem.segment == ZYDIS_REGISTER_FS);
	}
	default:
		return unknown;
	}
}

static void step(struct walk *walk, const ZydisDecodedInstruction *instruction,
		 const ZydisDecodedOperand *operands, uint64_t at)
{
	struct held *target = NULL;
	struct held value = unknown;

	if (instruction->operand_count_visible && operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER)
		target = held_of(walk, operands[0].reg.value);

	switch (instruction->mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
		value = value_of(walk, instruction, &operands[1], at);
		break;
	case ZYDIS_MNEMONIC_LEA:
		value = address_of(walk, instruction, &operands[1], at);
		break;
	case ZYDIS_MNEMONIC_ADD:
		value = value_of(walk, instruction, &operands[1], at);
		if (target && value.kind == HELD_CONSTANT && target->kind != HELD_UNKNOWN) {
			int64_t more = value.offset;

			value = *target;
			value.offset += more;
		} else {
			value = target ? sum(target, &value) : unknown;
		}
		break;
	case ZYDIS_MNEMONIC_CALL:
		step_call(walk, instruction, operands, at);
		return;
	case ZYDIS_MNEMONIC_CMP:
	case ZYDIS_MNEMONIC_TEST:
	case ZYDIS_MNEMONIC_NOP:
	case ZYDIS_MNEMONIC_PUSH:
		return;
	case ZYDIS_MNEMONIC_RET:
	case ZYDIS_MNEMONIC_JMP:
		memset(walk->registers, 0, sizeof(walk->registers));
		return;
	default:
		break;
	}
	/* A write to the lower half of a register clears the rest: still a constant. */
	if (target)
		*target = value;
}

size_t tls_access_decode(const uint8_t *code, size_t bytes, uint64_t address,
			 struct tls_access *out, size_t size, uint64_t *jump)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	struct walk walk = { .out = out, .size = size };
	ZydisDecodedInstruction instruction;
	ZydisDecoder decoder;
	bool first = true;

	*jump = 0;
	if (bytes > TLS_ACCESS_CODE_BYTES)
		bytes = TLS_ACCESS_CODE_BYTES;
	if (ZYAN_FAILED(
		    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return 0;
	for (size_t at = 0; at < bytes; at += instruction.length) {
		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code + at, bytes - at,
						       &instruction, operands)))
			break;
		if (instruction.mnemonic == ZYDIS_MNEMONIC_JMP && first &&
		    operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
			ZyanU64 target;

			if (ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&instruction, &operands[0],
								  address + at, &target)))
				*jump = target;
			break;
		}
		first = first && instruction.mnemonic == ZYDIS_MNEMONIC_ENDBR64;
		step(&walk, &instruction, operands, address + at);
	}
	return walk.count;
}
