// SPDX-License-Identifier: GPL-2.0-only
/*
 * See call_dispatch_callee.h. Code behind a call that never returns belongs to somebody else; a
 * compiler lays whatever it likes there.
 */
#include "python/call_dispatch_callee.h"

#include <Zydis/Zydis.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_MAX = 64, RELOCATIONS_MAX = 1 << 18, BATCH = 512, STUB_BYTES = 16, STUB_SECTIONS = 3 };

static const struct {
	const char *name;
	enum callee callee;
} known[] = {
	{ "_PyEval_FrameClearAndPop", CALLEE_CLEARS_FRAME },
	{ "_PyEvalFrameClearAndPop", CALLEE_CLEARS_FRAME },
	{ "Py_FatalError", CALLEE_NEVER_RETURNS },
	{ "_Py_FatalErrorFunc", CALLEE_NEVER_RETURNS },
	{ "_Py_FatalErrorFormat", CALLEE_NEVER_RETURNS },
	{ "_Py_FatalRefcountErrorFunc", CALLEE_NEVER_RETURNS },
	{ "_Py_NegativeRefcount", CALLEE_NEVER_RETURNS },
	{ "_PyObject_AssertFailed", CALLEE_NEVER_RETURNS },
	{ "__assert_fail", CALLEE_NEVER_RETURNS },
	{ "__stack_chk_fail", CALLEE_NEVER_RETURNS },
	{ "__chk_fail", CALLEE_NEVER_RETURNS },
	{ "abort", CALLEE_NEVER_RETURNS },
	{ "exit", CALLEE_NEVER_RETURNS },
	{ "_exit", CALLEE_NEVER_RETURNS },
};

static const char *const stub_sections[STUB_SECTIONS] = { ".plt", ".plt.sec", ".plt.got" };

enum { KNOWN_COUNT = sizeof(known) / sizeof(known[0]) };

struct callees {
	struct elf_file *file;
	struct elf_symbol symbols[KNOWN_COUNT];
	struct {
		uint64_t address;
		enum callee callee;
	} slots[SLOTS_MAX]; /* words that the dynamic linker fills with a function's address */
	size_t slot_count;
	struct elf_section stubs[STUB_SECTIONS]; /* the linkage table; size 0: none */
};

static void slot_note(struct callees *callees, uint64_t slot, const char *name)
{
	for (size_t i = 0; i < KNOWN_COUNT && callees->slot_count < SLOTS_MAX; i++) {
		if (strcmp(known[i].name, name) != 0)
			continue;
		callees->slots[callees->slot_count].address = slot;
		callees->slots[callees->slot_count++].callee = known[i].callee;
	}
}

static void relocation_read(struct callees *callees, const Elf64_Rela *relocation,
			    const struct elf_section *symbols, const struct elf_section *strings)
{
	const uint64_t type = ELF64_R_TYPE(relocation->r_info);
	const uint64_t index = ELF64_R_SYM(relocation->r_info);
	char name[32] = "";
	Elf64_Sym symbol;
	size_t bytes;

	if ((type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) ||
	    index >= symbols->size / sizeof(symbol) ||
	    elf_file_read(callees->file, symbols->address + index * sizeof(symbol), &symbol,
			  sizeof(symbol)) ||
	    symbol.st_name >= strings->size)
		return;
	bytes = strings->size - symbol.st_name;
	if (bytes > sizeof(name) - 1)
		bytes = sizeof(name) - 1;
	if (!elf_file_read(callees->file, strings->address + symbol.st_name, name, bytes))
		slot_note(callees, relocation->r_offset, name);
}

static void slots_read(struct callees *callees, const char *section_name)
{
	struct elf_section relocations, symbols, strings;
	Elf64_Rela batch[BATCH];
	size_t count, batch_count;

	if (!elf_file_section(callees->file, section_name, &relocations) ||
	    !elf_file_section(callees->file, ".dynsym", &symbols) ||
	    !elf_file_section(callees->file, ".dynstr", &strings))
		return;
	count = relocations.size / sizeof(*batch);
	if (count > RELOCATIONS_MAX)
		count = RELOCATIONS_MAX;
	for (size_t at = 0; at < count; at += batch_count) {
		batch_count = count - at < BATCH ? count - at : BATCH;
		if (elf_file_read(callees->file, relocations.address + at * sizeof(*batch), batch,
				  batch_count * sizeof(*batch)))
			return;
		for (size_t i = 0; i < batch_count; i++)
			relocation_read(callees, &batch[i], &symbols, &strings);
	}
}

static bool is_stub(const struct callees *callees, uint64_t address)
{
	for (size_t i = 0; i < STUB_SECTIONS; i++) {
		if (address - callees->stubs[i].address < callees->stubs[i].size)
			return true;
	}
	return false;
}

int callees_new(struct elf_file *file, struct callees **out)
{
	struct callees *callees = calloc(1, sizeof(*callees));

	if (!callees)
		return -ENOMEM;
	callees->file = file;
	for (size_t i = 0; i < KNOWN_COUNT; i++)
		callees->symbols[i].name = known[i].name;
	elf_file_find_symbols(file, ELF_DYNAMIC_SYMBOLS, callees->symbols, KNOWN_COUNT);
	elf_file_find_symbols(file, ELF_ALL_SYMBOLS, callees->symbols, KNOWN_COUNT);
	for (size_t i = 0; i < STUB_SECTIONS; i++) {
		if (!elf_file_section(file, stub_sections[i], &callees->stubs[i]))
			callees->stubs[i].size = 0;
	}
	slots_read(callees, ".rela.plt");
	slots_read(callees, ".rela.dyn");
	*out = callees;
	return 0;
}

void callees_free(struct callees *callees)
{
	free(callees);
}

enum callee callee_of_slot(const struct callees *callees, uint64_t slot)
{
	for (size_t i = 0; i < callees->slot_count; i++) {
		if (callees->slots[i].address == slot)
			return callees->slots[i].callee;
	}
	return CALLEE_OTHER;
}

/* A linkage table's entry: endbr64, where there is one, and a jump through a word. */
static enum callee stub_read(const struct callees *callees, uint64_t address)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction instruction;
	uint8_t text[STUB_BYTES];
	ZydisDecoder decoder;
	ZyanU64 slot;

	if (!is_stub(callees, address) ||
	    elf_file_read(callees->file, address, text, sizeof(text)) ||
	    ZYAN_FAILED(
		    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return CALLEE_OTHER;
	for (size_t at = 0; at < sizeof(text); at += instruction.length) {
		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, text + at, sizeof(text) - at,
						       &instruction, operands)))
			return CALLEE_OTHER;
		if (instruction.mnemonic == ZYDIS_MNEMONIC_ENDBR64)
			continue;
		if (instruction.mnemonic != ZYDIS_MNEMONIC_JMP ||
		    operands[0].type != ZYDIS_OPERAND_TYPE_MEMORY ||
		    operands[0].mem.base != ZYDIS_REGISTER_RIP ||
		    ZYAN_FAILED(ZydisCalcAbsoluteAddress(&instruction, &operands[0], address + at,
							 &slot)))
			return CALLEE_OTHER;
		return callee_of_slot(callees, slot);
	}
	return CALLEE_OTHER;
}

enum callee callee_at(const struct callees *callees, uint64_t address)
{
	for (size_t i = 0; i < KNOWN_COUNT; i++) {
		if (callees->symbols[i].found && callees->symbols[i].address == address)
			return known[i].callee;
	}
	return stub_read(callees, address);
}
