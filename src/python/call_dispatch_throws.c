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

enum { SLOTS_MAX = 8, STEPS_MAX = 4096, TESTS_MAX = 8, AHEAD_MAX = 64 };

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

static uint16_t bit_of(uint8_t reg)
{
	return reg == ABI_NO_REGISTER ? 0 : (uint16_t)(1u << reg);
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

/* ---- the tests ---- */

/* A jump that depends on the third argument. */
struct test {
	uint32_t jump;
	uint32_t set, clear; /* where it leads when the argument is not 0, and when it is */
	uint16_t frames;     /* registers that hold the frame there */
	uint32_t place;	     /* where to probe */
};

struct walk {
	struct dispatch_loop *loop;
	struct graph_set visited, jumps, seen;
	struct step {
		uint32_t node;
		struct held held;
	} * steps; /* to be taken */
	size_t count;
	struct test tests[TESTS_MAX];
	size_t test_count;
};

static void step_later(struct walk *walk, uint32_t node, const struct held *held)
{
	if (node == GRAPH_NONE || graph_set_has(&walk->visited, node) || walk->count == STEPS_MAX)
		return;
	graph_set_add(&walk->visited, node);
	walk->steps[walk->count++] = (struct step){ node, *held };
}

/* jnz or jz behind a test of the argument. */
static bool test_take(struct walk *walk, const struct step *step, ZydisMnemonic mnemonic)
{
	const struct graph_node *node = graph_node(walk->loop->graph, step->node);
	const bool jumps = mnemonic == ZYDIS_MNEMONIC_JNZ;

	if (!step->held.flags || (!jumps && mnemonic != ZYDIS_MNEMONIC_JZ) ||
	    node->branch == GRAPH_NONE || node->next == GRAPH_NONE || walk->test_count == TESTS_MAX)
		return false;
	walk->tests[walk->test_count++] = (struct test){
		.jump = step->node,
		.set = jumps ? node->branch : node->next,
		.clear = jumps ? node->next : node->branch,
		.frames = step->held.frames,
		.place = GRAPH_NONE,
	};
	graph_set_add(&walk->jumps, step->node);
	return true;
}

/* Follows all ways from the function's entry as long as the argument is known to be somewhere. */
static void tests_find(struct walk *walk)
{
	for (size_t i = 0; i < walk->count; i++) {
		ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
		ZydisDecodedInstruction instruction;
		struct step step = walk->steps[i];
		const struct graph_node *node = graph_node(walk->loop->graph, step.node);

		if ((!step.held.throws && !step.held.slot_count && !step.held.flags) ||
		    !graph_decode(walk->loop->graph, step.node, &instruction, operands) ||
		    test_take(walk, &step, instruction.mnemonic))
			continue;
		held_step(&step.held, node, &instruction, operands);
		step_later(walk, node->next, &step.held);
		step_later(walk, node->branch, &step.held);
	}
}

/* ---- where to probe ---- */

/* Control gets to `node` only by way of the tests, and only with the argument set. */
static bool is_throws_only(struct walk *walk, uint32_t node)
{
	const struct graph *graph = walk->loop->graph;

	graph_set_clear(&walk->seen);
	graph_reach_back(graph, node, &walk->jumps, &walk->seen);
	for (uint32_t i = 0; i < graph_count(graph); i++) {
		if (graph_set_has(&walk->seen, i) && graph_node(graph, i)->flags & GRAPH_ROOT)
			return false;
	}
	graph_set_clear(&walk->seen);
	for (size_t i = 0; i < walk->test_count; i++)
		graph_reach(graph, walk->tests[i].clear, &walk->jumps, &walk->seen);
	return !graph_set_has(&walk->seen, node);
}

/*
 * The first emulated instruction on the line from where the test leads; one that merely jumps on is
 * taken only when there is no other, as several tests may lead to the same.
 */
static void place_find(struct walk *walk, struct test *test)
{
	const struct graph *graph = walk->loop->graph;
	uint16_t frames = test->frames;
	uint32_t node = test->set;

	for (int i = 0; i < AHEAD_MAX && node != GRAPH_NONE && is_throws_only(walk, node); i++) {
		const struct graph_node *at = graph_node(graph, node);
		const bool jumps_on = at->next == GRAPH_NONE && at->branch != GRAPH_NONE;

		if (at->flags & GRAPH_EMULATED) {
			test->place = node;
			test->frames = frames;
			if (!jumps_on)
				return;
		}
		frames &= ~at->writes;
		node = jumps_on ? at->branch : at->next;
	}
}

/* Of the registers that hold the frame one that calls preserve, if there is one. */
static uint8_t register_choose(uint16_t frames)
{
	static const uint8_t order[] = { 3, 5, 12, 13, 14, 15, 6, 7, 0, 1, 2, 8, 9, 10, 11 };

	for (size_t i = 0; i < sizeof(order); i++) {
		if (frames & bit_of(order[i]))
			return order[i];
	}
	return ABI_NO_REGISTER;
}

/* 1: there is a test that has no place. */
static int places_add(struct walk *walk)
{
	struct call_site site = {
		.kind = CALL_THROW,
		.ip_register = ABI_NO_REGISTER,
		.result_register = ABI_NO_REGISTER,
		.throw_register = ABI_NO_REGISTER,
	};
	int err = walk->test_count ? 0 : 1;

	for (size_t i = 0; i < walk->test_count; i++) {
		place_find(walk, &walk->tests[i]);
		if (walk->tests[i].place == GRAPH_NONE)
			return 1;
	}
	for (size_t i = 0; i < walk->test_count && !err; i++) {
		uint16_t frames = walk->tests[i].frames;

		for (size_t j = 0; j < walk->test_count; j++) {
			if (walk->tests[j].place == walk->tests[i].place)
				frames &= walk->tests[j].frames;
		}
		site.frame_register = register_choose(frames);
		err = dispatch_site_add(walk->loop, walk->tests[i].place, "throw", &site);
	}
	return err;
}

/* Every call of the function, told apart by the argument: dearer, as each call from C is a hit. */
static int entry_add(struct dispatch_loop *loop)
{
	const uint16_t arguments = bit_of(ZYDIS_REGISTER_RSI - ZYDIS_REGISTER_RAX) |
				   bit_of(ZYDIS_REGISTER_RDX - ZYDIS_REGISTER_RAX);
	const struct call_site site = {
		.kind = CALL_THROW,
		.frame_register = ZYDIS_REGISTER_RSI - ZYDIS_REGISTER_RAX,
		.ip_register = ABI_NO_REGISTER,
		.result_register = ABI_NO_REGISTER,
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

	walk.steps = calloc(STEPS_MAX, sizeof(*walk.steps));
	if (!walk.steps || graph_set_init(&walk.visited, loop->graph) ||
	    graph_set_init(&walk.jumps, loop->graph) || graph_set_init(&walk.seen, loop->graph))
		goto done;
	step_later(&walk, graph_find(loop->graph, loop->function), &held);
	tests_find(&walk);
	err = places_add(&walk);
	if (err > 0)
		err = entry_add(loop);
done:
	free(walk.steps);
	graph_set_release(&walk.visited);
	graph_set_release(&walk.jumps);
	graph_set_release(&walk.seen);
	return err;
}
