// SPDX-License-Identifier: GPL-2.0-only
/* Recognizing the evaluation loop's parts. The contract is in native_eval.h. */
#include "resolve/native_eval.h"

#include <stdlib.h>
#include <string.h>

enum {
	CODE_MAX_BYTES = 1 << 20,
	JUMPS_NEEDED = 2, /* in each direction: bytes that only look like a jump are rare */
};

void native_eval_init(struct native_eval *eval, const struct native_symbols *symbols,
		      const struct native_elf *symbols_elf)
{
	const struct native_symbol_entry *entry;

	*eval = (struct native_eval){ 0 };
	if (symbols->is_full) /* its parts have symbols of their own */
		return;
	entry = native_symbols_named(symbols, symbols_elf, NATIVE_EVAL_NAME);
	if (!entry || entry->size == 0)
		return;
	eval->start = entry->address;
	eval->end = entry->address + entry->size;
}

/*
 * Direct jumps with 32-bit distances (jmp: e9, jcc: 0f 80..8f) from [start, end) into the middle of
 * [to_start, to_end). A jump to its first byte may be a tail call to another function.
 */
static size_t jumps_count(const struct native_elf *elf, uint64_t start, uint64_t end,
			  uint64_t to_start, uint64_t to_end)
{
	uint64_t offset;
	size_t bytes = end - start, found = 0;
	uint8_t *code;

	if (bytes > CODE_MAX_BYTES || !native_elf_offset_of(elf, start, &offset))
		return 0;
	code = malloc(bytes + 1);
	if (!code)
		return 0;
	bytes = native_elf_read_some(elf, offset, code, bytes);
	for (size_t at = 0; at + 6 <= bytes && found < JUMPS_NEEDED; at++) {
		size_t operand = code[at] == 0xe9 ? at + 1 : at + 2;
		int32_t distance;
		uint64_t target;

		if (code[at] != 0xe9 && (code[at] != 0x0f || (code[at + 1] & 0xf0) != 0x80))
			continue;
		memcpy(&distance, code + operand, sizeof(distance));
		target = start + operand + 4 + (uint64_t)(int64_t)distance;
		found += target > to_start && target < to_end;
	}
	free(code);
	return found;
}

static bool part_prove(const struct native_eval *eval, const struct native_elf *elf,
		       const struct native_fde *fde)
{
	struct native_row row;

	if (native_fde_row(fde, fde->start, &row) || row.flags & NATIVE_ROW_SIGNAL)
		return false;
	/* Every function starts with nothing but its return address on the stack. */
	if (row.cfa_base == NATIVE_RSP && row.cfa_offset == 8)
		return false;
	return jumps_count(elf, fde->start, fde->end, eval->start, eval->end) >= JUMPS_NEEDED &&
	       jumps_count(elf, eval->start, eval->end, fde->start, fde->end) >= JUMPS_NEEDED;
}

bool native_eval_is_part(struct native_eval *eval, const struct native_elf *elf,
			 struct native_cfi *cfi, uint64_t address)
{
	struct native_eval_part *part;
	struct native_fde fde;

	if (!eval->end)
		return false;
	for (size_t i = 0; i < NATIVE_EVAL_PARTS; i++) {
		part = &eval->parts[i];
		if (address >= part->start && address < part->end)
			return part->is_eval;
	}
	if (native_cfi_find(cfi, address, &fde))
		return false;
	part = &eval->parts[eval->next_part++ % NATIVE_EVAL_PARTS];
	part->start = fde.start;
	part->end = fde.end;
	part->is_eval = part_prove(eval, elf, &fde);
	native_fde_release(&fde);
	return part->is_eval;
}
