/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One row of an unwind table, made small enough to keep thousands: where the caller's registers
 * lie when the program counter is at one place. All that is special to x86-64 in unwinding is here
 * and in native_expression.c: the registers a function must preserve, by their DWARF numbers, and
 * that everything saved on the stack is 8 bytes aligned.
 */
#ifndef PYBPFPROF_RESOLVE_NATIVE_ROW_H
#define PYBPFPROF_RESOLVE_NATIVE_ROW_H

#include <stdbool.h>
#include <stdint.h>

/* DWARF numbers of x86-64. */
enum {
	DWARF_RBX = 3,
	DWARF_RBP = 6,
	DWARF_RSP = 7,
	DWARF_R12 = 12,
	DWARF_R13 = 13,
	DWARF_R14 = 14,
	DWARF_R15 = 15,
	DWARF_RIP = 16, /* the return address column */
	DWARF_COLUMNS = 17,
};

/* The registers we follow. */
enum native_register {
	NATIVE_RBX,
	NATIVE_RBP,
	NATIVE_R12,
	NATIVE_R13,
	NATIVE_R14,
	NATIVE_R15,
	NATIVE_SAVED_COUNT, /* the ones a function preserves */
	NATIVE_RA = NATIVE_SAVED_COUNT,
	NATIVE_RULE_COUNT,
	NATIVE_RSP = NATIVE_RULE_COUNT,
	NATIVE_REGISTER_COUNT,
};

/* What an offset counts from: an enum native_register as it is in this frame, or one of these. */
enum {
	NATIVE_BASE_CFA = 0x10,	 /* the canonical frame address: sp before the call */
	NATIVE_BASE_SAME = 0x11, /* the register was not touched */
	NATIVE_BASE_NONE = 0x12, /* its value is lost, or beyond what a row can say */
};

enum native_row_flag {
	NATIVE_ROW_KNOWN = 1 << 0,     /* clear: no table tells of this place */
	NATIVE_ROW_SIGNAL = 1 << 1,    /* the caller was interrupted: its pc is exact */
	NATIVE_ROW_OUTERMOST = 1 << 2, /* there is no caller */
	NATIVE_ROW_CFA_LOAD = 1 << 3,  /* the CFA is what lies at base + offset */
	NATIVE_ROW_CALLED = 1 << 4,    /* a call instruction ends right behind `address` */
};

struct native_row {
	uint64_t address; /* in the file; of the byte looked up: for callers the one before */
	uint32_t module;  /* serial number of the file; 0: an empty slot */
	uint32_t before,
		behind; /* how far around `address` it holds as well; NATIVE_ROW_CALLED apart */
	int32_t cfa_offset;
	uint8_t cfa_base; /* an enum native_register */
	uint8_t flags;
	uint8_t base[NATIVE_RULE_COUNT];  /* every rule but SAME and NONE loads base + offset */
	int16_t words[NATIVE_RULE_COUNT]; /* offset / 8 */
};

/* The row of a function's first instruction: nothing but the return address is on the stack. */
static inline void native_row_set_entry(struct native_row *row)
{
	row->flags |= NATIVE_ROW_KNOWN;
	row->cfa_base = NATIVE_RSP;
	row->cfa_offset = 8;
	for (int i = 0; i < NATIVE_SAVED_COUNT; i++)
		row->base[i] = NATIVE_BASE_SAME;
	row->base[NATIVE_RA] = NATIVE_BASE_CFA;
	row->words[NATIVE_RA] = -1;
}

/* -1: not one we follow. */
static inline int native_register_of(uint64_t dwarf)
{
	switch (dwarf) {
	case DWARF_RBX:
		return NATIVE_RBX;
	case DWARF_RBP:
		return NATIVE_RBP;
	case DWARF_R12:
		return NATIVE_R12;
	case DWARF_R13:
		return NATIVE_R13;
	case DWARF_R14:
		return NATIVE_R14;
	case DWARF_R15:
		return NATIVE_R15;
	case DWARF_RSP:
		return NATIVE_RSP;
	default:
		return -1;
	}
}

static inline int native_dwarf_of(enum native_register which)
{
	static const uint8_t numbers[] = {
		[NATIVE_RBX] = DWARF_RBX, [NATIVE_RBP] = DWARF_RBP, [NATIVE_R12] = DWARF_R12,
		[NATIVE_R13] = DWARF_R13, [NATIVE_R14] = DWARF_R14, [NATIVE_R15] = DWARF_R15,
		[NATIVE_RA] = DWARF_RIP,
	};

	return numbers[which];
}

#endif
