/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every call of a run: the tree of callers and callees for each thread, and what follows from it,
 * functions and edges. The meter grows the tree, calls_finish() derives the rest, renderers read.
 * Functions and threads are indexes into the profile's arrays. Times are wall or CPU nanoseconds,
 * without the probes' own cost unless `raw`.
 */
#ifndef PYBPFPROF_MODEL_CALLS_H
#define PYBPFPROF_MODEL_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/histogram.h"

#define CALLS_NONE UINT32_MAX

struct profile;

struct call_times {
	uint64_t calls;	     /* entries seen; a resume is one */
	uint64_t resumes;    /* of them */
	uint64_t exceptions; /* left by an exception */
	uint64_t self_ns, cpu_self_ns;
	uint64_t total_ns, cpu_total_ns; /* functions, edges: outermost activations only */
};

/*
 * One path of calls: a function called along the path of its parent. Node 0 is nobody; a thread's
 * root is a node with parent 0 and function CALLS_NONE, its calls 0. A root's total time is all the
 * time its thread was followed (known when that ends), its self time what was outside any function.
 * A parent comes before its children.
 */
struct call_node {
	uint32_t parent;
	uint32_t function;	   /* of the profile; CALLS_NONE in roots */
	uint32_t thread;	   /* of the profile */
	uint32_t edge;		   /* index of edges; CALLS_NONE in roots */
	uint32_t depth;		   /* 1 for a thread's outermost function */
	bool function_recursive;   /* a node above it is of the same function */
	bool edge_recursive;	   /* a node above it is of the same caller and callee */
	bool running;		   /* was already running when first heard of */
	bool folded;		   /* CALLS_NODES_MAX: stands for many paths, see calls_folded() */
	uint32_t running_count;	   /* activations that were there when we came */
	uint32_t unfinished_count; /* activations that were still there when we left */
	struct call_times times;   /* total_ns of every activation: siblings and parents add up */
};

/* A pair of caller and callee, over all threads. */
struct call_edge {
	uint32_t caller; /* function of the profile; CALLS_NONE: a thread's outermost */
	uint32_t callee;
	uint64_t min_ns, max_ns; /* of a single call, resumes apart, entered and left; else 0 */
	struct histogram durations;
	struct call_times times;  /* after calls_finish() */
	uint64_t recursive_calls; /* of calls: below a call of the same pair */
};

/* By the profile's function index; calls 0 and running 0: never seen in a call. After finish. */
struct call_function {
	struct call_times times;
	uint64_t recursive_calls; /* entered while running on the same thread already */
	uint64_t running;	  /* activations that were there when we came */
	uint64_t unfinished;	  /* activations that were still there when we left */
	uint64_t min_ns, max_ns;
	uint64_t p50_ns, p90_ns, p99_ns, p999_ns;
};

struct calls {
	struct call_node *nodes;
	uint32_t node_count;
	struct call_edge *edges;
	uint32_t edge_count;
	struct call_function *functions; /* after calls_finish() */
	uint32_t function_count;

	uint64_t event_count;	 /* entries and exits seen */
	uint64_t resynchronised; /* threads' stacks taken anew after a loss */
	uint64_t unseen_exits;	 /* activations found ended, whose own exit no event told */
	uint64_t stray_exits;	 /* exits of frames that were not known to run */
	uint64_t folded_calls;	 /* whose path was not kept: CALLS_NODES_MAX; else exact */
	uint64_t probe_hit_ns;	 /* cost of one probe hit, as calibrated; 0 not known */
	uint64_t probe_hits;	 /* of probes on calls, in all */
	uint64_t stepped_hits;	 /* of the hits, on instructions that the kernel single-steps */
	uint64_t stepped_hit_ns; /* cost of one of these */
	uint64_t compensated_ns; /* taken out of all wall times; 0 when raw */
	bool raw;
	double observed_share;	   /* --duty: of the run's time the probes were in; else 1 */
	uint64_t unfinished_count; /* activations, of all functions */

	struct calls_index *index; /* private */
};

struct calls *calls_new(void);	      /* NULL: out of memory */
void calls_free(struct calls *calls); /* takes NULL */

/* The root of a thread, added when new. CALLS_NONE: out of memory. */
uint32_t calls_root(struct calls *calls, uint32_t thread);
/*
 * The child of `parent` for `function`, added when new, with its edge. 0: it would be new, and there
 * are CALLS_NODES_MAX already: see calls_folded(). CALLS_NONE: out of memory.
 */
uint32_t calls_child(struct calls *calls, uint32_t parent, uint32_t function);
enum { CALLS_NODES_MAX = 1 << 20 };

/* The edge, added when new. CALLS_NONE: out of memory. */
uint32_t calls_edge(struct calls *calls, uint32_t caller, uint32_t callee);

/* What a path holds already of an edge that is to be its end. The second implies the first. */
enum calls_recursion {
	CALLS_RECURSION_FUNCTION = 1,
	CALLS_RECURSION_EDGE = 2,
};
unsigned int calls_recursion(const struct calls *calls, uint32_t node, uint32_t edge);

/*
 * Where calls are counted whose path was not kept: one node for each thread, edge and `recursion`
 * (which the caller knows, of the real stack), right under the thread's root. So functions and edges
 * stay exact, only the tree does not. Such nodes have no children. CALLS_NONE: out of memory.
 */
uint32_t calls_folded(struct calls *calls, uint32_t thread, uint32_t edge, unsigned int recursion);

/*
 * Fills edges' times and functions from the nodes; `function_count` as in the profile. May be called
 * again. 0 or -ENOMEM.
 */
int calls_finish(struct calls *calls, uint32_t function_count);

/*
 * Adds each node's self time to the profile's sums, with its calls as samples, so that what reads
 * stacks (folded, flamegraph) reads calls. Once, after calls_finish(). 0 or -ENOMEM.
 */
int calls_to_stacks(const struct calls *calls, struct profile *profile);

#endif
