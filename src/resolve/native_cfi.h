/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The unwind tables of one ELF file: .eh_frame, found through the sorted .eh_frame_hdr or through
 * an index made here, else .debug_frame. Entries are read from the file when they are needed and
 * not kept: who asks keeps the rows.
 */
#ifndef PYBPFPROF_RESOLVE_NATIVE_CFI_H
#define PYBPFPROF_RESOLVE_NATIVE_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolve/native_elf.h"
#include "resolve/native_row.h"
#include "resolve/native_span.h"

enum {
	NATIVE_CFI_MAX_ENTRY_BYTES = 256 << 10,
	NATIVE_CFI_MAX_ENTRIES = 1 << 17,
};

/* One section of entries. */
struct native_cfi_section {
	uint64_t offset, bytes; /* in the file; bytes == 0: there is none */
	uint64_t address;
	bool is_debug;
};

struct native_cfi_index {
	uint64_t start, end; /* addresses */
	uint64_t offset;     /* of the entry in the file */
};

struct native_cfi {
	const struct native_elf *elf; /* borrowed */
	struct native_cfi_section eh, debug;
	uint64_t table_offset, table_count, table_base;	 /* of .eh_frame_hdr; count 0: none */
	struct native_cfi_index *eh_index, *debug_index; /* sorted */
	size_t eh_index_count, debug_index_count;
	bool eh_indexed, debug_indexed;
};

/* Entries come in two sorts: a CIE says what several functions share, an FDE is of one function. */
struct native_cie {
	uint8_t *bytes; /* owned; of the whole entry */
	struct native_span instructions;
	uint64_t code_factor;
	int64_t data_factor;
	uint8_t encoding; /* of addresses in its FDEs */
	bool has_augmentation, is_signal;
};

struct native_fde {
	uint8_t *bytes; /* owned */
	struct native_span instructions;
	uint64_t start, end; /* addresses of its function's code */
	struct native_cie cie;
};

void native_cfi_init(struct native_cfi *cfi, const struct native_elf *elf);
void native_cfi_release(struct native_cfi *cfi);

/* The entry whose code holds the address. -ENOENT: none; -EIO, -ENOTSUP, -ENOMEM. */
int native_cfi_find(struct native_cfi *cfi, uint64_t address, struct native_fde *out);
void native_fde_release(struct native_fde *fde);

/*
 * The row at an address of the entry: address, cfa_*, flags, base and words are set, not module.
 * -ENOTSUP: the table says it in a way that no row can hold.
 */
int native_fde_row(const struct native_fde *fde, uint64_t address, struct native_row *out);

#endif
