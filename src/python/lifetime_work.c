// SPDX-License-Identifier: GPL-2.0-only
/*
 * See lifetime_work.h. Code is looked at in the order it lies in, past branches: compilers lay out
 * first what mostly happens, and what the work begins with is done in any case.
 */
#include "python/lifetime_work.h"

enum {
	REGISTERS = 16,
	RDI = 7,
	STACK_POINTER = 4,
	SPILLS_MAX = 8,
	/* PyTypeObject, the same in 3.8 to 3.15. */
	TYPE_DEALLOC = 0x30,
	TYPE_SLOTS_END = 0x198,
	LOOK_STEPS = 64, /* from an entry to where its type's fields have been read */
};

/* Where the first argument, the type, is at the moment. */
struct tracking {
	bool in[REGISTERS];
	struct {
		uint8_t base;
		int64_t offset;
	} spills[SPILLS_MAX];
	size_t spill_count;
	bool basicsize, flags, others; /* fields of it that were read */
	bool stack_moved;
};

uint8_t work_register(ZydisRegister reg)
{
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
		return ABI_NO_REGISTER;
	return (uint8_t)(whole - ZYDIS_REGISTER_RAX);
}

/* Where on the stack the operand was kept; `spill_count`: it was not. */
static size_t spill_find(const struct tracking *tracking, const ZydisDecodedOperand *operand)
{
	size_t i = 0;

	if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY || operand->mem.index != ZYDIS_REGISTER_NONE)
		return tracking->spill_count;
	while (i < tracking->spill_count &&
	       (work_register(operand->mem.base) != tracking->spills[i].base ||
		operand->mem.disp.value != tracking->spills[i].offset))
		i++;
	return i;
}

static void spill_drop(struct tracking *tracking, size_t spill)
{
	tracking->spills[spill] = tracking->spills[--tracking->spill_count];
}

/* The register that they are reached by is another. */
static void spills_drop_by(struct tracking *tracking, uint8_t base)
{
	for (size_t i = tracking->spill_count; i > 0; i--) {
		if (tracking->spills[i - 1].base == base)
			spill_drop(tracking, i - 1);
	}
}

/* Whether the operand is the type, whole. */
static bool is_type(const struct tracking *tracking, const ZydisDecodedOperand *operand)
{
	uint8_t number;

	if (operand->size != 64)
		return false;
	if (operand->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return spill_find(tracking, operand) < tracking->spill_count;
	number = work_register(operand->reg.value);
	return number != ABI_NO_REGISTER && tracking->in[number];
}

static void field_see(struct tracking *tracking, int64_t offset)
{
	if (work_reads_basicsize(offset))
		tracking->basicsize = true;
	else if (work_reads_flags(offset))
		tracking->flags = true;
	else if ((offset >= TYPE_DEALLOC && offset < WORK_FLAGS) ||
		 (offset >= WORK_DOC && offset < TYPE_SLOTS_END))
		tracking->others = true;
}

/* The type goes from one place to another. */
static void type_move(struct tracking *tracking, const ZydisDecodedOperand *operand)
{
	const bool is_register = operand->type == ZYDIS_OPERAND_TYPE_REGISTER;
	const uint8_t number = work_register(is_register ? operand->reg.value : operand->mem.base);

	if (number == ABI_NO_REGISTER)
		return;
	if (is_register) {
		tracking->in[number] = true;
		return;
	}
	if (tracking->spill_count == SPILLS_MAX || operand->mem.index != ZYDIS_REGISTER_NONE)
		return;
	tracking->spills[tracking->spill_count].base = number;
	tracking->spills[tracking->spill_count++].offset = operand->mem.disp.value;
}

/* What was there is gone. */
static void operand_write(struct tracking *tracking, const ZydisDecodedOperand *operand)
{
	const size_t spill = spill_find(tracking, operand);
	uint8_t number;

	if (spill < tracking->spill_count)
		spill_drop(tracking, spill);
	if (operand->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return;
	number = work_register(operand->reg.value);
	if (number == ABI_NO_REGISTER)
		return;
	tracking->in[number] = false;
	tracking->stack_moved |= number == STACK_POINTER;
	spills_drop_by(tracking, number);
}

static void tracking_step(struct tracking *tracking, const struct code_instruction *instruction)
{
	const ZydisDecodedOperand *operands = instruction->operands;
	const bool moves =
		instruction->head.mnemonic == ZYDIS_MNEMONIC_MOV && is_type(tracking, &operands[1]);

	for (size_t i = 0; i < instruction->head.operand_count; i++) {
		const ZydisDecodedOperand *operand = &operands[i];
		uint8_t number;

		if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY ||
		    operand->mem.type != ZYDIS_MEMOP_TYPE_MEM)
			continue;
		number = work_register(operand->mem.base);
		if (number != ABI_NO_REGISTER && tracking->in[number])
			field_see(tracking, operand->mem.disp.value);
	}
	for (size_t i = 0; i < instruction->head.operand_count; i++) {
		if (operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
			operand_write(tracking, &operands[i]);
	}
	if (moves)
		type_move(tracking, &operands[0]);
}

enum work work_of(const struct code *code, uint64_t address, uint64_t *callee)
{
	struct tracking tracking = { .in[RDI] = true };
	struct code_instruction instruction;

	for (int i = 0; i < LOOK_STEPS && code_read(code, address, &instruction); i++) {
		switch (instruction.head.meta.category) {
		case ZYDIS_CATEGORY_CALL:
			if (tracking.basicsize && tracking.flags && !tracking.others)
				return WORK_DONE;
			return tracking.in[RDI] && code_target(&instruction, callee) ? WORK_CALLED :
										       WORK_OTHER;
		case ZYDIS_CATEGORY_UNCOND_BR:
			if (tracking.basicsize || tracking.stack_moved || !tracking.in[RDI])
				goto done;
			return code_target(&instruction, callee) ? WORK_CALLED : WORK_OTHER;
		case ZYDIS_CATEGORY_RET:
		case ZYDIS_CATEGORY_INTERRUPT:
			goto done;
		case ZYDIS_CATEGORY_COND_BR:
			break;
		default:
			tracking_step(&tracking, &instruction);
		}
		address = code_next(&instruction);
	}
done:
	return tracking.basicsize && tracking.flags && !tracking.others ? WORK_DONE : WORK_OTHER;
}
