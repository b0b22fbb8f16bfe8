// SPDX-License-Identifier: GPL-2.0-only
/* See code_death.h. `tp_dealloc` lies at the same place of a type object in 3.6 to 3.15. */
#include "python/code_death.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

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

int python_code_death_offset(const struct python_process *process, uint64_t *file_offset)
{
	uint64_t entry = 0;
	uint8_t text[8];
	const struct mapping *mapping;
	struct maps maps;
	size_t skip;
	int error;

	error = memory_read_u64(process->pid, process->target.code_type + TP_DEALLOC_OFFSET,
				&entry);
	if (!error)
		error = memory_read(process->pid, entry, text, sizeof(text));
	if (!error)
		error = maps_read(process->pid, &maps);
	if (error)
		return error;
	skip = landing_pad_bytes(text);
	mapping = maps_find(&maps, entry);
	/* The file must be the interpreter's own: nobody else may have put his slot there. */
	if (!mapping || !(mapping->flags & MAPPING_EXEC) || !mapping->inode ||
	    strcmp(mapping->path, process->binary) != 0 || !push_at(text + skip))
		error = -ENOTSUP;
	else
		*file_offset = entry + skip - mapping->start + mapping->offset;
	maps_release(&maps);
	return error;
}
