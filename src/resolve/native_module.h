/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The files that processes have mapped: each opened once, however many processes share it, and let
 * go some seconds after the last of them let go of it, so that no file system stays busy for us.
 */
#ifndef PYBPFPROF_RESOLVE_NATIVE_MODULE_H
#define PYBPFPROF_RESOLVE_NATIVE_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "proc/maps.h"
#include "resolve/native_cfi.h"
#include "resolve/native_elf.h"
#include "resolve/native_eval.h"
#include "resolve/native_lines.h"
#include "resolve/native_symbols.h"

enum {
	NATIVE_MODULES_MAX = 400, /* each keeps a descriptor or two open */
};

/* What tells a file from every other one, also from the next with the same inode number. */
struct native_identity {
	uint64_t device, inode, size, changed_ns;
};

struct native_module {
	uint32_t serial; /* never 0, never used again */
	uint32_t references;
	uint64_t idle_since_ns;
	struct native_identity identity;
	uint64_t mapping_device, mapping_inode; /* as /proc/PID/maps tells it; 0, 0: the vdso */
	struct native_elf elf, debug; /* debug: a separate file, all zero where there is none */
	struct native_cfi cfi;
	bool names_read; /* symbols, debug and eval are there */
	struct native_symbols symbols;
	const struct native_elf *symbols_elf; /* which of the two files the symbols are of */
	struct native_eval eval;
	bool lines_read;
	struct native_lines *lines; /* NULL: no debug information */
};

struct native_modules {
	struct native_module **items;
	size_t count, capacity;
	uint32_t last_serial;
};

void native_modules_release(struct native_modules *modules);

/*
 * The file behind a mapping; *out is referenced once more. When the process is gone already, a file
 * known from another process will do. -ESRCH, -EACCES, -ENOENT, -ESTALE, -EINVAL as
 * mapping_open(); -ENOEXEC, -EIO, -EMFILE, -ENOMEM.
 */
int native_modules_open(struct native_modules *modules, pid_t pid, const struct mapping *mapping,
			struct native_module **out);
/* The kernel's own code in every process. */
int native_modules_open_vdso(struct native_modules *modules, struct native_module **out);
void native_module_unref(struct native_module *module, uint64_t now_ns); /* takes NULL */
/* Closes what nobody has used for a while; with `hard` at once. */
void native_modules_trim(struct native_modules *modules, uint64_t now_ns, bool hard);

/* The unwind row at an address of the file; without NATIVE_ROW_KNOWN where there is none. */
void native_module_row(struct native_module *module, uint64_t address, struct native_row *out);

/*
 * Appends the name of the function at an address; nothing where it has none. *is_eval as in struct
 * native_symbol.
 */
void native_module_name(struct native_module *module, uint64_t address, struct buffer *name,
			bool *is_eval);
/* Appends the source file; *line 0 and nothing where it is not known. */
void native_module_line(struct native_module *module, uint64_t address, struct buffer *file,
			int32_t *line);

#endif
