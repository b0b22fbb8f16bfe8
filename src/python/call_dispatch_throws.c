// SPDX-License-Identifier: GPL-2.0-only
/*
 * generator.throw() and close() have the evaluation function go on with a frame, its third argument
 * saying that an exception is to be raised there: no RESUME is executed. Follows that argument, and
 * the second, the frame, through registers and stack to where it is tested, and probes what is only
 * reached when it is set.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "python/call_dispatch_loop.h"

enum { SLOTS_MAX = 8, VISITS_MAX = 4096, AHEAD_MAX = 64 };

/* What holds the third argument at some point, and what the second. */
struct held {
	uint16_t throws; /* bit n: register n */
	uint16_t frames;
	bool flags; /* the processor's flags tell whether it is 0 */
	struct slot {
		int64_t displacement;
		uint8_t base;
	} slots[SLOTS_MAX]; /* on the stack, the third argument only */
	size_t slot_count;
};

struct step {
	uint32_t node;
	struct held held;
};

static uint16_t bit_of(uint8_t reg)
{
	return reg == CALL_NO_REGISTER ? 0 : (uint16_t)(1u << reg);
}

static uint16_t operand_bit(const ZydisDecodedOperand *operand)
{
	return operand->type == ZYDIS_OPERAND_TYPE_REGISTER ?
		       bit_of(dispatch_register(operand->reg.value)) :
		       0;
}

/* The slot that an operand names; held->slot_count: none that is known. */
static size_t slot_find(const struct held *held, const ZydisDecodedOperand *operand)
{
	size_t i = 0;

	if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    operand->mem.index != ZYDIS_REGISTER_NONE ||
	    (operand->mem.base != ZYDIS_REGISTER_RSP && operand->mem.base != ZYDIS_REGISTER_RBP))
		return held->slot_count;
	while (i < held->slot_count &&
	       (held->slots[i].displacement != operand->mem.disp.value ||
		held->slots[i].base != dispatch_register(operand->mem.base)))
		i++;
	return i;
}

static void slot_write(struct held *held, const ZydisDecodedOperand *operand, bool throws)
{
	size_t i = slot_find(held, operand);

	if (i < held->slot_count && !throws)
		held->slots[i] = held->slots[--held->slot_count];
	else if (i == held->slot_count && throws && i < SLOTS_MAX)
		held->slots[held->slot_count++] = (struct slot){
			operand->mem.disp.value,
			dispatch_register(operand->mem.base),
		};
}

static bool is_stack(const ZydisDecodedOperand *operand)
{
	return operand->type == ZYDIS_OPERAND_TYPE_MEMORY &&
	       operand->mem.index == ZYDIS_REGISTER_NONE &&
	       (operand->mem.base == ZYDIS_REGISTER_RSP || operand->mem.base == ZYDIS_REGISTER_RBP);
}

/* The stack pointer moved: what lies on the stack has other displacements from it. */
static void slots_forget(struct held *held, uint16_t bases)
{
	for (size_t i = held->slot_count; i-- > 0;) {
		if (bit_of(held->slots[i].base) & bases)
			held->slots[i] = held->slots[--held->slot_count];
	}
}

static bool operand_throws(const struct held *held, const ZydisDecodedOperand *operand)
{
	/* An int: half of a register, which the upper half of the argument may be rubbish of. */
	return operand->size <= 32 && operand->size >= 8 &&
	       ((operand_bit(operand) & held->throws) ||
		slot_find(held, operand) < held->slot_count);
}

/* test %r,%r; cmp $0 */
static bool is_test(const struct held *held, const ZydisDecodedInstruction *instruction,
		    const ZydisDecodedOperand *operands)
{
	if (instruction->mnemonic == ZYDIS_MNEMONIC_TEST)
		return operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		       operand_throws(held, &operands[0]) &&
		       operand_bit(&operands[0]) == operand_bit(&operands[1]);
	return instruction->mnemonic == ZYDIS_MNEMONIC_CMP && operand_throws(held, &operands[0]) &&
	       operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && operands[1].imm.value.u == 0;
}

/* What is held behind an instruction, from what is held before it. */
static void held_step(struct held *held, const struct graph_node *node,
		      const ZydisDecodedInstruction *instruction,
		      const ZydisDecodedOperand *operands)
{
	const bool copies = instruction->mnemonic == ZYDIS_MNEMONIC_MOV;
	const bool throws = copies && operand_throws(held, &operands[1]);
	const bool frames =
		copies && operands[1].size == 64 && (operand_bit(&operands[1]) & held->frames);
	const bool tests = is_test(held, instruction, operands);

	held->throws &= ~node->writes;
	held->frames &= ~node->writes;
	slots_forget(held, node->writes);
	if (copies && is_stack(&operands[0])) {
		slot_write(held, &operands[0], throws);
	} else if (copies) {
		held->throws |= throws ? operand_bit(&operands[0]) : 0;
		held->frames |= frames ? operand_bit(&operands[0]) : 0;
	}
	if (tests)
		held->flags = true;
	else if (instruction->cpu_flags && instruction->cpu_flags->modified)
		held->flags = false;
}

/* ---- where to probe ---- */

/* Control gets to `node` only from the jump, and not by its other way. */
static bool is_throws_only(struct dispatch_loop *loop, uint32_t node, uint32_t jump, uint32_t other,
			   struct graph_set *cut, struct graph_set *seen)
{
	graph_set_clear(cut);
	graph_set_clear(seen);
	graph_set_add(cut, jump);
	graph_reach_back(loop->graph, node, cut, seen);
	for (uint32_t i = 0; i < graph_count(loop->graph); i++) {
		if (graph_set_has(seen, i) && graph_node(loop->graph, i)->flags & GRAPH_ROOT)
			return false;
	}
	graph_set_clear(seen);
	graph_reach(loop->graph, other, cut, seen);
	return !graph_set_has(seen, node);
}

/* The first emulated instruction on the straight line from where the jump leads. */
static uint32_t place_find(struct dispatch_loop *loop, struct step *step, uint32_t jump,
			   uint32_t taken, uint32_t other, struct graph_set *cut,
			   struct graph_set *seen)
{
	uint32_t node = taken;

	for (int i = 0; i < AHEAD_MAX && node != GRAPH_NONE; i++) {
		const struct graph_node *at = graph_node(loop->graph, node);

		if (!is_throws_only(loop, node, jump, other, cut, seen))
			return GRAPH_NONE;
		if (at->flags & GRAPH_EMULATED)
			return node;
		step->held.frames &= ~at->writes;
		node = at->next;
	}
	return GRAPH_NONE;
}

static int place_add(struct dispatch_loop *loop, uint32_t node, uint16_t frames)
{
	/* Of the registers that hold the frame one that calls preserve, if there is one. */
	static const uint8_t order[] = { 3, 5, 12, 13, 14, 15, 6, 7, 0, 1, 2, 8, 9, 10, 11 };
	struct call_site site = {
		.kind = CALL_THROW,
		.frame_register = CALL_NO_REGISTER,
		.ip_register = CALL_NO_REGISTER,
		.result_register = CALL_NO_REGISTER,
		.throw_register = CALL_NO_REGISTER,
	};

	for (size_t i = sizeof(order); i-- > 0;) {
		if (frames & bit_of(order[i]))
			site.frame_register = order[i];
	}
	return dispatch_site_add(loop, node, "throw", &site);
}

/* ---- the way there ---- */

struct walk {
	struct dispatch_loop *loop;
	struct graph_set visited, cut, seen;
	struct step *steps; /* to be taken */
	size_t count;
};

static void step_later(struct walk *walk, uint32_t node, const struct held *held)
{
	if (node == GRAPH_NONE || graph_set_has(&walk->visited, node) || walk->count == VISITS_MAX)
		return;
	graph_set_add(&walk->visited, node);
	walk->steps[walk->count++] = (struct step){ node, *held };
}

/* Follows all ways from the function's entry; 1: a test was found and its place added. */
static int walk_on(struct walk *walk)
{
	const struct graph *graph = walk->loop->graph;

	for (size_t i = 0; i < walk->count; i++) {
		ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
		ZydisDecodedInstruction instruction;
		struct step step = walk->steps[i];
		const struct graph_node *node = graph_node(graph, step.node);

		if (!step.held.throws && !step.held.slot_count && !step.held.flags)
			continue;
		if (!graph_decode(walk->loop->graph, step.node, &instruction, operands))
			continue;
		if (step.held.flags && node->branch != GRAPH_NONE && node->next != GRAPH_NONE &&
		    (instruction.mnemonic == ZYDIS_MNEMONIC_JNZ ||
		     instruction.mnemonic == ZYDIS_MNEMONIC_JZ)) {
			bool jumps = instruction.mnemonic == ZYDIS_MNEMONIC_JNZ;
			uint32_t taken = jumps ? node->branch : node->next;
			uint32_t other = jumps ? node->next : node->branch;
			uint32_t place = place_find(walk->loop, &step, step.node, taken, other,
						    &walk->cut, &walk->seen);

			if (place != GRAPH_NONE) {
				int err = place_add(walk->loop, place, step.held.frames);

				return err ? err : 1;
			}
		}
		held_step(&step.held, node, &instruction, operands);
		step_later(walk, node->next, &step.held);
		step_later(walk, node->branch, &step.held);
	}
	return 0;
}

/* Every call of the function, told apart by the argument: dearer, as each call from C is a hit. */
static int entry_add(struct dispatch_loop *loop)
{
	const uint16_t arguments = bit_of(ZYDIS_REGISTER_RSI - ZYDIS_REGISTER_RAX) |
				   bit_of(ZYDIS_REGISTER_RDX - ZYDIS_REGISTER_RAX);
	const struct call_site site = {
		.kind = CALL_THROW,
		.frame_register = ZYDIS_REGISTER_RSI - ZYDIS_REGISTER_RAX,
		.ip_register = CALL_NO_REGISTER,
		.result_register = CALL_NO_REGISTER,
		.throw_register = ZYDIS_REGISTER_RDX - ZYDIS_REGISTER_RAX,
		.before_link = 1,
	};
	uint32_t node = graph_find(loop->graph, loop->function);

	while (node != GRAPH_NONE) {
		const struct graph_node *at = graph_node(loop->graph, node);

		if (at->flags & GRAPH_EMULATED)
			return dispatch_site_add(loop, node, "throw", &site);
		if (at->writes & arguments)
			break;
		node = at->next;
	}
	return dispatch_refuse(loop, "Python %s: where it throws into generators was not found",
			       loop->process->version);
}

int dispatch_throws_find(struct dispatch_loop *loop)
{
	const struct held held = {
		.throws = bit_of(ZYDIS_REGISTER_RDX - ZYDIS_REGISTER_RAX),
		.frames = bit_of(ZYDIS_REGISTER_RSI - ZYDIS_REGISTER_RAX),
	};
	struct walk walk = { .loop = loop };
	int err = -ENOMEM;

	walk.steps = calloc(VISITS_MAX, sizeof(*walk.steps));
	if (!walk.steps || graph_set_init(&walk.visited, loop->graph) ||
	    graph_set_init(&walk.cut, loop->graph) || graph_set_init(&walk.seen, loop->graph))
		goto done;
	step_later(&walk, graph_find(loop->graph, loop->function), &held);
	err = walk_on(&walk);
	if (err == 0)
		err = entry_add(loop);
	if (err > 0)
		err = 0;
done:
	free(walk.steps);
	graph_set_release(&walk.visited);
	graph_set_release(&walk.cut);
	graph_set_release(&walk.seen);
	return err;
}
