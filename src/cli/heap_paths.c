// SPDX-License-Identifier: GPL-2.0-only
/*
 * --path: the chains that lead to the objects asked for, read backwards from the queue of the walk; those
 * of the same types under the same root are one shape, of which one is shown.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/grow.h"
#include "base/map64.h"
#include "cli/heap_graph_private.h"

enum {
	STEPS_MAX = 4096,
	SHAPE_STEPS = 64, /* so many of a chain's last steps tell its shape */
};

/* Numbers of the chain's objects, the last one first. Returns how many; *root is the root's number. */
static uint32_t chain_of(const struct heap_graph *graph, uint32_t node, uint32_t numbers[STEPS_MAX],
			 uint32_t *root)
{
	uint32_t count = 0;

	while (count < STEPS_MAX) {
		numbers[count++] = node;
		if (graph->parents[node] & HEAP_ROOT_BIT) {
			*root = graph->parents[node] & ~HEAP_ROOT_BIT;
			return count;
		}
		node = graph->parents[node];
	}
	*root = UINT32_MAX;
	return count;
}

/* A number for chains of the same types under the same root. */
static uint64_t shape_of(struct heap_graph *graph, const uint32_t *numbers, uint32_t count,
			 uint32_t root)
{
	uint64_t shape = root * 0x9e3779b97f4a7c15ull + count;

	for (uint32_t i = 0; i < count && i < SHAPE_STEPS; i++) {
		struct object object;
		uint32_t type = UINT32_MAX;

		if (objects_inspect(graph->scan->objects, graph->addresses[numbers[i]], &object))
			type = object.type;
		shape = (shape ^ type) * 0x9fb21c651e98df25ull;
		shape ^= shape >> 29;
	}
	return shape;
}

struct sought {
	uint64_t address;
	struct objects *objects;
	const struct object *holder; /* NULL: a root's */
	const struct object_root *root;
	struct buffer *text;
};

static int sought_label(const struct reference *reference, void *arg)
{
	struct sought *sought = arg;

	if (reference->address != sought->address)
		return 0;
	objects_reference_label(sought->objects, sought->holder, reference, sought->text);
	return 1;
}

static int sought_root_label(const struct object_root *root, const struct reference *reference,
			     void *arg)
{
	struct sought *sought = arg;

	if (reference->address != sought->address || root->kind != sought->root->kind ||
	    root->address != sought->root->address)
		return 0;
	objects_root_label(sought->objects, root, reference, sought->text);
	return 1;
}

static int step_add(struct heap_graph *graph, uint32_t type, uint64_t address,
		    const struct buffer *text, const struct buffer *label)
{
	struct census *census = graph->scan->census;
	struct census_step step = { .type = type, .address = address };

	step.text = census_string(census, text->bytes ? text->bytes : "");
	step.label = census_string(census, label->bytes ? label->bytes : "");
	if (step.text == UINT32_MAX || step.label == UINT32_MAX || buffer_error(text) ||
	    buffer_error(label) || GROW(census->steps, census->step_capacity, census->step_count))
		return -ENOMEM;
	census->steps[census->step_count++] = step;
	return 0;
}

/* How the one before, an object or the root, holds this one. */
static void label_find(struct heap_graph *graph, const struct object *holder,
		       const struct object_root *root, uint64_t address, struct buffer *label)
{
	struct heap_scan *scan = graph->scan;
	struct sought sought = {
		.address = address,
		.objects = scan->objects,
		.holder = holder,
		.root = root,
		.text = label,
	};

	buffer_clear(label);
	if (holder)
		objects_references(scan->objects, holder, sought_label, &sought);
	else if (root->kind == ROOT_FRAME)
		objects_roots(scan->objects, &scan->lists, ROOT_FRAME, sought_root_label, &sought);
}

static int steps_write(struct heap_graph *graph, const uint32_t *numbers, uint32_t count,
		       uint32_t root_number, struct buffer *text, struct buffer *label)
{
	struct heap_scan *scan = graph->scan;
	const struct object_root *root =
		root_number < graph->root_count ? &graph->roots[root_number] : NULL;
	struct object holder, object;
	bool has_holder = false;
	int err;

	buffer_clear(text);
	buffer_clear(label);
	if (root)
		objects_root_name(scan->objects, root, text);
	err = step_add(graph, CENSUS_NO_TYPE, 0, text, label);
	for (uint32_t i = count; !err && i-- > 0;) {
		uint64_t address = graph->addresses[numbers[i]];

		buffer_clear(text);
		buffer_clear(label);
		if (!objects_inspect(scan->objects, address, &object)) {
			buffer_string(text, "(gone)");
			err = step_add(graph, CENSUS_NO_TYPE, address, text, label);
			has_holder = false;
			continue;
		}
		objects_preview(scan->objects, &object, text);
		if (has_holder || (i == count - 1 && root))
			label_find(graph, has_holder ? &holder : NULL, root, address, label);
		err = step_add(graph, heap_scan_row(scan, object.type), address, text, label);
		holder = object;
		has_holder = true;
	}
	return err;
}

struct charting {
	struct heap_graph *graph;
	struct map64 *shapes; /* -> index of the path + 1 */
	uint32_t *examples;   /* by path: number of the object in the queue */
	uint32_t capacity;
};

static int node_chart(struct charting *charting, uint32_t node, uint32_t numbers[STEPS_MAX])
{
	struct census *census = charting->graph->scan->census;
	uint32_t root, count = chain_of(charting->graph, node, numbers, &root);
	uint64_t shape = shape_of(charting->graph, numbers, count, root);
	uint64_t *slot = map64_slot(charting->shapes, shape, NULL);

	if (!slot)
		return -ENOMEM;
	if (!*slot) {
		if (GROW(census->paths, census->path_capacity, census->path_count) ||
		    GROW(charting->examples, charting->capacity, census->path_count))
			return -ENOMEM;
		charting->examples[census->path_count] = node;
		/* Until it is known how many are shown: which example it has. */
		census->paths[census->path_count] = (struct census_path){
			.first_step = census->path_count,
			.step_count = count,
		};
		*slot = ++census->path_count;
	}
	census->paths[*slot - 1].count++;
	return 0;
}

static int paths_write(struct charting *charting, uint32_t limit, uint32_t numbers[STEPS_MAX])
{
	struct census *census = charting->graph->scan->census;
	struct buffer text, label;
	int err = 0;

	buffer_init(&text);
	buffer_init(&label);
	for (uint32_t i = 0; !err && i < census->path_count; i++) {
		struct census_path *path = &census->paths[i];
		uint32_t node = charting->examples[path->first_step], root;
		uint32_t count = chain_of(charting->graph, node, numbers, &root);

		path->first_step = census->step_count;
		path->step_count = 0;
		if (limit && i >= limit)
			continue;
		err = steps_write(charting->graph, numbers, count, root, &text, &label);
		path->step_count = census->step_count - path->first_step;
	}
	buffer_release(&text);
	buffer_release(&label);
	return err;
}

int heap_graph_paths(struct heap_graph *graph, uint32_t limit)
{
	struct heap_scan *scan = graph->scan;
	struct charting charting = { .graph = graph, .shapes = map64_new() };
	uint32_t *numbers = malloc(STEPS_MAX * sizeof(*numbers));
	uint64_t held = 0;
	int err = charting.shapes && numbers ? 0 : -ENOMEM;

	for (uint32_t i = 0; !err && i < graph->count; i++) {
		if (!objects_marks_has(scan->wanted, graph->addresses[i]))
			continue;
		held++;
		err = node_chart(&charting, i, numbers);
	}
	scan->census->has_paths = true;
	scan->census->unheld_count = objects_marks_count(scan->wanted) - held;
	census_finish(scan->census);
	if (!err)
		err = paths_write(&charting, limit, numbers);
	map64_free(charting.shapes);
	free(charting.examples);
	free(numbers);
	return err;
}
