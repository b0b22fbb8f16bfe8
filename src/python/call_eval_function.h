/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of _PyEval_EvalFrameDefault's machine code while a plan is made of it, and the parts
 * of that work. Only for call_eval*.c.
 */
#ifndef PYBPFPROF_PYTHON_CALL_EVAL_FUNCTION_H
#define PYBPFPROF_PYTHON_CALL_EVAL_FUNCTION_H

#include <Zydis/Zydis.h>

#include "proc/elf_file.h"
#include "python/call_dispatch_graph.h"
#include "python/call_plan.h"

enum {
	EVAL_LINKS_MAX = 8,
	EVAL_EXITS_MAX = 16,
	EVAL_LEAVES_MAX = 32,
	EVAL_LINE_NODES_MAX = 32, /* of a straight line: from a load to its store, on to a site */
	EVAL_SEGMENTS_MAX = 8,
};

/* A store of the frame into the thread state. */
struct eval_link {
	uint32_t node;
	uint32_t site;	/* GRAPH_NONE: none */
	uint8_t frame;	/* register that still holds the frame there; ABI_NO_REGISTER */
	uint8_t thrown; /* likewise, of the argument that tells of an exception thrown in */
};

/* A store of f_back into the thread state. */
struct eval_exit {
	uint32_t node;
	uint32_t site;
	uint8_t frame; /* as above */
};

struct eval {
	const struct python_process *process;
	const struct python_layout *layout;
	struct elf_file *file;
	struct elf_symbol function;
	/* Where control comes from elsewhere: the function, then what its table and jumps lead to. */
	uint64_t *roots;
	size_t root_count;
	struct graph *graph;

	struct eval_link links[EVAL_LINKS_MAX];
	size_t link_count;
	struct eval_exit exits[EVAL_EXITS_MAX];
	size_t exit_count;
	/* Instead of the exits' own sites, where the frame is lost there: passed once on the way. */
	uint32_t leaves[EVAL_LEAVES_MAX];
	size_t leave_count;

	struct call_plan *plan;
	char *reason;
	size_t reason_size;
};

/* Says why there is no plan; returns -ENOTSUP. */
int eval_refuse(struct eval *eval, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Fills `roots` and `graph`. */
int eval_function_read(struct eval *eval);
void eval_function_free(struct eval *eval);

/* Fills `links`: every way in. */
int eval_links_find(struct eval *eval);

/* Fills `exits` and perhaps `leaves`, and checks that with them every call is seen once. */
int eval_exits_find(struct eval *eval);

struct eval_instruction {
	ZydisDecodedInstruction head;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

bool eval_instruction_at(struct eval *eval, uint32_t node, struct eval_instruction *out);
const struct graph_node *eval_node(const struct eval *eval, uint32_t node);

/* The number of a 64-bit general register; ABI_NO_REGISTER for any other operand. */
uint8_t eval_register_of(const ZydisDecodedOperand *operand);

/* mov %stored,offset(%base) and mov offset(%base),%loaded: both registers, or false. */
bool eval_is_store(const struct eval_instruction *instruction, uint16_t offset, uint8_t *stored,
		   uint8_t *base);
bool eval_is_load(const struct eval_instruction *instruction, uint16_t offset, uint8_t *loaded,
		  uint8_t *base);

/*
 * The first emulated instruction behind a node, on its line; GRAPH_NONE: the line ends first. Takes
 * the registers that change on the way out of *kept.
 */
uint32_t eval_emulated_behind(const struct eval *eval, uint32_t node, uint16_t *kept);

#endif
