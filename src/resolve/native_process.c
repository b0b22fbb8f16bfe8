// SPDX-License-Identifier: GPL-2.0-only
/* The table of a process's code. The contract is in native_process.h. */
#include "resolve/native_process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proc/process.h"

#define MILLISECOND_NS 1000000ull

enum {
	PERIOD_FIRST_MS = 1000,
	PERIOD_LAST_MS = 8000,
	MISS_FIRST_MS = 10,
	MISS_LAST_MS = 1000,
};

struct native_process *native_process_new(pid_t pid)
{
	struct native_process *process = calloc(1, sizeof(*process));

	if (!process)
		return NULL;
	process->pid = pid;
	process->period_ns = PERIOD_FIRST_MS * MILLISECOND_NS;
	process->miss_period_ns = MISS_FIRST_MS * MILLISECOND_NS;
	return process;
}

static void ranges_free(struct native_range *ranges, size_t count, uint64_t now_ns)
{
	for (size_t i = 0; i < count; i++)
		native_module_unref(ranges[i].module, now_ns);
	free(ranges);
}

void native_process_free(struct native_process *process, uint64_t now_ns)
{
	if (!process)
		return;
	ranges_free(process->ranges, process->count, now_ns);
	free(process);
}

static struct native_range *range_find(const struct native_process *process, uint64_t address)
{
	size_t low = 0, high = process->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct native_range *range = &process->ranges[middle];

		if (address < range->start)
			high = middle;
		else if (address >= range->end)
			low = middle + 1;
		else
			return range;
	}
	return NULL;
}

static bool range_is_same(const struct native_range *a, const struct native_range *b)
{
	return a->start == b->start && a->end == b->end && a->path == b->path &&
	       a->mapping.offset == b->mapping.offset && a->mapping.inode == b->mapping.inode &&
	       a->mapping.device == b->mapping.device;
}

static int ranges_make(const struct maps *maps, struct intern *strings, struct native_range **out,
		       size_t *out_count)
{
	struct native_range *ranges = calloc(maps->count + 1, sizeof(*ranges));
	size_t count = 0;

	if (!ranges)
		return -ENOMEM;
	for (size_t i = 0; i < maps->count && count < NATIVE_RANGES_MAX; i++) {
		const struct mapping *mapping = &maps->mappings[i];
		struct native_range *range = &ranges[count];

		if (!(mapping->flags & MAPPING_EXEC))
			continue;
		*range = (struct native_range){
			.start = mapping->start,
			.end = mapping->end,
			.mapping = *mapping,
		};
		range->is_vdso = strcmp(mapping->path, "[vdso]") == 0;
		if (mapping->inode || range->is_vdso)
			range->path = intern_string(strings, mapping->path);
		if (range->path == UINT32_MAX) {
			free(ranges);
			return -ENOMEM;
		}
		range->mapping.path = intern_get(strings, range->path);
		count++;
	}
	*out = ranges;
	*out_count = count;
	return 0;
}

/* Puts a new table in place; files of mappings that are as they were stay open. */
static bool ranges_replace(struct native_process *process, struct native_range *ranges,
			   size_t count, uint64_t now_ns)
{
	bool changed = count != process->count;

	for (size_t i = 0; i < count; i++) {
		struct native_range *old = range_find(process, ranges[i].start);

		if (!old || !range_is_same(old, &ranges[i])) {
			changed = true;
			continue;
		}
		ranges[i].module = old->module;
		ranges[i].bias = old->bias;
		ranges[i].is_tried = old->is_tried && old->module;
		old->module = NULL;
	}
	ranges_free(process->ranges, process->count, now_ns);
	process->ranges = ranges;
	process->count = count;
	return changed;
}

/* A process that is gone keeps the table it had. */
static int process_read(struct native_process *process, struct intern *strings, uint64_t now_ns,
			bool *changed)
{
	struct proc_stat stat;
	struct native_range *ranges;
	struct maps maps;
	size_t count;
	int err;

	*changed = false;
	process->read_ns = now_ns;
	process->next_read_ns = now_ns + process->period_ns;
	err = proc_stat_read(process->pid, &stat);
	if (err)
		return err;
	err = maps_read(process->pid, &maps);
	if (err)
		return err;
	if (maps.count == 0) {
		maps_release(&maps);
		return -ESRCH;
	}
	err = ranges_make(&maps, strings, &ranges, &count);
	maps_release(&maps);
	if (err)
		return err;
	if (process->is_known && process->start_ticks != stat.start_ticks) {
		ranges_free(process->ranges, process->count, now_ns);
		process->ranges = NULL;
		process->count = 0;
	}
	*changed = ranges_replace(process, ranges, count, now_ns);
	process->start_ticks = stat.start_ticks;
	process->is_known = true;
	return 0;
}

static uint64_t period_after(uint64_t period_ns, bool useful, unsigned int first_ms,
			     unsigned int last_ms)
{
	if (useful)
		return first_ms * MILLISECOND_NS;
	return 2 * period_ns > last_ms * MILLISECOND_NS ? last_ms * MILLISECOND_NS : 2 * period_ns;
}

static void range_open(struct native_process *process, struct native_modules *modules,
		       struct native_range *range)
{
	struct native_module *module;
	uint64_t address;
	int err;

	range->is_tried = true;
	if (range->path == 0)
		return;
	err = range->is_vdso ? native_modules_open_vdso(modules, &module) :
			       native_modules_open(modules, process->pid, &range->mapping, &module);
	if (err)
		return;
	if (!native_elf_mapping_address(&module->elf, range->mapping.offset, &address)) {
		native_module_unref(module, process->read_ns);
		return;
	}
	range->bias = range->start - address;
	range->module = module;
}

int native_process_find(struct native_process *process, struct native_modules *modules,
			struct intern *strings, uint64_t address, uint64_t now_ns,
			struct native_range **out)
{
	struct native_range *range = range_find(process, address);
	bool changed;
	int err = 0;

	if (now_ns >= process->next_read_ns) {
		err = process_read(process, strings, now_ns, &changed);
		process->period_ns =
			period_after(process->period_ns, changed, PERIOD_FIRST_MS, PERIOD_LAST_MS);
		range = range_find(process, address);
	} else if (!range && now_ns - process->read_ns >= process->miss_period_ns) {
		err = process_read(process, strings, now_ns, &changed);
		range = range_find(process, address);
		process->miss_period_ns = period_after(process->miss_period_ns, range != NULL,
						       MISS_FIRST_MS, MISS_LAST_MS);
	}
	if (!process->is_known)
		return err ? err : -ESRCH;
	if (range && !range->is_tried)
		range_open(process, modules, range);
	*out = range;
	return 0;
}
