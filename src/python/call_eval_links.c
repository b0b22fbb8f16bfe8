// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way into the evaluation function: from its arguments to the stores that link the frame into the
 * thread state, one for each path that the compiler made of it.
 */
#include <errno.h>

#include "python/call_eval_function.h"

enum {
	WAYS_MAX = 64, /* branches taken later */
	RDX = 2,
	RSI = 6,
	RDI = 7,
};

/* Where the way in has come to, and which registers have what the function was called with. */
struct way_in {
	uint32_t node;
	uint16_t frame; /* bit n: register n */
	uint16_t thrown;
};

static int link_add(struct eval *eval, const struct way_in *way, uint8_t frame)
{
	struct eval_link *link = &eval->links[eval->link_count];
	uint16_t kept = 0xffff;

	if (eval->link_count == EVAL_LINKS_MAX)
		return -E2BIG;
	link->node = way->node;
	link->site = eval_emulated_behind(eval, way->node, &kept);
	link->frame = kept >> frame & 1 ? frame : ABI_NO_REGISTER;
	link->thrown = ABI_NO_REGISTER;
	for (unsigned int i = 0; i < ABI_REGISTERS; i++) {
		if ((way->thrown & kept) >> i & 1)
			link->thrown = (uint8_t)i;
	}
	eval->link_count++;
	return 0;
}

/* What an instruction does to the registers that are followed. */
static void way_step(const struct eval *eval, struct way_in *way,
		     const struct eval_instruction *instruction)
{
	const uint16_t writes = eval_node(eval, way->node)->writes;
	uint16_t frame = way->frame & ~writes, thrown = way->thrown & ~writes;

	if (instruction->head.mnemonic == ZYDIS_MNEMONIC_MOV) {
		uint8_t to = eval_register_of(&instruction->operands[0]);
		uint8_t from = eval_register_of(&instruction->operands[1]);

		if (to != ABI_NO_REGISTER && from != ABI_NO_REGISTER) {
			frame |= (way->frame >> from & 1) << to;
			thrown |= (way->thrown >> from & 1) << to;
		}
	}
	way->frame = frame;
	way->thrown = thrown;
}

/* Follows the frame from the argument it comes in to the stores that link it, on every path. */
int eval_links_find(struct eval *eval)
{
	const bool has_state = eval->layout->minor >= 9; /* the first argument */
	struct way_in stack[WAYS_MAX] = { {
		.node = graph_find(eval->graph, eval->function.address),
		.frame = 1u << (has_state ? RSI : RDI),
		.thrown = 1u << (has_state ? RDX : RSI),
	} };
	struct graph_set seen;
	size_t depth = 1;
	int err = graph_set_init(&seen, eval->graph);

	while (depth && !err) {
		struct way_in way = stack[--depth];
		struct eval_instruction instruction;
		uint8_t stored, base;

		if (way.node == GRAPH_NONE || graph_set_has(&seen, way.node) ||
		    !eval_instruction_at(eval, way.node, &instruction))
			continue;
		graph_set_add(&seen, way.node);
		if (eval_is_store(&instruction, eval->layout->tstate_frame, &stored, &base) &&
		    way.frame >> stored & 1) {
			err = link_add(eval, &way, stored);
			continue;
		}
		way_step(eval, &way, &instruction);
		if (!way.frame)
			continue;
		if (depth + 2 > WAYS_MAX) {
			err = -E2BIG;
			break;
		}
		stack[depth] = stack[depth + 1] = way;
		stack[depth++].node = eval_node(eval, way.node)->branch;
		stack[depth++].node = eval_node(eval, way.node)->next;
	}
	graph_set_release(&seen);
	if (err == -ENOMEM)
		return err;
	if (err || !eval->link_count)
		return eval_refuse(eval,
				   "where its evaluation function links a frame was not found");
	return 0;
}
