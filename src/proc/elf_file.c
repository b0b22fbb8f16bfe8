// SPDX-License-Identifier: GPL-2.0-only
/*
 * ELF files through libelf, with the bounds libelf leaves to its callers. The contract is in
 * elf_file.h.
 */
#include "proc/elf_file.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SECTIONS_MAX = 4096,
	SEGMENTS_MAX = 256,
	SECTION_MAX_BYTES = 64 << 20, /* the tables of the largest libraries fit */
	BLOOM_WORDS_MAX = 1 << 20,
	NOTES_MAX_BYTES = 4 << 20,
	NOTES_MAX = 65536,
	STAPSDT_NOTE_TYPE = 3,
	NAME_BITS = 1024,
};

struct segment {
	uint64_t address, offset, file_bytes;
	uint32_t flags;
};

struct elf_file {
	int fd;
	Elf *elf;
	uint64_t file_bytes;
	size_t section_names;	  /* index of the table that names the sections */
	struct segment *segments; /* PT_LOAD only */
	size_t segment_count;
};

static int segments_load(struct elf_file *file)
{
	size_t count;

	if (elf_getphdrnum(file->elf, &count) < 0)
		return -ENOEXEC;
	if (count > SEGMENTS_MAX)
		count = SEGMENTS_MAX;
	file->segments = calloc(count + 1, sizeof(*file->segments));
	if (!file->segments)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct segment *segment = &file->segments[file->segment_count];
		GElf_Phdr header;

		if (!gelf_getphdr(file->elf, (int)i, &header) || header.p_type != PT_LOAD)
			continue;
		/* One that claims bytes the file does not have, or wraps round, is a lie. */
		if (header.p_offset > file->file_bytes ||
		    header.p_filesz > file->file_bytes - header.p_offset ||
		    header.p_vaddr > UINT64_MAX - header.p_filesz)
			continue;
		segment->address = header.p_vaddr;
		segment->offset = header.p_offset;
		segment->file_bytes = header.p_filesz;
		segment->flags = header.p_flags;
		file->segment_count++;
	}
	return 0;
}

/*
 * libelf makes room for as many sections as the file says it has. The count may be 32 bits wide, in
 * section 0, so a sparse file could have us touch gigabytes: look before it does.
 */
static int head_check(int fd)
{
	Elf64_Shdr first;
	Elf64_Ehdr head;

	if (pread(fd, &head, sizeof(head), 0) != sizeof(head) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	if (head.e_machine != EM_X86_64 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    head.e_ident[EI_DATA] != ELFDATA2LSB)
		return -ENOTSUP;
	if (head.e_phnum == PN_XNUM || head.e_shnum > SECTIONS_MAX)
		return -ENOEXEC;
	if (head.e_shoff == 0 || head.e_shnum != 0)
		return 0;
	if (pread(fd, &first, sizeof(first), (off_t)head.e_shoff) != sizeof(first) ||
	    first.sh_size > SECTIONS_MAX)
		return -ENOEXEC;
	return 0;
}

int elf_file_open(int fd, struct elf_file **out)
{
	struct elf_file *file = NULL;
	struct stat status;
	int err = head_check(fd);

	if (err)
		return err;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOTSUP;
	err = -ENOMEM;
	file = calloc(1, sizeof(*file));
	if (!file)
		goto fail;
	file->fd = fd;
	file->file_bytes = (uint64_t)status.st_size;
	err = -ENOEXEC;
	file->elf = elf_begin(fd, ELF_C_READ, NULL);
	/* The class decides how tables are laid out: it must be what was checked. */
	if (!file->elf || elf_kind(file->elf) != ELF_K_ELF ||
	    gelf_getclass(file->elf) != ELFCLASS64)
		goto fail;
	if (elf_getshdrstrndx(file->elf, &file->section_names) < 0)
		file->section_names = SHN_UNDEF;
	err = segments_load(file);
	if (err)
		goto fail;
	*out = file;
	return 0;
fail:
	elf_file_close(file);
	return err;
}

void elf_file_close(struct elf_file *file)
{
	if (!file)
		return;
	elf_end(file->elf);
	free(file->segments);
	free(file);
}

/* Whether the section's bytes are really in the file, and not too many. */
static bool section_fits(const struct elf_file *file, const GElf_Shdr *header, uint64_t max_bytes)
{
	return header->sh_type != SHT_NOBITS && !(header->sh_flags & SHF_COMPRESSED) &&
	       header->sh_offset <= file->file_bytes &&
	       header->sh_size <= file->file_bytes - header->sh_offset &&
	       header->sh_size <= max_bytes;
}

/* The next section of a type behind `section` (NULL: from the start); NULL: no more. */
static Elf_Scn *section_next(struct elf_file *file, Elf_Scn *section, uint32_t type,
			     GElf_Shdr *header)
{
	while ((section = elf_nextscn(file->elf, section))) {
		if (elf_ndxscn(section) > SECTIONS_MAX)
			return NULL;
		if (gelf_getshdr(section, header) && header->sh_type == type)
			return section;
	}
	return NULL;
}

static const char *section_name(struct elf_file *file, const GElf_Shdr *header)
{
	const char *name = NULL;

	if (file->section_names != SHN_UNDEF)
		name = elf_strptr(file->elf, file->section_names, header->sh_name);
	return name ? name : "";
}

bool elf_file_section(struct elf_file *file, const char *name, struct elf_section *out)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(file->elf, section))) {
		if (elf_ndxscn(section) > SECTIONS_MAX)
			return false;
		if (!gelf_getshdr(section, &header) ||
		    strcmp(section_name(file, &header), name) != 0)
			continue;
		bool no_bytes = header.sh_type == SHT_NOBITS;

		if (!no_bytes && !section_fits(file, &header, UINT64_MAX))
			return false;
		out->address = header.sh_addr;
		out->offset = header.sh_offset;
		out->size = header.sh_size;
		out->has_bytes = !no_bytes;
		return true;
	}
	return false;
}

bool elf_file_has_symbols(struct elf_file *file, enum elf_symbol_table table)
{
	GElf_Shdr header;

	return section_next(file, NULL, table == ELF_ALL_SYMBOLS ? SHT_SYMTAB : SHT_DYNSYM,
			    &header) != NULL;
}

static uint32_t gnu_hash(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (unsigned char)*name;
	return hash;
}

bool elf_file_may_export(struct elf_file *file, const char *name)
{
	struct {
		uint32_t buckets, first_symbol, bloom_words, bloom_shift;
	} head;
	const uint32_t hash = gnu_hash(name);
	GElf_Shdr header;
	uint64_t word;

	if (!section_next(file, NULL, SHT_GNU_HASH, &header) ||
	    !section_fits(file, &header, SECTION_MAX_BYTES) ||
	    pread(file->fd, &head, sizeof(head), (off_t)header.sh_offset) != sizeof(head) ||
	    head.bloom_words == 0 || head.bloom_words > BLOOM_WORDS_MAX || head.bloom_shift > 31)
		return true;
	if (pread(file->fd, &word, sizeof(word),
		  (off_t)(header.sh_offset + sizeof(head) +
			  hash / 64 % head.bloom_words * sizeof(word))) != sizeof(word))
		return true;
	return word >> hash % 64 & word >> (hash >> head.bloom_shift) % 64 & 1;
}

/* A set of the wanted names by their first two bytes: nearly every other symbol ends at it. */
struct name_set {
	uint64_t words[NAME_BITS / 64];
};

static unsigned int name_bit(const char *name)
{
	/* A name of one byte has its NUL as second. */
	return ((unsigned char)name[0] * 31u + (name[0] ? (unsigned char)name[1] : 0)) % NAME_BITS;
}

static void symbols_match(const Elf64_Sym *table, size_t entries, const char *names,
			  size_t names_bytes, struct elf_symbol *symbols, size_t count)
{
	struct name_set wanted = { 0 };

	for (size_t i = 0; i < count; i++) {
		unsigned int bit = name_bit(symbols[i].name);

		wanted.words[bit / 64] |= 1ULL << (bit % 64);
	}
	for (size_t entry = 0; entry < entries; entry++) {
		const Elf64_Sym *symbol = &table[entry];

		if (symbol->st_shndx == SHN_UNDEF || symbol->st_name >= names_bytes)
			continue;
		const char *name = names + symbol->st_name;
		unsigned int bit = name_bit(name);

		if (!(wanted.words[bit / 64] & 1ULL << (bit % 64)))
			continue;
		for (size_t i = 0; i < count; i++) {
			if (symbols[i].found || strcmp(symbols[i].name, name) != 0)
				continue;
			symbols[i].found = true;
			symbols[i].address = symbol->st_value;
			symbols[i].size = symbol->st_size;
			symbols[i].type = ELF64_ST_TYPE(symbol->st_info);
		}
	}
}

size_t elf_file_find_symbols(struct elf_file *file, enum elf_symbol_table table,
			     struct elf_symbol *symbols, size_t count)
{
	uint32_t type = table == ELF_ALL_SYMBOLS ? SHT_SYMTAB : SHT_DYNSYM;
	Elf_Data *entries = NULL, *names = NULL;
	GElf_Shdr header, names_header;
	size_t found = 0;
	Elf_Scn *section = section_next(file, NULL, type, &header);
	Elf_Scn *names_section = section ? elf_getscn(file->elf, header.sh_link) : NULL;

	if (names_section && gelf_getshdr(names_section, &names_header) &&
	    names_header.sh_type == SHT_STRTAB && section_fits(file, &header, SECTION_MAX_BYTES) &&
	    section_fits(file, &names_header, SECTION_MAX_BYTES)) {
		entries = elf_getdata(section, NULL);
		names = elf_getdata(names_section, NULL);
	}
	/* A table of names that does not end in NUL could run a comparison off its end. */
	if (entries && entries->d_buf && names && names->d_buf && names->d_size &&
	    ((const char *)names->d_buf)[names->d_size - 1] == '\0')
		symbols_match(entries->d_buf, entries->d_size / sizeof(Elf64_Sym), names->d_buf,
			      names->d_size, symbols, count);
	for (size_t i = 0; i < count; i++)
		found += symbols[i].found;
	return found;
}

int elf_file_read(struct elf_file *file, uint64_t address, void *out, size_t bytes)
{
	for (size_t i = 0; i < file->segment_count; i++) {
		const struct segment *segment = &file->segments[i];
		uint64_t skip = address - segment->address;

		if (address < segment->address || skip > segment->file_bytes ||
		    bytes > segment->file_bytes - skip)
			continue;
		ssize_t got = pread(file->fd, out, bytes, (off_t)(segment->offset + skip));

		return got == (ssize_t)bytes ? 0 : -EFAULT;
	}
	return -EFAULT;
}

size_t elf_file_code_segments(struct elf_file *file, struct elf_code_segment *out, size_t size)
{
	size_t count = 0;

	for (size_t i = 0; i < file->segment_count && count < size; i++) {
		const struct segment *segment = &file->segments[i];

		if (!(segment->flags & PF_X))
			continue;
		out[count++] = (struct elf_code_segment){ segment->address, segment->offset,
							  segment->file_bytes };
	}
	return count;
}

int elf_code_bias(const struct elf_code_segment *segments, size_t count, uint64_t start,
		  uint64_t offset, uint64_t *bias)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < count; i++) {
		uint64_t first = segments[i].offset & ~(page - 1);

		if (offset < first || offset >= segments[i].offset + segments[i].file_bytes)
			continue;
		/* Segments keep address and offset congruent modulo the page: this is exact. */
		*bias = start - offset - (segments[i].address - segments[i].offset);
		return 0;
	}
	return -ENOENT;
}

bool elf_file_needs(struct elf_file *file, const char *prefix)
{
	GElf_Shdr header;
	Elf_Scn *section = section_next(file, NULL, SHT_DYNAMIC, &header);
	Elf_Data *entries;
	GElf_Dyn entry;

	if (!section || !section_fits(file, &header, SECTION_MAX_BYTES))
		return false;
	entries = elf_getdata(section, NULL);
	for (int i = 0; entries && gelf_getdyn(entries, i, &entry); i++) {
		const char *name;

		if (entry.d_tag == DT_NULL)
			break;
		if (entry.d_tag != DT_NEEDED)
			continue;
		name = elf_strptr(file->elf, header.sh_link, entry.d_un.d_val);
		if (name && strncmp(name, prefix, strlen(prefix)) == 0)
			return true;
	}
	return false;
}

/* The bytes of a note section, or NULL. */
static Elf_Data *notes_of(struct elf_file *file, Elf_Scn *section, const GElf_Shdr *header)
{
	return section_fits(file, header, NOTES_MAX_BYTES) ? elf_getdata(section, NULL) : NULL;
}

int elf_file_build_id(struct elf_file *file, uint8_t *out, size_t size, size_t *length)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = section_next(file, section, SHT_NOTE, &header))) {
		Elf_Data *notes = notes_of(file, section, &header);
		size_t name_at, text_at, next, at = 0;
		GElf_Nhdr note;

		for (size_t i = 0; notes && i < NOTES_MAX; i++, at = next) {
			next = gelf_getnote(notes, at, &note, &name_at, &text_at);
			if (!next)
				break;
			if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != sizeof("GNU") ||
			    memcmp((char *)notes->d_buf + name_at, "GNU", sizeof("GNU")) != 0 ||
			    note.n_descsz > size)
				continue;
			memcpy(out, (char *)notes->d_buf + text_at, note.n_descsz);
			*length = note.n_descsz;
			return 0;
		}
	}
	return -ENOENT;
}

/* Three addresses, then provider, name and arguments, each NUL-terminated inside the note. */
static bool probe_parse(const char *note, size_t bytes, uint64_t base, struct elf_probe *probe)
{
	const char *end = note + bytes, *at = note + 3 * sizeof(uint64_t);
	const char **const strings[] = { &probe->provider, &probe->name, &probe->arguments };
	uint64_t noted_base;

	if (bytes < 3 * sizeof(uint64_t))
		return false;
	memcpy(&probe->address, note, sizeof(uint64_t));
	memcpy(&noted_base, note + sizeof(uint64_t), sizeof(uint64_t));
	memcpy(&probe->semaphore, note + 2 * sizeof(uint64_t), sizeof(uint64_t));
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		const char *stop = memchr(at, '\0', (size_t)(end - at));

		if (!stop)
			return false;
		*strings[i] = at;
		at = stop + 1;
	}
	/* prelink moves code but not notes: .stapsdt.base tells by how much. */
	if (base && noted_base) {
		probe->address += base - noted_base;
		if (probe->semaphore)
			probe->semaphore += base - noted_base;
	}
	return true;
}

int elf_file_each_probe(struct elf_file *file,
			int (*visit)(const struct elf_probe *probe, void *arg), void *arg)
{
	struct elf_section base = { 0 };
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	elf_file_section(file, ".stapsdt.base", &base);
	while ((section = section_next(file, section, SHT_NOTE, &header))) {
		size_t name_at, text_at, next, at = 0;
		struct elf_probe probe;
		GElf_Nhdr note;
		Elf_Data *notes;

		if (strcmp(section_name(file, &header), ".note.stapsdt") != 0)
			continue;
		notes = notes_of(file, section, &header);
		for (size_t i = 0; notes && i < NOTES_MAX; i++, at = next) {
			next = gelf_getnote(notes, at, &note, &name_at, &text_at);
			if (!next)
				break;
			if (note.n_type != STAPSDT_NOTE_TYPE ||
			    !probe_parse((char *)notes->d_buf + text_at, note.n_descsz,
					 base.address, &probe))
				continue;
			int err = visit(&probe, arg);

			if (err)
				return err;
		}
	}
	return 0;
}
