// SPDX-License-Identifier: GPL-2.0-only
/* See allocator_place.h. Arguments are passed as the System V ABI for x86-64 says. */
#include "python/allocator_place.h"

#include <Zydis/Zydis.h>

#include "python/emulated.h"

enum {
	REGISTERS = 16,
	STACK_POINTER = 4,
	NOTHING = 0xff,
	WAYS_MAX = 16,	/* through a function that only forwards */
	STEPS_MAX = 64, /* in all of them */
};

/* rdi, rsi, rdx, rcx, r8 */
static const uint8_t argument_registers[PLACE_ARGUMENTS_MAX + 1] = { 7, 6, 2, 1, 8 };

struct instruction {
	ZydisDecodedInstruction head;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static bool instruction_read(const uint8_t *text, size_t bytes, struct instruction *out)
{
	ZydisDecoder decoder;

	return ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64,
					     ZYDIS_STACK_WIDTH_64)) &&
	       ZYAN_SUCCESS(
		       ZydisDecoderDecodeFull(&decoder, text, bytes, &out->head, out->operands));
}

/* The number of the 64-bit general register that this is one or a part of; NOTHING. */
static uint8_t register_number(ZydisRegister reg)
{
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
		return NOTHING;
	return (uint8_t)(whole - ZYDIS_REGISTER_RAX);
}

static bool is_whole(const ZydisDecodedOperand *operand)
{
	return operand->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       operand->reg.value >= ZYDIS_REGISTER_RAX && operand->reg.value <= ZYDIS_REGISTER_R15;
}

/* ---- the place ---- */

/* Which argument each register holds; `stack_moved`: the stack pointer is not what it was. */
struct holding {
	uint8_t argument[REGISTERS];
	bool stack_moved;
};

static void holding_init(struct holding *holding, const struct place_needs *needs)
{
	for (size_t i = 0; i < REGISTERS; i++)
		holding->argument[i] = NOTHING;
	for (uint8_t i = 0; i < needs->arguments; i++)
		holding->argument[argument_registers[i + needs->context]] = i;
	holding->stack_moved = false;
}

static void holding_step(struct holding *holding, const struct instruction *instruction)
{
	const ZydisDecodedOperand *operands = instruction->operands;
	uint8_t moved = NOTHING;

	if (instruction->head.mnemonic == ZYDIS_MNEMONIC_MOV && is_whole(&operands[0]) &&
	    is_whole(&operands[1]))
		moved = holding->argument[register_number(operands[1].reg.value)];
	for (size_t i = 0; i < instruction->head.operand_count; i++) {
		uint8_t number;

		if (operands[i].type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    !(operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		number = register_number(operands[i].reg.value);
		if (number == NOTHING)
			continue;
		holding->argument[number] = i == 0 ? moved : NOTHING;
		holding->stack_moved |= number == STACK_POINTER;
	}
}

/* Whether the arguments are in the registers in which calls with this context have them. */
static bool holding_is(const struct holding *holding, const struct place_needs *needs,
		       uint8_t context)
{
	for (uint8_t i = 0; i < needs->arguments; i++) {
		if (holding->argument[argument_registers[i + context]] != i)
			return false;
	}
	return true;
}

/* Whether control can get behind the instruction in no way but by running it, and always does. */
static bool stays_on_line(const struct instruction *instruction)
{
	switch (instruction->head.meta.category) {
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
	case ZYDIS_CATEGORY_SYSTEM:
	case ZYDIS_CATEGORY_UNCOND_BR:
		return false;
	default:
		return instruction->head.mnemonic != ZYDIS_MNEMONIC_UD0 &&
		       instruction->head.mnemonic != ZYDIS_MNEMONIC_UD1 &&
		       instruction->head.mnemonic != ZYDIS_MNEMONIC_UD2;
	}
}

/* The offset that a direct jump or branch leads to. */
static bool branch_target(const struct instruction *instruction, uint64_t at, uint64_t *target)
{
	return (instruction->head.meta.category == ZYDIS_CATEGORY_COND_BR ||
		instruction->head.meta.category == ZYDIS_CATEGORY_UNCOND_BR) &&
	       instruction->operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
	       ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&instruction->head, &instruction->operands[0],
						     at, target));
}

/* Whether the function jumps to the place, or in front of it: then a call may pass it twice. */
static bool is_jumped_to(const uint8_t *text, size_t bytes, uint32_t place)
{
	struct instruction instruction;

	for (size_t at = 0; at < bytes; at += instruction.head.length) {
		uint64_t target;

		if (!instruction_read(text + at, bytes - at, &instruction))
			return false;
		if (branch_target(&instruction, at, &target) && target && target <= place)
			return true;
	}
	return false;
}

void place_find(const uint8_t *text, size_t bytes, const struct place_needs *needs,
		struct place *out)
{
	struct instruction instruction;
	struct holding holding;

	*out = (struct place){ .context = needs->context, .stepped = true };
	holding_init(&holding, needs);
	for (uint32_t at = 0; at < bytes; at += instruction.head.length) {
		if (!instruction_read(text + at, bytes - at, &instruction) ||
		    (needs->returns && holding.stack_moved))
			return;
		if (emulated_at(text + at, bytes - at)) {
			for (uint8_t context = needs->context; context < 2; context++) {
				if (!holding_is(&holding, needs, context) ||
				    is_jumped_to(text, bytes, at))
					continue;
				*out = (struct place){ .offset = at, .context = context };
				return;
			}
		}
		if (!stays_on_line(&instruction))
			return;
		holding_step(&holding, &instruction);
	}
}

/* ---- functions that only forward ---- */

/* One way through the function, as far as it was followed. */
struct way {
	uint64_t at;	/* offset */
	bool returns_0; /* if it returned there */
};

struct forwarding {
	struct way ways[WAYS_MAX];
	size_t way_count, steps;
	bool forwards;
};

static bool way_add(struct forwarding *forwarding, uint64_t at, bool returns_0)
{
	if (forwarding->way_count == WAYS_MAX)
		return false;
	forwarding->ways[forwarding->way_count++] = (struct way){ at, returns_0 };
	return true;
}

/* Whether it puts 0 where results are returned, or anything else, or leaves it alone. */
static bool zeroes_result(const struct instruction *instruction, bool was_zero)
{
	const ZydisDecodedOperand *operands = instruction->operands;

	for (size_t i = 0; i < instruction->head.operand_count; i++) {
		if (operands[i].type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    !(operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) ||
		    register_number(operands[i].reg.value) != 0)
			continue;
		return instruction->head.mnemonic == ZYDIS_MNEMONIC_XOR &&
		       operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		       operands[0].reg.value == operands[1].reg.value && operands[0].size >= 32;
	}
	return was_zero;
}

struct known {
	bool (*is_known)(uint64_t address, void *arg);
	void *arg;
	uint64_t address; /* of the function */
};

/* Goes on behind one instruction of a way. False: the function does something itself. */
static bool way_step(struct forwarding *forwarding, const struct way *way,
		     const struct instruction *instruction, size_t bytes, const struct known *known)
{
	uint64_t next = way->at + instruction->head.length, target;

	switch (instruction->head.meta.category) {
	case ZYDIS_CATEGORY_RET:
		return way->returns_0;
	case ZYDIS_CATEGORY_CALL:
		return way_add(forwarding, next, false);
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_UNCOND_BR:
		break;
	default:
		return stays_on_line(instruction) &&
		       way_add(forwarding, next, zeroes_result(instruction, way->returns_0));
	}
	if (!branch_target(instruction, way->at, &target))
		return false;
	if (instruction->head.meta.category == ZYDIS_CATEGORY_COND_BR)
		return target < bytes && way_add(forwarding, next, way->returns_0) &&
		       way_add(forwarding, target, way->returns_0);
	if (target < bytes)
		return way_add(forwarding, target, way->returns_0);
	if (!known->is_known(known->address + target, known->arg))
		return false;
	forwarding->forwards = true;
	return true;
}

bool place_forwards(const uint8_t *text, size_t bytes, uint64_t address,
		    bool (*is_known)(uint64_t address, void *arg), void *arg)
{
	const struct known known = { is_known, arg, address };
	struct forwarding forwarding = { 0 };

	way_add(&forwarding, 0, false);
	while (forwarding.way_count) {
		struct way way = forwarding.ways[--forwarding.way_count];
		struct instruction instruction;

		if (way.at >= bytes || ++forwarding.steps > STEPS_MAX ||
		    !instruction_read(text + way.at, bytes - way.at, &instruction) ||
		    !way_step(&forwarding, &way, &instruction, bytes, &known))
			return false;
	}
	return forwarding.forwards;
}
