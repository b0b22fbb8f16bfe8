// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tree of calls as it grows. Nodes and edges lie in arrays that double; they are found through
 * tables of ids alone, compared by what the arrays hold. A loop calls the same functions in the same
 * order again and again, so each node remembers who was called last, and each child who came next:
 * a table is asked only when both are wrong.
 */
#include "model/calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/map64.h"

enum { CALLS_FIRST_ELEMENTS = 64 };

/* What is private to a node. Ids of nodes; 0: none. */
struct call_link {
	uint32_t last_child;
	uint32_t next; /* of the same parent, called after this one */
	/*
	 * The nearest node above that is not edge_recursive. All edges and functions of a path are
	 * on the path of those, and they are no more than there are edges: paths of recursion, which
	 * can be very deep, are searched quickly.
	 */
	uint32_t up;
};

/* Open addressing at a load of at most 1/2; ids plus one, 0 is empty. */
struct id_table {
	uint32_t *ids;
	uint32_t slot_count; /* a power of two, or 0 */
	uint32_t count;
};

struct calls_index {
	struct call_link *links; /* by node */
	uint32_t node_capacity;
	uint32_t link_capacity;
	uint32_t edge_capacity;
	uint32_t *roots; /* by thread; 0: none */
	uint32_t root_count;
	struct id_table children; /* nodes by parent and function, but roots and folded ones */
	struct id_table pairs;	  /* edges by caller and callee */
	struct map64 *folded;	  /* edge, thread and recursion -> node */
};

static uint32_t id_table_place(const struct id_table *table, uint32_t high, uint32_t low)
{
	uint64_t key = map64_pair(high, low) * 0x9fb21c651e98df25ull;

	key ^= key >> 29;
	return (key * 0xd6e8feb86659fd93ull >> 32) & (table->slot_count - 1);
}

/* The pair an id of the table stands for: whoever searches says where it lies. */
typedef void id_pair(const struct calls *calls, uint32_t id, uint32_t *high, uint32_t *low);

static void node_pair(const struct calls *calls, uint32_t id, uint32_t *high, uint32_t *low)
{
	*high = calls->nodes[id].parent;
	*low = calls->nodes[id].function;
}

static void edge_pair(const struct calls *calls, uint32_t id, uint32_t *high, uint32_t *low)
{
	*high = calls->edges[id].caller;
	*low = calls->edges[id].callee;
}

/* The slot of the pair, empty or not. There must be slots. */
static inline __attribute__((always_inline)) uint32_t *id_table_find(const struct calls *calls,
								     const struct id_table *table,
								     id_pair *pair_of,
								     uint32_t high, uint32_t low)
{
	uint32_t at = id_table_place(table, high, low);

	for (;; at = (at + 1) & (table->slot_count - 1)) {
		uint32_t *slot = &table->ids[at], its_high, its_low;

		if (!*slot)
			return slot;
		pair_of(calls, *slot - 1, &its_high, &its_low);
		if (its_high == high && its_low == low)
			return slot;
	}
}

/* Room for one more. 0 or -ENOMEM. */
static int id_table_grow(const struct calls *calls, struct id_table *table, id_pair *pair_of)
{
	struct id_table grown = {
		.slot_count = table->slot_count ? table->slot_count * 2 : 2 * CALLS_FIRST_ELEMENTS,
		.count = table->count,
	};

	if ((table->count + 1) * 2 <= table->slot_count)
		return 0;
	grown.ids = calloc(grown.slot_count, sizeof(*grown.ids));
	if (!grown.ids)
		return -ENOMEM;
	for (uint32_t i = 0; i < table->slot_count; i++) {
		uint32_t high, low;

		if (!table->ids[i])
			continue;
		pair_of(calls, table->ids[i] - 1, &high, &low);
		*id_table_find(calls, &grown, pair_of, high, low) = table->ids[i];
	}
	free(table->ids);
	*table = grown;
	return 0;
}

static void calls_index_free(struct calls_index *index)
{
	if (!index)
		return;
	free(index->links);
	free(index->roots);
	free(index->children.ids);
	free(index->pairs.ids);
	map64_free(index->folded);
	free(index);
}

/* Adds a node; the caller puts it where it is found. CALLS_NONE: out of memory. */
static uint32_t calls_add_node(struct calls *calls, const struct call_node *node)
{
	struct calls_index *index = calls->index;
	uint32_t id = calls->node_count;

	if (GROW(calls->nodes, index->node_capacity, id) ||
	    GROW(index->links, index->link_capacity, id))
		return CALLS_NONE;
	calls->nodes[id] = *node;
	index->links[id] = (struct call_link){ .up = node->parent };
	if (calls->nodes[node->parent].edge_recursive)
		index->links[id].up = index->links[node->parent].up;
	return calls->node_count++;
}

struct calls *calls_new(void)
{
	static const struct call_node NOBODY = {
		.function = CALLS_NONE,
		.thread = CALLS_NONE,
		.edge = CALLS_NONE,
	};
	struct calls *calls = calloc(1, sizeof(*calls));

	if (!calls)
		return NULL;
	calls->observed_share = 1;
	calls->index = calloc(1, sizeof(*calls->index));
	if (!calls->index)
		goto fail;
	calls->index->folded = map64_new();
	if (!calls->index->folded || calls_add_node(calls, &NOBODY) == CALLS_NONE)
		goto fail;
	return calls;

fail:
	calls_free(calls);
	return NULL;
}

void calls_free(struct calls *calls)
{
	if (!calls)
		return;
	for (uint32_t i = 0; i < calls->edge_count; i++)
		histogram_release(&calls->edges[i].durations);
	free(calls->nodes);
	free(calls->edges);
	free(calls->functions);
	calls_index_free(calls->index);
	free(calls);
}

static int calls_reach_root(struct calls_index *index, uint32_t thread)
{
	uint32_t count = index->root_count ? index->root_count : 16;
	uint32_t *roots;

	if (thread < index->root_count)
		return 0;
	while (count <= thread) {
		if (count > UINT32_MAX / 4)
			return -ENOMEM;
		count *= 2;
	}
	roots = realloc(index->roots, count * sizeof(*roots));
	if (!roots)
		return -ENOMEM;
	memset(roots + index->root_count, 0, (count - index->root_count) * sizeof(*roots));
	index->roots = roots;
	index->root_count = count;
	return 0;
}

uint32_t calls_root(struct calls *calls, uint32_t thread)
{
	struct call_node root = {
		.function = CALLS_NONE,
		.thread = thread,
		.edge = CALLS_NONE,
	};
	uint32_t id;

	if (calls_reach_root(calls->index, thread))
		return CALLS_NONE;
	if (calls->index->roots[thread])
		return calls->index->roots[thread];
	id = calls_add_node(calls, &root);
	if (id != CALLS_NONE)
		calls->index->roots[thread] = id;
	return id;
}

uint32_t calls_edge(struct calls *calls, uint32_t caller, uint32_t callee)
{
	struct id_table *pairs = &calls->index->pairs;
	uint32_t id = calls->edge_count, *slot;

	if (id_table_grow(calls, pairs, edge_pair))
		return CALLS_NONE;
	slot = id_table_find(calls, pairs, edge_pair, caller, callee);
	if (*slot)
		return *slot - 1;
	if (GROW(calls->edges, calls->index->edge_capacity, id))
		return CALLS_NONE;
	calls->edges[id] = (struct call_edge){ .caller = caller, .callee = callee };
	calls->edge_count++;
	pairs->count++;
	*slot = id + 1;
	return id;
}

unsigned int calls_recursion(const struct calls *calls, uint32_t node, uint32_t edge)
{
	uint32_t callee = calls->edges[edge].callee;
	unsigned int found = 0;

	for (; calls->nodes[node].depth; node = calls->index->links[node].up) {
		if (calls->nodes[node].edge == edge)
			return CALLS_RECURSION_FUNCTION | CALLS_RECURSION_EDGE;
		if (calls->nodes[node].function == callee)
			found = CALLS_RECURSION_FUNCTION;
	}
	return found;
}

static uint32_t calls_add_child(struct calls *calls, uint32_t parent, uint32_t function)
{
	struct call_node child = {
		.parent = parent,
		.function = function,
		.thread = calls->nodes[parent].thread,
		.depth = calls->nodes[parent].depth + 1,
	};
	unsigned int recursion;

	child.edge = calls_edge(calls, calls->nodes[parent].function, function);
	if (child.edge == CALLS_NONE)
		return CALLS_NONE;
	recursion = calls_recursion(calls, parent, child.edge);
	child.function_recursive = recursion & CALLS_RECURSION_FUNCTION;
	child.edge_recursive = recursion & CALLS_RECURSION_EDGE;
	return calls_add_node(calls, &child);
}

static uint32_t calls_find_child(struct calls *calls, uint32_t parent, uint32_t function)
{
	struct id_table *children = &calls->index->children;
	uint32_t *slot, id;

	if (id_table_grow(calls, children, node_pair))
		return CALLS_NONE;
	slot = id_table_find(calls, children, node_pair, parent, function);
	if (*slot)
		return *slot - 1;
	if (calls->node_count >= CALLS_NODES_MAX || calls->nodes[parent].folded)
		return 0;
	id = calls_add_child(calls, parent, function);
	if (id == CALLS_NONE)
		return CALLS_NONE;
	*slot = id + 1;
	children->count++;
	return id;
}

uint32_t calls_child(struct calls *calls, uint32_t parent, uint32_t function)
{
	struct call_link *links = calls->index->links;
	uint32_t last = links[parent].last_child, child = last;

	if (last) {
		if (calls->nodes[last].function == function)
			return last;
		child = links[last].next;
	}
	if (!child || calls->nodes[child].function != function) {
		child = calls_find_child(calls, parent, function);
		if (!child || child == CALLS_NONE)
			return child;
		links = calls->index->links;
		if (last)
			links[last].next = child;
	}
	links[parent].last_child = child;
	return child;
}

uint32_t calls_folded(struct calls *calls, uint32_t thread, uint32_t edge, unsigned int recursion)
{
	struct call_node node = {
		.parent = calls_root(calls, thread),
		.function = calls->edges[edge].callee,
		.thread = thread,
		.edge = edge,
		.depth = 1,
		.function_recursive = recursion & CALLS_RECURSION_FUNCTION,
		.edge_recursive = recursion & CALLS_RECURSION_EDGE,
		.folded = true,
	};
	uint64_t *slot;

	if (node.parent == CALLS_NONE)
		return CALLS_NONE;
	slot = map64_slot(calls->index->folded, map64_pair(edge, thread << 2 | recursion), NULL);
	if (!slot)
		return CALLS_NONE;
	if (!*slot) {
		uint32_t id = calls_add_node(calls, &node);

		if (id == CALLS_NONE)
			return CALLS_NONE;
		*slot = id;
	}
	return *slot;
}
