// SPDX-License-Identifier: GPL-2.0-only
/*
 * Running the instructions of an unwind entry up to one address, and packing what they say into a
 * row. The rules of a register are those of DWARF 5, section 6.4.1.
 */
#include <dwarf.h>
#include <errno.h>

#include "resolve/native_cfi.h"
#include "resolve/native_expression.h"

enum {
	REMEMBERED_STATES = 16,
};

enum rule_kind { RULE_SAME, RULE_UNDEFINED, RULE_OFFSET, RULE_EXPRESSION, RULE_OTHER };

struct rule {
	enum rule_kind kind;
	int64_t offset;
	struct native_span expression;
};

struct state {
	struct rule rules[DWARF_COLUMNS];
	uint64_t cfa_column;
	int64_t cfa_offset;
	struct native_span cfa_expression;
	bool cfa_is_expression;
};

struct run {
	const struct native_cie *cie;
	struct state now, initial;
	struct state remembered[REMEMBERED_STATES];
	size_t depth;
	uint64_t location, before; /* before the last move */
	bool failed;
};

static void rule_set(struct run *run, uint64_t column, enum rule_kind kind, int64_t offset)
{
	if (column < DWARF_COLUMNS)
		run->now.rules[column] = (struct rule){ .kind = kind, .offset = offset };
}

static void rule_set_factored(struct run *run, uint64_t column, uint64_t factored)
{
	rule_set(run, column, RULE_OFFSET, (int64_t)(factored * (uint64_t)run->cie->data_factor));
}

static void rule_restore(struct run *run, uint64_t column)
{
	if (column < DWARF_COLUMNS)
		run->now.rules[column] = run->initial.rules[column];
}

static void cfa_set(struct run *run, uint64_t column, int64_t offset)
{
	run->now.cfa_is_expression = false;
	run->now.cfa_column = column;
	run->now.cfa_offset = offset;
}

/* Instructions that say how the CFA is found. True: it was one. */
static bool cfa_step(struct run *run, uint8_t op, struct native_span *code)
{
	int64_t factor = run->cie->data_factor;
	uint64_t column;

	switch (op) {
	case DW_CFA_def_cfa:
		column = span_uleb(code);
		cfa_set(run, column, (int64_t)span_uleb(code));
		return true;
	case DW_CFA_def_cfa_sf:
		column = span_uleb(code);
		cfa_set(run, column, (int64_t)((uint64_t)span_sleb(code) * (uint64_t)factor));
		return true;
	case DW_CFA_def_cfa_register:
		run->failed |= run->now.cfa_is_expression;
		run->now.cfa_column = span_uleb(code);
		return true;
	case DW_CFA_def_cfa_offset:
		run->failed |= run->now.cfa_is_expression;
		run->now.cfa_offset = (int64_t)span_uleb(code);
		return true;
	case DW_CFA_def_cfa_offset_sf:
		run->failed |= run->now.cfa_is_expression;
		run->now.cfa_offset = (int64_t)((uint64_t)span_sleb(code) * (uint64_t)factor);
		return true;
	case DW_CFA_def_cfa_expression:
		run->now.cfa_expression = span_take(code, span_uleb(code));
		run->now.cfa_is_expression = true;
		return true;
	default:
		return false;
	}
}

/* Instructions that say where a register lies. True: it was one. */
static bool rule_step(struct run *run, uint8_t op, struct native_span *code)
{
	uint64_t column;

	switch (op) {
	case DW_CFA_offset_extended:
		column = span_uleb(code);
		rule_set_factored(run, column, span_uleb(code));
		return true;
	case DW_CFA_offset_extended_sf:
		column = span_uleb(code);
		rule_set_factored(run, column, (uint64_t)span_sleb(code));
		return true;
	case DW_CFA_GNU_negative_offset_extended:
		column = span_uleb(code);
		rule_set_factored(run, column, -span_uleb(code));
		return true;
	case DW_CFA_restore_extended:
		rule_restore(run, span_uleb(code));
		return true;
	case DW_CFA_undefined:
		rule_set(run, span_uleb(code), RULE_UNDEFINED, 0);
		return true;
	case DW_CFA_same_value:
		rule_set(run, span_uleb(code), RULE_SAME, 0);
		return true;
	case DW_CFA_register:
	case DW_CFA_val_offset:
		column = span_uleb(code);
		span_uleb(code);
		rule_set(run, column, RULE_OTHER, 0);
		return true;
	case DW_CFA_val_offset_sf:
		column = span_uleb(code);
		span_sleb(code);
		rule_set(run, column, RULE_OTHER, 0);
		return true;
	case DW_CFA_expression:
	case DW_CFA_val_expression: {
		struct rule rule = { .kind = RULE_EXPRESSION };

		column = span_uleb(code);
		rule.expression = span_take(code, span_uleb(code));
		if (op == DW_CFA_val_expression)
			rule.kind = RULE_OTHER;
		if (column < DWARF_COLUMNS)
			run->now.rules[column] = rule;
		return true;
	}
	default:
		return false;
	}
}

/* Instructions that move on, or keep and bring back the whole state. */
static void state_step(struct run *run, uint8_t op, struct native_span *code)
{
	uint64_t factor = run->cie->code_factor;

	switch (op) {
	case DW_CFA_nop:
		return;
	case DW_CFA_advance_loc1:
		run->location += span_uint(code, 1) * factor;
		return;
	case DW_CFA_advance_loc2:
		run->location += span_uint(code, 2) * factor;
		return;
	case DW_CFA_advance_loc4:
		run->location += span_uint(code, 4) * factor;
		return;
	case DW_CFA_GNU_args_size:
		span_uleb(code);
		return;
	case DW_CFA_remember_state:
		if (run->depth == REMEMBERED_STATES)
			run->failed = true;
		else
			run->remembered[run->depth++] = run->now;
		return;
	case DW_CFA_restore_state:
		if (run->depth == 0)
			run->failed = true;
		else
			run->now = run->remembered[--run->depth];
		return;
	default:
		run->failed = true; /* DW_CFA_set_loc too: nobody writes it */
	}
}

static void instruction_step(struct run *run, struct native_span *code)
{
	uint8_t op = (uint8_t)span_uint(code, 1);
	uint8_t operand = op & 0x3f;

	switch (op & 0xc0) {
	case DW_CFA_advance_loc:
		run->location += operand * run->cie->code_factor;
		return;
	case DW_CFA_offset:
		rule_set_factored(run, operand, span_uleb(code));
		return;
	case DW_CFA_restore:
		rule_restore(run, operand);
		return;
	default:
		break;
	}
	if (!cfa_step(run, op, code) && !rule_step(run, op, code))
		state_step(run, op, code);
}

/* Until the next instruction would be about an address behind `address`. */
static int instructions_run(struct run *run, struct native_span code, uint64_t address)
{
	while (span_left(&code) && !run->failed && !code.failed) {
		if (run->location > address)
			break;
		run->before = run->location;
		instruction_step(run, &code);
	}
	return run->failed || code.failed ? -ENOTSUP : 0;
}

/* The table's row lasts until the location moves past the address, or the function ends. */
static void range_pack(const struct run *run, const struct native_fde *fde, struct native_row *row)
{
	uint64_t start = run->location > row->address ? run->before : run->location;
	uint64_t end = run->location > row->address ? run->location : fde->end;

	/* What an expression gives may depend on the address itself. */
	if (run->now.cfa_is_expression || fde->cie.is_signal || end > fde->end || end < start ||
	    end - start > UINT32_MAX || start > row->address)
		return;
	row->before = (uint32_t)(row->address - start);
	row->behind = (uint32_t)(end - row->address - 1);
}

static int cfa_pack(const struct state *state, uint64_t address, struct native_row *row)
{
	struct native_place place = { .offset = state->cfa_offset };
	int which, err;

	if (state->cfa_is_expression) {
		err = native_expression_place(state->cfa_expression, address, false, &place);
		if (err)
			return err;
	} else {
		which = native_register_of(state->cfa_column);
		if (which < 0)
			return -ENOTSUP;
		place.base = (uint8_t)which;
	}
	if (place.base == NATIVE_BASE_CFA || place.offset != (int32_t)place.offset)
		return -ENOTSUP;
	row->cfa_base = place.base;
	row->cfa_offset = (int32_t)place.offset;
	if (place.load)
		row->flags |= NATIVE_ROW_CFA_LOAD;
	return 0;
}

/* NATIVE_BASE_NONE where a row cannot say it: the unwinder then stops if it ever needs it. */
static void rule_pack(const struct rule *rule, uint64_t address, uint8_t *base, int16_t *words)
{
	struct native_place place = { .base = NATIVE_BASE_CFA, .offset = rule->offset };

	*base = NATIVE_BASE_NONE;
	*words = 0;
	switch (rule->kind) {
	case RULE_SAME:
		*base = NATIVE_BASE_SAME;
		return;
	case RULE_UNDEFINED:
	case RULE_OTHER:
		return;
	case RULE_OFFSET:
		break;
	case RULE_EXPRESSION:
		if (native_expression_place(rule->expression, address, true, &place) || place.load)
			return;
		break;
	}
	if (place.offset % 8 || place.offset / 8 != (int16_t)(place.offset / 8))
		return;
	*base = place.base;
	*words = (int16_t)(place.offset / 8);
}

int native_fde_row(const struct native_fde *fde, uint64_t address, struct native_row *out)
{
	struct native_row row = { .address = address, .flags = NATIVE_ROW_KNOWN };
	struct run run = { .cie = &fde->cie, .location = fde->start };
	const struct rule *ra = &run.now.rules[DWARF_RIP];
	int err = instructions_run(&run, fde->cie.instructions, UINT64_MAX);

	if (err)
		return err;
	run.initial = run.now;
	run.location = fde->start;
	err = instructions_run(&run, fde->instructions, address);
	if (err)
		return err;
	if (fde->cie.is_signal)
		row.flags |= NATIVE_ROW_SIGNAL;
	if (ra->kind == RULE_UNDEFINED) {
		row.flags |= NATIVE_ROW_OUTERMOST;
		*out = row;
		return 0;
	}
	err = cfa_pack(&run.now, address, &row);
	if (err)
		return err;
	range_pack(&run, fde, &row);
	for (int i = 0; i < NATIVE_RULE_COUNT; i++)
		rule_pack(&run.now.rules[native_dwarf_of(i)], address, &row.base[i], &row.words[i]);
	if (row.base[NATIVE_RA] >= NATIVE_BASE_SAME)
		return -ENOTSUP;
	*out = row;
	return 0;
}
