// SPDX-License-Identifier: GPL-2.0-only
/*
 * See heap_scan.h. The lists are walked first, and fast: what hangs together is then read at nearly
 * one moment. Their objects are looked at in the order of their addresses, which is that of the memory
 * they lie in; the order of the lists is that of their births.
 */
#include "cli/heap_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "python/gc_sweep.h"
#include "python/objects_roots.h"

enum {
	MARKS_BYTES_MAX = 512 << 20, /* of objects that lie over 32 GiB */
	TURN_OBJECTS = 4096,
	IMMORTAL_FROM = 12,
	STACK_FIRST = 1024,
	STACK_MAX = 1 << 26,
};

int heap_scan_open(struct heap_scan *scan, struct objects *objects, struct census *census,
		   uint32_t largest_limit, const struct heap_wanted *want)
{
	int err;

	memset(scan, 0, sizeof(*scan));
	scan->objects = objects;
	scan->census = census;
	scan->largest_limit = largest_limit;
	scan->want = *want;
	err = gc_lists_open(objects, &scan->lists);
	if (err)
		return err;
	scan->listed = objects_marks_new(MARKS_BYTES_MAX);
	scan->seen = objects_marks_new(MARKS_BYTES_MAX);
	if (want->text)
		scan->wanted = objects_marks_new(MARKS_BYTES_MAX);
	if (!scan->listed || !scan->seen || (want->text && !scan->wanted))
		return -ENOMEM;
	census->interpreters = scan->lists.interpreter_count;
	return 0;
}

void heap_scan_release(struct heap_scan *scan)
{
	objects_marks_free(scan->listed);
	objects_marks_free(scan->seen);
	objects_marks_free(scan->wanted);
	free(scan->rows);
	free(scan->row_wanted);
	free(scan->stack);
	memset(scan, 0, sizeof(*scan));
}

/* ---- rows ---- */

static bool is_wanted_type(const struct heap_scan *scan, const struct object_type *type)
{
	const char *text = scan->want.text;
	size_t module_length = strlen(type->module);

	if (!text || scan->want.address)
		return false;
	return !strcmp(text, type->name) ||
	       (!strncmp(text, type->module, module_length) && text[module_length] == '.' &&
		!strcmp(text + module_length + 1, type->name));
}

static int rows_grow(struct heap_scan *scan, uint32_t type)
{
	uint32_t capacity = scan->row_capacity ? scan->row_capacity : 256;
	uint32_t *rows;
	uint8_t *wanted;

	while (capacity <= type)
		capacity *= 2;
	rows = realloc(scan->rows, capacity * sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	scan->rows = rows;
	wanted = realloc(scan->row_wanted, capacity);
	if (!wanted)
		return -ENOMEM;
	scan->row_wanted = wanted;
	memset(rows + scan->row_capacity, 0, (capacity - scan->row_capacity) * sizeof(*rows));
	memset(wanted + scan->row_capacity, 0, capacity - scan->row_capacity);
	scan->row_capacity = capacity;
	return 0;
}

uint32_t heap_scan_row(struct heap_scan *scan, uint32_t type)
{
	const struct object_type *found;
	uint32_t row;

	if (type < scan->row_capacity && scan->rows[type])
		return scan->rows[type] - 1;
	found = objects_type_at(scan->objects, type);
	if (!found || (type >= scan->row_capacity && rows_grow(scan, type)))
		return UINT32_MAX;
	row = census_type_add(scan->census, found->module, found->name);
	if (row == UINT32_MAX)
		return UINT32_MAX;
	scan->rows[type] = row + 1;
	scan->row_wanted[type] = is_wanted_type(scan, found);
	return row;
}

/* ---- the largest ---- */

/* A heap with the smallest on top, until census_finish() orders it. */
static void sift_down(struct census_object *largest, uint32_t count, uint32_t at)
{
	for (;;) {
		uint32_t child = 2 * at + 1;
		struct census_object moved;

		if (child >= count)
			return;
		if (child + 1 < count && largest[child + 1].bytes < largest[child].bytes)
			child++;
		if (largest[at].bytes <= largest[child].bytes)
			return;
		moved = largest[at];
		largest[at] = largest[child];
		largest[child] = moved;
		at = child;
	}
}

static int largest_keep(struct heap_scan *scan, uint32_t row, uint64_t address, uint64_t bytes)
{
	struct census *census = scan->census;
	struct census_object object = { .type = row, .address = address, .bytes = bytes };

	if (census->largest_count < scan->largest_limit) {
		if (GROW(census->largest, census->largest_capacity, census->largest_count))
			return -ENOMEM;
		census->largest[census->largest_count++] = object;
		if (census->largest_count < scan->largest_limit)
			return 0;
		for (uint32_t i = census->largest_count / 2; i-- > 0;)
			sift_down(census->largest, census->largest_count, i);
	} else if (census->largest_count) {
		census->largest[0] = object;
		sift_down(census->largest, census->largest_count, 0);
	}
	if (census->largest_count)
		scan->smallest_kept = census->largest[0].bytes;
	return 0;
}

/* ---- objects ---- */

static bool is_immortal(struct heap_scan *scan, uint64_t address)
{
	uint64_t count = objects_memory_word(objects_memory_of(scan->objects), address);
	unsigned int minor = objects_layout_in(scan->objects)->minor;

	/* The sign of a 32-bit count. */
	return minor >= IMMORTAL_FROM && count & 0x80000000u;
}

static int object_count(struct heap_scan *scan, const struct object *object, bool tracked)
{
	uint32_t row = heap_scan_row(scan, object->type);
	struct census_type *type;
	uint64_t bytes;

	if (row == UINT32_MAX)
		return -ENOMEM;
	bytes = objects_size(scan->objects, object);
	type = &scan->census->types[row];
	type->count++;
	type->tracked += tracked;
	type->bytes += bytes;
	if (is_immortal(scan, object->address))
		scan->census->immortal++;
	if (scan->wanted &&
	    (scan->row_wanted[object->type] || object->address == scan->want.address)) {
		int err = objects_marks_add(scan->wanted, object->address);

		if (err == -ENOMEM)
			return err;
	}
	if (scan->largest_limit &&
	    (bytes > scan->smallest_kept || scan->census->largest_count < scan->largest_limit))
		return largest_keep(scan, row, object->address, bytes);
	return 0;
}

static int stack_push(struct heap_scan *scan, uint64_t address)
{
	if (scan->stack_count == scan->stack_capacity) {
		size_t capacity = scan->stack_capacity ? scan->stack_capacity * 2 : STACK_FIRST;
		uint64_t *stack;

		if (capacity > STACK_MAX) {
			scan->census->cut = true;
			return 0;
		}
		stack = realloc(scan->stack, capacity * sizeof(*stack));
		if (!stack)
			return -ENOMEM;
		scan->stack = stack;
		scan->stack_capacity = capacity;
	}
	scan->stack[scan->stack_count++] = address;
	return 0;
}

/* Something refers to this word: if it is an object that no list has, it is counted now. */
static int referred_see(const struct reference *reference, void *arg)
{
	struct heap_scan *scan = arg;
	struct object object;
	int err;

	if (objects_marks_has(scan->seen, reference->address) ||
	    !objects_inspect(scan->objects, reference->address, &object))
		return 0;
	err = objects_marks_add(scan->seen, reference->address);
	if (err == -ENOSPC)
		scan->census->cut = true;
	if (err <= 0)
		return err == -ENOMEM ? err : 0;
	err = object_count(scan, &object, false);
	if (!err && objects_type_refers(objects_type_at(scan->objects, object.type)))
		err = stack_push(scan, object.address);
	return err;
}

static int root_see(const struct object_root *root, const struct reference *reference, void *arg)
{
	(void)root;
	return referred_see(reference, arg);
}

static int stack_follow(struct heap_scan *scan)
{
	int err = 0;

	while (!err && scan->stack_count) {
		struct object object;

		if (objects_inspect(scan->objects, scan->stack[--scan->stack_count], &object))
			err = objects_references(scan->objects, &object, referred_see, scan);
	}
	return err;
}

static int turn(struct heap_scan *scan)
{
	if (--scan->until_turn)
		return 0;
	scan->until_turn = TURN_OBJECTS;
	return scan->turn ? scan->turn(scan->turn_arg) : 0;
}

/* ---- the passes ---- */

static int list_mark(uint64_t address, unsigned int list, uint32_t interpreter, void *arg)
{
	struct heap_scan *scan = arg;
	int added, err;

	(void)interpreter;
	err = turn(scan);
	if (err)
		return err;
	added = objects_marks_add(scan->seen, address);
	if (added == -ENOSPC)
		scan->census->cut = true;
	if (added <= 0)
		return added == -ENOMEM ? added : 0;
	if (list == GC_LIST_PERMANENT) {
		scan->census->permanent++;
		return stack_push(scan, address);
	}
	err = objects_marks_add(scan->listed, address);
	return err == -ENOMEM ? err : 1;
}

static int listed_look_at(uint64_t address, void *arg)
{
	struct heap_scan *scan = arg;
	struct object object;
	int err = turn(scan);

	if (err)
		return err;
	if (!objects_inspect(scan->objects, address, &object)) {
		/* Gone since, or a window older than the list: what is there now? */
		objects_memory_forget(objects_memory_of(scan->objects), address);
		if (!objects_inspect(scan->objects, address, &object)) {
			scan->census->unreadable++;
			return objects_memory_error(objects_memory_of(scan->objects));
		}
		scan->census->retried++;
	}
	err = object_count(scan, &object, true);
	if (!err)
		err = objects_references(scan->objects, &object, referred_see, scan);
	return err ? err : stack_follow(scan);
}

/* Those of the permanent generation wait on the stack: they are counted, but not as tracked. */
static int permanent_look_at(struct heap_scan *scan)
{
	int err = 0;

	for (size_t i = 0; !err && i < scan->stack_count; i++) {
		struct object object;

		if (objects_inspect(scan->objects, scan->stack[i], &object))
			err = object_count(scan, &object, false);
		else
			scan->census->unreadable++;
	}
	return err ? err : stack_follow(scan);
}

static void quality_tell(struct heap_scan *scan)
{
	struct census *census = scan->census;

	census->torn = scan->lists.torn;
	census->retried += scan->lists.retried;
	census->restarted = scan->lists.restarted;
	census->waited_ns = scan->lists.waited_ns;
	census->incomplete = scan->lists.incomplete;
}

/* The lists changed faster than they could be followed: what is in them is found otherwise. */
static int lists_make_up(struct heap_scan *scan)
{
	int err = gc_sweep(scan->objects, list_mark, scan);

	if (err == -ENOMEM || err == -ESRCH || err == -ECANCELED)
		return err;
	/* No pools, or none that can be found: what the lists gave is all there is. */
	scan->census->swept = !err;
	scan->census->incomplete = err;
	return 0;
}

static void garbage_count(struct heap_scan *scan)
{
	struct objects_memory *memory = objects_memory_of(scan->objects);

	for (uint32_t i = 0; i < scan->lists.interpreter_count; i++) {
		uint64_t list = gc_lists_garbage(scan->objects, &scan->lists.interpreters[i]);

		if (list)
			scan->census->garbage += objects_memory_word(memory, list + VAR_SIZE);
		/* 3.8 has one for all. */
		if (objects_layout_in(scan->objects)->minor == 8)
			break;
	}
}

int heap_scan_run(struct heap_scan *scan)
{
	int err;

	scan->until_turn = TURN_OBJECTS;
	err = gc_lists_walk(scan->objects, &scan->lists, list_mark, scan);
	quality_tell(scan);
	if (!err && scan->lists.incomplete)
		err = lists_make_up(scan);
	if (!err)
		err = permanent_look_at(scan);
	if (!err)
		err = objects_marks_each(scan->listed, listed_look_at, scan);
	/* What only running code holds. */
	for (unsigned int kind = 0; !err && kind <= ROOT_INTERPRETER; kind++) {
		err = objects_roots(scan->objects, &scan->lists, (enum object_root_kind)kind,
				    root_see, scan);
		if (!err)
			err = stack_follow(scan);
	}
	garbage_count(scan);
	scan->census->collecting = gc_lists_collecting(scan->objects, &scan->lists);
	return err ? err : objects_memory_error(objects_memory_of(scan->objects));
}

int heap_scan_previews(struct heap_scan *scan)
{
	struct buffer text;
	int err = 0;

	buffer_init(&text);
	for (uint32_t i = 0; !err && i < scan->census->largest_count; i++) {
		struct census_object *large = &scan->census->largest[i];
		struct object object;

		buffer_clear(&text);
		if (objects_inspect(scan->objects, large->address, &object))
			objects_preview(scan->objects, &object, &text);
		large->preview = census_string(scan->census, text.bytes ? text.bytes : "");
		if (large->preview == UINT32_MAX || buffer_error(&text))
			err = -ENOMEM;
	}
	buffer_release(&text);
	return err;
}
