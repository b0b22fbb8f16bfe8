// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tables through which CPython calls its allocators (PyMemAllocatorEx), as they are in a live
 * process. From 3.12 on they are in _PyRuntime; before, static variables of Objects/obmalloc.c, which
 * are what the functions of each domain read first. The contract is in pools.h.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "proc/maps.h"
#include "proc/memory.h"
#include "python/layout.h"
#include "python/pools.h"
#include "python/static_reads.h"

_Static_assert(sizeof(struct allocator_table) == 40, "PyMemAllocatorEx");

static bool is_code(const struct maps *maps, uint64_t address)
{
	const struct mapping *mapping = maps_find(maps, address);

	return mapping && (mapping->flags & MAPPING_EXEC);
}

static bool table_is_plausible(const struct maps *maps, const struct allocator_table *table)
{
	return is_code(maps, table->malloc) && is_code(maps, table->calloc) &&
	       is_code(maps, table->realloc) && is_code(maps, table->free);
}

/*
 * The function jumps through its table's second word, having read it first where the usual one is
 * inlined; what it reads later may be of other tables.
 */
static int table_of_function(const struct python_process *python, const struct maps *maps,
			     const struct static_reads *function, struct allocator_table *out)
{
	for (size_t i = 0; i < function->count; i++) {
		uint64_t address = python->load_bias + function->reads[i].address -
				   offsetof(struct allocator_table, malloc);

		if (function->reads[i].bytes != 8 ||
		    memory_read(python->pid, address, out, sizeof(*out)))
			continue;
		if (table_is_plausible(maps, out))
			return 0;
	}
	return -ENOENT;
}

static int tables_of_functions(const struct python_process *python, const struct maps *maps,
			       struct allocator_table found[ALLOCATOR_DOMAINS])
{
	struct static_reads functions[ALLOCATOR_DOMAINS] = {
		[ALLOCATOR_RAW].function = "PyMem_RawMalloc",
		[ALLOCATOR_MEM].function = "PyMem_Malloc",
		[ALLOCATOR_OBJECT].function = "PyObject_Malloc",
	};
	int err = static_reads_find(python->binary_open, functions, ALLOCATOR_DOMAINS);

	if (err == -ENOENT)
		return -ESRCH;
	for (int i = 0; i < ALLOCATOR_DOMAINS && !err; i++)
		err = table_of_function(python, maps, &functions[i], &found[i]);
	return err;
}

static int tables_of_runtime(const struct python_process *python, const struct layout *layout,
			     const struct maps *maps,
			     struct allocator_table found[ALLOCATOR_DOMAINS])
{
	int err = memory_read(python->pid, python->target.runtime + layout->runtime_allocators,
			      found, ALLOCATOR_DOMAINS * sizeof(*found));

	for (int i = 0; i < ALLOCATOR_DOMAINS && !err; i++)
		err = table_is_plausible(maps, &found[i]) ? 0 : -ENOENT;
	return err;
}

int allocator_tables_read(const struct python_process *python,
			  struct allocator_table tables[ALLOCATOR_DOMAINS])
{
	const struct layout *layout = layout_of(python->target.layout.minor);
	struct allocator_table found[ALLOCATOR_DOMAINS];
	struct maps maps;
	int err;

	if (!layout)
		return -ENOENT;
	err = maps_read(python->pid, &maps);
	if (err)
		return err;
	if (layout->runtime_allocators == ABI_NO_OFFSET)
		err = tables_of_functions(python, &maps, found);
	else
		err = tables_of_runtime(python, layout, &maps, found);
	maps_release(&maps);
	if (!err)
		memcpy(tables, found, sizeof(found));
	return err;
}
