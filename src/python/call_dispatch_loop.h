/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of one evaluation loop while a plan is made of it, and the parts of that work. Only
 * for call_dispatch*.c.
 */
#ifndef PYBPFPROF_PYTHON_CALL_DISPATCH_LOOP_H
#define PYBPFPROF_PYTHON_CALL_DISPATCH_LOOP_H

#include "python/call_dispatch_graph.h"
#include "python/call_dispatch_table.h"
#include "python/call_plan.h"

enum { LOOP_ENDS_MAX = 16 };

struct dispatch_loop {
	const struct python_process *process;
	const struct opcodes *opcodes;
	struct elf_file *file;
	struct dispatch_table table;
	uint64_t function; /* _PyEval_EvalFrameDefault, in the file */
	struct graph *graph;
	/* What every handler finds the frame and the next instruction in; ABI_NO_REGISTER. */
	uint8_t frame_register, ip_register;

	struct graph_set raised; /* reached once an exception is raised */
	/*
	 * The part of it from which the loop may end a frame: a handler that gets there has failed.
	 */
	struct graph_set failing;
	uint32_t ends[LOOP_ENDS_MAX]; /* emulated instructions that each ending frame passes */
	uint8_t end_registers[LOOP_ENDS_MAX]; /* what the frame is in there */
	size_t end_count;
	uint64_t clear; /* 3.12+: the function that clears a frame, its second argument */

	struct call_plan *plan;
	char *reason;
	size_t reason_size;
};

/* Says why there is no plan; returns -ENOTSUP. */
int dispatch_refuse(struct dispatch_loop *loop, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* -ENOTSUP, with the reason, for a loop that cannot be followed: a JIT compiler, tail calls. */
int dispatch_build_check(struct dispatch_loop *loop);

/* Finds `raised`, `failing` and `ends`, and adds the sites where exceptions end frames. */
int dispatch_ends_find(struct dispatch_loop *loop);

/* Finds the registers that handlers agree about. */
void dispatch_registers_find(struct dispatch_loop *loop);

/* Adds the sites of all opcodes of a kind: each such opcode that leads on passes exactly one. */
int dispatch_handlers_find(struct dispatch_loop *loop, enum opcode_kind opcodes,
			   enum call_event_kind kind);

/* Adds the sites where exceptions are thrown into generators. */
int dispatch_throws_find(struct dispatch_loop *loop);

/*
 * The site at a node, stepped when it is not emulated; one that is there already is left alone.
 * -ENOSPC.
 */
int dispatch_site_add(struct dispatch_loop *loop, uint32_t node, const char *name,
		      const struct call_site *site);

/* The node of the first opcode of a kind; GRAPH_NONE: this version has none. */
uint32_t dispatch_handler(const struct dispatch_loop *loop, enum opcode_kind kind);

/* What a function's second argument is in. */
enum { DISPATCH_SECOND_ARGUMENT = ZYDIS_REGISTER_RSI - ZYDIS_REGISTER_RAX };

/* The number of a general register as instructions encode it; ABI_NO_REGISTER for any other. */
uint8_t dispatch_register(ZydisRegister reg);

#endif
