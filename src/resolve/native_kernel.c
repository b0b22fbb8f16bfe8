// SPDX-License-Identifier: GPL-2.0-only
/* The kernel's symbol table, packed. The contract is in native_kernel.h. */
#include "resolve/native_kernel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

enum {
	KERNEL_SYMBOLS_MAX = 1 << 20,
	KERNEL_MODULES_MAX = 4096,
	KERNEL_NAME_BYTES = 512,       /* the kernel's own limit, KSYM_NAME_LEN */
	KERNEL_STRAY_BYTES = 64 << 10, /* how long a function is at most that nothing bounds */
};

struct kernel_symbol {
	uint64_t address;
	uint32_t name;	 /* offset into `names` */
	uint32_t module; /* index; 0: the kernel itself */
};

struct kernel_module {
	char name[64];
	uint64_t start, end; /* end 0: not known */
};

struct native_kernel {
	struct kernel_symbol *symbols; /* sorted */
	size_t count, capacity;
	struct kernel_module *modules; /* [0] is the kernel itself */
	size_t module_count;
	struct buffer names;
};

struct native_kernel *native_kernel_new(void)
{
	struct native_kernel *kernel = calloc(1, sizeof(*kernel));

	if (!kernel)
		return NULL;
	buffer_init(&kernel->names);
	kernel->modules = calloc(1, sizeof(*kernel->modules));
	if (!kernel->modules) {
		native_kernel_free(kernel);
		return NULL;
	}
	kernel->module_count = 1;
	return kernel;
}

void native_kernel_free(struct native_kernel *kernel)
{
	if (!kernel)
		return;
	buffer_release(&kernel->names);
	free(kernel->modules);
	free(kernel->symbols);
	free(kernel);
}

/* The index of a module, added when new. 0: none, or too many. */
static uint32_t module_index(struct native_kernel *kernel, const char *name)
{
	struct kernel_module *grown;

	if (!*name)
		return 0;
	/* The symbols of a module come in a row: it is mostly the last one. */
	for (size_t i = kernel->module_count; i-- > 1;) {
		if (strcmp(kernel->modules[i].name, name) == 0)
			return (uint32_t)i;
	}
	if (kernel->module_count == KERNEL_MODULES_MAX)
		return 0;
	grown = realloc(kernel->modules, (kernel->module_count + 1) * sizeof(*grown));
	if (!grown)
		return 0;
	kernel->modules = grown;
	grown = &grown[kernel->module_count];
	*grown = (struct kernel_module){ .start = 0 };
	snprintf(grown->name, sizeof(grown->name), "%s", name);
	return (uint32_t)kernel->module_count++;
}

static int symbol_add(struct native_kernel *kernel, uint64_t address, const char *name,
		      const char *module)
{
	if (kernel->count == KERNEL_SYMBOLS_MAX)
		return 0;
	if (kernel->count == kernel->capacity) {
		size_t capacity = kernel->capacity ? kernel->capacity * 3 / 2 : 32768;
		struct kernel_symbol *grown = realloc(kernel->symbols, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		kernel->symbols = grown;
		kernel->capacity = capacity;
	}
	kernel->symbols[kernel->count++] = (struct kernel_symbol){
		.address = address,
		.name = (uint32_t)kernel->names.length,
		.module = module_index(kernel, module),
	};
	buffer_append(&kernel->names, name, strlen(name) + 1);
	return buffer_error(&kernel->names);
}

static int symbols_compare(const void *left, const void *right)
{
	const struct kernel_symbol *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return (a->name < b->name) - (a->name > b->name); /* the first of several names wins */
}

/* "ffffffff81000000 T name\t[module]" in place: false for what is no function. */
static bool line_parse(char *line, uint64_t *address, const char **name, const char **module)
{
	char *at, *bracket;

	*address = strtoull(line, &at, 16);
	if (at == line || *at != ' ' || !at[1] || !strchr("tTwW", at[1]) || at[2] != ' ')
		return false;
	at += 3;
	at[strcspn(at, "\n")] = '\0';
	bracket = strchr(at, '\t');
	*module = "";
	if (bracket) {
		*bracket++ = '\0';
		if (*bracket == '[')
			bracket++;
		bracket[strcspn(bracket, "]")] = '\0';
		*module = bracket;
	}
	*name = at;
	/* Padding before each function, where nothing ever runs. */
	return *at && strncmp(at, "__pfx_", 6) != 0;
}

int native_kernel_read(struct native_kernel *kernel, FILE *symbols)
{
	char line[KERNEL_NAME_BYTES + 128];
	const char *name, *module;
	struct kernel_symbol *fitted;
	bool hidden = false;
	uint64_t address;
	int err = 0;

	while (!err && fgets(line, sizeof(line), symbols)) {
		if (!line_parse(line, &address, &name, &module))
			continue;
		if (address)
			err = symbol_add(kernel, address, name, module);
		else
			hidden = true;
	}
	if (err)
		return err;
	if (kernel->count == 0)
		return hidden ? -EPERM : -ENOENT;
	fitted = realloc(kernel->symbols, kernel->count * sizeof(*fitted));
	if (fitted) {
		kernel->symbols = fitted;
		kernel->capacity = kernel->count;
	}
	qsort(kernel->symbols, kernel->count, sizeof(*kernel->symbols), symbols_compare);
	return 0;
}

/* "name size users dependencies state 0xaddress" */
int native_kernel_read_modules(struct native_kernel *kernel, FILE *modules)
{
	char line[4096], name[64];
	uint64_t size, start;

	while (fgets(line, sizeof(line), modules)) {
		const char *address = strstr(line, " 0x");
		uint32_t index;

		if (!address || sscanf(line, "%63s %" SCNu64, name, &size) != 2 ||
		    sscanf(address, " 0x%" SCNx64, &start) != 1)
			continue;
		index = module_index(kernel, name);
		if (index == 0)
			continue;
		kernel->modules[index].start = start;
		kernel->modules[index].end = start + size;
	}
	return 0;
}

/* Kernel functions have no sizes: the next one bounds them, but nothing the last of a part. */
static bool symbol_reaches(const struct native_kernel *kernel, size_t index, uint64_t address)
{
	const struct kernel_symbol *symbol = &kernel->symbols[index];
	const struct kernel_module *module = &kernel->modules[symbol->module];

	if (module->end)
		return address >= module->start && address < module->end;
	if (symbol->module == 0 && index + 1 < kernel->count &&
	    kernel->symbols[index + 1].module == 0)
		return true;
	return address - symbol->address < KERNEL_STRAY_BYTES;
}

int native_kernel_find(const struct native_kernel *kernel, uint64_t address, const char **name,
		       const char **module)
{
	size_t low = 0, high = kernel->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (address < kernel->symbols[middle].address)
			high = middle;
		else
			low = middle + 1;
	}
	if (low == 0 || !symbol_reaches(kernel, low - 1, address))
		return -ENOENT;
	*name = kernel->names.bytes + kernel->symbols[low - 1].name;
	*module = kernel->modules[kernel->symbols[low - 1].module].name;
	return 0;
}
