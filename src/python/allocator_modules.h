/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The files that a process runs code of, and which functions its own references are bound to: what
 * the dynamic linker wrote for them, else what it would find, in its own order.
 */
#ifndef PYBPFPROF_PYTHON_ALLOCATOR_MODULES_H
#define PYBPFPROF_PYTHON_ALLOCATOR_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proc/elf_file.h"
#include "proc/maps.h"
#include "python/python.h"

enum { MODULE_SEGMENTS_MAX = 8, MODULE_STUB_SECTIONS = 3 };

/* A file of the process, open. */
struct module {
	int fd;
	struct elf_file *file;
	uint64_t bias;	     /* add to an address in the file to get one in the process */
	char path[512];	     /* as the process's maps name it */
	char path_open[512]; /* opens that very file from here */
	struct elf_code_segment segments[MODULE_SEGMENTS_MAX];
	size_t segment_count;
	struct elf_section stubs[MODULE_STUB_SECTIONS]; /* the linkage tables; size 0: none */
};

/* The file with the code at an address. 0, -ENOENT (there is none), -errno. */
int module_open(pid_t pid, const struct maps *maps, uint64_t address, struct module *out);
/* The file that the interpreter is in. */
int module_open_python(const struct python_process *python, struct module *out);
void module_close(struct module *module);

/* Whether code of the file lies at the address in the process. */
bool module_has(const struct module *module, uint64_t address);
/* Whether an entry of a procedure linkage table lies at the address in the file. */
bool module_is_stub(const struct module *module, uint64_t address);
/* The name of the function that such an entry jumps to; false: it cannot be told. */
bool module_stub_name(const struct module *module, uint64_t address, char *name, size_t size);

/*
 * Functions that the file defines, exported or, with `all`, not; others of these names are left out.
 * Returns how many are found now.
 */
size_t module_symbols_find(const struct module *module, bool all, struct elf_symbol *symbols,
			   size_t count);

struct module_function {
	const char *name; /* in: what to look for */
	bool in_library;  /* in: the C library's own, whatever is bound */
	uint64_t address; /* in the process; 0: not found */
};

enum { MODULE_FUNCTIONS_MAX = 32 };

/*
 * What the interpreter's references to these functions lead to. 0, or -errno where the process cannot
 * be looked at; functions may be missing all the same.
 */
int module_functions_find(const struct python_process *python, const struct maps *maps,
			  struct module_function *functions, size_t count);

#endif
