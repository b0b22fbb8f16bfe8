// SPDX-License-Identifier: GPL-2.0-only
/* Steps of the unwinder, and the table of rows. The contract is in native_unwind.h. */
#include "resolve/native_unwind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolve/native_module.h"

int native_rows_init(struct native_rows *rows)
{
	rows->by_address = calloc(NATIVE_ROWS, sizeof(*rows->by_address));
	rows->by_piece = calloc(NATIVE_PIECES, sizeof(*rows->by_piece));
	return rows->by_address && rows->by_piece ? 0 : -ENOMEM;
}

void native_rows_release(struct native_rows *rows)
{
	free(rows->by_address);
	free(rows->by_piece);
	*rows = (struct native_rows){ 0 };
}

/* The first of the two slots where a row may be. */
static size_t pair_of(const struct native_module *module, uint64_t key, size_t slots)
{
	uint64_t mixed = (key ^ (uint64_t)module->serial << 40) * 0x9e3779b97f4a7c15ull;

	mixed ^= mixed >> 32;
	mixed *= 0x9e3779b97f4a7c15ull;
	return mixed >> 40 & (slots - 2);
}

static bool row_holds(const struct native_row *row, const struct native_module *module,
		      uint64_t address)
{
	return row->module == module->serial && address >= row->address - row->before &&
	       address <= row->address + row->behind;
}

/*
 * The row among the two that is wanted, made now if it is not there: then it takes the place of the
 * one that came longer ago.
 */
static const struct native_row *pair_get(struct native_row pair[2], struct native_module *module,
					 uint64_t address, bool exact)
{
	for (int i = 0; i < 2; i++) {
		if (exact ? pair[i].address == address && pair[i].module == module->serial :
			    row_holds(&pair[i], module, address))
			return &pair[i];
	}
	pair[1] = pair[0];
	native_module_row(module, address, &pair[0]);
	return &pair[0];
}

const struct native_row *native_rows_get(struct native_rows *rows, struct native_module *module,
					 uint64_t address)
{
	return pair_get(&rows->by_address[pair_of(module, address, NATIVE_ROWS)], module, address,
			true);
}

const struct native_row *native_rows_get_near(struct native_rows *rows,
					      struct native_module *module, uint64_t address)
{
	uint64_t piece = address >> NATIVE_PIECE_SHIFT;

	return pair_get(&rows->by_piece[pair_of(module, piece, NATIVE_PIECES)], module, address,
			false);
}

void native_frame_start(struct native_frame_state *frame, const struct native_registers *registers)
{
	*frame = (struct native_frame_state){
		.registers = {
			[NATIVE_RBX] = registers->rbx,
			[NATIVE_RBP] = registers->bp,
			[NATIVE_R12] = registers->r12,
			[NATIVE_R13] = registers->r13,
			[NATIVE_R14] = registers->r14,
			[NATIVE_R15] = registers->r15,
			[NATIVE_RA] = registers->ip,
			[NATIVE_RSP] = registers->sp,
		},
		.known = (1u << NATIVE_REGISTER_COUNT) - 1,
		.is_exact = true,
	};
}

static bool word_read(const struct native_stack_copy *stack, uint64_t address, uint64_t *out)
{
	uint64_t at = address - stack->start;

	if (address < stack->start || stack->length < sizeof(*out) ||
	    at > stack->length - sizeof(*out))
		return false;
	memcpy(out, stack->bytes + at, sizeof(*out));
	return true;
}

static bool base_read(const struct native_frame_state *frame, uint8_t base, uint64_t cfa,
		      uint64_t *out)
{
	if (base == NATIVE_BASE_CFA) {
		*out = cfa;
		return true;
	}
	if (base >= NATIVE_REGISTER_COUNT || !(frame->known & 1u << base))
		return false;
	*out = frame->registers[base];
	return true;
}

static bool cfa_find(const struct native_frame_state *frame, const struct native_row *row,
		     const struct native_stack_copy *stack, uint64_t *cfa)
{
	uint64_t base;

	if (!base_read(frame, row->cfa_base, 0, &base) || row->cfa_base == NATIVE_BASE_CFA)
		return false;
	*cfa = base + (uint64_t)(int64_t)row->cfa_offset;
	return !(row->flags & NATIVE_ROW_CFA_LOAD) || word_read(stack, *cfa, cfa);
}

/* The address a rule tells of. False: none, or of a register that is not known. */
static bool slot_find(const struct native_frame_state *frame, const struct native_row *row, int i,
		      uint64_t cfa, uint64_t *slot)
{
	uint64_t base;

	if (row->base[i] == NATIVE_BASE_SAME || row->base[i] == NATIVE_BASE_NONE ||
	    !base_read(frame, row->base[i], cfa, &base))
		return false;
	*slot = base + (uint64_t)(int64_t)row->words[i] * 8;
	return true;
}

bool native_frame_is_below(const struct native_frame_state *frame, const struct native_row *row,
			   const struct native_stack_copy *stack)
{
	uint64_t cfa, slot;

	if (!cfa_find(frame, row, stack, &cfa))
		return false;
	for (int i = 0; i < NATIVE_SAVED_COUNT; i++) {
		if (slot_find(frame, row, i, cfa, &slot) && slot < frame->registers[NATIVE_RSP])
			return true;
	}
	return false;
}

bool native_frame_step(struct native_frame_state *frame, const struct native_row *row,
		       const struct native_stack_copy *stack, bool popped)
{
	struct native_frame_state caller = { .is_exact = row->flags & NATIVE_ROW_SIGNAL };
	uint64_t cfa, slot, sp = frame->registers[NATIVE_RSP];

	if (!cfa_find(frame, row, stack, &cfa))
		return false;
	/* Every call pushes, so a caller's stack is higher; this also ends every loop. */
	if (cfa <= sp || cfa % 8)
		return false;
	for (int i = 0; i < NATIVE_RULE_COUNT; i++) {
		uint32_t bit = 1u << i;
		bool is_below = slot_find(frame, row, i, cfa, &slot) && slot < sp;

		if (row->base[i] == NATIVE_BASE_SAME || (is_below && popped)) {
			caller.registers[i] = frame->registers[i];
			caller.known |= frame->known & bit;
		} else if (row->base[i] != NATIVE_BASE_NONE &&
			   slot_find(frame, row, i, cfa, &slot) &&
			   word_read(stack, slot, &caller.registers[i])) {
			caller.known |= bit;
		}
	}
	if (!(caller.known & 1u << NATIVE_RA))
		return false;
	caller.registers[NATIVE_RSP] = cfa;
	caller.known |= 1u << NATIVE_RSP;
	*frame = caller;
	return true;
}
