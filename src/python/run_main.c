// SPDX-License-Identifier: GPL-2.0-only
/* See run_main.h. */
#include "python/run_main.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "proc/elf_file.h"

enum { SEGMENTS_MAX = 8 };

static int offset_of(struct elf_file *elf, uint64_t address, uint64_t *offset)
{
	struct elf_code_segment segments[SEGMENTS_MAX];
	size_t count = elf_file_code_segments(elf, segments, SEGMENTS_MAX);

	for (size_t i = 0; i < count; i++) {
		if (address - segments[i].address < segments[i].file_bytes) {
			*offset = segments[i].offset + (address - segments[i].address);
			return 0;
		}
	}
	return -ENOENT;
}

int python_run_main(const struct python_process *process, uint64_t *file_offset, uint64_t *address)
{
	struct elf_symbol symbol = { .name = "Py_RunMain" };
	int fd = open(process->binary_open, O_RDONLY | O_CLOEXEC);
	struct elf_file *elf;
	int error;

	if (fd < 0)
		return -errno;
	error = elf_file_open(fd, &elf);
	if (error)
		goto out;
	if (!elf_file_find_symbols(elf, ELF_DYNAMIC_SYMBOLS, &symbol, 1))
		error = -ENOENT;
	else
		error = offset_of(elf, symbol.address, file_offset);
	if (!error)
		*address = symbol.address;
	elf_file_close(elf);
out:
	close(fd);
	return error;
}
