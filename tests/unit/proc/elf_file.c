// SPDX-License-Identifier: GPL-2.0-only
/*
 * Our own test program as a known ELF file, compared with what the running program knows of itself,
 * and copies of it damaged on purpose.
 */
#include <criterion/criterion.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc/elf_file.h"
#include "proc/maps.h"

/* Things to look for, with external names. */
extern const uint32_t elf_file_test_answer;
const uint32_t elf_file_test_answer = 0x12345678;
int elf_file_test_function(void);
int elf_file_test_function(void)
{
	return 42;
}

/* A probe as <sys/sdt.h> would note it. */
__asm__(".pushsection .note.stapsdt,\"?\",\"note\"\n"
	".balign 4\n"
	".4byte 992f-991f, 994f-993f, 3\n"
	"991: .asciz \"stapsdt\"\n"
	"992: .balign 4\n"
	"993: .8byte elf_file_test_function, 0, elf_file_test_answer\n"
	".asciz \"pybpfprof\"\n"
	".asciz \"tested\"\n"
	".asciz \"8@%rdi\"\n"
	"994: .balign 4\n"
	".popsection\n");

static int self_open(struct elf_file **file)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	cr_assert_eq(elf_file_open(fd, file), 0);
	return fd;
}

static uint64_t self_bias(struct elf_file *file)
{
	struct elf_code_segment segments[8];
	size_t count = elf_file_code_segments(file, segments, 8);
	const struct mapping *mapping;
	struct maps maps;
	uint64_t bias;

	cr_assert_eq(maps_read(getpid(), &maps), 0);
	mapping = maps_find(&maps, (uintptr_t)elf_file_test_function);
	cr_assert_not_null(mapping);
	cr_assert_eq(elf_code_bias(segments, count, mapping->start, mapping->offset, &bias), 0);
	maps_release(&maps);
	return bias;
}

Test(elf_file, symbols_and_bias_lead_to_where_things_are)
{
	struct elf_symbol symbols[] = { { .name = "elf_file_test_answer" },
					{ .name = "elf_file_test_function" },
					{ .name = "elf_file_test_nothing" } };
	struct elf_file *file;
	int fd = self_open(&file);
	uint32_t answer = 0;
	uint64_t bias = self_bias(file);

	cr_expect(elf_file_has_symbols(file, ELF_ALL_SYMBOLS));
	cr_expect_eq(elf_file_find_symbols(file, ELF_ALL_SYMBOLS, symbols, 3), 2);
	cr_expect_eq(symbols[0].address + bias, (uintptr_t)&elf_file_test_answer);
	cr_expect_eq(symbols[0].size, sizeof(elf_file_test_answer));
	cr_expect_eq(symbols[1].address + bias, (uintptr_t)elf_file_test_function);
	cr_expect_eq(symbols[1].type, STT_FUNC);
	cr_expect_not(symbols[2].found);
	cr_expect_eq(elf_file_read(file, symbols[0].address, &answer, sizeof(answer)), 0);
	cr_expect_eq(answer, elf_file_test_answer);
	cr_expect_eq(elf_file_read(file, UINT64_MAX - 1, &answer, sizeof(answer)), -EFAULT);
	elf_file_close(file);
	close(fd);
}

static int probe_keep(const struct elf_probe *probe, void *arg)
{
	if (strcmp(probe->provider, "pybpfprof") != 0)
		return 0;
	cr_expect_str_eq(probe->name, "tested");
	cr_expect_str_eq(probe->arguments, "8@%rdi");
	*(struct elf_probe *)arg = *probe;
	return 1;
}

Test(elf_file, probes_are_found_in_their_notes)
{
	struct elf_symbol symbols[] = { { .name = "elf_file_test_function" },
					{ .name = "elf_file_test_answer" } };
	struct elf_probe probe = { 0 };
	struct elf_file *file;
	int fd = self_open(&file);

	elf_file_find_symbols(file, ELF_ALL_SYMBOLS, symbols, 2);
	cr_assert_eq(elf_file_each_probe(file, probe_keep, &probe), 1);
	cr_expect_eq(probe.address, symbols[0].address);
	cr_expect_eq(probe.semaphore, symbols[1].address);
	elf_file_close(file);
	close(fd);
}

/* The dynamic loader knows our build id by the program headers, we by the sections. */
static int note_find(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const char *at = (const char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		const char *end = at + info->dlpi_phdr[i].p_memsz;

		if (info->dlpi_phdr[i].p_type != PT_NOTE)
			continue;
		while (at + sizeof(ElfW(Nhdr)) < end) {
			const ElfW(Nhdr) *note = (const void *)at;

			at += sizeof(*note) + ((note->n_namesz + 3) & ~3u);
			if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4) {
				memcpy(arg, at, note->n_descsz);
				return (int)note->n_descsz;
			}
			at += (note->n_descsz + 3) & ~3u;
		}
	}
	return -1; /* the first object is the program itself */
}

Test(elf_file, the_build_id_is_what_the_loader_has)
{
	uint8_t ours[64], loaded[64];
	int loaded_length = dl_iterate_phdr(note_find, loaded);
	struct elf_file *file;
	int fd = self_open(&file);
	size_t length = 0;

	if (loaded_length <= 0)
		cr_skip_test("this compiler writes no build id");
	cr_assert_eq(elf_file_build_id(file, ours, sizeof(ours), &length), 0);
	cr_expect_eq(length, (size_t)loaded_length);
	cr_expect_eq(memcmp(ours, loaded, length), 0);
	elf_file_close(file);
	close(fd);
}

Test(elf_file, libraries_say_what_they_need_and_export)
{
	struct elf_symbol wanted[] = { { .name = "malloc" }, { .name = "no_such_function_here" } };
	struct elf_file *file;
	struct maps maps;
	int fd = -1;

	cr_assert_eq(maps_read(getpid(), &maps), 0);
	const struct mapping *libc = maps_find(&maps, (uintptr_t)gnu_get_libc_version());

	cr_assert_not_null(libc);
	cr_assert_eq(mapping_open(getpid(), libc, &fd, NULL, 0), 0);
	cr_assert_eq(elf_file_open(fd, &file), 0);
	cr_expect(elf_file_needs(file, "ld-linux"));
	cr_expect_not(elf_file_needs(file, "libpython"));
	cr_expect(elf_file_may_export(file, "malloc"));
	cr_expect_eq(elf_file_find_symbols(file, ELF_DYNAMIC_SYMBOLS, wanted, 2), 1);
	cr_expect(wanted[0].found);
	elf_file_close(file);
	close(fd);
	maps_release(&maps);
}

/* A file in memory with the given bytes. */
static int memory_file(const void *bytes, size_t length)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, bytes, length), (ssize_t)length);
	return fd;
}

Test(elf_file, what_is_no_such_elf_file_is_refused)
{
	Elf64_Ehdr sound = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
			     .e_type = ET_DYN,
			     .e_machine = EM_X86_64,
			     .e_version = 1,
			     .e_ehsize = sizeof(Elf64_Ehdr) };
	Elf64_Ehdr arm = sound, narrow = sound, many = sound, wide = sound;
	Elf64_Shdr section = { .sh_size = UINT32_MAX };
	char wide_file[sizeof(wide) + sizeof(section)];
	const struct {
		const void *bytes;
		size_t length;
		int error;
	} CASES[] = {
		{ &sound, sizeof(sound), 0 },
		{ "#!/bin/sh\n", 10, -ENOEXEC },
		{ "", 0, -ENOEXEC },
		{ &sound, sizeof(sound) - 1, -ENOEXEC },
		{ &arm, sizeof(arm), -ENOTSUP },
		{ &narrow, sizeof(narrow), -ENOTSUP },
		{ &many, sizeof(many), -ENOEXEC },
		{ wide_file, sizeof(wide_file), -ENOEXEC },
	};

	arm.e_machine = EM_AARCH64;
	narrow.e_ident[EI_CLASS] = ELFCLASS32;
	many.e_phnum = PN_XNUM;
	/* Section 0 then tells the count: more than four billion of them. */
	wide.e_shoff = sizeof(wide);
	wide.e_shentsize = sizeof(section);
	memcpy(wide_file, &wide, sizeof(wide));
	memcpy(wide_file + sizeof(wide), &section, sizeof(section));

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		int fd = memory_file(CASES[i].bytes, CASES[i].length);
		struct elf_file *file = NULL;

		cr_expect_eq(elf_file_open(fd, &file), CASES[i].error, "case %zu", i);
		elf_file_close(file);
		close(fd);
	}
}

Test(elf_file, a_bias_is_that_of_the_segment_the_page_is_of)
{
	static const struct elf_code_segment SEGMENTS[] = { { 0x401000, 0x1000, 0x5000 },
							    { 0x80abc0, 0x9bc0, 0x100 } };
	static const struct {
		uint64_t start, offset, bias;
		int error;
	} CASES[] = {
		{ 0x401000, 0x1000, 0, 0 },
		{ 0x7f0000402000, 0x2000, 0x7f0000000000, 0 },
		{ 0x7f000080a000, 0x9000, 0x7f0000000000, 0 },
		{ 0x400000, 0, 0, -ENOENT },
		{ 0x400000, 0x6000, 0, -ENOENT },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		uint64_t bias = 0;

		cr_expect_eq(elf_code_bias(SEGMENTS, 2, CASES[i].start, CASES[i].offset, &bias),
			     CASES[i].error);
		cr_expect_eq(bias, CASES[i].bias, "case %zu", i);
	}
}
