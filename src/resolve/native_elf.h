/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One x86-64 ELF file, read piece by piece through its descriptor. Nothing is mapped: the file
 * belongs to the process looked at, which may cut it short or rewrite it under our hands, and a
 * mapping would turn that into a SIGBUS of ours. Sizes and counts are bounded before memory is
 * asked for them.
 */
#ifndef PYBPFPROF_RESOLVE_NATIVE_ELF_H
#define PYBPFPROF_RESOLVE_NATIVE_ELF_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NATIVE_ELF_MAX_SEGMENTS = 128,
	NATIVE_ELF_MAX_SECTIONS = 8192,
	NATIVE_ELF_MAX_NAMES_BYTES = 1 << 20,
	NATIVE_ELF_BUILD_ID_BYTES = 20,
};

struct native_elf {
	int fd; /* owned */
	bool is_open;
	uint64_t size;
	Elf64_Ehdr header;
	Elf64_Phdr *segments;
	size_t segment_count;
	Elf64_Shdr *sections; /* none where the file has no section table, or a senseless one */
	size_t section_count;
	char *names; /* of the sections, NUL-terminated behind */
	size_t names_bytes;
};

/* Takes fd in any case. -ENOEXEC: no ELF file for this machine; -EIO, -ENOMEM. */
int native_elf_open(int fd, struct native_elf *out);
void native_elf_release(struct native_elf *elf); /* takes an all-zero one */

/* All of the bytes at a file offset, or -EIO. */
int native_elf_read(const struct native_elf *elf, uint64_t offset, void *out, size_t bytes);
/* As many as there are, up to `bytes`; 0 behind the end. */
size_t native_elf_read_some(const struct native_elf *elf, uint64_t offset, void *out, size_t bytes);

/* NULL: none of that name that lies within the file. */
const Elf64_Shdr *native_elf_section(const struct native_elf *elf, const char *name);

/*
 * A section's bytes, inflated where they are compressed; *out is the caller's to free. -ENOENT none,
 * -EFBIG more than `limit`, -EIO, -ENOMEM.
 */
int native_elf_section_read(const struct native_elf *elf, const char *name, size_t limit,
			    uint8_t **out, size_t *bytes);

/* From where a byte is in the file to where it is in memory, before the load bias. */
bool native_elf_address_of(const struct native_elf *elf, uint64_t offset, uint64_t *address);
bool native_elf_offset_of(const struct native_elf *elf, uint64_t address, uint64_t *offset);
/* The same for a mapping, which starts at a page boundary at or before its segment. */
bool native_elf_mapping_address(const struct native_elf *elf, uint64_t offset, uint64_t *address);

/* The bytes of the GNU build id; 0: it has none. */
size_t native_elf_build_id(const struct native_elf *elf, uint8_t id[NATIVE_ELF_BUILD_ID_BYTES]);

#endif
