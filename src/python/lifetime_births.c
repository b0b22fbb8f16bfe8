// SPDX-License-Identifier: GPL-2.0-only
/*
 * See lifetime_births.h. Whoever makes an instance stores its type into it, ob_type, once. So what
 * the function's arguments, the type and how many items it is to have, are in is followed through its
 * graph of instructions, along every way and by what holds on all of them; the stores of the type are
 * found; and it is shown that no way out avoids them but by PyErr_NoMemory(), and none passes two. The
 * place is the first emulated instruction behind a store, where nothing leads to but the store.
 */
#include "python/lifetime_births.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "python/call_dispatch_graph.h"
#include "python/lifetime_code.h"
#include "python/lifetime_work.h"

enum {
	RSI = 6,
	RDI = 7,
	STACK_POINTER = 4,
	OBJECT_TYPE = 8, /* offsetof(PyObject, ob_type) */
	/* Before an object: for the collector, and for its attributes and weak references. */
	HEADER_BYTES = 16,
	HEADERS_MAX_BYTES = 32,
	LINE_NODES_MAX = 16,
	NODES_MAX = 1 << 11, /* such a function has three hundred */
};

/* Registers, bit n for number n, that hold it on every way to the instruction. */
struct holding {
	uint16_t type, items;
	bool reached;
};

struct finding {
	const struct module *module;
	struct graph *no_memory; /* PyErr_NoMemory() */
	struct graph *graph;
	struct holding *holdings; /* by node */
	uint8_t *before;	  /* by node: how many lead to it; 2: or more */
	struct graph_set stores;
	bool items_matter; /* what is made depends on how many there are */
	struct lifetime_births *out;
};

static bool instruction_at(struct finding *finding, uint32_t node, struct code_instruction *out)
{
	return graph_decode(finding->graph, node, &out->head, out->operands);
}

static uint16_t register_bit(ZydisRegister reg)
{
	const uint8_t number = work_register(reg);

	return number == ABI_NO_REGISTER ? 0 : (uint16_t)(1u << number);
}

/* ---- what is where ---- */

static bool is_whole_register(const ZydisDecodedOperand *operand)
{
	return operand->type == ZYDIS_OPERAND_TYPE_REGISTER && operand->size == 64;
}

/* What the instruction makes of what was held before it. */
static struct holding holding_behind(struct finding *finding, uint32_t node,
				     const struct holding *before)
{
	const uint16_t writes = graph_node(finding->graph, node)->writes;
	struct holding behind = *before;
	struct code_instruction instruction;
	uint16_t from, to;

	behind.type &= ~writes;
	behind.items &= ~writes;
	if (!instruction_at(finding, node, &instruction) ||
	    instruction.head.mnemonic != ZYDIS_MNEMONIC_MOV ||
	    !is_whole_register(&instruction.operands[0]) ||
	    !is_whole_register(&instruction.operands[1]))
		return behind;
	to = register_bit(instruction.operands[0].reg.value);
	from = register_bit(instruction.operands[1].reg.value);
	if (before->type & from)
		behind.type |= to;
	if (before->items & from)
		behind.items |= to;
	return behind;
}

/* Leaves at a node what this way to it holds, too. Whether that is news. */
static bool holding_meet(struct finding *finding, uint32_t node, const struct holding *coming)
{
	struct holding *at, met;

	if (node == GRAPH_NONE)
		return false;
	at = &finding->holdings[node];
	met = *coming;
	if (at->reached) {
		met.type &= at->type;
		met.items &= at->items;
		if (met.type == at->type && met.items == at->items)
			return false;
	}
	met.reached = true;
	*at = met;
	return true;
}

static void holdings_follow(struct finding *finding, uint32_t entry)
{
	const struct holding arguments = { .type = 1 << RDI, .items = 1 << RSI };
	bool news = holding_meet(finding, entry, &arguments);

	/* Each round takes registers out of sets, or reaches nodes: it ends. */
	while (news) {
		news = false;
		for (uint32_t i = 0; i < graph_count(finding->graph); i++) {
			const struct graph_node *node = graph_node(finding->graph, i);
			struct holding behind;

			if (!finding->holdings[i].reached)
				continue;
			behind = holding_behind(finding, i, &finding->holdings[i]);
			news |= holding_meet(finding, node->next, &behind);
			news |= holding_meet(finding, node->branch, &behind);
		}
	}
}

/* ---- how many items ---- */

static bool operand_reads(const ZydisDecodedOperand *operand, uint16_t registers)
{
	if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY)
		return (register_bit(operand->mem.base) | register_bit(operand->mem.index)) &
		       registers;
	return operand->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       operand->actions & ZYDIS_OPERAND_ACTION_MASK_READ &&
	       register_bit(operand->reg.value) & registers;
}

/* A copy of the function for no items has no such argument, and does not look where it would be. */
static bool is_items_read(struct finding *finding, uint32_t node)
{
	const uint16_t held = finding->holdings[node].items;
	struct code_instruction instruction;

	if (!held || !instruction_at(finding, node, &instruction))
		return false;
	/* xor of a register with itself makes 0 of anything; and to keep it is not to use it. */
	if (instruction.head.mnemonic == ZYDIS_MNEMONIC_XOR &&
	    instruction.operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    instruction.operands[0].reg.value == instruction.operands[1].reg.value)
		return false;
	if (instruction.head.mnemonic == ZYDIS_MNEMONIC_MOV &&
	    instruction.operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER)
		return false;
	for (size_t i = 0; i < instruction.head.operand_count; i++) {
		if (operand_reads(&instruction.operands[i], held))
			return true;
	}
	return false;
}

/* ---- stores of the type ---- */

/* An address, by a register: the object, or what comes before it for the collector and others. */
struct base {
	uint8_t number; /* ABI_NO_REGISTER: none */
	uint8_t before; /* bytes from it to the object */
};

/* mov %type,8(%base), or so many words further. */
static struct base stored_into(struct finding *finding, uint32_t node)
{
	static const struct base none = { .number = ABI_NO_REGISTER };
	const uint16_t types = finding->holdings[node].type;
	const ZydisDecodedOperand *operands;
	struct code_instruction instruction;
	struct base base;
	int64_t before;

	if (!instruction_at(finding, node, &instruction))
		return none;
	operands = instruction.operands;
	if (instruction.head.mnemonic != ZYDIS_MNEMONIC_MOV ||
	    operands[0].type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    operands[0].mem.index != ZYDIS_REGISTER_NONE || !is_whole_register(&operands[1]) ||
	    !(register_bit(operands[1].reg.value) & types))
		return none;
	before = operands[0].mem.disp.value - OBJECT_TYPE;
	if (before < 0 || before > HEADERS_MAX_BYTES || before % HEADER_BYTES)
		return none;
	base.number = work_register(operands[0].mem.base);
	base.before = (uint8_t)before;
	if (base.number == ABI_NO_REGISTER || base.number == STACK_POINTER ||
	    types >> base.number & 1)
		return none;
	return base;
}

static uint8_t lowest(uint16_t registers)
{
	for (uint8_t i = 0; i < 16; i++) {
		if (registers >> i & 1)
			return i;
	}
	return ABI_NO_REGISTER;
}

/* The place behind a store. -ENOTSUP: there is none. */
static int birth_add(struct finding *finding, uint32_t store, const struct base *object)
{
	struct lifetime_births *births = finding->out;
	uint32_t at = graph_node(finding->graph, store)->next;

	for (int i = 0; i < LINE_NODES_MAX && at != GRAPH_NONE; i++) {
		const struct graph_node *node = graph_node(finding->graph, at);
		const struct holding *held = &finding->holdings[at];

		if (finding->before[at] != 1 || !held->type)
			break;
		if (node->flags & GRAPH_EMULATED) {
			if ((finding->items_matter && !held->items) ||
			    births->count == LIFETIME_BIRTHS_MAX)
				break;
			births->places[births->count++] = (struct lifetime_birth){
				.address = node->address,
				.object = object->number,
				.object_offset = object->before,
				.type = lowest(held->type),
				.items = finding->items_matter ? lowest(held->items) :
								 ABI_NO_REGISTER,
			};
			return 0;
		}
		if (node->writes >> object->number & 1 || node->branch != GRAPH_NONE)
			break;
		at = node->next;
	}
	return -ENOTSUP;
}

static int births_add(struct finding *finding)
{
	for (uint32_t i = 0; i < graph_count(finding->graph); i++)
		finding->items_matter |= is_items_read(finding, i);
	for (uint32_t i = 0; i < graph_count(finding->graph); i++) {
		const struct base object = stored_into(finding, i);
		int err;

		if (object.number == ABI_NO_REGISTER)
			continue;
		graph_set_add(&finding->stores, i);
		err = birth_add(finding, i, &object);
		if (err)
			return err;
	}
	return finding->out->count ? 0 : -ENOTSUP;
}

/* ---- every way, and once ---- */

/* Compilers let others jump into the middle of a function, when they have done its beginning. */
static bool is_no_memory(const struct finding *finding, uint64_t address)
{
	return graph_find(finding->no_memory, code_function_at(finding->module, address)) !=
	       GRAPH_NONE;
}

/* Whether control can leave the function behind what `reach` holds. */
static bool leaves(const struct finding *finding, const struct graph_set *reach)
{
	for (uint32_t i = 0; i < graph_count(finding->graph); i++) {
		if (graph_set_has(reach, i) &&
		    graph_node(finding->graph, i)->flags & (GRAPH_RETURN | GRAPH_INDIRECT))
			return true;
	}
	return false;
}

/* Whether a way out passes neither a store nor PyErr_NoMemory(), or one store leads to another. */
static int ways_check(struct finding *finding, uint32_t entry)
{
	struct graph_set cut, reach;
	int err = graph_set_init(&cut, finding->graph);

	if (err)
		return err;
	err = graph_set_init(&reach, finding->graph);
	if (err)
		goto done;
	graph_set_copy(&cut, &finding->stores);
	for (uint32_t i = 0; i < graph_count(finding->graph); i++) {
		const struct graph_node *node = graph_node(finding->graph, i);

		/* It is called, or jumped to. */
		if ((node->flags & GRAPH_CALL && is_no_memory(finding, node->callee)) ||
		    is_no_memory(finding, node->address))
			graph_set_add(&cut, i);
	}
	graph_reach(finding->graph, entry, &cut, &reach);
	if (leaves(finding, &reach))
		err = -ENOTSUP;
	graph_set_clear(&reach);
	for (uint32_t i = 0; i < graph_count(finding->graph); i++) {
		if (graph_set_has(&finding->stores, i))
			graph_reach(finding->graph, graph_node(finding->graph, i)->next, NULL,
				    &reach);
	}
	if (graph_sets_meet(&reach, &finding->stores))
		err = -ENOTSUP;
	graph_set_release(&reach);
done:
	graph_set_release(&cut);
	return err;
}

static void before_count(struct finding *finding)
{
	for (uint32_t i = 0; i < graph_count(finding->graph); i++) {
		const struct graph_node *node = graph_node(finding->graph, i);
		const uint32_t ahead[] = { node->next, node->branch };

		for (size_t j = 0; j < 2; j++) {
			if (ahead[j] != GRAPH_NONE && finding->before[ahead[j]] < 2)
				finding->before[ahead[j]]++;
		}
	}
}

static int births_find(struct finding *finding, uint32_t entry)
{
	int err;

	before_count(finding);
	holdings_follow(finding, entry);
	err = births_add(finding);
	return err ? err : ways_check(finding, entry);
}

int lifetime_births_find(const struct module *module, uint64_t maker, struct lifetime_births *out)
{
	struct elf_symbol no_memory = { .name = "PyErr_NoMemory" };
	struct finding finding = { .module = module, .out = out };
	int err;

	*out = (struct lifetime_births){ 0 };
	if (!module_symbols_find(module, true, &no_memory, 1))
		return -ENOTSUP;
	err = graph_new(module->file, &no_memory.address, 1, &finding.no_memory);
	if (!err)
		err = graph_new(module->file, &maker, 1, &finding.graph);
	if (err)
		goto done;
	err = -ENOTSUP;
	if (graph_count(finding.graph) > NODES_MAX)
		goto done;
	err = -ENOMEM;
	finding.holdings = calloc(graph_count(finding.graph), sizeof(*finding.holdings));
	finding.before = calloc(graph_count(finding.graph), sizeof(*finding.before));
	if (!finding.holdings || !finding.before || graph_set_init(&finding.stores, finding.graph))
		goto done;
	err = births_find(&finding, graph_find(finding.graph, maker));
done:
	if (err)
		out->count = 0;
	graph_set_release(&finding.stores);
	free(finding.before);
	free(finding.holdings);
	graph_free(finding.graph);
	graph_free(finding.no_memory);
	return err == -E2BIG ? -ENOTSUP : err;
}
