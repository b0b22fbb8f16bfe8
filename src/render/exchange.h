/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the formats for other tools have in common: the profile as functions that cost something and
 * calls between them, made of exact calls where there are any, else of samples.
 *
 * Above the outermost functions stand roots, one for each process or thread, so that every function
 * has a caller. A function or root is known by one index: roots follow the profile's functions.
 */
#ifndef PYBPFPROF_RENDER_EXCHANGE_H
#define PYBPFPROF_RENDER_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "render/render.h"

/* Exact: wall and CPU nanoseconds. Sampled: the value in the profile's unit, and samples. */
struct exchange_cost {
	uint64_t main;
	uint64_t second;
};

struct exchange_function {
	bool seen;	/* it is somewhere in what follows */
	bool listed;	/* -F lets it through; others are there as callers and callees of those */
	uint64_t calls; /* 0 where nobody counted */
	uint64_t recursive_calls;
	struct exchange_cost self;
	struct exchange_cost total; /* recursion counts once */
};

/* Where in a function its self cost arose. */
struct exchange_place {
	uint32_t function;
	int32_t line; /* executing, where that is known and wanted; else the first */
	struct exchange_cost self;
};

struct exchange_edge {
	uint32_t caller;
	int32_t line; /* of the caller, as in places */
	uint32_t callee;
	uint64_t calls; /* 0 where nobody counted */
	uint64_t recursive_calls;
	struct exchange_cost self;  /* of the callee, called from there */
	struct exchange_cost total; /* below another call of the pair it counts with that one */
	/* Below any other activation of the callee it counts with that one: adds up to its total. */
	struct exchange_cost entered;
	uint32_t seen_in; /* private */
};

enum exchange_roots {
	EXCHANGE_ROOT_ONE, /* above everything; for those who want no roots */
	EXCHANGE_ROOT_PROCESSES,
	EXCHANGE_ROOT_THREADS,
};

struct exchange {
	const struct profile *profile;
	enum exchange_roots roots;
	bool exact;
	struct exchange_function *functions;
	uint32_t function_count;       /* with roots */
	struct exchange_place *places; /* with cost, by function and line */
	uint32_t place_count;
	struct exchange_edge *edges; /* by caller, line, callee */
	uint32_t edge_count;
	struct exchange_cost sum; /* of everything, whatever -F says */
};

/* `by_line`: places and callers are told apart by the line executed. 0 or -ENOMEM. */
int exchange_init(struct exchange *exchange, const struct profile *profile,
		  const struct render_options *options, enum exchange_roots roots, bool by_line);
void exchange_release(struct exchange *exchange); /* takes one that failed, too */

bool exchange_is_root(const struct exchange *exchange, uint32_t function);
/*
 * Safe text, never empty, no space at its ends: the name; the file as the interpreter has it, or
 * the library, "???" where there is none; the module, or else the file as people name it.
 */
void exchange_append_name(struct buffer *out, const struct exchange *exchange, uint32_t function);
void exchange_append_file(struct buffer *out, const struct exchange *exchange, uint32_t function);
void exchange_append_module(struct buffer *out, const struct exchange *exchange, uint32_t function);
/* First line; 0 where it is not known. */
int32_t exchange_line(const struct exchange *exchange, uint32_t function);

#endif
