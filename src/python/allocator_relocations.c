// SPDX-License-Identifier: GPL-2.0-only
/* See allocator_relocations.h. */
#include "python/allocator_relocations.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>

enum { TABLE_MAX_BYTES = 64 << 20 };

/* A section's bytes; NULL and 0 of them: it has none that can be had. */
struct table {
	char *bytes;
	size_t size;
};

static int table_read(struct elf_file *file, const char *name, struct table *out)
{
	struct elf_section section;

	*out = (struct table){ 0 };
	if (!elf_file_section(file, name, &section) || !section.has_bytes || !section.size ||
	    section.size > TABLE_MAX_BYTES)
		return 0;
	out->bytes = malloc(section.size);
	if (!out->bytes)
		return -ENOMEM;
	if (!elf_file_read(file, section.address, out->bytes, section.size)) {
		out->size = section.size;
		return 0;
	}
	free(out->bytes);
	out->bytes = NULL;
	return 0;
}

struct tables {
	struct table symbols, names, relocations[2];
};

static void tables_release(struct tables *tables)
{
	free(tables->symbols.bytes);
	free(tables->names.bytes);
	for (size_t i = 0; i < 2; i++)
		free(tables->relocations[i].bytes);
}

static int tables_read(struct elf_file *file, struct tables *tables)
{
	static const char *const sections[] = { ".rela.plt", ".rela.dyn" };
	int err;

	*tables = (struct tables){ 0 };
	err = table_read(file, ".dynsym", &tables->symbols);
	if (!err)
		err = table_read(file, ".dynstr", &tables->names);
	for (size_t i = 0; i < 2 && !err; i++)
		err = table_read(file, sections[i], &tables->relocations[i]);
	return err;
}

/* false: it is not about a function of a name. */
static bool relocation_read(const struct tables *tables, const Elf64_Rela *entry,
			    struct relocation *out)
{
	const Elf64_Sym *symbols = (const Elf64_Sym *)tables->symbols.bytes;
	const uint64_t type = ELF64_R_TYPE(entry->r_info), index = ELF64_R_SYM(entry->r_info);

	if ((type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT && type != R_X86_64_64) ||
	    (type == R_X86_64_64 && entry->r_addend) || !index ||
	    index >= tables->symbols.size / sizeof(*symbols) ||
	    symbols[index].st_name >= tables->names.size)
		return false;
	*out = (struct relocation){
		.name = tables->names.bytes + symbols[index].st_name,
		.slot = entry->r_offset,
		.of_call = type == R_X86_64_JUMP_SLOT,
	};
	return true;
}

int relocations_each(struct elf_file *file,
		     int (*visit)(const struct relocation *relocation, void *arg), void *arg)
{
	struct tables tables;
	int result = tables_read(file, &tables);

	/* Names that do not end could be read on behind their table. */
	if (tables.names.size && tables.names.bytes[tables.names.size - 1] != '\0')
		tables.names.size = 0;
	for (size_t i = 0; i < 2 && !result; i++) {
		const Elf64_Rela *entries = (const Elf64_Rela *)tables.relocations[i].bytes;
		size_t count = tables.relocations[i].size / sizeof(*entries);

		for (size_t j = 0; j < count && !result; j++) {
			struct relocation relocation;

			if (relocation_read(&tables, &entries[j], &relocation))
				result = visit(&relocation, arg);
		}
	}
	tables_release(&tables);
	return result;
}
