// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stack machine over symbolic values. The program counter is a constant here, because a row is
 * for one place only; so the expression of a PLT section, whose CFA depends on how far into its
 * 16-byte entry the program is, becomes a plain offset.
 */
#include "resolve/native_expression.h"

#include <dwarf.h>
#include <errno.h>

enum {
	EXPRESSION_STACK = 16,
	EXPRESSION_MAX_STEPS = 256,
};

enum value_kind {
	VALUE_CONSTANT,
	VALUE_SUM /* base + offset */,
	VALUE_LOAD /* *(base + offset) */
};

struct value {
	enum value_kind kind;
	uint8_t base;
	int64_t offset; /* or the constant */
};

struct machine {
	struct value stack[EXPRESSION_STACK];
	size_t depth;
	uint64_t address;
	bool failed;
};

static void value_push(struct machine *machine, struct value value)
{
	if (machine->depth == EXPRESSION_STACK) {
		machine->failed = true;
		return;
	}
	machine->stack[machine->depth++] = value;
}

static void constant_push(struct machine *machine, int64_t constant)
{
	value_push(machine, (struct value){ .kind = VALUE_CONSTANT, .offset = constant });
}

static struct value value_pop(struct machine *machine)
{
	if (machine->depth == 0) {
		machine->failed = true;
		return (struct value){ .kind = VALUE_CONSTANT };
	}
	return machine->stack[--machine->depth];
}

static void register_push(struct machine *machine, uint64_t number, int64_t offset)
{
	int which = native_register_of(number);

	if (number == DWARF_RIP) {
		constant_push(machine, (int64_t)(machine->address + (uint64_t)offset));
		return;
	}
	if (which < 0) {
		machine->failed = true;
		return;
	}
	value_push(machine, (struct value){ VALUE_SUM, (uint8_t)which, offset });
}

static int64_t constants_combine(struct machine *machine, uint8_t op, int64_t left, int64_t right)
{
	switch (op) {
	case DW_OP_plus:
		return (int64_t)((uint64_t)left + (uint64_t)right);
	case DW_OP_minus:
		return (int64_t)((uint64_t)left - (uint64_t)right);
	case DW_OP_mul:
		return (int64_t)((uint64_t)left * (uint64_t)right);
	case DW_OP_and:
		return left & right;
	case DW_OP_or:
		return left | right;
	case DW_OP_xor:
		return left ^ right;
	case DW_OP_shl:
		return right & ~63 ? 0 : (int64_t)((uint64_t)left << right);
	case DW_OP_shr:
		return right & ~63 ? 0 : (int64_t)((uint64_t)left >> right);
	case DW_OP_eq:
		return left == right;
	case DW_OP_ne:
		return left != right;
	case DW_OP_ge:
		return left >= right;
	case DW_OP_gt:
		return left > right;
	case DW_OP_le:
		return left <= right;
	case DW_OP_lt:
		return left < right;
	default:
		machine->failed = true;
		return 0;
	}
}

/* An operation on the two topmost values. */
static void values_combine(struct machine *machine, uint8_t op)
{
	struct value right = value_pop(machine);
	struct value left = value_pop(machine);

	if (left.kind == VALUE_CONSTANT && right.kind == VALUE_CONSTANT) {
		constant_push(machine, constants_combine(machine, op, left.offset, right.offset));
		return;
	}
	if (op == DW_OP_plus && left.kind == VALUE_CONSTANT) {
		struct value swapped = left;

		left = right;
		right = swapped;
	}
	if (left.kind != VALUE_SUM || right.kind != VALUE_CONSTANT ||
	    (op != DW_OP_plus && op != DW_OP_minus)) {
		machine->failed = true;
		return;
	}
	left.offset = constants_combine(machine, op, left.offset, right.offset);
	value_push(machine, left);
}

static void value_load(struct machine *machine)
{
	struct value value = value_pop(machine);

	if (value.kind != VALUE_SUM)
		machine->failed = true;
	value.kind = VALUE_LOAD;
	value_push(machine, value);
}

/* Operations whose operand follows them. True: it was one. */
static bool operand_step(struct machine *machine, uint8_t op, struct native_span *code)
{
	uint64_t number;

	switch (op) {
	case DW_OP_const1u:
		constant_push(machine, (int64_t)span_uint(code, 1));
		return true;
	case DW_OP_const1s:
		constant_push(machine, span_int(code, 1));
		return true;
	case DW_OP_const2u:
		constant_push(machine, (int64_t)span_uint(code, 2));
		return true;
	case DW_OP_const2s:
		constant_push(machine, span_int(code, 2));
		return true;
	case DW_OP_const4u:
		constant_push(machine, (int64_t)span_uint(code, 4));
		return true;
	case DW_OP_const4s:
		constant_push(machine, span_int(code, 4));
		return true;
	case DW_OP_const8u:
	case DW_OP_const8s:
		constant_push(machine, span_int(code, 8));
		return true;
	case DW_OP_constu:
		constant_push(machine, (int64_t)span_uleb(code));
		return true;
	case DW_OP_consts:
		constant_push(machine, span_sleb(code));
		return true;
	case DW_OP_plus_uconst:
		constant_push(machine, (int64_t)span_uleb(code));
		values_combine(machine, DW_OP_plus);
		return true;
	case DW_OP_bregx:
		number = span_uleb(code);
		register_push(machine, number, span_sleb(code));
		return true;
	default:
		if (op < DW_OP_breg0 || op > DW_OP_breg31)
			return false;
		register_push(machine, op - DW_OP_breg0, span_sleb(code));
		return true;
	}
}

static void machine_step(struct machine *machine, uint8_t op, struct native_span *code)
{
	struct value top, below;

	if (operand_step(machine, op, code))
		return;
	if (op >= DW_OP_lit0 && op <= DW_OP_lit31) {
		constant_push(machine, op - DW_OP_lit0);
		return;
	}
	switch (op) {
	case DW_OP_nop:
		return;
	case DW_OP_deref:
		value_load(machine);
		return;
	case DW_OP_drop:
		value_pop(machine);
		return;
	case DW_OP_dup:
		top = value_pop(machine);
		value_push(machine, top);
		value_push(machine, top);
		return;
	case DW_OP_swap:
		top = value_pop(machine);
		below = value_pop(machine);
		value_push(machine, top);
		value_push(machine, below);
		return;
	default:
		values_combine(machine, op);
	}
}

int native_expression_place(struct native_span expression, uint64_t address, bool from_cfa,
			    struct native_place *out)
{
	struct machine machine = { .address = address };
	struct value top;

	if (from_cfa)
		value_push(&machine, (struct value){ VALUE_SUM, NATIVE_BASE_CFA, 0 });
	for (size_t i = 0; span_left(&expression) && !machine.failed; i++) {
		uint8_t op = (uint8_t)span_uint(&expression, 1);

		if (i == EXPRESSION_MAX_STEPS)
			return -ENOTSUP;
		machine_step(&machine, op, &expression);
	}
	top = value_pop(&machine);
	if (machine.failed || expression.failed || top.kind == VALUE_CONSTANT)
		return -ENOTSUP;
	*out = (struct native_place){ top.base, top.kind == VALUE_LOAD, top.offset };
	return 0;
}
