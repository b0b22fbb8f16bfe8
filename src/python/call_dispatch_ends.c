// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the loop ends a frame because of an exception. From 3.12 on it calls a function that clears
 * the frame and pops it off the thread's stack, as a return does too: those calls that raising an
 * exception leads to. In 3.11, whose frames know whether C entered the loop for them, it is the test
 * of that knowledge. Either way the proof is that raising leads out of the loop only past them.
 */
#include <errno.h>

#include "python/call_dispatch_loop.h"

enum {
	MINOR_CALLS = 12, /* the first version whose unwinder calls */
	CALLEES_MAX = 64,
};

static int end_add(struct dispatch_loop *loop, uint32_t node, uint8_t frame)
{
	for (size_t i = 0; i < loop->end_count; i++) {
		if (loop->ends[i] == node)
			return 0;
	}
	if (loop->end_count == LOOP_ENDS_MAX)
		return dispatch_refuse(loop, "Python %s: too many places seem to end a frame",
				       loop->process->version);
	loop->end_registers[loop->end_count] = frame;
	loop->ends[loop->end_count++] = node;
	return 0;
}

/* Whether the loop, once an exception is raised, returns only past the ends. */
static bool ends_are_all(struct dispatch_loop *loop, struct graph_set *cut, struct graph_set *seen)
{
	const uint32_t raise = dispatch_handler(loop, OPCODE_RAISE);

	graph_set_clear(cut);
	graph_set_clear(seen);
	for (size_t i = 0; i < loop->end_count; i++)
		graph_set_add(cut, loop->ends[i]);
	graph_reach(loop->graph, raise, cut, seen);
	for (uint32_t i = 0; i < graph_count(loop->graph); i++) {
		if (graph_set_has(seen, i) && graph_node(loop->graph, i)->flags & GRAPH_RETURN)
			return false;
	}
	return loop->end_count > 0;
}

/* ---- 3.12 and later ---- */

/* The calls of one function that raising leads to. */
static int calls_take(struct dispatch_loop *loop, uint64_t callee)
{
	loop->end_count = 0;
	for (uint32_t i = 0; i < graph_count(loop->graph); i++) {
		const struct graph_node *node = graph_node(loop->graph, i);
		int err;

		if (!(node->flags & GRAPH_CALL) || node->callee != callee ||
		    !graph_set_has(&loop->raised, i))
			continue;
		err = end_add(loop, i, DISPATCH_SECOND_ARGUMENT);
		if (err)
			return err;
	}
	return 0;
}

/* The functions called by what is in a set, each once; those known by name first. */
static size_t callees_list(struct dispatch_loop *loop, const struct graph_set *set, uint64_t *out)
{
	size_t count = 0;

	for (uint32_t i = 0; i < graph_count(loop->graph) && count < CALLEES_MAX; i++) {
		const struct graph_node *node = graph_node(loop->graph, i);
		bool listed = false;

		if (!(node->flags & GRAPH_CALL) || !graph_set_has(set, i))
			continue;
		for (size_t j = 0; j < count; j++)
			listed = listed || out[j] == node->callee;
		if (listed)
			continue;
		out[count++] = node->callee;
		if (graph_callee(loop->graph, node->callee) == CALLEE_CLEARS_FRAME) {
			out[count - 1] = out[0];
			out[0] = node->callee;
		}
	}
	return count;
}

/*
 * Without a symbol the function is known by what it does: a return calls it, and raising does not
 * get out of the loop without it.
 */
static int calls_find(struct dispatch_loop *loop, struct graph_set *cut, struct graph_set *seen)
{
	uint64_t callees[CALLEES_MAX];
	size_t count;

	graph_set_clear(seen);
	graph_reach(loop->graph, dispatch_handler(loop, OPCODE_RETURN), NULL, seen);
	count = callees_list(loop, seen, callees);
	for (size_t i = 0; i < count; i++) {
		int err = calls_take(loop, callees[i]);

		if (err)
			return err;
		if (ends_are_all(loop, cut, seen)) {
			loop->clear = callees[i];
			return 0;
		}
	}
	return dispatch_refuse(loop, "Python %s: what clears frames was not found in its loop",
			       loop->process->version);
}

/* ---- 3.11 ---- */

/* cmpb $0, frame_is_entry(%frame) */
static bool is_entry_test(struct dispatch_loop *loop, uint32_t node, uint8_t *frame)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction instruction;

	if (!graph_decode(loop->graph, node, &instruction, operands) ||
	    instruction.mnemonic != ZYDIS_MNEMONIC_CMP ||
	    operands[0].type != ZYDIS_OPERAND_TYPE_MEMORY || operands[0].size != 8 ||
	    operands[0].mem.disp.value != loop->process->target.layout.frame_is_entry ||
	    operands[0].mem.index != ZYDIS_REGISTER_NONE ||
	    operands[0].mem.base == ZYDIS_REGISTER_RSP ||
	    operands[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE || operands[1].imm.value.u != 0)
		return false;
	*frame = dispatch_register(operands[0].mem.base);
	return *frame != ABI_NO_REGISTER;
}

/*
 * The jump that a test is for; GRAPH_NONE when it is not one that is emulated. *frame becomes
 * ABI_NO_REGISTER where the frame is not in it any more.
 */
static uint32_t jump_after(const struct graph *graph, uint32_t node, uint8_t *frame)
{
	while (node != GRAPH_NONE && graph_node(graph, node)->branch == GRAPH_NONE) {
		if (*frame != ABI_NO_REGISTER && graph_node(graph, node)->writes >> *frame & 1)
			*frame = ABI_NO_REGISTER;
		node = graph_node(graph, node)->next;
	}
	return node != GRAPH_NONE && graph_node(graph, node)->flags & GRAPH_EMULATED ? node :
										       GRAPH_NONE;
}

static int tests_find(struct dispatch_loop *loop, struct graph_set *cut, struct graph_set *seen)
{
	for (uint32_t i = 0; i < graph_count(loop->graph); i++) {
		uint32_t jump;
		uint8_t frame;
		int err;

		if (!graph_set_has(&loop->raised, i) || !is_entry_test(loop, i, &frame))
			continue;
		jump = jump_after(loop->graph, i, &frame);
		if (jump == GRAPH_NONE)
			continue;
		err = end_add(loop, jump, frame);
		if (err)
			return err;
	}
	if (ends_are_all(loop, cut, seen))
		return 0;
	return dispatch_refuse(loop, "Python %s: what unwinds frames was not found in its loop",
			       loop->process->version);
}

int dispatch_ends_find(struct dispatch_loop *loop)
{
	const bool calls = loop->process->target.layout.minor >= MINOR_CALLS;
	struct call_site site = {
		.kind = CALL_UNWIND,
		.ip_register = ABI_NO_REGISTER,
		.result_register = ABI_NO_REGISTER,
		.throw_register = ABI_NO_REGISTER,
	};
	struct graph_set cut = { 0 }, seen = { 0 };
	int err = -ENOMEM;

	if (graph_set_init(&cut, loop->graph) || graph_set_init(&seen, loop->graph))
		goto done;
	graph_reach(loop->graph, dispatch_handler(loop, OPCODE_RAISE), NULL, &loop->raised);
	err = calls ? calls_find(loop, &cut, &seen) : tests_find(loop, &cut, &seen);
	/* What fails: what raising leads to and what leads to an end. */
	for (size_t i = 0; i < loop->end_count && !err; i++) {
		graph_reach_back(loop->graph, loop->ends[i], NULL, &loop->failing);
		site.frame_register = loop->end_registers[i];
		err = dispatch_site_add(loop, loop->ends[i], "unwind", &site);
	}
	graph_set_intersect(&loop->failing, &loop->raised);
done:
	graph_set_release(&cut);
	graph_set_release(&seen);
	return err;
}
