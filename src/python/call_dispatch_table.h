/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The evaluation loop's table of handlers: 256 code addresses in a row, one for each opcode, found
 * without any symbol by what must be in it.
 */
#ifndef PYBPFPROF_PYTHON_CALL_DISPATCH_TABLE_H
#define PYBPFPROF_PYTHON_CALL_DISPATCH_TABLE_H

#include "proc/elf_file.h"
#include "python/opcodes.h"
#include "python/python.h"

struct dispatch_table {
	uint64_t address;		   /* in the file, as all that follow */
	uint64_t handlers[OPCODE_NUMBERS]; /* of opcodes without one: where the unknown go */
};

/*
 * Looks in the live process, where addresses are final. -ENOENT: there is none; -EEXIST: several
 * that look alike; or why the process cannot be read.
 */
int dispatch_table_find(const struct python_process *process, struct elf_file *file,
			const struct opcodes *opcodes, struct dispatch_table *out);

/*
 * Whether these 256 addresses can be such a table: the opcodes that have no handler all share one,
 * which no other has, and the others are mostly different.
 */
bool dispatch_table_fits(const uint64_t *addresses, const struct opcodes *opcodes);

/* Whether each handler is a function of its own, as with tail calls, by the unwind tables' index. */
bool dispatch_table_has_functions(struct elf_file *file, const uint64_t *handlers);

#endif
