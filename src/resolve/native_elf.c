// SPDX-License-Identifier: GPL-2.0-only
/* Reading ELF headers, sections and notes with pread(). The contract is in native_elf.h. */
#include "resolve/native_elf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum {
	PAGE_BYTES = 4096,
	NOTES_MAX_BYTES = 4096,
};

size_t native_elf_read_some(const struct native_elf *elf, uint64_t offset, void *out, size_t bytes)
{
	size_t done = 0;

	if (offset >= elf->size)
		return 0;
	while (done < bytes) {
		ssize_t n =
			pread(elf->fd, (char *)out + done, bytes - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

int native_elf_read(const struct native_elf *elf, uint64_t offset, void *out, size_t bytes)
{
	return native_elf_read_some(elf, offset, out, bytes) == bytes ? 0 : -EIO;
}

static bool range_fits(const struct native_elf *elf, uint64_t offset, uint64_t bytes)
{
	return offset <= elf->size && bytes <= elf->size - offset;
}

static bool header_is_ours(const Elf64_Ehdr *header)
{
	return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
	       header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_ident[EI_DATA] == ELFDATA2LSB &&
	       header->e_machine == EM_X86_64;
}

static int segments_read(struct native_elf *elf)
{
	size_t count = elf->header.e_phnum;

	if (count == 0) /* a separate debug file may have none */
		return 0;
	if (elf->header.e_phentsize != sizeof(*elf->segments) || count > NATIVE_ELF_MAX_SEGMENTS)
		return -ENOEXEC;
	elf->segments = calloc(count, sizeof(*elf->segments));
	if (!elf->segments)
		return -ENOMEM;
	elf->segment_count = count;
	return native_elf_read(elf, elf->header.e_phoff, elf->segments,
			       count * sizeof(*elf->segments));
}

/* A file without a usable section table still has its segments: no error. */
static int sections_read(struct native_elf *elf)
{
	size_t count = elf->header.e_shnum;
	size_t index = elf->header.e_shstrndx;
	const Elf64_Shdr *strings;

	if (count == 0 || count > NATIVE_ELF_MAX_SECTIONS || index >= count ||
	    elf->header.e_shentsize != sizeof(*elf->sections))
		return 0;
	elf->sections = calloc(count, sizeof(*elf->sections));
	if (!elf->sections)
		return -ENOMEM;
	if (native_elf_read(elf, elf->header.e_shoff, elf->sections,
			    count * sizeof(*elf->sections)))
		return 0;
	strings = &elf->sections[index];
	if (strings->sh_size > NATIVE_ELF_MAX_NAMES_BYTES ||
	    !range_fits(elf, strings->sh_offset, strings->sh_size))
		return 0;
	elf->names = calloc(1, strings->sh_size + 1);
	if (!elf->names)
		return -ENOMEM;
	if (native_elf_read(elf, strings->sh_offset, elf->names, strings->sh_size))
		return 0;
	elf->names_bytes = strings->sh_size;
	elf->section_count = count;
	return 0;
}

int native_elf_open(int fd, struct native_elf *out)
{
	struct native_elf elf = { .fd = fd, .is_open = true };
	struct stat status;
	int err = -EIO;

	if (fstat(fd, &status) < 0)
		goto fail;
	elf.size = (uint64_t)status.st_size;
	err = -ENOEXEC;
	if (native_elf_read(&elf, 0, &elf.header, sizeof(elf.header)) ||
	    !header_is_ours(&elf.header))
		goto fail;
	err = segments_read(&elf);
	if (err)
		goto fail;
	err = sections_read(&elf);
	if (err)
		goto fail;
	*out = elf;
	return 0;
fail:
	native_elf_release(&elf);
	return err;
}

void native_elf_release(struct native_elf *elf)
{
	if (!elf)
		return;
	if (elf->is_open)
		close(elf->fd);
	free(elf->segments);
	free(elf->sections);
	free(elf->names);
	*elf = (struct native_elf){ 0 };
}

const Elf64_Shdr *native_elf_section(const struct native_elf *elf, const char *name)
{
	for (size_t i = 0; i < elf->section_count; i++) {
		const Elf64_Shdr *section = &elf->sections[i];

		if (section->sh_name >= elf->names_bytes || section->sh_type == SHT_NOBITS ||
		    strcmp(elf->names + section->sh_name, name) != 0)
			continue;
		return range_fits(elf, section->sh_offset, section->sh_size) ? section : NULL;
	}
	return NULL;
}

/* `packed` is a compression header and what it tells of. */
static int section_inflate(const uint8_t *packed, size_t packed_bytes, size_t limit, uint8_t **out,
			   size_t *bytes)
{
	Elf64_Chdr head;
	uLongf length;
	uint8_t *plain;

	if (packed_bytes < sizeof(head))
		return -EIO;
	memcpy(&head, packed, sizeof(head));
	if (head.ch_type != ELFCOMPRESS_ZLIB)
		return -EIO;
	if (head.ch_size > limit)
		return -EFBIG;
	plain = malloc(head.ch_size + 1);
	if (!plain)
		return -ENOMEM;
	length = head.ch_size;
	if (uncompress(plain, &length, packed + sizeof(head), packed_bytes - sizeof(head)) !=
		    Z_OK ||
	    length != head.ch_size) {
		free(plain);
		return -EIO;
	}
	plain[length] = '\0';
	*out = plain;
	*bytes = length;
	return 0;
}

int native_elf_section_read(const struct native_elf *elf, const char *name, size_t limit,
			    uint8_t **out, size_t *bytes)
{
	const Elf64_Shdr *section = native_elf_section(elf, name);
	uint8_t *raw, *plain;
	size_t plain_bytes;
	int err;

	if (!section)
		return -ENOENT;
	if (section->sh_size > limit)
		return -EFBIG;
	raw = malloc(section->sh_size + 1);
	if (!raw)
		return -ENOMEM;
	err = native_elf_read(elf, section->sh_offset, raw, section->sh_size);
	if (!err && section->sh_flags & SHF_COMPRESSED) {
		err = section_inflate(raw, section->sh_size, limit, &plain, &plain_bytes);
		free(raw);
		if (err)
			return err;
		*out = plain;
		*bytes = plain_bytes;
		return 0;
	}
	if (err) {
		free(raw);
		return err;
	}
	raw[section->sh_size] = '\0';
	*out = raw;
	*bytes = section->sh_size;
	return 0;
}

bool native_elf_address_of(const struct native_elf *elf, uint64_t offset, uint64_t *address)
{
	for (size_t i = 0; i < elf->segment_count; i++) {
		const Elf64_Phdr *segment = &elf->segments[i];

		if (segment->p_type != PT_LOAD || offset < segment->p_offset ||
		    offset - segment->p_offset >= segment->p_filesz)
			continue;
		*address = segment->p_vaddr + (offset - segment->p_offset);
		return true;
	}
	return false;
}

bool native_elf_offset_of(const struct native_elf *elf, uint64_t address, uint64_t *offset)
{
	for (size_t i = 0; i < elf->segment_count; i++) {
		const Elf64_Phdr *segment = &elf->segments[i];

		if (segment->p_type != PT_LOAD || address < segment->p_vaddr ||
		    address - segment->p_vaddr >= segment->p_filesz)
			continue;
		*offset = segment->p_offset + (address - segment->p_vaddr);
		return true;
	}
	return false;
}

bool native_elf_mapping_address(const struct native_elf *elf, uint64_t offset, uint64_t *address)
{
	for (size_t i = 0; i < elf->segment_count; i++) {
		const Elf64_Phdr *segment = &elf->segments[i];
		uint64_t first = segment->p_offset & ~(uint64_t)(PAGE_BYTES - 1);

		if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X) || offset < first ||
		    offset - first >= segment->p_filesz + (segment->p_offset - first))
			continue;
		*address = segment->p_vaddr - segment->p_offset + offset;
		return true;
	}
	return false;
}

/* One note segment or section. */
static size_t notes_build_id(const struct native_elf *elf, uint64_t offset, uint64_t bytes,
			     uint8_t id[NATIVE_ELF_BUILD_ID_BYTES])
{
	char notes[NOTES_MAX_BYTES];
	size_t have = bytes < sizeof(notes) ? bytes : sizeof(notes);
	size_t at = 0;

	have = native_elf_read_some(elf, offset, notes, have);
	while (have - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		size_t name_at = at + sizeof(note), value_at;

		memcpy(&note, notes + at, sizeof(note));
		if (note.n_namesz > have || note.n_descsz > have)
			break;
		value_at = name_at + ((note.n_namesz + 3u) & ~3u);
		at = value_at + ((note.n_descsz + 3u) & ~3u);
		if (at > have)
			break;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    memcmp(notes + name_at, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0 &&
		    note.n_descsz <= NATIVE_ELF_BUILD_ID_BYTES) {
			memcpy(id, notes + value_at, note.n_descsz);
			return note.n_descsz;
		}
	}
	return 0;
}

size_t native_elf_build_id(const struct native_elf *elf, uint8_t id[NATIVE_ELF_BUILD_ID_BYTES])
{
	const Elf64_Shdr *section = native_elf_section(elf, ".note.gnu.build-id");
	size_t length = 0;

	if (section)
		return notes_build_id(elf, section->sh_offset, section->sh_size, id);
	for (size_t i = 0; i < elf->segment_count && !length; i++) {
		if (elf->segments[i].p_type == PT_NOTE)
			length = notes_build_id(elf, elf->segments[i].p_offset,
						elf->segments[i].p_filesz, id);
	}
	return length;
}
