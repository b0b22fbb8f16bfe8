// SPDX-License-Identifier: GPL-2.0-only
/* One file of a process: its code, its symbols, its linkage tables. The contract is in the header. */
#include "python/allocator_modules.h"

#include <Zydis/Zydis.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "python/allocator_relocations.h"

enum { STUB_BYTES = 16 };

static const char *const stub_sections[MODULE_STUB_SECTIONS] = { ".plt", ".plt.sec", ".plt.got" };

/* Fills in what the file tells; the descriptor is the module's from here on. */
static int module_read(struct module *module)
{
	int err = elf_file_open(module->fd, &module->file);

	if (err) {
		module->file = NULL;
		module_close(module);
		return err;
	}
	module->segment_count =
		elf_file_code_segments(module->file, module->segments, MODULE_SEGMENTS_MAX);
	for (size_t i = 0; i < MODULE_STUB_SECTIONS; i++) {
		if (!elf_file_section(module->file, stub_sections[i], &module->stubs[i]))
			module->stubs[i].size = 0;
	}
	return 0;
}

int module_open(pid_t pid, const struct maps *maps, uint64_t address, struct module *out)
{
	const struct mapping *mapping = maps_find(maps, address);
	int err;

	if (!mapping || !mapping->inode || !(mapping->flags & MAPPING_EXEC))
		return -ENOENT;
	*out = (struct module){ .fd = -1 };
	err = mapping_open(pid, mapping, &out->fd, out->path_open, sizeof(out->path_open));
	if (err)
		return err;
	snprintf(out->path, sizeof(out->path), "%s", mapping->path);
	err = module_read(out);
	if (err)
		return err;
	err = elf_code_bias(out->segments, out->segment_count, mapping->start, mapping->offset,
			    &out->bias);
	if (err)
		module_close(out);
	return err;
}

int module_open_python(const struct python_process *python, struct module *out)
{
	*out = (struct module){ .bias = python->load_bias };
	out->fd = open(python->binary_open, O_RDONLY | O_CLOEXEC);
	if (out->fd < 0)
		return -errno;
	snprintf(out->path, sizeof(out->path), "%s", python->binary);
	snprintf(out->path_open, sizeof(out->path_open), "%s", python->binary_open);
	return module_read(out);
}

void module_close(struct module *module)
{
	elf_file_close(module->file);
	if (module->fd >= 0)
		close(module->fd);
	*module = (struct module){ .fd = -1 };
}

bool module_has(const struct module *module, uint64_t address)
{
	for (size_t i = 0; i < module->segment_count; i++) {
		if (address - module->bias - module->segments[i].address <
		    module->segments[i].file_bytes)
			return true;
	}
	return false;
}

bool module_is_stub(const struct module *module, uint64_t address)
{
	for (size_t i = 0; i < MODULE_STUB_SECTIONS; i++) {
		if (address - module->stubs[i].address < module->stubs[i].size)
			return true;
	}
	return false;
}

/* The word that an entry of a linkage table jumps through, behind an endbr64 perhaps. */
static bool stub_slot(const struct module *module, uint64_t address, uint64_t *slot)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction instruction;
	uint8_t text[STUB_BYTES];
	ZydisDecoder decoder;

	if (elf_file_read(module->file, address, text, sizeof(text)) ||
	    ZYAN_FAILED(
		    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return false;
	for (size_t at = 0; at < sizeof(text); at += instruction.length) {
		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, text + at, sizeof(text) - at,
						       &instruction, operands)))
			return false;
		if (instruction.mnemonic == ZYDIS_MNEMONIC_ENDBR64)
			continue;
		return instruction.mnemonic == ZYDIS_MNEMONIC_JMP &&
		       operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		       operands[0].mem.base == ZYDIS_REGISTER_RIP &&
		       ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&instruction, &operands[0],
							     address + at, slot));
	}
	return false;
}

struct slot_name {
	uint64_t slot;
	char *name;
	size_t size;
};

static int slot_name_keep(const struct relocation *relocation, void *arg)
{
	struct slot_name *wanted = arg;

	if (relocation->slot != wanted->slot)
		return 0;
	snprintf(wanted->name, wanted->size, "%s", relocation->name);
	return 1;
}

bool module_stub_name(const struct module *module, uint64_t address, char *name, size_t size)
{
	struct slot_name wanted = { .name = name, .size = size };

	return module_is_stub(module, address) && stub_slot(module, address, &wanted.slot) &&
	       relocations_each(module->file, slot_name_keep, &wanted) == 1;
}

size_t module_symbols_find(const struct module *module, bool all, struct elf_symbol *symbols,
			   size_t count)
{
	size_t found = 0;

	elf_file_find_symbols(module->file, ELF_DYNAMIC_SYMBOLS, symbols, count);
	if (all)
		elf_file_find_symbols(module->file, ELF_ALL_SYMBOLS, symbols, count);
	for (size_t i = 0; i < count; i++) {
		/* An IFUNC's address is that of what chooses the function. */
		if (symbols[i].type != STT_FUNC && symbols[i].type != STT_NOTYPE)
			symbols[i].found = false;
		found += symbols[i].found;
	}
	return found;
}
