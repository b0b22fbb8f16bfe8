// SPDX-License-Identifier: GPL-2.0-only
/* Opening and sharing mapped files. The contract is in native_module.h. */
#include "resolve/native_module.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolve/native_code.h"
#include "resolve/native_name.h"

enum {
	IDLE_CLOSE_SECONDS = 10,
	VDSO_MAX_BYTES = 64 << 10,
	ENTRY_STUB_BYTES = 64, /* how long a file's first code, before any call returns, may be */
};

#define DEBUG_ROOT "/usr/lib/debug/.build-id"

static void module_free(struct native_module *module)
{
	if (!module)
		return;
	native_lines_free(module->lines);
	native_symbols_release(&module->symbols);
	native_cfi_release(&module->cfi);
	native_elf_release(&module->debug);
	native_elf_release(&module->elf);
	free(module);
}

void native_modules_release(struct native_modules *modules)
{
	for (size_t i = 0; i < modules->count; i++)
		module_free(modules->items[i]);
	free(modules->items);
	*modules = (struct native_modules){ 0 };
}

void native_modules_trim(struct native_modules *modules, uint64_t now_ns, bool hard)
{
	size_t kept = 0;

	for (size_t i = 0; i < modules->count; i++) {
		struct native_module *module = modules->items[i];

		if (module->references == 0 &&
		    (hard ||
		     now_ns - module->idle_since_ns > (uint64_t)IDLE_CLOSE_SECONDS * 1000000000))
			module_free(module);
		else
			modules->items[kept++] = module;
	}
	modules->count = kept;
}

void native_module_unref(struct native_module *module, uint64_t now_ns)
{
	if (!module)
		return;
	module->references--;
	module->idle_since_ns = now_ns;
}

static bool identity_equal(const struct native_identity *a, const struct native_identity *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->changed_ns == b->changed_ns;
}

static int identity_read(int fd, struct native_identity *out)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	*out = (struct native_identity){
		.device = status.st_dev,
		.inode = status.st_ino,
		.size = (uint64_t)status.st_size,
		.changed_ns = (uint64_t)status.st_mtim.tv_sec * 1000000000 +
			      (uint64_t)status.st_mtim.tv_nsec,
	};
	return 0;
}

static int modules_reserve(struct native_modules *modules)
{
	struct native_module **grown;
	size_t capacity;

	if (modules->count >= NATIVE_MODULES_MAX)
		native_modules_trim(modules, 0, true);
	if (modules->count >= NATIVE_MODULES_MAX)
		return -EMFILE;
	if (modules->count < modules->capacity)
		return 0;
	capacity = modules->capacity ? 2 * modules->capacity : 16;
	grown = realloc(modules->items, capacity * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	modules->items = grown;
	modules->capacity = capacity;
	return 0;
}

/* Takes fd in any case. */
static int module_add(struct native_modules *modules, int fd,
		      const struct native_identity *identity, struct native_module **out)
{
	struct native_module *module = NULL;
	int err = modules_reserve(modules);

	if (!err) {
		module = calloc(1, sizeof(*module));
		err = module ? 0 : -ENOMEM;
	}
	if (err) {
		close(fd);
		return err;
	}
	err = native_elf_open(fd, &module->elf);
	if (err) {
		free(module);
		return err;
	}
	module->identity = *identity;
	module->serial = ++modules->last_serial;
	module->references = 1;
	native_cfi_init(&module->cfi, &module->elf);
	modules->items[modules->count++] = module;
	*out = module;
	return 0;
}

/* The process is gone, so the file cannot be looked at: one that had the same place will do. */
static struct native_module *module_of_dead(struct native_modules *modules,
					    const struct mapping *mapping)
{
	for (size_t i = 0; i < modules->count; i++) {
		struct native_module *module = modules->items[i];

		if (module->mapping_inode && module->mapping_inode == mapping->inode &&
		    module->mapping_device == mapping->device)
			return module;
	}
	return NULL;
}

int native_modules_open(struct native_modules *modules, pid_t pid, const struct mapping *mapping,
			struct native_module **out)
{
	struct native_identity identity = { 0 };
	struct native_module *module;
	int fd;
	int err = mapping_open(pid, mapping, &fd, NULL, 0);

	if (err) {
		module = module_of_dead(modules, mapping);
		if (!module || (err != -ESRCH && err != -ENOENT))
			return err;
		module->references++;
		*out = module;
		return 0;
	}
	err = identity_read(fd, &identity);
	for (size_t i = 0; !err && i < modules->count; i++) {
		if (!identity_equal(&modules->items[i]->identity, &identity))
			continue;
		close(fd);
		modules->items[i]->references++;
		*out = modules->items[i];
		return 0;
	}
	if (err) {
		close(fd);
		return err;
	}
	err = module_add(modules, fd, &identity, &module);
	if (err)
		return err;
	module->mapping_device = mapping->device;
	module->mapping_inode = mapping->inode;
	*out = module;
	return 0;
}

/* It is one ELF image in memory, the same in every 64-bit process, ours included. */
int native_modules_open_vdso(struct native_modules *modules, struct native_module **out)
{
	static const struct native_identity identity = { 0 };
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
	size_t bytes;
	int fd;

	for (size_t i = 0; i < modules->count; i++) {
		if (!identity_equal(&modules->items[i]->identity, &identity))
			continue;
		modules->items[i]->references++;
		*out = modules->items[i];
		return 0;
	}
	if (!header)
		return -ENOENT;
	bytes = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
	if (bytes > VDSO_MAX_BYTES)
		return -EFBIG;
	fd = memfd_create("vdso", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, header, bytes) != (ssize_t)bytes) {
		close(fd);
		return -EIO;
	}
	return module_add(modules, fd, &identity, out);
}

/* ---- unwind rows ---- */

void native_module_row(struct native_module *module, uint64_t address, struct native_row *out)
{
	const uint64_t entry = module->elf.header.e_entry;
	struct native_row row = { .address = address };
	struct native_fde fde;

	if (native_cfi_find(&module->cfi, address, &fde) == 0) {
		if (native_fde_row(&fde, address, &row))
			row = (struct native_row){ .address = address };
		native_fde_release(&fde);
	} else if (entry && address - entry < ENTRY_STUB_BYTES) {
		/* musl's start has no table; nothing called it. */
		row.flags = NATIVE_ROW_KNOWN | NATIVE_ROW_OUTERMOST;
	} else if (native_code_is_linkage(&module->elf, address)) {
		native_row_set_entry(&row);
	}
	if (native_code_follows_call(&module->elf, address + 1))
		row.flags |= NATIVE_ROW_CALLED;
	row.module = module->serial;
	*out = row;
}

/* ---- names ---- */

/* The separate file that holds what was stripped, if this host has it. */
static void debug_file_open(struct native_module *module)
{
	uint8_t id[NATIVE_ELF_BUILD_ID_BYTES], other[NATIVE_ELF_BUILD_ID_BYTES];
	size_t length = native_elf_build_id(&module->elf, id);
	char path[sizeof(DEBUG_ROOT) + 2 * sizeof(id) + sizeof("//.debug")];
	int at, fd;

	if (length < 2)
		return;
	at = snprintf(path, sizeof(path), DEBUG_ROOT "/%02x/", id[0]);
	for (size_t i = 1; i < length; i++)
		at += snprintf(path + at, sizeof(path) - (size_t)at, "%02x", id[i]);
	snprintf(path + at, sizeof(path) - (size_t)at, ".debug");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || native_elf_open(fd, &module->debug))
		return;
	if (native_elf_build_id(&module->debug, other) != length || memcmp(id, other, length) != 0)
		native_elf_release(&module->debug);
}

static void names_read(struct native_module *module)
{
	if (module->names_read)
		return;
	module->names_read = true;
	module->symbols_elf = &module->elf;
	if (!native_elf_section(&module->elf, ".symtab"))
		debug_file_open(module);
	if (module->debug.is_open && native_elf_section(&module->debug, ".symtab"))
		module->symbols_elf = &module->debug;
	native_symbols_read(module->symbols_elf, &module->symbols);
	native_eval_init(&module->eval, &module->symbols, module->symbols_elf);
}

/* A symbol without a size (assembly) is bounded by the function's unwind entry, if it has one. */
static const struct native_symbol_entry *symbol_find(struct native_module *module, uint64_t address)
{
	const struct native_symbol_entry *entry;
	struct native_fde fde;

	entry = native_symbols_find(&module->symbols, address, 0, 0);
	if (entry)
		return entry;
	if (native_cfi_find(&module->cfi, address, &fde))
		return NULL;
	entry = native_symbols_find(&module->symbols, address, fde.start, fde.end);
	native_fde_release(&fde);
	return entry;
}

void native_module_name(struct native_module *module, uint64_t address, struct buffer *name,
			bool *is_eval)
{
	char mangled[NATIVE_SYMBOL_NAME_BYTES];
	const struct native_symbol_entry *entry;
	size_t start = name->length;

	names_read(module);
	*is_eval = false;
	entry = symbol_find(module, address);
	if (entry) {
		native_symbol_name(&module->symbols, module->symbols_elf, entry, mangled);
		native_name_append(name, mangled);
		*is_eval = name->bytes && strcmp(name->bytes + start, NATIVE_EVAL_NAME) == 0;
	} else if (native_eval_is_part(&module->eval, &module->elf, &module->cfi, address)) {
		buffer_string(name, NATIVE_EVAL_NAME);
		*is_eval = true;
	}
}

void native_module_line(struct native_module *module, uint64_t address, struct buffer *file,
			int32_t *line)
{
	*line = 0;
	names_read(module);
	if (!module->lines_read) {
		module->lines_read = true;
		if (native_lines_open(&module->elf, &module->lines) && module->debug.is_open)
			native_lines_open(&module->debug, &module->lines);
	}
	if (module->lines)
		native_lines_find(module->lines, address, file, line);
}
