// SPDX-License-Identifier: GPL-2.0-only
/*
 * See heap_graph.h. The queue of the breadth-first walk is kept: an object's number in it is what its
 * children know it by, twelve bytes for each. Modules and running frames go first and are followed to
 * the end, so that what they lead to is told by them, and not by a cache of the interpreter's.
 */

#include <errno.h>
#include <stdlib.h>

#include "base/grow.h"
#include "base/map64.h"
#include "cli/heap_graph_private.h"

enum {
	MARKS_BYTES_MAX = 512 << 20,
	NODES_MAX = 1 << 28,
	TURN_OBJECTS = 4096,
};

void heap_graph_free(struct heap_graph *graph)
{
	if (!graph)
		return;
	objects_marks_free(graph->reached);
	free(graph->addresses);
	free(graph->parents);
	free(graph->roots);
	free(graph);
}

static int node_add(struct heap_graph *graph, uint64_t address)
{
	if (graph->count == graph->capacity) {
		uint32_t capacity = graph->capacity ? graph->capacity * 2 : 4096;
		uint64_t *addresses;
		uint32_t *parents;

		if (capacity > NODES_MAX) {
			graph->scan->census->cut = true;
			return 0;
		}
		addresses = realloc(graph->addresses, capacity * sizeof(*addresses));
		if (!addresses)
			return -ENOMEM;
		graph->addresses = addresses;
		parents = realloc(graph->parents, capacity * sizeof(*parents));
		if (!parents)
			return -ENOMEM;
		graph->parents = parents;
		graph->capacity = capacity;
	}
	graph->addresses[graph->count] = address;
	graph->parents[graph->count++] = graph->at;
	return 0;
}

static int reference_reach(const struct reference *reference, void *arg)
{
	struct heap_graph *graph = arg;
	struct object object;
	int added;

	if (objects_marks_has(graph->reached, reference->address) ||
	    !objects_inspect(graph->scan->objects, reference->address, &object))
		return 0;
	added = objects_marks_add(graph->reached, reference->address);
	if (added == -ENOSPC)
		graph->scan->census->cut = true;
	if (added <= 0)
		return added == -ENOMEM ? added : 0;
	return node_add(graph, reference->address);
}

/* The latest root is this one from now on: each is told of in one go. 0 or -ENOMEM. */
static int root_take(struct heap_graph *graph, const struct object_root *root)
{
	const struct object_root *last =
		graph->root_count ? &graph->roots[graph->root_count - 1] : NULL;

	if (last && last->kind == root->kind && last->address == root->address)
		return 0;
	if (GROW(graph->roots, graph->root_capacity, graph->root_count))
		return -ENOMEM;
	graph->roots[graph->root_count++] = *root;
	return 0;
}

static int root_reach(const struct object_root *root, const struct reference *reference, void *arg)
{
	struct heap_graph *graph = arg;

	if (root_take(graph, root))
		return -ENOMEM;
	graph->at = HEAP_ROOT_BIT | (graph->root_count - 1);
	return reference_reach(reference, graph);
}

/* Everything from number `from` of the queue on, and what that leads to. */
static int queue_follow(struct heap_graph *graph, uint32_t from)
{
	struct heap_scan *scan = graph->scan;
	int err = 0;

	for (uint32_t i = from; !err && i < graph->count; i++) {
		struct object object;

		if (i % TURN_OBJECTS == 0 && scan->turn)
			err = scan->turn(scan->turn_arg);
		graph->at = i;
		if (!err && objects_inspect(scan->objects, graph->addresses[i], &object) &&
		    objects_type_refers(objects_type_at(scan->objects, object.type)))
			err = objects_references(scan->objects, &object, reference_reach, graph);
	}
	return err;
}

/* ---- words of C that may be references ---- */

/*
 * What lies in C's variables may be old: the free lists keep what they handed out. Only who has more
 * references than all objects of the census together account for is held by somebody else.
 */
struct candidates {
	struct heap_graph *graph;
	struct objects_marks *marks;
	struct map64 *found; /* address -> the root's number above, references counted below */
};

static const unsigned int CANDIDATE_ROOT_SHIFT = 32;

static int candidate_see(const struct object_root *root, const struct reference *reference,
			 void *arg)
{
	struct candidates *candidates = arg;
	struct heap_graph *graph = candidates->graph;
	struct object object;
	uint64_t *slot;
	int added;

	if (objects_marks_has(graph->reached, reference->address) ||
	    !objects_inspect(graph->scan->objects, reference->address, &object))
		return 0;
	added = objects_marks_add(candidates->marks, reference->address);
	if (added <= 0)
		return added == -ENOMEM ? added : 0;
	if (root_take(graph, root))
		return -ENOMEM;
	slot = map64_slot(candidates->found, reference->address, NULL);
	if (!slot)
		return -ENOMEM;
	*slot = (uint64_t)(graph->root_count - 1) << CANDIDATE_ROOT_SHIFT;
	return 0;
}

static int candidate_count(const struct reference *reference, void *arg)
{
	struct candidates *candidates = arg;

	if (objects_marks_has(candidates->marks, reference->address))
		++*map64_slot(candidates->found, reference->address, NULL);
	return 0;
}

static int holder_count(uint64_t address, void *arg)
{
	struct candidates *candidates = arg;
	struct objects *objects = candidates->graph->scan->objects;
	struct object object;

	if (!objects_inspect(objects, address, &object))
		return 0;
	return objects_references(objects, &object, candidate_count, candidates);
}

static int candidate_decide(uint64_t address, uint64_t value, void *arg)
{
	struct heap_graph *graph = ((struct candidates *)arg)->graph;
	const struct reference reference = { .address = address };
	uint32_t count =
		(uint32_t)objects_memory_word(objects_memory_of(graph->scan->objects), address);

	if (count <= (uint32_t)value)
		return 0;
	graph->at = HEAP_ROOT_BIT | (uint32_t)(value >> CANDIDATE_ROOT_SHIFT);
	return reference_reach(&reference, graph);
}

/* The roots of C code, at the end: what modules and frames lead to is told by them. */
static int c_roots_reach(struct heap_graph *graph)
{
	struct heap_scan *scan = graph->scan;
	struct candidates candidates = {
		.graph = graph,
		.marks = objects_marks_new(MARKS_BYTES_MAX),
		.found = map64_new(),
	};
	int err = candidates.marks && candidates.found ? 0 : -ENOMEM;

	for (unsigned int kind = ROOT_THREAD; !err && kind < ROOT_KINDS; kind++)
		err = objects_roots(scan->objects, &scan->lists, (enum object_root_kind)kind,
				    candidate_see, &candidates);
	if (!err)
		err = objects_marks_each(scan->seen, holder_count, &candidates);
	if (!err)
		err = map64_each(candidates.found, candidate_decide, &candidates);
	objects_marks_free(candidates.marks);
	map64_free(candidates.found);
	return err;
}

int heap_graph_build(struct heap_scan *scan, struct heap_graph **out)
{
	struct heap_graph *graph = calloc(1, sizeof(*graph));
	int err = 0;

	*out = graph;
	if (!graph)
		return -ENOMEM;
	graph->scan = scan;
	graph->reached = objects_marks_new(MARKS_BYTES_MAX);
	if (!graph->reached)
		return -ENOMEM;
	/* Modules and frames together: the nearer of the two names the chain. */
	err = objects_roots(scan->objects, &scan->lists, ROOT_MODULE, root_reach, graph);
	if (!err)
		err = objects_roots(scan->objects, &scan->lists, ROOT_FRAME, root_reach, graph);
	if (!err)
		err = queue_follow(graph, 0);
	if (!err) {
		uint32_t from = graph->count;

		err = c_roots_reach(graph);
		if (!err)
			err = queue_follow(graph, from);
	}
	scan->census->roots = graph->root_count;
	return err ? err : objects_memory_error(objects_memory_of(scan->objects));
}

/* ---- what no root leads to ---- */

static int listed_check(uint64_t address, void *arg)
{
	struct heap_graph *graph = arg;
	struct object object;
	struct census_type *type;
	uint32_t row;

	if (objects_marks_has(graph->reached, address) ||
	    !objects_inspect(graph->scan->objects, address, &object))
		return 0;
	row = heap_scan_row(graph->scan, object.type);
	if (row == UINT32_MAX)
		return -ENOMEM;
	type = &graph->scan->census->types[row];
	type->retained++;
	type->retained_bytes += objects_size(graph->scan->objects, &object);
	return 0;
}

int heap_graph_retained(struct heap_graph *graph)
{
	graph->scan->census->has_retained = true;
	return objects_marks_each(graph->scan->listed, listed_check, graph);
}
