// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finding and taking apart unwind entries. The formats: DWARF 5, section 6.4, and the Linux
 * Standard Base, chapter "Exception Frames" (.eh_frame differs in its CIE pointers, ids and
 * augmentations). Running their instructions is native_row.c's.
 */
#include "resolve/native_cfi.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEADER_TABLE_ENCODING = DW_EH_PE_datarel | DW_EH_PE_sdata4, /* all linkers write this one */
	CIE_MAX_BYTES = 4096,
};

/* An entry's body, what follows its length. */
struct entry {
	uint8_t *bytes; /* owned */
	size_t length;
	uint64_t offset;  /* of the body in the file */
	uint64_t address; /* and in memory */
	uint64_t next;	  /* offset of the next entry in the file */
	size_t id_bytes;  /* of what tells CIE from FDE */
};

static bool section_set(struct native_cfi_section *out, const Elf64_Shdr *section, bool is_debug)
{
	if (!section || section->sh_flags & SHF_COMPRESSED)
		return false;
	*out = (struct native_cfi_section){
		.offset = section->sh_offset,
		.bytes = section->sh_size,
		.address = section->sh_addr,
		.is_debug = is_debug,
	};
	return true;
}

/* Without section names (sstrip), .eh_frame runs from where its header says to its segment's end. */
static void section_set_by_address(struct native_cfi *cfi, uint64_t address)
{
	for (size_t i = 0; i < cfi->elf->segment_count; i++) {
		const Elf64_Phdr *segment = &cfi->elf->segments[i];

		if (segment->p_type != PT_LOAD || address < segment->p_vaddr ||
		    address - segment->p_vaddr >= segment->p_filesz)
			continue;
		cfi->eh.address = address;
		cfi->eh.offset = segment->p_offset + (address - segment->p_vaddr);
		cfi->eh.bytes = segment->p_filesz - (address - segment->p_vaddr);
	}
}

static void header_read(struct native_cfi *cfi, const Elf64_Phdr *segment)
{
	uint8_t header[12];
	uint32_t count;
	int32_t distance;

	if (native_elf_read(cfi->elf, segment->p_offset, header, sizeof(header)) ||
	    header[0] != 1 || header[1] != (DW_EH_PE_pcrel | DW_EH_PE_sdata4) ||
	    header[2] != DW_EH_PE_udata4 || header[3] != HEADER_TABLE_ENCODING)
		return;
	memcpy(&distance, header + 4, sizeof(distance));
	memcpy(&count, header + 8, sizeof(count));
	if (!cfi->eh.bytes)
		section_set_by_address(cfi, segment->p_vaddr + 4 + (uint64_t)(int64_t)distance);
	cfi->table_offset = segment->p_offset + sizeof(header);
	cfi->table_base = segment->p_vaddr;
	cfi->table_count = count;
}

void native_cfi_init(struct native_cfi *cfi, const struct native_elf *elf)
{
	*cfi = (struct native_cfi){ .elf = elf };
	section_set(&cfi->eh, native_elf_section(elf, ".eh_frame"), false);
	section_set(&cfi->debug, native_elf_section(elf, ".debug_frame"), true);
	for (size_t i = 0; i < elf->segment_count; i++) {
		if (elf->segments[i].p_type == PT_GNU_EH_FRAME)
			header_read(cfi, &elf->segments[i]);
	}
}

void native_cfi_release(struct native_cfi *cfi)
{
	free(cfi->eh_index);
	free(cfi->debug_index);
	*cfi = (struct native_cfi){ 0 };
}

/* -ENOENT at the section's end and at a terminator. */
static int entry_read(const struct native_cfi *cfi, const struct native_cfi_section *section,
		      uint64_t offset, size_t limit, struct entry *out)
{
	struct entry entry = { .offset = offset + 4, .id_bytes = 4 };
	uint64_t end = section->offset + section->bytes, length = 0;
	uint32_t short_length;

	if (offset < section->offset || offset >= end)
		return -ENOENT;
	if (native_elf_read(cfi->elf, offset, &short_length, sizeof(short_length)))
		return -EIO;
	length = short_length;
	if (short_length == 0xffffffff) {
		if (native_elf_read(cfi->elf, offset + 4, &length, sizeof(length)))
			return -EIO;
		entry.offset += 8;
		if (section->is_debug)
			entry.id_bytes = 8;
	}
	if (length == 0)
		return -ENOENT;
	if (length > end - offset || entry.offset + length > end)
		return -EIO;
	entry.next = entry.offset + length;
	entry.address = section->address + (entry.offset - section->offset);
	if (length > limit)
		length = limit;
	entry.length = length;
	entry.bytes = malloc(length);
	if (!entry.bytes)
		return -ENOMEM;
	if (native_elf_read(cfi->elf, entry.offset, entry.bytes, length)) {
		free(entry.bytes);
		return -EIO;
	}
	*out = entry;
	return 0;
}

static struct native_span entry_span(const struct entry *entry)
{
	return (struct native_span){ entry->bytes, entry->bytes + entry->length, false };
}

static uint64_t plain_read(struct native_span *span, uint8_t encoding)
{
	switch (encoding & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		return span_uint(span, 8);
	case DW_EH_PE_uleb128:
		return span_uleb(span);
	case DW_EH_PE_sleb128:
		return (uint64_t)span_sleb(span);
	case DW_EH_PE_udata2:
		return span_uint(span, 2);
	case DW_EH_PE_sdata2:
		return (uint64_t)span_int(span, 2);
	case DW_EH_PE_udata4:
		return span_uint(span, 4);
	case DW_EH_PE_sdata4:
		return (uint64_t)span_int(span, 4);
	default:
		span->failed = true;
		return 0;
	}
}

static uint64_t address_read(struct native_span *span, uint8_t encoding, const struct entry *entry)
{
	uint64_t here = entry->address + (uint64_t)(span->at - entry->bytes);
	uint64_t value = plain_read(span, encoding);

	if ((encoding & 0x70) == DW_EH_PE_pcrel)
		return value + here;
	if ((encoding & 0x70) != DW_EH_PE_absptr || encoding & DW_EH_PE_indirect)
		span->failed = true;
	return value;
}

/* "zPLR" and the like, one letter for each field of the augmentation data. */
static void augmentation_read(struct native_span *span, const char *letters, struct native_cie *cie)
{
	struct native_span fields = span_take(span, span_uleb(span));

	cie->has_augmentation = true;
	for (letters++; *letters; letters++) {
		switch (*letters) {
		case 'R':
			cie->encoding = (uint8_t)span_uint(&fields, 1);
			break;
		case 'L':
			span_uint(&fields, 1);
			break;
		case 'P':
			plain_read(&fields, (uint8_t)span_uint(&fields, 1));
			break;
		case 'S':
			cie->is_signal = true;
			break;
		default:
			fields.failed = true;
		}
	}
	span->failed |= fields.failed;
}

static int cie_parse(const struct entry *entry, struct native_cie *out)
{
	struct native_span span = entry_span(entry);
	struct native_cie cie = { .encoding = DW_EH_PE_absptr };
	uint64_t version, column;
	const char *letters;

	span_uint(&span, entry->id_bytes);
	version = span_uint(&span, 1);
	letters = span_string(&span);
	if (version != 1 && version != 3 && version != 4)
		return -ENOTSUP;
	if (version == 4 && (span_uint(&span, 1) != 8 || span_uint(&span, 1) != 0))
		return -ENOTSUP;
	cie.code_factor = span_uleb(&span);
	cie.data_factor = span_sleb(&span);
	column = version == 1 ? span_uint(&span, 1) : span_uleb(&span);
	if (*letters == 'z')
		augmentation_read(&span, letters, &cie);
	else if (*letters)
		return -ENOTSUP;
	if (span.failed)
		return -EIO;
	if (column != DWARF_RIP)
		return -ENOTSUP;
	cie.instructions = span;
	cie.bytes = entry->bytes;
	*out = cie;
	return 0;
}

static int cie_read(const struct native_cfi *cfi, const struct native_cfi_section *section,
		    uint64_t offset, struct native_cie *out)
{
	struct entry entry;
	int err = entry_read(cfi, section, offset, CIE_MAX_BYTES, &entry);

	if (err)
		return err == -ENOENT ? -EIO : err;
	err = cie_parse(&entry, out);
	if (err)
		free(entry.bytes);
	return err;
}

/* Where the CIE of an FDE lies; false: the entry is itself a CIE. */
static bool cie_offset_of(const struct native_cfi_section *section, const struct entry *entry,
			  struct native_span *span, uint64_t *offset)
{
	uint64_t id = span_uint(span, entry->id_bytes);

	if (section->is_debug) {
		*offset = section->offset + id;
		return id != (entry->id_bytes == 8 ? UINT64_MAX : UINT32_MAX);
	}
	*offset = entry->offset - id;
	return id != 0;
}

/* Takes entry->bytes when it gives 0. */
static int fde_parse(const struct native_cfi *cfi, const struct native_cfi_section *section,
		     const struct entry *entry, struct native_fde *out)
{
	struct native_span span = entry_span(entry);
	struct native_fde fde = { .bytes = entry->bytes };
	uint64_t cie_offset;
	int err;

	if (!cie_offset_of(section, entry, &span, &cie_offset))
		return -ENOENT;
	err = cie_read(cfi, section, cie_offset, &fde.cie);
	if (err)
		return err;
	fde.start = address_read(&span, fde.cie.encoding, entry);
	fde.end = fde.start + plain_read(&span, fde.cie.encoding);
	if (fde.cie.has_augmentation)
		span_take(&span, span_uleb(&span));
	if (span.failed || fde.end < fde.start) {
		free(fde.cie.bytes);
		return -EIO;
	}
	fde.instructions = span;
	*out = fde;
	return 0;
}

static int fde_read(const struct native_cfi *cfi, const struct native_cfi_section *section,
		    uint64_t offset, size_t limit, struct native_fde *out)
{
	struct entry entry;
	int err = entry_read(cfi, section, offset, limit, &entry);

	if (err)
		return err;
	/* Half of an entry's instructions would give a wrong row. */
	if (limit == NATIVE_CFI_MAX_ENTRY_BYTES && entry.next - entry.offset > limit)
		err = -ENOTSUP;
	else
		err = fde_parse(cfi, section, &entry, out);
	if (err)
		free(entry.bytes);
	return err;
}

void native_fde_release(struct native_fde *fde)
{
	if (!fde)
		return;
	free(fde->bytes);
	free(fde->cie.bytes);
	*fde = (struct native_fde){ 0 };
}

static int index_compare(const void *left, const void *right)
{
	const struct native_cfi_index *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

/* For a section that has no sorted table: once through it all. What was gathered is kept. */
static void index_make(const struct native_cfi *cfi, const struct native_cfi_section *section,
		       struct native_cfi_index **out, size_t *out_count)
{
	enum { HEAD_BYTES = 64 }; /* enough for an FDE's two addresses */
	struct native_cfi_index *index = NULL, *grown;
	size_t count = 0, capacity = 0, looked = 0;
	uint64_t offset = section->offset;
	struct entry entry;

	while (looked++ < 2 * NATIVE_CFI_MAX_ENTRIES && count < NATIVE_CFI_MAX_ENTRIES &&
	       entry_read(cfi, section, offset, HEAD_BYTES, &entry) == 0) {
		struct native_fde fde;

		if (fde_parse(cfi, section, &entry, &fde) == 0) {
			if (count == capacity) {
				capacity = capacity ? 2 * capacity : 256;
				grown = realloc(index, capacity * sizeof(*index));
				if (!grown) {
					native_fde_release(&fde);
					break;
				}
				index = grown;
			}
			index[count++] = (struct native_cfi_index){ fde.start, fde.end, offset };
			native_fde_release(&fde);
		} else {
			free(entry.bytes);
		}
		offset = entry.next;
	}
	if (count)
		qsort(index, count, sizeof(*index), index_compare);
	*out = index;
	*out_count = count;
}

static int index_find(const struct native_cfi_index *index, size_t count, uint64_t address,
		      uint64_t *offset)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (address < index[middle].start)
			high = middle;
		else
			low = middle + 1;
	}
	if (low == 0 || address >= index[low - 1].end)
		return -ENOENT;
	*offset = index[low - 1].offset;
	return 0;
}

/* The last entry of .eh_frame_hdr that starts at or before the address. */
static int table_find(const struct native_cfi *cfi, uint64_t address, uint64_t *offset)
{
	struct {
		int32_t start, entry; /* both from the header's address */
	} row;
	uint64_t low = 0, high = cfi->table_count, entry_address;
	bool found = false;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (native_elf_read(cfi->elf, cfi->table_offset + middle * sizeof(row), &row,
				    sizeof(row)))
			return -EIO;
		if (address < cfi->table_base + (uint64_t)(int64_t)row.start) {
			high = middle;
		} else {
			low = middle + 1;
			entry_address = cfi->table_base + (uint64_t)(int64_t)row.entry;
			found = true;
		}
	}
	if (!found || entry_address < cfi->eh.address)
		return -ENOENT;
	*offset = cfi->eh.offset + (entry_address - cfi->eh.address);
	return 0;
}

static int section_find(struct native_cfi *cfi, bool is_debug, uint64_t address,
			struct native_fde *out)
{
	const struct native_cfi_section *section = is_debug ? &cfi->debug : &cfi->eh;
	struct native_cfi_index **index = is_debug ? &cfi->debug_index : &cfi->eh_index;
	size_t *count = is_debug ? &cfi->debug_index_count : &cfi->eh_index_count;
	bool *indexed = is_debug ? &cfi->debug_indexed : &cfi->eh_indexed;
	uint64_t offset;
	int err;

	if (!section->bytes)
		return -ENOENT;
	if (!is_debug && cfi->table_count) {
		err = table_find(cfi, address, &offset);
	} else {
		if (!*indexed)
			index_make(cfi, section, index, count);
		*indexed = true;
		err = index_find(*index, *count, address, &offset);
	}
	if (err)
		return err;
	err = fde_read(cfi, section, offset, NATIVE_CFI_MAX_ENTRY_BYTES, out);
	if (err)
		return err;
	if (address >= out->start && address < out->end)
		return 0;
	native_fde_release(out);
	return -ENOENT;
}

int native_cfi_find(struct native_cfi *cfi, uint64_t address, struct native_fde *out)
{
	int err = section_find(cfi, false, address, out);

	return err == -ENOENT ? section_find(cfi, true, address, out) : err;
}
