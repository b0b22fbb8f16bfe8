/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The collector's function in a file that names no functions: the one that has the text of its own
 * debugging message.
 */
#ifndef PYBPFPROF_PYTHON_COLLECTOR_FUNCTION_H
#define PYBPFPROF_PYTHON_COLLECTOR_FUNCTION_H

#include <stddef.h>
#include <stdint.h>

#include "proc/elf_file.h"

/* A compiler may have made several of it, for different arguments. */
enum { COLLECTOR_FUNCTIONS_MAX = 4 };

struct collector_function {
	uint64_t address; /* in the file */
};

/*
 * 0, and *count of them; -ENOENT: nothing has the text; -ENOTSUP: it is in a place that belongs to no
 * function, or in more than there is room for; -ENOMEM, -EFAULT.
 */
int collector_functions_find(struct elf_file *file, struct collector_function *out, size_t *count);

/*
 * The function, by its first instruction's address, that has the code at `address`, be it in a part that
 * the compiler put aside. 0; -ENOTSUP.
 */
int collector_function_of(struct elf_file *file, uint64_t address, uint64_t *function);

#endif
