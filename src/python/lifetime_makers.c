// SPDX-License-Identifier: GPL-2.0-only
/*
 * See lifetime_makers.h. CPython makes an instance by calling its type's tp_alloc, mostly
 * PyType_GenericAlloc(type, nitems), which calls _PyType_AllocNoTrack() from 3.11 on
 * (Objects/typeobject.c). A compiler that has seen both, and by profiles what tp_alloc mostly is,
 * makes of each such call
 *
 *	cmp $PyType_GenericAlloc, tp_alloc; jne ...; mov type, %rdi; call copy
 *
 * where `copy` is the function for nitems 0, say, or one of what it was split into. So where these
 * comparisons hold the next call leads to a copy, or to one that calls it. What does the work is
 * known by the fields of the type that it reads, tp_basicsize and tp_flags; it alone is taken:
 * others have it do the work, and each instance is met once.
 *
 * Modules are made by _PyType_AllocNoTrack() without asking for tp_alloc (Objects/moduleobject.c),
 * or by what is left of it in the tp_new of their type.
 */
#include "python/lifetime_makers.h"

#include <errno.h>
#include <string.h>

#include "python/allocator_relocations.h"
#include "python/lifetime_code.h"
#include "python/lifetime_work.h"

enum {
	SLOTS_MAX = 8,
	FOLLOW_STEPS = 24,   /* from a comparison to the call */
	COMPARE_STEPS = 128, /* from where the address is loaded to a comparison */
	LEADING_MAX = 4,     /* functions that each call the next one */
	/* Interpreters have a hundred; a file that is none must not keep us busy. */
	COMPARISONS_MAX = 1024,
	SCANS_MAX = 64,
};

struct search {
	const struct module *module;
	const struct code *code;
	uint64_t generic_alloc;
	struct elf_section offsets; /* the global offset table */
	uint64_t slots[SLOTS_MAX];  /* words that the dynamic linker puts its address in */
	size_t slot_count;
	size_t comparisons, scans;
	struct lifetime_makers *out;
};

/* ---- makers ---- */

static int maker_add(struct search *search, uint64_t address)
{
	struct lifetime_makers *makers = search->out;

	for (size_t i = 0; i < makers->count; i++) {
		if (makers->addresses[i] == address)
			return 0;
	}
	if (makers->count == LIFETIME_MAKERS_MAX)
		return -E2BIG;
	makers->addresses[makers->count++] = address;
	return 0;
}

/* Takes the function that does the work for the one at `address`. 1; 0: nobody does; -E2BIG. */
static int maker_follow(struct search *search, uint64_t address)
{
	for (int i = 0; i < LEADING_MAX; i++) {
		uint64_t callee = 0;
		enum work work;
		int err;

		address = code_function_at(search->module, address);
		if (!address)
			return 0;
		work = work_of(search->code, address, &callee);
		if (work == WORK_DONE) {
			err = maker_add(search, address);
			return err ? err : 1;
		}
		if (work == WORK_OTHER)
			return 0;
		address = callee;
	}
	return 0;
}

/* ---- where comparisons lead ---- */

/* The instruction behind a comparison, and its branch, when both sides are equal. */
static bool equal_side(const struct code *code, uint64_t address, uint64_t *side)
{
	struct code_instruction instruction;

	for (int i = 0; i < 4 && code_read(code, address, &instruction); i++) {
		if (instruction.head.mnemonic == ZYDIS_MNEMONIC_JZ)
			return code_target(&instruction, side);
		if (instruction.head.mnemonic == ZYDIS_MNEMONIC_JNZ) {
			*side = code_next(&instruction);
			return true;
		}
		/* Only what leaves the flags alone comes between them. */
		if (instruction.head.mnemonic != ZYDIS_MNEMONIC_MOV &&
		    instruction.head.mnemonic != ZYDIS_MNEMONIC_LEA)
			return false;
		address = code_next(&instruction);
	}
	return false;
}

/* Whether the fields that the work begins with are read, of whatever. */
struct fields {
	bool basicsize, flags;
};

static void fields_see(struct fields *fields, const struct code_instruction *instruction)
{
	for (size_t i = 0; i < instruction->head.operand_count_visible; i++) {
		const ZydisDecodedOperand *operand = &instruction->operands[i];
		const int64_t offset = operand->mem.disp.value;

		if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY ||
		    operand->mem.base == ZYDIS_REGISTER_RIP)
			continue;
		fields->basicsize |= work_reads_basicsize(offset);
		fields->flags |= work_reads_flags(offset);
	}
}

/* Whether a jump there is a call in the end: other code calls it. */
static bool is_called(struct search *search, uint64_t address)
{
	if (search->scans == SCANS_MAX)
		return false;
	search->scans++;
	return code_is_called(search->code, address);
}

/* What is done from `address` on: where control comes to when tp_alloc is PyType_GenericAlloc(). */
static int side_follow(struct search *search, uint64_t address)
{
	struct code_instruction instruction;
	struct fields fields = { 0 };
	uint64_t target;
	int found = 0;

	for (int i = 0; i < FOLLOW_STEPS && code_read(search->code, address, &instruction); i++) {
		const ZydisInstructionCategory category = instruction.head.meta.category;

		address = code_next(&instruction);
		if (category == ZYDIS_CATEGORY_UNCOND_BR || category == ZYDIS_CATEGORY_CALL) {
			if (!code_target(&instruction, &target))
				break;
			if (category == ZYDIS_CATEGORY_CALL || is_called(search, target)) {
				found = maker_follow(search, target);
				break;
			}
			address = target;
		} else if (category == ZYDIS_CATEGORY_RET || category == ZYDIS_CATEGORY_COND_BR) {
			break;
		}
		fields_see(&fields, &instruction);
	}
	if (found < 0)
		return found;
	if (found)
		search->out->calling++;
	else if (fields.basicsize && fields.flags)
		search->out->inlined++;
	else
		search->out->other++;
	return 0;
}

static int comparison_follow(struct search *search, uint64_t behind)
{
	uint64_t side;

	if (search->comparisons == COMPARISONS_MAX || !equal_side(search->code, behind, &side))
		return 0;
	search->comparisons++;
	return side_follow(search, side);
}

/* ---- comparisons ---- */

static bool is_word(const ZydisDecodedOperand *operand, uint8_t number)
{
	return operand->type == ZYDIS_OPERAND_TYPE_REGISTER && operand->size == 64 &&
	       work_register(operand->reg.value) == number;
}

/* The address is in a register from `at` on: every comparison with it up to where it goes. */
static int register_follow(struct search *search, uint64_t at, uint8_t number)
{
	struct code_instruction instruction;

	for (int i = 0; i < COMPARE_STEPS && code_read(search->code, at, &instruction); i++) {
		const ZydisDecodedOperand *operands = instruction.operands;
		int err = 0;

		at = code_next(&instruction);
		if (instruction.head.mnemonic == ZYDIS_MNEMONIC_CMP &&
		    (is_word(&operands[0], number) || is_word(&operands[1], number)))
			err = comparison_follow(search, at);
		if (err)
			return err;
		if (instruction.head.meta.category == ZYDIS_CATEGORY_RET ||
		    instruction.head.meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
		    instruction.head.meta.category == ZYDIS_CATEGORY_CALL)
			return 0;
		for (size_t j = 0; j < instruction.head.operand_count; j++) {
			if (operands[j].type == ZYDIS_OPERAND_TYPE_REGISTER &&
			    operands[j].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE &&
			    work_register(operands[j].reg.value) == number)
				return 0;
		}
	}
	return 0;
}

/* Whether an operand is `address` itself, as a constant, or (`in_slot`) the word there. */
static bool operand_names(const struct code_instruction *instruction, size_t operand,
			  uint64_t address, bool in_slot)
{
	const ZydisDecodedOperand *what = &instruction->operands[operand];
	uint64_t refers;

	if (operand >= instruction->head.operand_count_visible)
		return false;
	if (!in_slot && what->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return !what->imm.is_relative && what->imm.value.u == address;
	return (in_slot || instruction->head.mnemonic == ZYDIS_MNEMONIC_LEA) &&
	       code_refers(instruction, operand, &refers) && refers == address;
}

/* An instruction that has the function's address as operand. Its last four bytes tell it. */
struct naming {
	struct search *search;
	uint64_t address; /* of the function, or of a word with its address */
	bool in_slot;
};

static int naming_use(const struct naming *naming, const struct code_instruction *instruction)
{
	const ZydisDecodedOperand *operands = instruction->operands;
	const ZydisMnemonic mnemonic = instruction->head.mnemonic;
	const uint64_t behind = code_next(instruction);
	uint8_t number;

	if (mnemonic == ZYDIS_MNEMONIC_CMP)
		return comparison_follow(naming->search, behind);
	if ((mnemonic != ZYDIS_MNEMONIC_MOV && mnemonic != ZYDIS_MNEMONIC_LEA) ||
	    operands[0].type != ZYDIS_OPERAND_TYPE_REGISTER)
		return 0;
	number = work_register(operands[0].reg.value);
	return number == ABI_NO_REGISTER ? 0 : register_follow(naming->search, behind, number);
}

/* The instruction that ends with the four bytes at `at`: from the longest that it can be on. */
static int naming_see(const struct code *code, uint64_t at, void *arg)
{
	const struct naming *naming = arg;
	const uint64_t end = at + sizeof(uint32_t);
	struct code_instruction instruction;

	for (uint64_t start = at - 8; start < at; start++) {
		if (!code_read(code, start, &instruction) || code_next(&instruction) != end)
			continue;
		for (size_t i = 0; i < 2; i++) {
			if (operand_names(&instruction, i, naming->address, naming->in_slot))
				return naming_use(naming, &instruction);
		}
	}
	return 0;
}

/* Words of the global offset table; those of types, which have it in tp_alloc, no code names. */
static int slot_keep(const struct relocation *relocation, void *arg)
{
	struct search *search = arg;

	if (relocation->slot - search->offsets.address < search->offsets.size &&
	    strcmp(relocation->name, "PyType_GenericAlloc") == 0 && search->slot_count < SLOTS_MAX)
		search->slots[search->slot_count++] = relocation->slot;
	return 0;
}

/* The functions that no comparison need lead to. */
static int called_add(struct search *search, uint64_t module_new)
{
	struct elf_symbol symbol = { .name = "_PyType_AllocNoTrack" };
	int found = maker_follow(search, search->generic_alloc);

	/*
	 * Where it does not read as expected (a build that is not optimised) it is the one, all the
	 * same.
	 */
	if (!found)
		found = maker_add(search, search->generic_alloc);
	if (found >= 0 && module_symbols_find(search->module, true, &symbol, 1))
		found = maker_follow(search, symbol.address);
	if (found >= 0 && module_new)
		found = maker_follow(search, module_new);
	return found < 0 ? found : 0;
}

int lifetime_makers_find(const struct module *module, uint64_t generic_alloc, uint64_t module_new,
			 struct lifetime_makers *out)
{
	struct search search = { .module = module, .generic_alloc = generic_alloc, .out = out };
	struct code code;
	int err;

	*out = (struct lifetime_makers){ 0 };
	err = code_load(module, &code);
	if (err)
		return err;
	search.code = &code;
	if (elf_file_section(module->file, ".got", &search.offsets))
		err = relocations_each(module->file, slot_keep, &search);
	if (!err)
		err = called_add(&search, module_new);
	if (!err) {
		struct naming naming = { .search = &search, .address = generic_alloc };

		err = code_mentions(&code, generic_alloc, naming_see, &naming);
	}
	for (size_t i = 0; i < search.slot_count && !err; i++) {
		struct naming naming = { &search, search.slots[i], true };

		err = code_mentions(&code, search.slots[i], naming_see, &naming);
	}
	code_release(&code);
	return err;
}
