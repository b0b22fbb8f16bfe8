// SPDX-License-Identifier: GPL-2.0-only
/*
 * See collector.h. CPython's own probes are in builds made with --with-dtrace; elsewhere the function is
 * found by its text, or by its name where there is one. Compilers make several functions of it, or put it
 * into its callers: whatever is entered and left, the counters tell whether that was a collection.
 */
#include "python/collector.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proc/elf_file.h"
#include "proc/memory.h"
#include "python/collector_function.h"
#include "python/objects_layout.h"

enum {
	SEGMENTS_MAX = 8,
	/* struct gc_generation: its list, then what it may have and has. */
	GENERATION_THRESHOLD = 16,
	GENERATION_COUNT = 20,
	GENERATION_STATS_BYTES = 24,
	STATS_AFTER_PERMANENT = 24,
	/* From the state's three generations, as they lie upstream, back to its first switch. */
	ENABLED_BEFORE = 12,
	/* 3.15: a pointer, and the rings it points at (measured with 3.15.0). */
	POINTED_STATS = 104,
	POINTED_ENABLED = 0,
	RING_ENTRY_BYTES = 64,
	RING_COUNTS = 16,
	RING_YOUNG = 11,
	RING_OLD = 3,
};

static const uint16_t ring_starts[ABI_GC_GENERATIONS] = { 0, 712, 912 };
static const uint16_t ring_indexes[ABI_GC_GENERATIONS] = { 704, 904, 1104 };

const char *collector_way_name(enum collector_way way)
{
	return way == COLLECTOR_WAY_USDT ? "usdt" : "function";
}

/* ---- where a collection starts and ends ---- */

struct search {
	struct collector_plan *plan;
	struct elf_code_segment segments[SEGMENTS_MAX];
	size_t segment_count;
	struct elf_section counters; /* of USDT probes */
	size_t starts, ends;
};

static int site_add(struct search *search, enum gc_site_kind kind, uint64_t address,
		    uint64_t semaphore_offset)
{
	struct collector_plan *plan = search->plan;

	if (plan->site_count == COLLECTOR_SITES_MAX)
		return -ENOTSUP;
	for (size_t i = 0; i < search->segment_count; i++) {
		const struct elf_code_segment *segment = &search->segments[i];

		if (address - segment->address >= segment->file_bytes)
			continue;
		plan->sites[plan->site_count++] = (struct collector_site){
			.file_offset = address - segment->address + segment->offset,
			.semaphore_offset = semaphore_offset,
			.address = address,
			.kind = kind,
		};
		return 0;
	}
	return -ENOTSUP;
}

static int probe_keep(const struct elf_probe *note, void *arg)
{
	struct search *search = arg;
	const struct elf_section *counters = &search->counters;
	bool start = !strcmp(note->name, "gc__start");
	uint64_t semaphore = 0;

	if (strcmp(note->provider, "python") != 0 ||
	    (!start && strcmp(note->name, "gc__done") != 0))
		return 0;
	if (note->semaphore) {
		if (note->semaphore - counters->address >= counters->size)
			return -ENOTSUP;
		semaphore = note->semaphore - counters->address + counters->offset;
	}
	*(start ? &search->starts : &search->ends) += 1;
	return site_add(search, start ? GC_SITE_START : GC_SITE_DONE, note->address, semaphore);
}

static int probes_plan(struct search *search, struct elf_file *file)
{
	int err;

	if (!elf_file_section(file, ".probes", &search->counters))
		search->counters = (struct elf_section){ 0 };
	err = elf_file_each_probe(file, probe_keep, search);
	if (!err && (!search->starts || !search->ends))
		err = -ENOTSUP;
	if (err)
		search->plan->site_count = 0;
	search->plan->way = COLLECTOR_WAY_USDT;
	return err;
}

/* As compilers call what they made of it. */
static int names_plan(struct search *search, struct elf_file *file)
{
	struct elf_symbol symbols[] = {
		{ .name = "gc_collect_main" },
		{ .name = "gc_collect_main.constprop.0" },
		{ .name = "gc_collect_main.isra.0" },
		{ .name = "_PyGC_Collect" }, /* 3.14.0 to 3.14.4, around the three kinds */
		{ .name = "collect" },	     /* up to 3.9 */
		{ .name = "collect.constprop.0" },
		{ .name = "collect.constprop.1" },
	};
	const size_t count = sizeof(symbols) / sizeof(symbols[0]);
	int err = -ENOTSUP;

	elf_file_find_symbols(file, ELF_ALL_SYMBOLS, symbols, count);
	for (size_t i = 0; i < count; i++) {
		if (!symbols[i].found)
			continue;
		err = site_add(search, GC_SITE_ENTER, symbols[i].address, 0);
		if (err)
			return err;
	}
	return err;
}

static int functions_plan(struct search *search, struct elf_file *file)
{
	struct collector_function functions[COLLECTOR_FUNCTIONS_MAX];
	size_t count = 0;
	int err = collector_functions_find(file, functions, &count);

	search->plan->way = COLLECTOR_WAY_FUNCTION;
	if (err == -ENOENT || err == -ENOTSUP)
		return names_plan(search, file);
	for (size_t i = 0; i < count && !err; i++)
		err = site_add(search, GC_SITE_ENTER, functions[i].address, 0);
	return err;
}

static int file_plan(const struct python_process *python, struct collector_plan *plan)
{
	struct search search = { .plan = plan };
	struct elf_file *file = NULL;
	int fd = open(python->binary_open, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = elf_file_open(fd, &file);
	if (!err) {
		search.segment_count = elf_file_code_segments(file, search.segments, SEGMENTS_MAX);
		err = probes_plan(&search, file);
		if (err == -ENOTSUP)
			err = functions_plan(&search, file);
	}
	elf_file_close(file);
	close(fd);
	return err;
}

/* ---- where its counters are ---- */

static void stats_place(struct gc_layout *gc, const struct objects_layout *objects)
{
	if (objects->minor >= 15) {
		gc->stats = POINTED_STATS;
		gc->enabled = POINTED_ENABLED;
		gc->by_pointer = 1;
		gc->entry_bytes = RING_ENTRY_BYTES;
		gc->counts = RING_COUNTS;
	} else {
		gc->stats = objects->gc_permanent + STATS_AFTER_PERMANENT;
		gc->enabled = objects->gc_generations - ENABLED_BEFORE;
	}
	for (int i = 0; i < ABI_GC_GENERATIONS; i++) {
		gc->generations[i] = gc->by_pointer ? ring_starts[i] : i * GENERATION_STATS_BYTES;
		gc->indexes[i] = gc->by_pointer ? ring_indexes[i] : ABI_NO_OFFSET;
		gc->entry_counts[i] = !gc->by_pointer ? 1 : i ? RING_OLD : RING_YOUNG;
	}
}

static int interpreter_first(const struct python_process *python, uint64_t *interpreter)
{
	const struct python_layout *walk = &python->target.layout;

	return memory_read_u64(
		python->pid, python->target.runtime + walk->runtime_interpreters_head, interpreter);
}

/* The youngest generation: the collector says itself where, where it can; Debian's 3.13 moved it. */
static int youngest_find(const struct python_process *python, const struct objects_layout *objects,
			 struct gc_layout *gc)
{
	uint64_t interpreter, collector, told;
	int err = interpreter_first(python, &interpreter);

	if (err)
		return err;
	gc->youngest = objects->gc_generations;
	if (objects->gc_generation0 == ABI_NO_OFFSET)
		return 0;
	collector = (gc->in_runtime ? python->target.runtime : interpreter) + gc->collector;
	err = memory_read_u64(python->pid, collector + objects->gc_generation0, &told);
	if (err)
		return err;
	if (told <= collector || told >= collector + objects->gc_generation0)
		return -ENOTSUP;
	gc->youngest = told - collector;
	return 0;
}

static int layout_plan(const struct python_process *python, struct collector_plan *plan)
{
	struct gc_layout *gc = &plan->layout;
	struct objects_layout objects;
	struct layout layout;
	int err = objects_layout_read(python, &objects, &layout);

	if (err)
		return err;
	*gc = (struct gc_layout){
		.collector = objects.gc,
		.threshold = GENERATION_THRESHOLD,
		.count = GENERATION_COUNT,
		.in_runtime = objects.minor == 8,
	};
	stats_place(gc, &objects);
	plan->incremental = objects.minor == 14 && objects.gc_generation0 == ABI_NO_OFFSET;
	return youngest_find(python, &objects, gc);
}

int collector_plan_make(const struct python_process *python, struct collector_plan *out,
			char *reason, size_t reason_size)
{
	int err;

	*out = (struct collector_plan){ 0 };
	if (python->free_threaded) {
		snprintf(reason, reason_size,
			 "the free-threaded build has another collector, which is not supported");
		return -ENOTSUP;
	}
	err = layout_plan(python, out);
	if (err) {
		snprintf(reason, reason_size, "its collector's state is not as it should be: %s",
			 strerror(-err));
		return err;
	}
	err = file_plan(python, out);
	if (err)
		snprintf(reason, reason_size,
			 err == -ENOTSUP ? "it has no gc__start and gc__done, and its collector's "
					   "function cannot be found" :
					   "its file cannot be read");
	return err;
}

/* ---- what it has counted ---- */

static int counts_read(pid_t pid, const struct gc_layout *gc, struct collector_reading *out)
{
	uint64_t base = out->collector + gc->stats;
	int err = gc->by_pointer ? memory_read_u64(pid, base, &base) : 0;

	for (int i = 0; i < ABI_GC_GENERATIONS && !err; i++) {
		uint64_t entry = base + gc->generations[i] + gc->counts;
		uint8_t index = 0;

		if (gc->indexes[i] != ABI_NO_OFFSET)
			err = memory_read(pid, base + gc->indexes[i], &index, sizeof(index));
		if (!err && index >= gc->entry_counts[i])
			err = -EFAULT;
		if (!err)
			err = memory_read(pid, entry + (uint64_t)index * gc->entry_bytes,
					  &out->counts[i], sizeof(out->counts[i]));
	}
	return err;
}

static int collector_read(const struct python_process *python, const struct collector_plan *plan,
			  uint16_t collecting_offset, struct collector_reading *out)
{
	uint32_t collecting = 0, enabled = 0;
	int err = counts_read(python->pid, &plan->layout, out);

	if (!err)
		err = memory_read_u32(python->pid, out->collector + collecting_offset, &collecting);
	if (!err)
		err = memory_read_u32(python->pid, out->collector + plan->layout.enabled, &enabled);
	out->collecting = collecting;
	out->enabled = enabled;
	return err;
}

int collectors_read(const struct python_process *python, const struct collector_plan *plan,
		    struct collector_reading *out, size_t *count)
{
	const struct objects_layout *objects = objects_layout_of(python->target.layout.minor);
	const struct gc_layout *gc = &plan->layout;
	uint64_t interpreter;
	int err = interpreter_first(python, &interpreter);

	*count = 0;
	if (!objects)
		return -ENOTSUP;
	while (!err && interpreter && *count < COLLECTORS_MAX) {
		struct collector_reading *reading = &out[*count];

		*reading = (struct collector_reading){
			.collector = (gc->in_runtime ? python->target.runtime : interpreter) +
				     gc->collector,
		};
		err = collector_read(python, plan, objects->gc_collecting, reading);
		if (err)
			return err;
		++*count;
		if (gc->in_runtime)
			return 0;
		err = memory_read_u64(python->pid, interpreter + python->target.layout.interp_next,
				      &interpreter);
	}
	return err;
}
