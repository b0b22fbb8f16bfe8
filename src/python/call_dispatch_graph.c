// SPDX-License-Identifier: GPL-2.0-only
/* See call_dispatch_graph.h. Nodes are numbered in the order they are found. */
#include "python/call_dispatch_graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map64.h"
#include "python/call_dispatch_callee.h"
#include "python/emulated.h"

enum {
	WINDOW_BYTES = 1 << 12,
	WINDOWS_LOG2 = 8, /* kept, by their address */
	WINDOWS = 1 << WINDOWS_LOG2,
	SEGMENTS_MAX = 8,
	/* What a function may change: rax, rcx, rdx, rsi, rdi, r8 to r11. */
	CALL_WRITES = 0x0fc7,
};

struct window {
	uint64_t address;
	size_t bytes; /* 0: not read yet */
	uint8_t text[WINDOW_BYTES + ZYDIS_MAX_INSTRUCTION_LENGTH];
};

struct graph {
	struct elf_file *file;
	struct elf_code_segment segments[SEGMENTS_MAX];
	size_t segment_count;
	struct window *windows;
	ZydisDecoder decoder;
	struct callees *callees;

	struct map64 *by_address; /* to the node's number */
	struct graph_node *nodes;
	size_t count, capacity;

	/* Against the flow: the nodes before node n are before[first[n]] to before[first[n + 1] - 1]. */
	uint32_t *first, *before;
	uint32_t *stack; /* for walks: one entry a node is enough */
};

/* ---- text ---- */

/* What the segment that holds `address` has from there on, at most `size`; 0: not code. */
static size_t text_bytes(const struct graph *graph, uint64_t address, size_t size)
{
	for (size_t i = 0; i < graph->segment_count; i++) {
		const struct elf_code_segment *segment = &graph->segments[i];
		uint64_t skip = address - segment->address;

		if (address < segment->address || skip >= segment->file_bytes)
			continue;
		return size < segment->file_bytes - skip ? size : segment->file_bytes - skip;
	}
	return 0;
}

/* The hot and the cold part of a loop are far from each other, at any distance. */
static struct window *window_of(struct graph *graph, uint64_t start)
{
	return &graph->windows[start / WINDOW_BYTES * 0x9e3779b97f4a7c15 >> (64 - WINDOWS_LOG2)];
}

/* The code at an address; *bytes is at most an instruction's length, 0 at the end of it. */
static const uint8_t *text_get(struct graph *graph, uint64_t address, size_t *bytes)
{
	const uint64_t start = address & ~(uint64_t)(WINDOW_BYTES - 1);
	struct window *window = window_of(graph, start);
	/* A segment may begin inside a window: what is before it cannot be asked for. */
	uint64_t from = start;
	size_t skip;

	*bytes = 0;
	if (!text_bytes(graph, address, 1))
		return NULL;
	if (!text_bytes(graph, start, 1))
		from = address;
	if (!window->bytes || window->address > address ||
	    address - window->address >= window->bytes) {
		window->address = from;
		window->bytes = text_bytes(graph, from, sizeof(window->text) - (from - start));
		if (elf_file_read(graph->file, from, window->text, window->bytes)) {
			window->bytes = 0;
			return NULL;
		}
	}
	skip = address - window->address;
	*bytes = window->bytes - skip;
	if (*bytes > ZYDIS_MAX_INSTRUCTION_LENGTH)
		*bytes = ZYDIS_MAX_INSTRUCTION_LENGTH;
	return window->text + skip;
}

static bool instruction_decode(struct graph *graph, uint64_t address,
			       ZydisDecodedInstruction *instruction, ZydisDecodedOperand *operands)
{
	size_t bytes;
	const uint8_t *text = text_get(graph, address, &bytes);

	return bytes && ZYAN_SUCCESS(ZydisDecoderDecodeFull(&graph->decoder, text, bytes,
							    instruction, operands));
}

/* ---- building ---- */

/* The node that begins at an address, added when there is none; GRAPH_NONE: no memory, too many. */
static uint32_t node_at(struct graph *graph, uint64_t address)
{
	uint64_t *number;
	bool added;

	if (graph->count == graph->capacity) {
		size_t capacity = graph->capacity ? 2 * graph->capacity : 4096;
		struct graph_node *nodes;

		if (capacity > GRAPH_NODES_MAX)
			return graph_find(graph, address);
		nodes = realloc(graph->nodes, capacity * sizeof(*nodes));
		if (!nodes)
			return GRAPH_NONE;
		graph->nodes = nodes;
		graph->capacity = capacity;
	}
	number = map64_slot(graph->by_address, address, &added);
	if (!number)
		return GRAPH_NONE;
	if (added) {
		*number = graph->count;
		graph->nodes[graph->count++] = (struct graph_node){
			.address = address,
			.next = GRAPH_NONE,
			.branch = GRAPH_NONE,
		};
	}
	return (uint32_t)*number;
}

static uint16_t registers_written(const ZydisDecodedInstruction *instruction,
				  const ZydisDecodedOperand *operands)
{
	uint16_t mask = 0;

	for (size_t i = 0; i < instruction->operand_count; i++) {
		ZydisRegister whole;

		if (operands[i].type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    !(operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64,
							 operands[i].reg.value);
		if (whole >= ZYDIS_REGISTER_RAX && whole <= ZYDIS_REGISTER_R15)
			mask |= 1u << (whole - ZYDIS_REGISTER_RAX);
	}
	return mask;
}

/* What a call goes to; CALLEE_OTHER also where only a register tells. */
static enum callee callee_of(struct graph *graph, struct graph_node *node,
			     const ZydisDecodedInstruction *instruction,
			     const ZydisDecodedOperand *operand)
{
	ZyanU64 address;

	if (ZYAN_FAILED(ZydisCalcAbsoluteAddress(instruction, operand, node->address, &address)))
		return CALLEE_OTHER;
	if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY)
		return operand->mem.base == ZYDIS_REGISTER_RIP ?
			       callee_of_slot(graph->callees, address) :
			       CALLEE_OTHER;
	node->callee = address;
	node->flags |= GRAPH_CALL;
	return callee_at(graph->callees, address);
}

struct flow {
	bool next, branch;
	ZyanU64 target;
};

static struct flow flow_of(struct graph *graph, struct graph_node *node,
			   const ZydisDecodedInstruction *instruction,
			   const ZydisDecodedOperand *operands)
{
	const bool direct = operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
	struct flow flow = { .next = true };

	switch (instruction->meta.category) {
	case ZYDIS_CATEGORY_CALL:
		node->writes = CALL_WRITES;
		flow.next =
			callee_of(graph, node, instruction, &operands[0]) != CALLEE_NEVER_RETURNS;
		return flow;
	case ZYDIS_CATEGORY_RET:
		node->flags |= GRAPH_RETURN;
		return (struct flow){ 0 };
	case ZYDIS_CATEGORY_UNCOND_BR:
		if (!direct)
			node->flags |= GRAPH_INDIRECT;
		flow.next = false;
		flow.branch = direct;
		break;
	case ZYDIS_CATEGORY_COND_BR:
		flow.branch = direct;
		break;
	case ZYDIS_CATEGORY_INTERRUPT:
		return (struct flow){ 0 };
	default:
		flow.next = instruction->mnemonic != ZYDIS_MNEMONIC_UD2 &&
			    instruction->mnemonic != ZYDIS_MNEMONIC_HLT;
		return flow;
	}
	if (flow.branch && ZYAN_FAILED(ZydisCalcAbsoluteAddress(instruction, &operands[0],
								node->address, &flow.target)))
		flow.branch = false;
	return flow;
}

/* Bytes that are no instruction end the line: no compiler let control get there. */
static int node_read(struct graph *graph, uint32_t number)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction instruction;
	struct graph_node *node = &graph->nodes[number];
	uint32_t next = GRAPH_NONE, branch = GRAPH_NONE;
	const uint64_t address = node->address;
	struct flow flow;
	size_t bytes;

	if (!instruction_decode(graph, address, &instruction, operands))
		return 0;
	node->length = instruction.length;
	node->writes = registers_written(&instruction, operands);
	if (emulated_at(text_get(graph, address, &bytes), instruction.length))
		node->flags |= GRAPH_EMULATED;
	flow = flow_of(graph, node, &instruction, operands);
	if (flow.next) {
		next = node_at(graph, address + instruction.length);
		if (next == GRAPH_NONE)
			return graph->count < GRAPH_NODES_MAX ? -ENOMEM : -E2BIG;
	}
	if (flow.branch) {
		branch = node_at(graph, flow.target);
		if (branch == GRAPH_NONE)
			return graph->count < GRAPH_NODES_MAX ? -ENOMEM : -E2BIG;
	}
	graph->nodes[number].next = next;
	graph->nodes[number].branch = branch;
	return 0;
}

static int befores_build(struct graph *graph)
{
	const size_t count = graph->count;
	uint32_t *fill;

	graph->first = calloc(count + 1, sizeof(*graph->first));
	graph->before = calloc(2 * count + 1, sizeof(*graph->before));
	graph->stack = calloc(count + 1, sizeof(*graph->stack));
	fill = calloc(count + 1, sizeof(*fill));
	if (!graph->first || !graph->before || !graph->stack || !fill) {
		free(fill);
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		const struct graph_node *node = &graph->nodes[i];

		if (node->next != GRAPH_NONE)
			graph->first[node->next + 1]++;
		if (node->branch != GRAPH_NONE)
			graph->first[node->branch + 1]++;
	}
	for (size_t i = 0; i < count; i++) {
		graph->first[i + 1] += graph->first[i];
		fill[i] = graph->first[i];
	}
	for (size_t i = 0; i < count; i++) {
		const struct graph_node *node = &graph->nodes[i];

		if (node->next != GRAPH_NONE)
			graph->before[fill[node->next]++] = (uint32_t)i;
		if (node->branch != GRAPH_NONE)
			graph->before[fill[node->branch]++] = (uint32_t)i;
	}
	free(fill);
	return 0;
}

int graph_new(struct elf_file *file, const uint64_t *roots, size_t root_count, struct graph **out)
{
	struct graph *graph = calloc(1, sizeof(*graph));
	int err = -ENOMEM;

	if (!graph)
		return -ENOMEM;
	graph->file = file;
	graph->segment_count = elf_file_code_segments(file, graph->segments, SEGMENTS_MAX);
	graph->windows = calloc(WINDOWS, sizeof(*graph->windows));
	graph->by_address = map64_new();
	if (!graph->windows || !graph->by_address ||
	    ZYAN_FAILED(ZydisDecoderInit(&graph->decoder, ZYDIS_MACHINE_MODE_LONG_64,
					 ZYDIS_STACK_WIDTH_64)))
		goto fail;
	err = callees_new(file, &graph->callees);
	if (err)
		goto fail;
	for (size_t i = 0; i < root_count; i++) {
		uint32_t root = node_at(graph, roots[i]);

		err = -ENOMEM;
		if (root == GRAPH_NONE)
			goto fail;
		graph->nodes[root].flags |= GRAPH_ROOT;
	}
	for (uint32_t i = 0; i < graph->count; i++) {
		err = node_read(graph, i);
		if (err)
			goto fail;
	}
	err = befores_build(graph);
	if (err)
		goto fail;
	*out = graph;
	return 0;
fail:
	graph_free(graph);
	return err;
}

void graph_free(struct graph *graph)
{
	if (!graph)
		return;
	callees_free(graph->callees);
	map64_free(graph->by_address);
	free(graph->windows);
	free(graph->nodes);
	free(graph->first);
	free(graph->before);
	free(graph->stack);
	free(graph);
}

/* ---- asking ---- */

size_t graph_count(const struct graph *graph)
{
	return graph->count;
}

const struct graph_node *graph_node(const struct graph *graph, uint32_t node)
{
	return &graph->nodes[node];
}

uint32_t graph_find(const struct graph *graph, uint64_t address)
{
	uint64_t number;

	return map64_get(graph->by_address, address, &number) ? (uint32_t)number : GRAPH_NONE;
}

bool graph_decode(struct graph *graph, uint32_t node, ZydisDecodedInstruction *instruction,
		  ZydisDecodedOperand *operands)
{
	return instruction_decode(graph, graph->nodes[node].address, instruction, operands);
}

enum callee graph_callee(const struct graph *graph, uint64_t address)
{
	return callee_at(graph->callees, address);
}

int graph_set_init(struct graph_set *set, const struct graph *graph)
{
	set->word_count = graph->count / 64 + 1;
	set->words = calloc(set->word_count, sizeof(*set->words));
	return set->words ? 0 : -ENOMEM;
}

void graph_set_release(struct graph_set *set)
{
	free(set->words);
	*set = (struct graph_set){ 0 };
}

void graph_set_clear(struct graph_set *set)
{
	memset(set->words, 0, set->word_count * sizeof(*set->words));
}

void graph_set_copy(struct graph_set *to, const struct graph_set *from)
{
	memcpy(to->words, from->words, to->word_count * sizeof(*to->words));
}

void graph_set_add(struct graph_set *set, uint32_t node)
{
	set->words[node / 64] |= 1ULL << node % 64;
}

void graph_set_remove(struct graph_set *set, uint32_t node)
{
	set->words[node / 64] &= ~(1ULL << node % 64);
}

bool graph_set_has(const struct graph_set *set, uint32_t node)
{
	return set->words[node / 64] >> node % 64 & 1;
}

void graph_set_intersect(struct graph_set *set, const struct graph_set *other)
{
	for (size_t i = 0; i < set->word_count; i++)
		set->words[i] &= other->words[i];
}

bool graph_sets_meet(const struct graph_set *a, const struct graph_set *b)
{
	for (size_t i = 0; i < a->word_count; i++) {
		if (a->words[i] & b->words[i])
			return true;
	}
	return false;
}

/* Puts a node on the stack, once. */
static void visit(const struct graph *graph, uint32_t node, const struct graph_set *cut,
		  struct graph_set *out, size_t *depth)
{
	if (node == GRAPH_NONE || graph_set_has(out, node) || (cut && graph_set_has(cut, node)))
		return;
	graph_set_add(out, node);
	graph->stack[(*depth)++] = node;
}

void graph_reach(const struct graph *graph, uint32_t from, const struct graph_set *cut,
		 struct graph_set *out)
{
	size_t depth = 0;

	visit(graph, from, cut, out, &depth);
	while (depth) {
		const struct graph_node *node = &graph->nodes[graph->stack[--depth]];

		visit(graph, node->next, cut, out, &depth);
		visit(graph, node->branch, cut, out, &depth);
	}
}

void graph_reach_back(const struct graph *graph, uint32_t to, const struct graph_set *cut,
		      struct graph_set *out)
{
	size_t depth = 0;

	visit(graph, to, cut, out, &depth);
	while (depth) {
		uint32_t node = graph->stack[--depth];

		for (uint32_t i = graph->first[node]; i < graph->first[node + 1]; i++)
			visit(graph, graph->before[i], cut, out, &depth);
	}
}
