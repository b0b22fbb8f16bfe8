// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the interpreter's references to functions are bound to. Its own words for them, which the
 * dynamic linker has filled, are the truth; one that waits for its first call still leads into the linkage
 * table. For those, and for functions that it does not refer to itself, the linker's list of files is
 * gone through as the linker would.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proc/memory.h"
#include "python/allocator_modules.h"
#include "python/allocator_relocations.h"

enum {
	LINKS_MAX = 4096,   /* files of a process, before its C library */
	HEADERS_MAX = 64,   /* of one file */
	DYNAMIC_MAX = 256,  /* entries */
	AUXILIARY_MAX = 64, /* words that the kernel told the process about itself */
};

struct binding {
	const struct python_process *python;
	const struct maps *maps;
	struct module module; /* the interpreter's file */
	struct module_function *functions;
	size_t count;
	bool refers; /* to malloc(): it is not linked in */
};

/* ---- the interpreter's own words ---- */

/* What the word is bound to; 0: nothing yet. */
static uint64_t slot_read(const struct binding *binding, const struct relocation *relocation)
{
	const uint64_t bias = binding->module.bias;
	struct module module;
	uint64_t live, initial;
	bool stub;

	if (memory_read_u64(binding->python->pid, relocation->slot + bias, &live) || !live)
		return 0;
	if (relocation->of_call)
		return elf_file_read(binding->module.file, relocation->slot, &initial,
				     sizeof(initial)) == 0 &&
				       live == initial + bias ?
			       0 :
			       live;
	/* A program whose code is not relocatable has the address of its own stub for all to use. */
	if (module_open(binding->python->pid, binding->maps, live, &module))
		return 0;
	stub = module_is_stub(&module, live - module.bias);
	module_close(&module);
	return stub ? 0 : live;
}

static int slot_visit(const struct relocation *relocation, void *arg)
{
	struct binding *binding = arg;

	binding->refers |= strcmp(relocation->name, "malloc") == 0;
	for (size_t i = 0; i < binding->count; i++) {
		struct module_function *function = &binding->functions[i];

		if (function->address || function->in_library ||
		    strcmp(function->name, relocation->name) != 0)
			continue;
		function->address = slot_read(binding, relocation);
	}
	return 0;
}

/* ---- one file after the other ---- */

static void functions_want(const struct binding *binding, bool library, struct elf_symbol *symbols)
{
	for (size_t i = 0; i < binding->count; i++) {
		const struct module_function *function = &binding->functions[i];

		symbols[i] = (struct elf_symbol){
			.name = function->name,
			.found = function->address || (function->in_library && !library),
			.type = STT_FUNC,
		};
	}
}

/* Takes what is still missing and the file defines. */
static void module_search(struct binding *binding, const struct module *module, bool all,
			  bool library)
{
	struct elf_symbol symbols[MODULE_FUNCTIONS_MAX];

	functions_want(binding, library, symbols);
	module_symbols_find(module, all, symbols, binding->count);
	for (size_t i = 0; i < binding->count; i++) {
		struct module_function *function = &binding->functions[i];

		if (symbols[i].found && symbols[i].address && !function->address &&
		    (!function->in_library || library))
			function->address = symbols[i].address + module->bias;
	}
}

static bool exports_any(const struct binding *binding, const struct module *module)
{
	for (size_t i = 0; i < binding->count; i++) {
		if (!binding->functions[i].address && !binding->functions[i].in_library &&
		    elf_file_may_export(module->file, binding->functions[i].name))
			return true;
	}
	return false;
}

static bool is_c_library(const struct module *module, bool all)
{
	struct elf_symbol start = { .name = "__libc_start_main" };

	return (all || elf_file_may_export(module->file, start.name)) &&
	       module_symbols_find(module, all, &start, 1) == 1;
}

/* ---- the linker's list ---- */

/* A word of what the kernel told the process when it began; 0: it is not there. */
static uint64_t auxiliary_word(pid_t pid, uint64_t type)
{
	Elf64_auxv_t words[AUXILIARY_MAX];
	char path[64];
	ssize_t bytes;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/auxv", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	bytes = read(fd, words, sizeof(words));
	close(fd);
	for (size_t i = 0; bytes > 0 && i < (size_t)bytes / sizeof(*words); i++) {
		if (words[i].a_type == type)
			return words[i].a_un.a_val;
	}
	return 0;
}

/* Where the program's dynamic section lies; 0: it has none. */
static uint64_t program_dynamic(pid_t pid)
{
	const uint64_t headers_at = auxiliary_word(pid, AT_PHDR);
	const uint64_t count = auxiliary_word(pid, AT_PHNUM);
	uint64_t bias = 0, dynamic = 0;
	Elf64_Phdr headers[HEADERS_MAX];

	if (!headers_at || !count || count > HEADERS_MAX ||
	    memory_read(pid, headers_at, headers, count * sizeof(*headers)))
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (headers[i].p_type == PT_PHDR)
			bias = headers_at - headers[i].p_vaddr;
		if (headers[i].p_type == PT_DYNAMIC)
			dynamic = headers[i].p_vaddr;
	}
	return dynamic ? dynamic + bias : 0;
}

/* The first entry of the linker's list; 0: there is none. */
static uint64_t links_head(pid_t pid)
{
	uint64_t at = program_dynamic(pid);
	struct r_debug list;

	for (size_t i = 0; at && i < DYNAMIC_MAX; i++, at += sizeof(Elf64_Dyn)) {
		Elf64_Dyn entry;

		if (memory_read(pid, at, &entry, sizeof(entry)) || entry.d_tag == DT_NULL)
			return 0;
		if (entry.d_tag != DT_DEBUG)
			continue;
		if (memory_read(pid, entry.d_un.d_ptr, &list, sizeof(list)))
			return 0;
		return (uint64_t)list.r_map;
	}
	return 0;
}

/* The file whose dynamic section lies there, by any of its code. */
static int link_open(const struct binding *binding, const struct link_map *link,
		     struct module *module)
{
	const struct mapping *named = maps_find(binding->maps, (uint64_t)link->l_ld);

	if (!named || !named->inode)
		return -ENOENT;
	for (size_t i = 0; i < binding->maps->count; i++) {
		const struct mapping *mapping = &binding->maps->mappings[i];

		if (mapping->inode == named->inode && mapping->device == named->device &&
		    mapping->flags & MAPPING_EXEC)
			return module_open(binding->python->pid, binding->maps, mapping->start,
					   module);
	}
	return -ENOENT;
}

/* Up to the C library, and whether that was found: what it defines itself comes first. */
static bool links_search(struct binding *binding)
{
	const pid_t pid = binding->python->pid;
	uint64_t at = links_head(pid);
	bool library = false;

	for (size_t i = 0; at && i < LINKS_MAX && !library; i++) {
		struct module module;
		struct link_map link;

		if (memory_read(pid, at, &link, sizeof(link)))
			return false;
		at = (uint64_t)link.l_next;
		if (link_open(binding, &link, &module))
			continue;
		library = is_c_library(&module, false);
		if (library || exports_any(binding, &module))
			module_search(binding, &module, false, library);
		module_close(&module);
	}
	return library;
}

/* Without the list (a program run by naming the linker has none): the files known by now. */
static void bound_search(struct binding *binding)
{
	for (size_t i = 0; i < binding->count; i++) {
		struct module module;

		if (!binding->functions[i].address ||
		    module_open(binding->python->pid, binding->maps, binding->functions[i].address,
				&module))
			continue;
		module_search(binding, &module, false, is_c_library(&module, false));
		module_close(&module);
	}
}

int module_functions_find(const struct python_process *python, const struct maps *maps,
			  struct module_function *functions, size_t count)
{
	struct binding binding = {
		.python = python,
		.maps = maps,
		.functions = functions,
		.count = count,
	};
	int err;

	if (count > MODULE_FUNCTIONS_MAX)
		return -E2BIG;
	err = module_open_python(python, &binding.module);
	if (err)
		return err;
	err = relocations_each(binding.module.file, slot_visit, &binding);
	if (!err && !binding.refers)
		module_search(&binding, &binding.module, true, is_c_library(&binding.module, true));
	if (!err && !links_search(&binding))
		bound_search(&binding);
	module_close(&binding.module);
	return err;
}
