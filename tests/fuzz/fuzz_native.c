/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files a hostile process could map as a library, as far as native frames are read from them:
 * unwind tables, symbols, line tables, names.
 *
 * Input: one byte for which of the parts below is fed with the rest. For a whole file the rest is
 * patches of a sound one (a small program of the system): three bytes where, one for how many bytes, the
 * bytes; everything else gets the rest as it is.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "resolve/native_cfi.h"
#include "resolve/native_code.h"
#include "resolve/native_eval.h"
#include "resolve/native_expression.h"
#include "resolve/native_line_program.h"
#include "resolve/native_lines.h"
#include "resolve/native_name.h"
#include "resolve/native_symbols.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define SOUND_FILE "/bin/true"

enum { SOUND_MAX_BYTES = 256 << 10, ADDRESSES = 32 };

static int line_look(const struct native_line_row *row, void *arg)
{
	*(uint64_t *)arg += row->address + (uint64_t)row->line;
	return 0;
}

static void fuzz_line_unit(const uint8_t *bytes, size_t length)
{
	struct native_span span = { bytes, bytes + length, false };
	struct native_line_unit unit;
	struct native_line_file file;
	uint64_t sum = 0;

	if (!native_line_unit_parse(span, &unit))
		return;
	native_line_unit_run(&unit, line_look, &sum);
	for (uint64_t number = 0; number < 4; number++)
		native_line_unit_file(&unit, number, &file);
	native_line_unit_file(&unit, sum, &file);
}

static void fuzz_expression(const uint8_t *bytes, size_t length)
{
	struct native_span span = { bytes, bytes + length, false };
	struct native_place place;

	native_expression_place(span, 0x1234, false, &place);
	native_expression_place(span, 0x123f, true, &place);
}

static void fuzz_instructions(const uint8_t *bytes, size_t length)
{
	size_t head = length ? bytes[0] % length : 0;
	struct native_fde fde = {
		.instructions = { bytes + head, bytes + length, false },
		.start = 0x1000,
		.end = 0x2000,
		.cie = {
			.instructions = { bytes, bytes + head, false },
			.code_factor = length > 1 ? bytes[1] : 1,
			.data_factor = -8,
		},
	};
	struct native_row row;

	for (uint64_t address = 0x1000; address < 0x1100; address += 16) {
		if (native_fde_row(&fde, address, &row) == 0 &&
		    (row.before > address - fde.start || row.behind >= fde.end - address))
			abort();
	}
}

static void fuzz_name(const uint8_t *bytes, size_t length)
{
	char symbol[300];
	struct buffer out;

	if (length >= sizeof(symbol))
		length = sizeof(symbol) - 1;
	memcpy(symbol, bytes, length);
	symbol[length] = '\0';
	buffer_init(&out);
	native_name_append(&out, symbol);
	if (out.length > NATIVE_NAME_MAX_BYTES + 3)
		abort();
	buffer_release(&out);
}

/* Everything that is read of a file when a sample hits it. */
static void file_use(const struct native_elf *elf)
{
	struct native_cfi cfi;
	struct native_symbols symbols;
	struct native_lines *lines = NULL;
	struct native_eval eval;
	struct buffer file;
	uint8_t id[NATIVE_ELF_BUILD_ID_BYTES];
	int32_t line;

	buffer_init(&file);
	native_cfi_init(&cfi, elf);
	native_elf_build_id(elf, id);
	if (native_symbols_read(elf, &symbols))
		symbols = (struct native_symbols){ 0 };
	native_eval_init(&eval, &symbols, elf);
	native_lines_open(elf, &lines);
	for (uint64_t i = 0; i < ADDRESSES; i++) {
		char name[NATIVE_SYMBOL_NAME_BYTES];
		uint64_t address = elf->header.e_entry + i * 117;
		const struct native_symbol_entry *entry;
		struct native_fde fde;
		struct native_row row;

		if (native_cfi_find(&cfi, address, &fde) == 0) {
			native_fde_row(&fde, address, &row);
			native_fde_release(&fde);
		}
		entry = native_symbols_find(&symbols, address, 0, 0);
		if (entry)
			native_symbol_name(&symbols, elf, entry, name);
		native_eval_is_part(&eval, elf, &cfi, address);
		native_code_follows_call(elf, address);
		native_code_is_epilogue(elf, address);
		native_code_is_linkage(elf, address);
		if (lines)
			native_lines_find(lines, address, &file, &line);
	}
	native_lines_free(lines);
	native_symbols_release(&symbols);
	native_cfi_release(&cfi);
	buffer_release(&file);
}

static void fuzz_file(const uint8_t *bytes, size_t length)
{
	static uint8_t sound[SOUND_MAX_BYTES];
	static size_t sound_bytes;
	uint8_t *patched;
	struct native_elf elf;
	int fd;

	if (!sound_bytes) {
		fd = open(SOUND_FILE, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (sound_bytes = (size_t)read(fd, sound, sizeof(sound))) < 1024)
			abort();
		close(fd);
	}
	patched = malloc(sound_bytes);
	if (!patched)
		return;
	memcpy(patched, sound, sound_bytes);
	while (length > 4) {
		size_t at = (bytes[0] | bytes[1] << 8 | bytes[2] << 16) % sound_bytes;
		size_t count = bytes[3] % 16;

		bytes += 4;
		length -= 4;
		count = count > length ? length : count;
		count = count > sound_bytes - at ? sound_bytes - at : count;
		memcpy(patched + at, bytes, count);
		bytes += count;
		length -= count;
	}
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || write(fd, patched, sound_bytes) != (ssize_t)sound_bytes)
		abort();
	free(patched);
	if (native_elf_open(fd, &elf) == 0) {
		file_use(&elf);
		native_elf_release(&elf);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static void (*const parts[])(const uint8_t *, size_t) = {
		fuzz_file, fuzz_line_unit, fuzz_expression, fuzz_instructions, fuzz_name,
	};

	if (length)
		parts[bytes[0] % (sizeof(parts) / sizeof(parts[0]))](bytes + 1, length - 1);
	return 0;
}
