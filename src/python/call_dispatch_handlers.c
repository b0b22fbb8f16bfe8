// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where to probe a handler: at an emulated instruction that every way through it passes once, and
 * that nothing else passes. Where the handler may still fail, as those that call a monitoring tool
 * first may, better at one behind which it cannot.
 */
#include <errno.h>
#include <stdlib.h>

#include "python/call_dispatch_loop.h"

/*
 * 3.15 runs a generator expression's first iter() in a frame of its own, which a RESUME of this argument
 * starts and RETURN_GENERATOR ends: no call to sys.setprofile(), and no return.
 */
enum {
	MINOR_RESUME_OF_GENEXPR = 15,
	RESUME_LOCATION_MASK = 7,
	RESUME_AT_GENEXPR_START = 4,
};

enum { CANDIDATES_MAX = 64, STORE_AHEAD = 16 };

struct search {
	struct dispatch_loop *loop;
	enum opcode_kind kind;
	uint32_t handler;	 /* node */
	struct graph_set family; /* the handlers of that kind */
	struct graph_set seen, cut;
	uint32_t candidates[CANDIDATES_MAX]; /* by distance from the handler */
	size_t candidate_count;
};

/* The emulated instructions of a handler that are not in the part where it has failed already. */
static void candidates_find(struct search *search, uint32_t *queue)
{
	const struct graph *graph = search->loop->graph;
	size_t count = 0;

	search->candidate_count = 0;
	graph_set_clear(&search->seen);
	graph_set_add(&search->seen, search->handler);
	queue[count++] = search->handler;
	for (size_t i = 0; i < count; i++) {
		const struct graph_node *node = graph_node(graph, queue[i]);
		const uint32_t after[] = { node->next, node->branch };

		if (node->flags & GRAPH_EMULATED) {
			search->candidates[search->candidate_count++] = queue[i];
			if (search->candidate_count == CANDIDATES_MAX)
				return;
		}
		for (size_t j = 0; j < 2; j++) {
			if (after[j] == GRAPH_NONE || graph_set_has(&search->seen, after[j]) ||
			    graph_set_has(&search->loop->failing, after[j]))
				continue;
			graph_set_add(&search->seen, after[j]);
			queue[count++] = after[j];
		}
	}
}

/* Control gets there from handlers of the kind only. */
static bool is_exclusive(struct search *search, uint32_t node)
{
	const struct graph *graph = search->loop->graph;

	graph_set_clear(&search->seen);
	graph_reach_back(graph, node, NULL, &search->seen);
	for (uint32_t i = 0; i < graph_count(graph); i++) {
		if (graph_set_has(&search->seen, i) && graph_node(graph, i)->flags & GRAPH_ROOT &&
		    !graph_set_has(&search->family, i))
			return false;
	}
	return true;
}

/* The handler, if it does not fail, does not get around it. */
static bool is_unavoidable(struct search *search, uint32_t node)
{
	const struct graph *graph = search->loop->graph;
	bool unavoidable = true;

	graph_set_copy(&search->cut, &search->loop->failing);
	graph_set_add(&search->cut, node);
	graph_set_clear(&search->seen);
	graph_reach(graph, search->handler, &search->cut, &search->seen);
	for (uint32_t i = 0; i < graph_count(graph) && unavoidable; i++) {
		if (graph_set_has(&search->seen, i) &&
		    graph_node(graph, i)->flags & (GRAPH_INDIRECT | GRAPH_RETURN))
			unavoidable = false;
	}
	return unavoidable;
}

/* Behind it nothing comes back to it, and `committed`, nor fails. */
static void look_behind(struct search *search, uint32_t node, bool *once, bool *committed)
{
	const struct graph_node *at = graph_node(search->loop->graph, node);

	graph_set_clear(&search->seen);
	if (at->next != GRAPH_NONE)
		graph_reach(search->loop->graph, at->next, NULL, &search->seen);
	if (at->branch != GRAPH_NONE)
		graph_reach(search->loop->graph, at->branch, NULL, &search->seen);
	*committed = !graph_sets_meet(&search->seen, &search->loop->failing);
	*once = !*committed || !graph_set_has(&search->seen, node);
	if (*committed)
		return;
	/* What comes back by way of a failure is another matter. */
	graph_set_clear(&search->seen);
	if (at->next != GRAPH_NONE)
		graph_reach(search->loop->graph, at->next, &search->loop->failing, &search->seen);
	if (at->branch != GRAPH_NONE)
		graph_reach(search->loop->graph, at->branch, &search->loop->failing, &search->seen);
	*once = !graph_set_has(&search->seen, node);
}

/* What a handler finds in a register is still there at `node`, by whatever way. */
static uint8_t register_kept(struct search *search, uint32_t node, uint8_t reg)
{
	const struct graph *graph = search->loop->graph;

	if (reg == ABI_NO_REGISTER)
		return ABI_NO_REGISTER;
	graph_set_clear(&search->seen);
	graph_reach_back(graph, node, NULL, &search->seen);
	graph_set_remove(&search->seen, node);
	for (uint32_t i = 0; i < graph_count(graph); i++) {
		if (graph_set_has(&search->seen, i) && graph_node(graph, i)->writes >> reg & 1)
			return ABI_NO_REGISTER;
	}
	return reg;
}

/* movq $0, frame_back(%frame), or of a register: a yield unlinks its frame, and nothing else does. */
static uint8_t unlinked_register(struct dispatch_loop *loop, uint32_t node)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction instruction;

	if (!graph_decode(loop->graph, node, &instruction, operands) ||
	    instruction.mnemonic != ZYDIS_MNEMONIC_MOV ||
	    operands[0].type != ZYDIS_OPERAND_TYPE_MEMORY || operands[0].size != 64 ||
	    operands[0].mem.disp.value != loop->process->target.layout.frame_back ||
	    operands[0].mem.index != ZYDIS_REGISTER_NONE ||
	    operands[0].mem.base == ZYDIS_REGISTER_RSP)
		return ABI_NO_REGISTER;
	return dispatch_register(operands[0].mem.base);
}

/* The register by which a straight line from the handler to `node` unlinked the frame, and kept. */
static uint8_t register_unlinked(struct search *search, uint32_t node)
{
	const struct graph *graph = search->loop->graph;
	uint8_t reg = ABI_NO_REGISTER;

	for (uint32_t i = search->handler; i != node; i = graph_node(graph, i)->next) {
		uint8_t unlinked;

		if (graph_node(graph, i)->next == GRAPH_NONE ||
		    graph_node(graph, i)->branch != GRAPH_NONE)
			return ABI_NO_REGISTER;
		if (reg != ABI_NO_REGISTER && graph_node(graph, i)->writes >> reg & 1)
			reg = ABI_NO_REGISTER;
		unlinked = unlinked_register(search->loop, i);
		if (unlinked != ABI_NO_REGISTER)
			reg = unlinked;
	}
	return reg;
}

/* The register that is known to hold the frame at a node; ABI_NO_REGISTER. */
static uint8_t frame_register(struct search *search, uint32_t node)
{
	const struct graph_node *at = graph_node(search->loop->graph, node);
	uint8_t kept;

	if (at->flags & GRAPH_CALL && search->loop->clear && at->callee == search->loop->clear)
		return DISPATCH_SECOND_ARGUMENT;
	kept = register_kept(search, node, search->loop->frame_register);
	return kept == ABI_NO_REGISTER && search->kind == OPCODE_YIELD ?
		       register_unlinked(search, node) :
		       kept;
}

/*
 * What starts may fail at once and has started nevertheless: the first that will do. What leaves must
 * not fail any more; or else the last that may. A register must still hold its frame, for who else can
 * tell which it was; in a loop that keeps it in none, that is left to the proof.
 */
static uint32_t node_choose(struct search *search)
{
	uint32_t late = GRAPH_NONE;

	for (size_t i = 0; i < search->candidate_count; i++) {
		uint32_t node = search->candidates[i];
		bool once, committed;

		if (!is_exclusive(search, node) || !is_unavoidable(search, node))
			continue;
		look_behind(search, node, &once, &committed);
		if (once && search->kind == OPCODE_RESUME)
			return node;
		if (!once || (search->loop->frame_register != ABI_NO_REGISTER &&
			      frame_register(search, node) == ABI_NO_REGISTER))
			continue;
		if (committed)
			return node;
		late = node;
	}
	return late;
}

/*
 * YIELD_VALUE of 3.13 is one straight line from the table to the dispatch with nothing on it that the
 * kernel emulates, or only where its frame is in no register any more. To see generators at a price is
 * better than not at all; for what every function passes it is not.
 */
static uint32_t node_to_step(struct search *search)
{
	const struct graph *graph = search->loop->graph;
	uint32_t node = search->handler;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction instruction;

	if (graph_decode(search->loop->graph, node, &instruction, operands) &&
	    instruction.mnemonic == ZYDIS_MNEMONIC_ENDBR64)
		node = graph_node(graph, node)->next;
	if (node == GRAPH_NONE || graph_node(graph, node)->branch != GRAPH_NONE ||
	    graph_node(graph, node)->next == GRAPH_NONE || !is_exclusive(search, node))
		return GRAPH_NONE;
	return node;
}

/* ---- registers ---- */

/* mov %ip, frame_ip(%frame), as nearly every handler does before anything else. */
static bool is_ip_store(struct dispatch_loop *loop, uint32_t node, uint8_t *frame, uint8_t *ip)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction instruction;

	if (!graph_decode(loop->graph, node, &instruction, operands) ||
	    instruction.mnemonic != ZYDIS_MNEMONIC_MOV ||
	    operands[0].type != ZYDIS_OPERAND_TYPE_MEMORY || operands[0].size != 64 ||
	    operands[0].mem.disp.value != loop->process->target.layout.frame_ip ||
	    operands[0].mem.index != ZYDIS_REGISTER_NONE ||
	    operands[0].mem.base == ZYDIS_REGISTER_RSP ||
	    operands[1].type != ZYDIS_OPERAND_TYPE_REGISTER)
		return false;
	*frame = dispatch_register(operands[0].mem.base);
	*ip = dispatch_register(operands[1].reg.value);
	return *frame != ABI_NO_REGISTER && *ip != ABI_NO_REGISTER;
}

static uint8_t most_frequent(const uint16_t *counts)
{
	uint8_t most = 0;

	for (unsigned int i = 1; i < ABI_REGISTERS; i++) {
		if (counts[i] > counts[most])
			most = (uint8_t)i;
	}
	return counts[most] > OPCODE_NUMBERS / 4 ? most : ABI_NO_REGISTER;
}

void dispatch_registers_find(struct dispatch_loop *loop)
{
	uint16_t frames[ABI_REGISTERS] = { 0 }, ips[ABI_REGISTERS] = { 0 };

	for (size_t i = 0; i < OPCODE_NUMBERS; i++) {
		uint32_t node = graph_find(loop->graph, loop->table.handlers[i]);
		uint16_t written = 0;
		uint8_t frame, ip;

		for (int ahead = 0; ahead < STORE_AHEAD && node != GRAPH_NONE; ahead++) {
			if (is_ip_store(loop, node, &frame, &ip)) {
				frames[frame] += !(written >> frame & 1);
				ips[ip] += !(written >> ip & 1);
				break;
			}
			written |= graph_node(loop->graph, node)->writes;
			node = graph_node(loop->graph, node)->next;
		}
	}
	loop->frame_register = most_frequent(frames);
	loop->ip_register = most_frequent(ips);
}

/* ---- all of a kind ---- */

static int handler_find(struct search *search, const struct opcode *opcode,
			enum call_event_kind kind, uint32_t *queue)
{
	struct dispatch_loop *loop = search->loop;
	struct call_site site = {
		.kind = (uint8_t)kind,
		.frame_register = ABI_NO_REGISTER,
		.ip_register = ABI_NO_REGISTER,
		.result_register = ABI_NO_REGISTER,
		.throw_register = ABI_NO_REGISTER,
		.opcode = (uint8_t)opcode->number,
	};
	uint32_t node;

	if (kind == CALL_ENTER && loop->opcodes->minor >= MINOR_RESUME_OF_GENEXPR) {
		site.skip_mask = RESUME_LOCATION_MASK;
		site.skip_value = RESUME_AT_GENEXPR_START;
	}

	search->handler = graph_find(loop->graph, loop->table.handlers[opcode->number]);
	candidates_find(search, queue);
	node = node_choose(search);
	if (node == GRAPH_NONE && search->kind == OPCODE_YIELD)
		node = node_to_step(search);
	if (node == GRAPH_NONE)
		return dispatch_refuse(
			loop, "Python %s: no place to probe was found in its handler of %s",
			loop->process->version, opcode->name);
	site.frame_register = frame_register(search, node);
	if (search->kind == OPCODE_RESUME)
		site.ip_register = register_kept(search, node, loop->ip_register);
	return dispatch_site_add(loop, node, opcode->name, &site);
}

int dispatch_handlers_find(struct dispatch_loop *loop, enum opcode_kind opcodes,
			   enum call_event_kind kind)
{
	struct search search = { .loop = loop, .kind = opcodes };
	uint32_t *queue = calloc(graph_count(loop->graph), sizeof(*queue));
	int err = -ENOMEM;

	if (!queue || graph_set_init(&search.family, loop->graph) ||
	    graph_set_init(&search.seen, loop->graph) || graph_set_init(&search.cut, loop->graph))
		goto done;
	for (const struct opcode *opcode = loop->opcodes->opcodes; opcode->kind; opcode++) {
		if (opcode->kind == opcodes)
			graph_set_add(
				&search.family,
				graph_find(loop->graph, loop->table.handlers[opcode->number]));
	}
	err = 0;
	for (const struct opcode *opcode = loop->opcodes->opcodes; opcode->kind && !err; opcode++) {
		if (opcode->kind == opcodes)
			err = handler_find(&search, opcode, kind, queue);
	}
done:
	free(queue);
	graph_set_release(&search.family);
	graph_set_release(&search.seen);
	graph_set_release(&search.cut);
	return err;
}
