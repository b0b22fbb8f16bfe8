// SPDX-License-Identifier: GPL-2.0-only
/*
 * The plan of an allocator: which functions, in which files, probed at which instruction. The contract
 * is in allocator.h.
 *
 * A function that only leads on to another one of the plan (glibc's reallocarray() to realloc()) gets
 * no probe: the other's sees the call, and would see it twice.
 */
#include "python/allocator_plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	UNSIZED_TEXT_BYTES = 512, /* of a function whose size nobody tells */
	STUB_NAME_BYTES = 64,
};

static const struct {
	const char *name;
	enum memory_call call;
	bool in_library;
} known[] = {
	{ "malloc", MEMORY_MALLOC, false },
	{ "free", MEMORY_FREE, false },
	{ "calloc", MEMORY_CALLOC, false },
	{ "realloc", MEMORY_REALLOC, false },
	{ "reallocarray", MEMORY_REALLOCARRAY, false },
	{ "posix_memalign", MEMORY_POSIX_MEMALIGN, false },
	{ "aligned_alloc", MEMORY_ALIGNED_ALLOC, false },
	{ "memalign", MEMORY_ALIGNED_ALLOC, false },
	{ "valloc", MEMORY_MALLOC, false },
	{ "pvalloc", MEMORY_MALLOC, false },
	{ "cfree", MEMORY_FREE, false },
	{ "free_sized", MEMORY_FREE, false },
	{ "free_aligned_sized", MEMORY_FREE, false },
	/* An allocator may have its own, which the C library does not use for itself. */
	{ "mmap", MEMORY_MMAP, false },
	{ "mmap64", MEMORY_MMAP, false },
	{ "munmap", MEMORY_MUNMAP, false },
	{ "mremap", MEMORY_MREMAP, false },
	{ "sbrk", MEMORY_SBRK, false },
	{ "mmap", MEMORY_MMAP, true },
	{ "mmap64", MEMORY_MMAP, true },
	{ "munmap", MEMORY_MUNMAP, true },
	{ "mremap", MEMORY_MREMAP, true },
	{ "sbrk", MEMORY_SBRK, true },
};

enum { KNOWN_COUNT = sizeof(known) / sizeof(known[0]), KNOWN_MALLOC = 0, KNOWN_FREE = 1 };

/* ---- one call ---- */

struct call_traits {
	uint8_t arguments; /* how many of them count */
	bool returns_block;
};

static struct call_traits traits_of(enum memory_call call)
{
	static const struct call_traits traits[] = {
		[MEMORY_MALLOC] = { 1, true },	      [MEMORY_CALLOC] = { 2, true },
		[MEMORY_REALLOC] = { 2, true },	      [MEMORY_REALLOCARRAY] = { 3, true },
		[MEMORY_ALIGNED_ALLOC] = { 2, true }, [MEMORY_POSIX_MEMALIGN] = { 3, true },
		[MEMORY_FREE] = { 1, false },	      [MEMORY_MMAP] = { 4, true },
		[MEMORY_MUNMAP] = { 2, false },	      [MEMORY_MREMAP] = { 3, true },
		[MEMORY_SBRK] = { 1, true },	      [LIFETIME_MAKE] = { 1, true },
		[LIFETIME_END] = { 1, false },	      [LIFETIME_TYPE_END] = { 1, false },
	};

	return traits[call];
}

/* ---- files ---- */

int planning_begin(struct planning *planning, const struct python_process *python,
		   struct allocator_plan *plan)
{
	*planning = (struct planning){ .python = python, .plan = plan };
	return maps_read(python->pid, &planning->maps);
}

void planning_end(struct planning *planning)
{
	for (size_t i = 0; i < planning->module_count; i++)
		module_close(&planning->modules[i]);
	maps_release(&planning->maps);
}

int planning_module(struct planning *planning, uint64_t address, struct module **out)
{
	struct module *module = &planning->modules[planning->module_count];
	int err;

	for (size_t i = 0; i < planning->module_count; i++) {
		if (module_has(&planning->modules[i], address)) {
			*out = &planning->modules[i];
			return 0;
		}
	}
	if (planning->module_count == ALLOCATOR_FILES)
		return -E2BIG;
	err = module_open(planning->python->pid, &planning->maps, address, module);
	if (err)
		return err;
	planning->module_count++;
	*out = module;
	return 0;
}

/* The plan's number for the file, which is put in when a site is first found in it. */
static int file_number(struct allocator_plan *plan, const struct module *module, uint8_t *number)
{
	struct allocator_file *file = &plan->files[plan->file_count];

	for (size_t i = 0; i < plan->file_count; i++) {
		if (strcmp(plan->files[i].path_open, module->path_open) == 0) {
			*number = (uint8_t)i;
			return 0;
		}
	}
	if (plan->file_count == ALLOCATOR_FILES || !module->path_open[0])
		return -E2BIG;
	snprintf(file->path, sizeof(file->path), "%s", module->path);
	snprintf(file->path_open, sizeof(file->path_open), "%s", module->path_open);
	*number = (uint8_t)plan->file_count++;
	return 0;
}

/* ---- sites ---- */

/* The function's code, as much of it as is known to be its own. */
struct function_text {
	uint8_t bytes[PLACE_TEXT_MAX_BYTES];
	size_t size;
	uint64_t address; /* in the file */
	uint64_t offset;  /* in the file */
};

static int text_read(const struct module *module, const char *name, uint64_t address,
		     struct function_text *out)
{
	struct elf_symbol symbol = { .name = name };
	uint64_t size = UNSIZED_TEXT_BYTES;

	out->address = address - module->bias;
	if (module_symbols_find(module, true, &symbol, 1) && symbol.address == out->address &&
	    symbol.size)
		size = symbol.size;
	for (size_t i = 0; i < module->segment_count; i++) {
		const struct elf_code_segment *segment = &module->segments[i];
		uint64_t skip = out->address - segment->address;

		if (skip >= segment->file_bytes)
			continue;
		if (size > segment->file_bytes - skip)
			size = segment->file_bytes - skip;
		out->size = size < sizeof(out->bytes) ? size : sizeof(out->bytes);
		out->offset = segment->offset + skip;
		return elf_file_read(module->file, out->address, out->bytes, out->size);
	}
	return -EFAULT;
}

/* From the first to the last byte of the file's code. */
static void inside_set(const struct module *module, struct memory_probe *probe)
{
	probe->inside_start = UINT64_MAX;
	for (size_t i = 0; i < module->segment_count; i++) {
		const struct elf_code_segment *segment = &module->segments[i];

		if (segment->address < probe->inside_start)
			probe->inside_start = segment->address;
		if (segment->address + segment->file_bytes > probe->inside_end)
			probe->inside_end = segment->address + segment->file_bytes;
	}
}

static bool has_site(const struct allocator_plan *plan, uint8_t file, uint64_t file_offset)
{
	for (size_t i = 0; i < plan->site_count; i++) {
		if (plan->sites[i].file == file && plan->sites[i].file_offset == file_offset)
			return true;
	}
	return false;
}

/* Unless there is one already, by another name. */
static int site_put(struct planning *planning, const struct module *module,
		    struct allocator_site *site)
{
	struct allocator_plan *plan = planning->plan;
	int err = file_number(plan, module, &site->file);

	if (err || has_site(plan, site->file, site->file_offset))
		return err;
	if (plan->site_count == ALLOCATOR_SITES)
		return -E2BIG;
	plan->sites[plan->site_count++] = *site;
	return 0;
}

static int site_add(struct planning *planning, const struct module *module,
		    const struct planned_function *function, const struct function_text *text)
{
	const struct call_traits traits = traits_of(function->call);
	const struct place_needs needs = { traits.arguments, function->context,
					   traits.returns_block };
	struct allocator_site site = { .returns_block = traits.returns_block };
	struct place place;

	place_find(text->bytes, text->size, &needs, &place);
	site.probe.call = function->call;
	site.probe.first_argument = place.context;
	site.probe.address = text->address + place.offset;
	site.file_offset = text->offset + place.offset;
	site.stepped = place.stepped;
	inside_set(module, &site.probe);
	snprintf(site.symbol, sizeof(site.symbol), "%s", function->name);
	return site_put(planning, module, &site);
}

int planning_add_at(struct planning *planning, const struct module *module, const char *name,
		    const struct memory_probe *probe)
{
	struct allocator_site site = { .probe = *probe };

	for (size_t i = 0; i < module->segment_count; i++) {
		const struct elf_code_segment *segment = &module->segments[i];
		const uint64_t skip = probe->address - segment->address;

		if (skip >= segment->file_bytes)
			continue;
		site.file_offset = segment->offset + skip;
		snprintf(site.symbol, sizeof(site.symbol), "%s", name);
		return site_put(planning, module, &site);
	}
	return -EFAULT;
}

/* ---- functions that lead on to others ---- */

struct leading {
	const struct planning *planning;
	const struct module *module;
	uint64_t from; /* address of the function in the process */
};

static bool is_planned(const struct leading *leading, uint64_t address)
{
	for (size_t i = 0; i < leading->planning->function_count; i++) {
		if (leading->planning->functions[i].address == address && address != leading->from)
			return true;
	}
	return false;
}

/* Whether the address in the file is that of a function of the plan, or of a stub that leads to one. */
static bool leads_to_planned(uint64_t address, void *arg)
{
	const struct leading *leading = arg;
	const struct planning *planning = leading->planning;
	char name[STUB_NAME_BYTES];
	struct elf_symbol symbol = { .name = name };

	if (!module_is_stub(leading->module, address))
		return is_planned(leading, address + leading->module->bias);
	if (!module_stub_name(leading->module, address, name, sizeof(name)))
		return false;
	for (size_t i = 0; i < planning->function_count; i++) {
		if (planning->functions[i].address && !planning->functions[i].in_library &&
		    strcmp(planning->functions[i].name, name) == 0)
			return planning->functions[i].address != leading->from;
	}
	return module_symbols_find(leading->module, false, &symbol, 1) == 1 &&
	       is_planned(leading, symbol.address + leading->module->bias);
}

int planning_add(struct planning *planning, const struct planned_function *function)
{
	struct function_text text;
	struct leading leading = { .planning = planning, .from = function->address };
	struct module *module;
	int err = planning_module(planning, function->address, &module);

	if (err)
		return err;
	err = text_read(module, function->name, function->address, &text);
	if (err)
		return err;
	leading.module = module;
	if (place_forwards(text.bytes, text.size, text.address, leads_to_planned, &leading))
		return 0;
	return site_add(planning, module, function, &text);
}

/* ---- the allocator's name ---- */

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void allocator_name(const struct planning *planning, const struct module *module, char *name,
			   size_t size)
{
	static const struct {
		const char *symbol, *name;
	} markers[] = {
		{ "mallctl", "jemalloc" },
		{ "tc_malloc", "tcmalloc" },
		{ "TCMallocInternalMalloc", "tcmalloc" },
		{ "_ZN15MallocExtension8instanceEv", "tcmalloc" },
		{ "mi_malloc", "mimalloc" },
		{ "gnu_get_libc_version", "glibc" },
		{ "__libc_malloc_impl", "musl" },
		{ "_int_malloc", "glibc" },
	};
	const char *file = last_component(module->path);

	for (size_t i = 0; i < sizeof(markers) / sizeof(markers[0]); i++) {
		struct elf_symbol symbol = { .name = markers[i].symbol };

		if (module_symbols_find(module, true, &symbol, 1)) {
			snprintf(name, size, "%s", markers[i].name);
			return;
		}
	}
	if (planning->python->musl &&
	    (strncmp(file, "ld-musl", 7) == 0 || strncmp(file, "libc.", 5) == 0))
		file = "musl";
	snprintf(name, size, "%.*s", (int)size - 1, file);
}

/* Whether a file other than the allocator's is linked to a library of C++. */
static bool runs_cpp(const struct planning *planning, const struct module *allocator)
{
	for (size_t i = 0; i < planning->maps.count; i++) {
		const struct mapping *mapping = &planning->maps.mappings[i];
		struct module module;
		bool needs;

		if (!(mapping->flags & MAPPING_EXEC) ||
		    strcmp(mapping->path, allocator->path) == 0 ||
		    strncmp(last_component(mapping->path), "libstdc++", 9) == 0 ||
		    module_open(planning->python->pid, &planning->maps, mapping->start, &module))
			continue;
		needs = elf_file_needs(module.file, "libstdc++") ||
			elf_file_needs(module.file, "libc++");
		module_close(&module);
		if (needs)
			return true;
	}
	return false;
}

/*
 * An exception that leaves a function whose return address is a probe's ends the process: operator
 * new is left alone. Most allocators leave it to libstdc++, which calls malloc().
 */
static void unseen_say(const struct planning *planning, const struct module *module, char *line,
		       size_t size)
{
	struct elf_symbol operator_new = { .name = "_Znwm" };

	if (module_symbols_find(module, false, &operator_new, 1) && runs_cpp(planning, module))
		snprintf(line, size,
			 "what C++ code allocates with operator new of %.64s is not seen",
			 last_component(module->path));
}

/* ---- the plan ---- */

static int functions_find(struct planning *planning, char *reason, size_t reason_size)
{
	const char *program = last_component(planning->python->binary);
	struct module_function *functions = planning->functions;
	int err;

	for (size_t i = 0; i < KNOWN_COUNT; i++)
		functions[i] = (struct module_function){ known[i].name, known[i].in_library, 0 };
	planning->function_count = KNOWN_COUNT;
	err = module_functions_find(planning->python, &planning->maps, functions, KNOWN_COUNT);
	if (err) {
		snprintf(reason, reason_size, "%s: what it allocates with cannot be read: %s",
			 program, strerror(-err));
		return err;
	}
	if (functions[KNOWN_MALLOC].address && functions[KNOWN_FREE].address)
		return 0;
	snprintf(reason, reason_size,
		 "%s: no %s to be found: it is linked in, and the symbols are stripped", program,
		 functions[KNOWN_MALLOC].address ? "free()" : "malloc()");
	return -ENOENT;
}

static int sites_find(struct planning *planning, char *reason, size_t reason_size)
{
	struct module *module;

	for (size_t i = 0; i < KNOWN_COUNT; i++) {
		const struct module_function *found = &planning->functions[i];
		const struct planned_function function = {
			.name = found->name,
			.address = found->address,
			.call = known[i].call,
		};
		int err = found->address ? planning_add(planning, &function) : 0;

		if (!err)
			continue;
		snprintf(reason, reason_size, "its %s() cannot be probed: %s", found->name,
			 err == -ENOENT ? "it lies in no file" : strerror(-err));
		return err;
	}
	if (planning_module(planning, planning->functions[KNOWN_MALLOC].address, &module) == 0) {
		allocator_name(planning, module, planning->plan->name,
			       sizeof(planning->plan->name));
		unseen_say(planning, module, planning->plan->unseen,
			   sizeof(planning->plan->unseen));
	}
	return 0;
}

int allocator_plan_make(const struct python_process *python, struct allocator_plan *plan,
			char *reason, size_t reason_size)
{
	struct planning planning;
	int err;

	*plan = (struct allocator_plan){ 0 };
	err = planning_begin(&planning, python, plan);
	if (err) {
		snprintf(reason, reason_size, "its memory map cannot be read: %s", strerror(-err));
		return err;
	}
	err = functions_find(&planning, reason, reason_size);
	if (!err)
		err = sites_find(&planning, reason, reason_size);
	planning_end(&planning);
	return err;
}
