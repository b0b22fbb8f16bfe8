/* SPDX-License-Identifier: GPL-2.0-only */
/* The graph as heap_graph.c builds it and heap_paths.c reads it; private to the two. */
#ifndef PYBPFPROF_CLI_HEAP_GRAPH_PRIVATE_H
#define PYBPFPROF_CLI_HEAP_GRAPH_PRIVATE_H

#include "cli/heap_graph.h"
#include "python/objects_roots.h"

#define HEAP_ROOT_BIT (1u << 31)

struct heap_graph {
	struct heap_scan *scan;
	struct objects_marks *reached;
	uint64_t *addresses; /* the queue of the breadth-first walk, kept */
	uint32_t *parents;   /* number in the queue; HEAP_ROOT_BIT | number of the root */
	uint32_t count, capacity;
	struct object_root *roots;
	uint32_t root_count, root_capacity;
	uint32_t at; /* whose references are being followed, or HEAP_ROOT_BIT | the root */
};

#endif
