/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The evaluation loop's machine code as a graph of instructions: everything that direct control flow
 * reaches from the handlers and from the evaluation function, up to where it dispatches through the
 * table (an indirect jump) or returns. What a call does is not followed, only that it comes back.
 *
 * Read from the file, not from the process, whose text may hold other tools' breakpoints.
 */
#ifndef PYBPFPROF_PYTHON_CALL_DISPATCH_GRAPH_H
#define PYBPFPROF_PYTHON_CALL_DISPATCH_GRAPH_H

#include <Zydis/Zydis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proc/elf_file.h"
#include "python/call_dispatch_callee.h"

enum { GRAPH_NODES_MAX = 1 << 17 };
#define GRAPH_NONE 0xffffffffu

enum graph_node_flag {
	GRAPH_ROOT = 1 << 0,	 /* control also comes from elsewhere: a handler, a function */
	GRAPH_INDIRECT = 1 << 1, /* an indirect jump: the dispatch, mostly */
	GRAPH_RETURN = 1 << 2,
	GRAPH_CALL = 1 << 3,	 /* direct; `callee` says where to */
	GRAPH_EMULATED = 1 << 4, /* the kernel need not single-step it */
};

struct graph_node {
	uint64_t address; /* in the file */
	uint64_t callee;
	uint32_t next, branch; /* nodes that follow; GRAPH_NONE */
	uint16_t writes;       /* bit n: changes general register n */
	uint8_t flags;	       /* enum graph_node_flag */
	uint8_t length;
};

struct graph;

/* A set of nodes. */
struct graph_set {
	uint64_t *words;
	size_t word_count;
};

/*
 * Roots are addresses in the file. -E2BIG: more than GRAPH_NODES_MAX instructions. The file is
 * borrowed until graph_free().
 */
int graph_new(struct elf_file *file, const uint64_t *roots, size_t root_count, struct graph **out);
void graph_free(struct graph *graph);

size_t graph_count(const struct graph *graph);
const struct graph_node *graph_node(const struct graph *graph, uint32_t node);
/* GRAPH_NONE: no instruction of the graph begins there. */
uint32_t graph_find(const struct graph *graph, uint64_t address);

/* The instruction with its operands; false: bytes that are none. */
bool graph_decode(struct graph *graph, uint32_t node, ZydisDecodedInstruction *instruction,
		  ZydisDecodedOperand *operands);

enum callee graph_callee(const struct graph *graph, uint64_t address);

int graph_set_init(struct graph_set *set, const struct graph *graph);
void graph_set_release(struct graph_set *set);
void graph_set_clear(struct graph_set *set);
void graph_set_copy(struct graph_set *to, const struct graph_set *from);
void graph_set_add(struct graph_set *set, uint32_t node);
void graph_set_remove(struct graph_set *set, uint32_t node);
bool graph_set_has(const struct graph_set *set, uint32_t node);
/* Leaves in `set` what `other` has too. */
void graph_set_intersect(struct graph_set *set, const struct graph_set *other);
/* Whether both have a node in common. */
bool graph_sets_meet(const struct graph_set *a, const struct graph_set *b);

/*
 * Adds to `out` everything that control reaches from `from` (itself included) without passing a node
 * of `cut`, which may be NULL; nodes of `cut` are not added.
 */
void graph_reach(const struct graph *graph, uint32_t from, const struct graph_set *cut,
		 struct graph_set *out);
/* The same against the flow: everything from which `to` is reached. */
void graph_reach_back(const struct graph *graph, uint32_t to, const struct graph_set *cut,
		      struct graph_set *out);

#endif
