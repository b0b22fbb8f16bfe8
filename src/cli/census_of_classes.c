// SPDX-License-Identifier: GPL-2.0-only
/*
 * See census_of_classes.h. The collector's lists are walked fast and each object's type is read right
 * then; what they hold is followed afterwards, in the order of addresses, to find instances that no list
 * has: of classes with empty __slots__, of int and str with them, of C's types without the collector's
 * flag. `pybpfprof heap` does the same with sizes and owners, which cost the greater part of its time.
 */
#include "cli/census_of_classes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/grow.h"
#include "proc/memory.h"
#include "python/gc_lists.h"
#include "python/gc_sweep.h"
#include "python/objects.h"
#include "python/objects_marks.h"
#include "python/objects_roots.h"

enum {
	READ_CACHE_BYTES = 4 << 20,
	COUNT_CACHE_BYTES = 64 << 20,
	MARKS_BYTES_MAX = 512 << 20,
	READ_TRIES = 3,
	COUNT_TRIES = 3,
	NS_PER_S = 1000000000,
	INT_DICT_FROM = 12,
};

struct classes {
	struct python_process python;
	struct objects *objects; /* for single types; a census opens its own */
	uint64_t *types;	 /* of the last census, ascending */
	uint32_t type_count, type_capacity;
};

int classes_open(const struct python_process *python, struct classes **out)
{
	struct classes *classes = calloc(1, sizeof(*classes));
	int err;

	if (!classes)
		return -ENOMEM;
	classes->python = *python;
	err = objects_open(python, READ_CACHE_BYTES, &classes->objects);
	if (err) {
		free(classes);
		return err;
	}
	*out = classes;
	return 0;
}

void classes_close(struct classes *classes)
{
	if (!classes)
		return;
	objects_close(classes->objects);
	free(classes->types);
	free(classes);
}

size_t classes_types(const struct classes *classes, const uint64_t **addresses)
{
	*addresses = classes->types;
	return classes->type_count;
}

/* ---- one class ---- */

static void facts_fill(const struct classes *classes, const struct object_type *type,
		       uint64_t dealloc, struct class_facts *out)
{
	const struct objects_layout *layout = objects_layout_in(classes->objects);
	uint32_t digits = objects_walk_layout(classes->objects)->long_digits;

	*out = (struct class_facts){
		.address = type->address,
		.dealloc = dealloc,
		.flags = type->flags,
		.basic_bytes = type->basic_bytes,
		.item_bytes = type->item_bytes,
		.extra_bytes = objects_type_front_bytes(classes->objects, type),
	};
	/* The dict behind an int is not counted by its __sizeof__, which classes inherit. */
	if (type->kind == OBJECT_INT && layout->minor < INT_DICT_FROM && digits < out->basic_bytes)
		out->extra_bytes -= out->basic_bytes - digits;
	snprintf(out->module, sizeof(out->module), "%s", type->module);
	snprintf(out->name, sizeof(out->name), "%s", type->name);
}

/* What makes a type this one and no other, as the process has it at this moment. */
struct identity {
	uint64_t name, basic_bytes, dealloc, dict;
};

static int identity_read(const struct classes *classes, uint64_t address, struct identity *out)
{
	uint64_t head[TYPE_READ_BYTES / 8];
	int err = memory_read(classes->python.pid, address, head, sizeof(head));

	if (err)
		return err;
	*out = (struct identity){
		.name = head[TYPE_NAME / 8],
		.basic_bytes = head[TYPE_BASICSIZE / 8],
		.dealloc = head[TYPE_DEALLOC / 8],
		.dict = head[TYPE_DICT / 8],
	};
	return 0;
}

/* -EAGAIN: it became another type meanwhile. */
static int facts_read(struct classes *classes, uint64_t address, struct class_facts *out)
{
	struct objects *objects = classes->objects;
	const struct object_type *type;
	struct identity before, after;
	struct object object;
	int err = identity_read(classes, address, &before);

	if (!err)
		err = objects_types_forget(objects);
	if (err)
		return err == -EFAULT ? -ENODATA : err;
	/* As an object, which has a count of references, since what is freed keeps the rest. */
	if (!objects_inspect(objects, address, &object) ||
	    objects_type_at(objects, object.type)->kind != OBJECT_TYPE_KIND)
		return -ENODATA;
	type = objects_type_of(objects, address);
	if (!type)
		return -ENODATA;
	facts_fill(classes, type, before.dealloc, out);
	err = identity_read(classes, address, &after);
	if (err)
		return err == -EFAULT ? -ENODATA : err;
	return memcmp(&before, &after, sizeof(before)) ? -EAGAIN : 0;
}

/* The process has mapped memory that our list of its mappings does not have. */
static int mappings_renew(struct classes *classes)
{
	struct objects *objects;
	int err = objects_open(&classes->python, READ_CACHE_BYTES, &objects);

	if (err)
		return err;
	objects_close(classes->objects);
	classes->objects = objects;
	return 0;
}

int classes_read(struct classes *classes, uint64_t address, struct class_facts *out)
{
	struct class_facts facts;
	int err = -EAGAIN;

	if (!address || address & 7)
		return -ENODATA;
	for (int i = 0; i < READ_TRIES && err == -EAGAIN; i++) {
		struct objects_memory *memory = objects_memory_of(classes->objects);
		uint64_t faults = objects_memory_faults(memory);

		err = facts_read(classes, address, &facts);
		/* What is not mapped by an old list may be what it is called by. */
		if ((!err || err == -ENODATA) && i == 0 && objects_memory_faults(memory) != faults)
			err = mappings_renew(classes) ?: -EAGAIN;
	}
	if (!err)
		*out = facts;
	return err == -EAGAIN ? -ENODATA : err;
}

/* ---- all ---- */

struct counting {
	struct classes *classes;
	struct objects *objects;
	struct gc_lists lists;
	struct objects_marks *listed; /* in the collector's lists */
	struct objects_marks *found;  /* and not in them */
	uint64_t *counts;	      /* by type of `objects` */
	uint32_t count_capacity;
	uint64_t *stack; /* objects whose references are still to be followed */
	uint32_t stack_count, stack_capacity;
	bool cut;
};

static void counting_release(struct counting *counting)
{
	objects_marks_free(counting->listed);
	objects_marks_free(counting->found);
	objects_close(counting->objects);
	free(counting->counts);
	free(counting->stack);
}

static int counting_open(struct counting *counting, struct classes *classes)
{
	int err;

	*counting = (struct counting){ .classes = classes };
	err = objects_open(&classes->python, COUNT_CACHE_BYTES, &counting->objects);
	if (err)
		return err;
	counting->listed = objects_marks_new(MARKS_BYTES_MAX);
	counting->found = objects_marks_new(MARKS_BYTES_MAX);
	return counting->listed && counting->found ? 0 : -ENOMEM;
}

static int type_remember(struct classes *classes, uint64_t address)
{
	if (GROW(classes->types, classes->type_capacity, classes->type_count))
		return -ENOMEM;
	classes->types[classes->type_count++] = address;
	return 0;
}

static int object_count(struct counting *counting, const struct object *object)
{
	const struct object_type *type = objects_type_at(counting->objects, object->type);

	while (object->type >= counting->count_capacity) {
		uint32_t old = counting->count_capacity;

		if (GROW(counting->counts, counting->count_capacity, old))
			return -ENOMEM;
		memset(counting->counts + old, 0,
		       (counting->count_capacity - old) * sizeof(*counting->counts));
	}
	counting->counts[object->type]++;
	if (type->kind == OBJECT_TYPE_KIND)
		return type_remember(counting->classes, object->address);
	return 0;
}

/* 1: was not in it. Where a set may not grow any more, the census is cut. */
static int mark(struct counting *counting, struct objects_marks *marks, uint64_t address)
{
	int added = objects_marks_add(marks, address);

	if (added != -ENOSPC)
		return added;
	counting->cut = true;
	return 0;
}

/* ---- the lists ---- */

static int listed_see(uint64_t address, unsigned int list, uint32_t interpreter, void *arg)
{
	struct counting *counting = arg;
	struct object object;
	int added = mark(counting, counting->listed, address);
	int err;

	(void)list;
	(void)interpreter;
	if (added <= 0)
		return added;
	if (!objects_inspect(counting->objects, address, &object)) {
		/* Where links and head lie in two windows, one of them may be of before its birth. */
		objects_memory_forget(objects_memory_of(counting->objects), address);
		if (!objects_inspect(counting->objects, address, &object))
			return objects_memory_error(objects_memory_of(counting->objects)) ?: 1;
	}
	err = object_count(counting, &object);
	return err ? err : 1;
}

/* Nothing was counted yet. */
static void counting_reset(struct counting *counting)
{
	objects_marks_clear(counting->listed);
	counting->classes->type_count = 0;
	if (counting->count_capacity)
		memset(counting->counts, 0, counting->count_capacity * sizeof(*counting->counts));
}

static int lists_count(struct counting *counting)
{
	int err = 0;

	for (int i = 0; !err && i < COUNT_TRIES; i++) {
		counting_reset(counting);
		err = gc_lists_open(counting->objects, &counting->lists);
		if (!err)
			err = gc_lists_walk(counting->objects, &counting->lists, listed_see,
					    counting);
		if (!counting->lists.incomplete)
			return err;
	}
	if (err)
		return err;
	/* They change faster than they can be followed; most that is in them can be found otherwise. */
	err = gc_sweep(counting->objects, listed_see, counting);
	return err == -ENOMEM || err == -ESRCH ? err : 0;
}

/* ---- what they lead to ---- */

/*
 * What the collector never lets go of is in its lists, unless it came after they were walked. Where a word
 * that nobody cleared leads to one that is not, the block is another's by now, with that type's address
 * still in it.
 */
static bool is_surely_listed(const struct counting *counting, const struct object_type *type)
{
	return !counting->lists.incomplete && type->flags & TYPE_HAVE_GC &&
	       (type->flags & TYPE_HEAP || type->kind == OBJECT_LIST || type->kind == OBJECT_SET ||
		type->kind == OBJECT_DEQUE);
}

static int referred_see(const struct reference *reference, void *arg)
{
	struct counting *counting = arg;
	const struct object_type *type;
	struct object object;
	int err;

	/* What is in a list is most of what is referred to, or it is a number or a text. */
	if (objects_marks_has(counting->listed, reference->address) ||
	    !objects_inspect(counting->objects, reference->address, &object))
		return 0;
	type = objects_type_at(counting->objects, object.type);
	if (!objects_type_refers(type) || is_surely_listed(counting, type))
		return 0;
	err = mark(counting, counting->found, object.address);
	if (err <= 0)
		return err;
	err = object_count(counting, &object);
	if (err || GROW(counting->stack, counting->stack_capacity, counting->stack_count))
		return err ? err : -ENOMEM;
	counting->stack[counting->stack_count++] = object.address;
	return 0;
}

static int root_see(const struct object_root *root, const struct reference *reference, void *arg)
{
	(void)root;
	return referred_see(reference, arg);
}

/* A class knows its subclasses by weak references only: so are types found that have no instance. */
static int weakref_follow(struct counting *counting, uint64_t weakref)
{
	struct objects_memory *memory = objects_memory_of(counting->objects);
	const struct reference reference = {
		.address = objects_memory_word(memory, weakref + WEAKREF_OBJECT),
	};
	struct object object;

	if (!objects_inspect(counting->objects, reference.address, &object) ||
	    objects_type_at(counting->objects, object.type)->kind != OBJECT_TYPE_KIND)
		return 0;
	return referred_see(&reference, counting);
}

static int object_follow(struct counting *counting, uint64_t address)
{
	struct object object;
	int err = 0;

	if (!objects_inspect(counting->objects, address, &object))
		return 0;
	if (objects_type_at(counting->objects, object.type)->kind == OBJECT_WEAKREF)
		err = weakref_follow(counting, address);
	return err ? err : objects_references(counting->objects, &object, referred_see, counting);
}

static int stack_follow(struct counting *counting)
{
	int err = 0;

	while (!err && counting->stack_count)
		err = object_follow(counting, counting->stack[--counting->stack_count]);
	return err;
}

static int listed_follow(uint64_t address, void *arg)
{
	int err = object_follow(arg, address);

	return err ? err : stack_follow(arg);
}

static int references_count(struct counting *counting)
{
	int err = objects_marks_each(counting->listed, listed_follow, counting);

	/* What only running code holds. */
	for (unsigned int kind = 0; !err && kind <= ROOT_INTERPRETER; kind++) {
		err = objects_roots(counting->objects, &counting->lists,
				    (enum object_root_kind)kind, root_see, counting);
		if (!err)
			err = stack_follow(counting);
	}
	return err ? err : objects_memory_error(objects_memory_of(counting->objects));
}

/* ---- the sums ---- */

static int compare_addresses(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

/* Types that were met as an object, and those that an object has. */
static int types_finish(struct counting *counting)
{
	struct classes *classes = counting->classes;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < objects_type_count(counting->objects); i++) {
		if (type_remember(classes, objects_type_at(counting->objects, i)->address))
			return -ENOMEM;
	}
	qsort(classes->types, classes->type_count, sizeof(*classes->types), compare_addresses);
	for (uint32_t i = 0; i < classes->type_count; i++) {
		if (!kept || classes->types[kept - 1] != classes->types[i])
			classes->types[kept++] = classes->types[i];
	}
	classes->type_count = kept;
	return 0;
}

static int counts_finish(struct counting *counting, struct class_counts *out)
{
	uint32_t types = objects_type_count(counting->objects);
	size_t count = 0;
	struct class_count *array = calloc(types ? types : 1, sizeof(*array));

	if (!array)
		return -ENOMEM;
	for (uint32_t i = 0; i < types && i < counting->count_capacity; i++) {
		const struct object_type *type = objects_type_at(counting->objects, i);

		if (!counting->counts[i])
			continue;
		array[count].address = type->address;
		array[count].count = counting->counts[i];
		count++;
	}
	/* The address is the first word of each. */
	qsort(array, count, sizeof(*array), compare_addresses);
	out->array = array;
	out->count = count;
	out->complete = !counting->lists.incomplete && !counting->cut;
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

int classes_count(struct classes *classes, struct class_counts *out)
{
	struct class_counts counts = { .time_ns = now_ns() };
	struct counting *counting = malloc(sizeof(*counting));
	int err;

	if (!counting)
		return -ENOMEM;
	err = counting_open(counting, classes);
	if (!err)
		err = lists_count(counting);
	if (!err)
		err = references_count(counting);
	if (!err)
		err = types_finish(counting);
	if (!err)
		err = counts_finish(counting, &counts);
	counting_release(counting);
	free(counting);
	if (err) {
		classes->type_count = 0;
		return err;
	}
	counts.until_ns = now_ns();
	*out = counts;
	return 0;
}

void class_counts_release(struct class_counts *counts)
{
	free(counts->array);
	memset(counts, 0, sizeof(*counts));
}
