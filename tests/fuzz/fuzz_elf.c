// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files a hostile process could map as its interpreter: whatever is in them is read as
 * python_inspect() reads it.
 *
 * Input: one byte for how much of the file is cut off, one for the number of patches, then the
 * patches: two bytes where in the file, one how many bytes, the bytes. They go over a small sound
 * file that has all that is looked for, because few inputs would get past its head otherwise. What
 * is left of the input is the file's code.
 */
#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proc/elf_file.h"
#include "python/binary.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum section {
	SECTION_NULL,
	SECTION_DYNSYM,
	SECTION_DYNSTR,
	SECTION_SYMTAB,
	SECTION_HASH,
	SECTION_DYNAMIC,
	SECTION_NOTE,
	SECTION_BASE,
	SECTION_INTERP,
	SECTION_RUNTIME,
	SECTION_CODE,
	SECTION_NAMES,
	SECTION_COUNT
};

#define NAMES                                                                                      \
	"\0_PyRuntime\0PyCode_Type\0Py_Version\0PyEval_EvalCode\0Py_BytesMain\0"                   \
	"PyGILState_GetThisThreadState\0libpython3.11.so.1.0"
#define SECTION_NAMES_TEXT                                                                         \
	"\0.PyRuntime\0.note.stapsdt\0.stapsdt.base\0.interp\0.dynsym\0.text\0.shstrtab"

enum { SYMBOL_COUNT = 7, CODE_BYTES = 256 };

struct note {
	Elf64_Nhdr head;
	char owner[8];
	uint64_t addresses[3];
	char strings[40];
};

struct file {
	Elf64_Ehdr head;
	Elf64_Phdr segments[2];
	Elf64_Shdr sections[SECTION_COUNT];
	Elf64_Sym symbols[SYMBOL_COUNT];
	char names[sizeof(NAMES)];
	uint32_t hash[4];
	uint64_t bloom[1];
	Elf64_Dyn dynamic[2];
	struct note note;
	char interp[32];
	char section_names[sizeof(SECTION_NAMES_TEXT)];
	uint8_t runtime[64];
	uint8_t code[CODE_BYTES];
};

static uint32_t name_at(const char *names, size_t size, const char *name)
{
	const char *found = memmem(names, size, name, strlen(name) + 1);

	return found ? (uint32_t)(found - names) : 0;
}

static void section_set(struct file *file, enum section section, uint32_t type, const char *name,
			const void *from, size_t size)
{
	file->sections[section] = (Elf64_Shdr){
		.sh_name = name_at(SECTION_NAMES_TEXT, sizeof(SECTION_NAMES_TEXT), name),
		.sh_type = type,
		.sh_addr = (uint64_t)((const char *)from - (const char *)file),
		.sh_offset = (uint64_t)((const char *)from - (const char *)file),
		.sh_size = size,
	};
}

static void sections_make(struct file *file)
{
	section_set(file, SECTION_DYNSYM, SHT_DYNSYM, ".dynsym", file->symbols,
		    sizeof(file->symbols));
	section_set(file, SECTION_DYNSTR, SHT_STRTAB, "", file->names, sizeof(file->names));
	section_set(file, SECTION_SYMTAB, SHT_SYMTAB, "", file->symbols, sizeof(file->symbols));
	section_set(file, SECTION_HASH, SHT_GNU_HASH, "", file->hash,
		    sizeof(file->hash) + sizeof(file->bloom));
	section_set(file, SECTION_DYNAMIC, SHT_DYNAMIC, "", file->dynamic, sizeof(file->dynamic));
	section_set(file, SECTION_NOTE, SHT_NOTE, ".note.stapsdt", &file->note, sizeof(file->note));
	section_set(file, SECTION_BASE, SHT_PROGBITS, ".stapsdt.base", file->interp, 1);
	section_set(file, SECTION_INTERP, SHT_PROGBITS, ".interp", file->interp,
		    sizeof(file->interp));
	section_set(file, SECTION_RUNTIME, SHT_PROGBITS, ".PyRuntime", file->runtime,
		    sizeof(file->runtime));
	section_set(file, SECTION_CODE, SHT_PROGBITS, ".text", file->code, sizeof(file->code));
	section_set(file, SECTION_NAMES, SHT_STRTAB, ".shstrtab", file->section_names,
		    sizeof(file->section_names));
	file->sections[SECTION_DYNSYM].sh_link = SECTION_DYNSTR;
	file->sections[SECTION_SYMTAB].sh_link = SECTION_DYNSTR;
	file->sections[SECTION_DYNAMIC].sh_link = SECTION_DYNSTR;
	file->sections[SECTION_DYNSYM].sh_entsize = sizeof(Elf64_Sym);
	file->sections[SECTION_SYMTAB].sh_entsize = sizeof(Elf64_Sym);
}

static void symbols_make(struct file *file)
{
	static const char *const names[SYMBOL_COUNT] = {
		"",
		"_PyRuntime",
		"PyCode_Type",
		"Py_Version",
		"PyEval_EvalCode",
		"Py_BytesMain",
		"PyGILState_GetThisThreadState",
	};

	for (size_t i = 1; i < SYMBOL_COUNT; i++)
		file->symbols[i] = (Elf64_Sym){
			.st_name = name_at(NAMES, sizeof(NAMES), names[i]),
			.st_shndx = SECTION_CODE,
			.st_value = offsetof(struct file, code),
			.st_size = CODE_BYTES,
		};
	file->dynamic[0].d_tag = DT_NEEDED;
	file->dynamic[0].d_un.d_val = name_at(NAMES, sizeof(NAMES), "libpython3.11.so.1.0");
}

static void file_make(struct file *file)
{
	static const char probe[] = "python\0line\0-4@$1";

	memset(file, 0, sizeof(*file));
	file->head = (Elf64_Ehdr){
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = offsetof(struct file, segments),
		.e_shoff = offsetof(struct file, sections),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = SECTION_COUNT,
		.e_shstrndx = SECTION_NAMES,
	};
	file->segments[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
					  .p_flags = PF_R | PF_X,
					  .p_filesz = sizeof(*file),
					  .p_memsz = sizeof(*file) };
	file->segments[1] = file->segments[0];
	memcpy(file->names, NAMES, sizeof(NAMES));
	memcpy(file->section_names, SECTION_NAMES_TEXT, sizeof(SECTION_NAMES_TEXT));
	file->hash[2] = 1;
	file->bloom[0] = UINT64_MAX;
	file->note.head = (Elf64_Nhdr){ 8, 24 + sizeof(probe), 3 };
	memcpy(file->note.owner, "stapsdt", 8);
	memcpy(file->note.strings, probe, sizeof(probe));
	memcpy(file->interp, "/lib/ld-musl-x86_64.so.1", 25);
	sections_make(file);
	symbols_make(file);
}

static size_t patch(struct file *file, const uint8_t *bytes, size_t length)
{
	size_t at = 2;

	for (unsigned int i = 0; i < bytes[1] && at + 3 <= length; i++) {
		size_t where = (bytes[at] | (size_t)bytes[at + 1] << 8) % sizeof(*file);
		size_t count = bytes[at + 2];

		at += 3;
		if (count > length - at)
			count = length - at;
		if (count > sizeof(*file) - where)
			count = sizeof(*file) - where;
		memcpy((char *)file + where, bytes + at, count);
		at += count;
	}
	return at;
}

static int probe_look(const struct elf_probe *probe, void *arg)
{
	/* Reads the strings to their ends. */
	*(size_t *)arg += strlen(probe->provider) + strlen(probe->name) + strlen(probe->arguments);
	return 0;
}

static void file_read(int fd)
{
	struct elf_symbol symbols[] = { { .name = "_PyRuntime" }, { .name = "" } };
	struct elf_code_segment segments[4];
	struct elf_file *file;
	uint8_t id[32];
	size_t total = 0, id_length;

	if (elf_file_open(fd, &file))
		return;
	elf_file_find_symbols(file, ELF_DYNAMIC_SYMBOLS, symbols, 2);
	elf_file_each_probe(file, probe_look, &total);
	if (!elf_file_build_id(file, id, sizeof(id), &id_length) && id_length > sizeof(id))
		abort();
	if (elf_file_code_segments(file, segments, 4) > 4)
		abort();
	elf_file_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct binary binary;
	struct file file;
	size_t used;
	int fd;

	if (length < 2)
		return 0;
	file_make(&file);
	used = patch(&file, bytes, length);
	if (used < length)
		memcpy(file.code, bytes + used,
		       length - used < CODE_BYTES ? length - used : CODE_BYTES);
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || write(fd, &file, sizeof(file)) != (ssize_t)sizeof(file) ||
	    ftruncate(fd, (off_t)(sizeof(file) - sizeof(file) * bytes[0] / 256)))
		abort();
	file_read(fd);
	binary_read(fd, "/usr/lib/libpython3.11.so.1.0", bytes[0] & 1, &binary);
	/* The file as it stands must be taken for what it is, or nothing was tried here. */
	if (bytes[0] == 0 && bytes[1] == 0 && binary.kind != BINARY_CPYTHON)
		abort();
	close(fd);
	return 0;
}
