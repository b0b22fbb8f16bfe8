// SPDX-License-Identifier: GPL-2.0-only
/* See code_death.h. `tp_dealloc` lies at the same place of a type object in 3.6 to 3.15. */
#include "python/code_death.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "proc/maps.h"
#include "proc/memory.h"

enum { TP_DEALLOC_OFFSET = 48 };

/* Bytes of a landing pad (endbr64) in front, or 0. */
static size_t landing_pad_bytes(const uint8_t *text)
{
	return text[0] == 0xf3 && text[1] == 0x0f && text[2] == 0x1e && text[3] == 0xfa ? 4 : 0;
}

/* push of a 64-bit register, which the kernel's uprobes emulate instead of single-stepping. */
static bool push_at(const uint8_t *text)
{
	return text[0] >> 3 == 0x0a || (text[0] == 0x41 && text[1] >> 3 == 0x0a);
}

/*
 * Where to probe in the code at `offset` of the file. Not in memory: in a process of a file that has
 * this probe already, its breakpoint is what lies there.
 */
static int probe_place(const struct python_process *process, uint64_t offset, uint64_t *place)
{
	int fd = open(process->binary_open, O_RDONLY | O_CLOEXEC);
	uint8_t text[8];
	ssize_t bytes;
	size_t skip;

	if (fd < 0)
		return -errno;
	bytes = pread(fd, text, sizeof(text), offset);
	close(fd);
	if (bytes != sizeof(text))
		return -ENOTSUP;
	skip = landing_pad_bytes(text);
	if (!push_at(text + skip))
		return -ENOTSUP;
	*place = offset + skip;
	return 0;
}

int python_code_death_offset(const struct python_process *process, uint64_t *file_offset)
{
	uint64_t entry = 0;
	const struct mapping *mapping;
	struct maps maps;
	int error;

	error = memory_read_u64(process->pid, process->target.code_type + TP_DEALLOC_OFFSET,
				&entry);
	if (!error)
		error = maps_read(process->pid, &maps);
	if (error)
		return error;
	mapping = maps_find(&maps, entry);
	/* The file must be the interpreter's own: nobody else may have put his slot there. */
	if (!mapping || !(mapping->flags & MAPPING_EXEC) || !mapping->inode ||
	    strcmp(mapping->path, process->binary) != 0)
		error = -ENOTSUP;
	else
		error = probe_place(process, entry - mapping->start + mapping->offset, file_offset);
	maps_release(&maps);
	return error;
}
