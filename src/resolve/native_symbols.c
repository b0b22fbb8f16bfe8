// SPDX-License-Identifier: GPL-2.0-only
/* Reading, sorting and searching symbol tables. The contract is in native_symbols.h. */
#include "resolve/native_symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	READ_SYMBOLS = 1024, /* at once */
	NESTED_SYMBOLS = 16, /* how far to look back for one that encloses the address */
	NAMES_MAX_BYTES = 16 << 20,
};

static bool is_function(const Elf64_Sym *symbol)
{
	unsigned int type = ELF64_ST_TYPE(symbol->st_info);

	return (type == STT_FUNC || type == STT_GNU_IFUNC) && symbol->st_shndx != SHN_UNDEF &&
	       symbol->st_value != 0;
}

static uint8_t rank_of(const Elf64_Sym *symbol)
{
	uint8_t rank = symbol->st_size ? 0 : NATIVE_SYMBOL_SIZELESS;

	switch (ELF64_ST_BIND(symbol->st_info)) {
	case STB_GLOBAL:
		return rank;
	case STB_WEAK:
		return rank + 1;
	default:
		return rank + 2;
	}
}

static int entries_compare(const void *left, const void *right)
{
	const struct native_symbol_entry *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	/* The best name last: that is where a search for "at or before" ends up. */
	if (a->rank != b->rank)
		return a->rank > b->rank ? -1 : 1;
	return (a->name < b->name) - (a->name > b->name);
}

/* From a symbol to the end of its section: how far it can reach at most. */
static uint64_t section_rest(const struct native_elf *elf, const Elf64_Sym *symbol)
{
	const Elf64_Shdr *section;

	if (symbol->st_shndx >= elf->section_count)
		return 0;
	section = &elf->sections[symbol->st_shndx];
	if (symbol->st_value < section->sh_addr ||
	    symbol->st_value - section->sh_addr >= section->sh_size)
		return 0;
	return section->sh_size - (symbol->st_value - section->sh_addr);
}

static size_t functions_read(const struct native_elf *elf, uint64_t offset, size_t count,
			     bool is_full, struct native_symbol_entry *entries)
{
	Elf64_Sym symbols[READ_SYMBOLS];
	size_t kept = 0;

	for (size_t done = 0; done < count;) {
		size_t now = count - done < READ_SYMBOLS ? count - done : READ_SYMBOLS;

		if (native_elf_read(elf, offset + done * sizeof(*symbols), symbols,
				    now * sizeof(*symbols)))
			break;
		for (size_t i = 0; i < now; i++) {
			uint64_t size = symbols[i].st_size;

			if (!is_function(&symbols[i]))
				continue;
			if (is_full && size == 0)
				size = section_rest(elf, &symbols[i]);
			entries[kept++] = (struct native_symbol_entry){
				.address = symbols[i].st_value,
				.size = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size,
				.name = symbols[i].st_name,
				.rank = rank_of(&symbols[i]),
			};
		}
		done += now;
	}
	return kept;
}

int native_symbols_read(const struct native_elf *elf, struct native_symbols *out)
{
	const Elf64_Shdr *table = native_elf_section(elf, ".symtab");
	struct native_symbols symbols = { .is_full = table != NULL };
	struct native_symbol_entry *fitted;
	const Elf64_Shdr *strings;
	size_t count;

	if (!table)
		table = native_elf_section(elf, ".dynsym");
	*out = (struct native_symbols){ 0 };
	if (!table || table->sh_link >= elf->section_count || table->sh_flags & SHF_COMPRESSED)
		return 0;
	strings = &elf->sections[table->sh_link];
	count = table->sh_size / sizeof(Elf64_Sym);
	if (count == 0 || count > NATIVE_SYMBOLS_MAX)
		return 0;
	symbols.strings_offset = strings->sh_offset;
	symbols.strings_bytes = strings->sh_size;
	symbols.entries = malloc(count * sizeof(*symbols.entries));
	if (!symbols.entries)
		return -ENOMEM;
	symbols.count =
		functions_read(elf, table->sh_offset, count, symbols.is_full, symbols.entries);
	fitted = realloc(symbols.entries, (symbols.count + 1) * sizeof(*fitted));
	if (fitted)
		symbols.entries = fitted;
	qsort(symbols.entries, symbols.count, sizeof(*symbols.entries), entries_compare);
	*out = symbols;
	return 0;
}

void native_symbols_release(struct native_symbols *symbols)
{
	if (!symbols)
		return;
	free(symbols->entries);
	*symbols = (struct native_symbols){ 0 };
}

/* The index behind the last entry that starts at or before the address. */
static size_t upper_bound(const struct native_symbols *symbols, uint64_t address)
{
	size_t low = 0, high = symbols->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (address < symbols->entries[middle].address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

const struct native_symbol_entry *native_symbols_find(const struct native_symbols *symbols,
						      uint64_t address, uint64_t code_start,
						      uint64_t code_end)
{
	size_t behind = upper_bound(symbols, address);

	for (size_t i = behind; i > 0 && i + NESTED_SYMBOLS > behind; i--) {
		const struct native_symbol_entry *entry = &symbols->entries[i - 1];
		bool is_sized = entry->rank < NATIVE_SYMBOL_SIZELESS;

		/* The reach of one without a size ends at the next symbol. */
		if ((is_sized || (i == behind && symbols->is_full)) &&
		    address - entry->address < entry->size)
			return entry;
		if (!is_sized && entry->address >= code_start && address < code_end)
			return entry;
	}
	return NULL;
}

const struct native_symbol_entry *native_symbols_named(const struct native_symbols *symbols,
						       const struct native_elf *elf,
						       const char *name)
{
	const struct native_symbol_entry *found = NULL;
	size_t bytes = symbols->strings_bytes;
	size_t length = strlen(name) + 1;
	char *strings;

	if (bytes == 0 || bytes > NAMES_MAX_BYTES)
		return NULL;
	strings = malloc(bytes);
	if (!strings)
		return NULL;
	bytes = native_elf_read_some(elf, symbols->strings_offset, strings, bytes);
	for (size_t i = 0; i < symbols->count && !found; i++) {
		size_t at = symbols->entries[i].name;

		if (at < bytes && bytes - at >= length && memcmp(strings + at, name, length) == 0)
			found = &symbols->entries[i];
	}
	free(strings);
	return found;
}

void native_symbol_name(const struct native_symbols *symbols, const struct native_elf *elf,
			const struct native_symbol_entry *entry,
			char name[NATIVE_SYMBOL_NAME_BYTES])
{
	size_t length = 0;

	if (entry->name < symbols->strings_bytes) {
		size_t left = symbols->strings_bytes - entry->name;

		if (left > NATIVE_SYMBOL_NAME_BYTES - 1)
			left = NATIVE_SYMBOL_NAME_BYTES - 1;
		length = native_elf_read_some(elf, symbols->strings_offset + entry->name, name,
					      left);
	}
	name[length] = '\0';
}
