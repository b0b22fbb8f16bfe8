/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The function symbols of one ELF file, sorted by address. Only addresses are kept; a name is read
 * from the file when it is asked for.
 */
#ifndef PYBPFPROF_RESOLVE_NATIVE_SYMBOLS_H
#define PYBPFPROF_RESOLVE_NATIVE_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolve/native_elf.h"

enum {
	NATIVE_SYMBOLS_MAX = 1 << 20,
	NATIVE_SYMBOL_NAME_BYTES = 4096, /* mangled; a longer one is cut */
	NATIVE_SYMBOL_SIZELESS = 4,	 /* ranks from here on: the file does not tell the size */
};

struct native_symbol_entry {
	uint64_t address;
	uint32_t size; /* where the file does not tell: how far it can reach, or 0 */
	uint32_t name; /* offset into the string section */
	uint8_t rank;  /* lower is the better name for an address that has several */
};

struct native_symbols {
	struct native_symbol_entry *entries;
	size_t count;
	uint64_t strings_offset, strings_bytes; /* in the file */
	bool is_full;				/* of .symtab: every function is there */
};

/* Of .symtab, else of .dynsym. No symbols at all is no error. -ENOMEM. */
int native_symbols_read(const struct native_elf *elf, struct native_symbols *out);
void native_symbols_release(struct native_symbols *symbols);

/*
 * The symbol whose code holds the address. One without a size must lie in [code_start, code_end),
 * the function as the unwind tables know it (0, 0: they do not); if no function is missing from the
 * table, it reaches to the next symbol.
 */
const struct native_symbol_entry *native_symbols_find(const struct native_symbols *symbols,
						      uint64_t address, uint64_t code_start,
						      uint64_t code_end);
/* A symbol by its exact name; NULL: none. Reads through all names: slow. */
const struct native_symbol_entry *native_symbols_named(const struct native_symbols *symbols,
						       const struct native_elf *elf,
						       const char *name);

void native_symbol_name(const struct native_symbols *symbols, const struct native_elf *elf,
			const struct native_symbol_entry *entry,
			char name[NATIVE_SYMBOL_NAME_BYTES]);

#endif
