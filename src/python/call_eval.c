// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls through _PyEval_EvalFrameDefault, which CPython 3.8 to 3.10 enters for every call of a Python
 * function and leaves when it returns, raises or yields. The contract is in call_plan.h.
 *
 * Two stores of that function's machine code tell a call from one that the recursion limit refused:
 *
 *	mov  %rbx,0x18(%rbp)	tstate->frame = f		entering: the next emulated
 *				...				instruction behind it
 *	mov  0x18(%rbx),%rax	f->f_back
 *	mov  %rax,0x18(%rbp)	tstate->frame = f->f_back	leaving: likewise; there may be
 *				...				several, where paths were copied
 *	call _Py_CheckFunctionResult
 *
 * That these are all is not believed but checked on the function's graph: nothing that runs with the
 * frame linked returns without passing such a store, and nothing else passes their sites.
 *
 * CPython: Python/ceval.c, from `tstate->frame = f` to `exit_eval_frame`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc/elf_file.h"
#include "proc/memory.h"
#include "python/call_dispatch_graph.h"
#include "python/call_plan.h"

enum {
	TABLE_WORDS = 256,
	TABLE_INSIDE_MIN = 64, /* handlers in the function itself, not in its cold part */
	FUNCTION_MAX_BYTES = 1 << 20,
	ROOTS_MAX = 1 << 14,
	LINKS_MAX = 8,
	WAYS_MAX = 64,	     /* branches taken later, on the way in */
	LINE_NODES_MAX = 32, /* of a straight line: from a load to its store, on to a site */
	EXITS_MAX = 16,
	SEGMENTS_MAX = 8,
	RDX = 2,
	RSP = 4,
	RSI = 6,
	RDI = 7,
};

/* A store of the frame into the thread state. */
struct eval_link {
	uint32_t node;
	uint32_t site;	/* GRAPH_NONE: none */
	uint8_t frame;	/* register that still holds the frame there; CALL_NO_REGISTER */
	uint8_t thrown; /* likewise, of the argument that tells of an exception thrown in */
};

/* A store of f_back into the thread state. */
struct eval_exit {
	uint32_t node;
	uint32_t load;	    /* of f_back */
	uint8_t frame;	    /* register it was loaded through */
	uint32_t site;	    /* GRAPH_NONE: none */
	uint8_t site_frame; /* register that still holds the frame there; CALL_NO_REGISTER */
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

	struct eval_link links[LINKS_MAX];
	size_t link_count;
	struct eval_exit exits[EXITS_MAX];
	size_t exit_count;

	struct call_plan *plan;
	char *reason;
	size_t reason_size;
};

static int refuse(struct eval *eval, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(struct eval *eval, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(eval->reason, eval->reason_size, format, arguments);
	va_end(arguments);
	return -ENOTSUP;
}

/* ---- instructions ---- */

struct instruction {
	ZydisDecodedInstruction head;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static bool instruction_at(struct eval *eval, uint32_t node, struct instruction *out)
{
	return graph_decode(eval->graph, node, &out->head, out->operands);
}

/* The number of a 64-bit general register; CALL_NO_REGISTER for any other. */
static uint8_t register_number(ZydisRegister reg)
{
	if (reg < ZYDIS_REGISTER_RAX || reg > ZYDIS_REGISTER_R15)
		return CALL_NO_REGISTER;
	return (uint8_t)(reg - ZYDIS_REGISTER_RAX);
}

static uint8_t register_of(const ZydisDecodedOperand *operand)
{
	if (operand->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return CALL_NO_REGISTER;
	return register_number(operand->reg.value);
}

/* The register of offset(%register), 8 bytes wide; CALL_NO_REGISTER for anything else. */
static uint8_t base_of(const ZydisDecodedOperand *operand, uint16_t offset)
{
	const ZydisDecodedOperandMem *memory = &operand->mem;

	if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY || operand->size != 64 ||
	    memory->index != ZYDIS_REGISTER_NONE || memory->base == ZYDIS_REGISTER_RSP ||
	    (memory->segment != ZYDIS_REGISTER_DS && memory->segment != ZYDIS_REGISTER_SS) ||
	    memory->disp.value != offset)
		return CALL_NO_REGISTER;
	return register_number(memory->base);
}

/* mov %stored,offset(%base): both, or false. */
static bool is_store(const struct instruction *instruction, uint16_t offset, uint8_t *stored,
		     uint8_t *base)
{
	if (instruction->head.mnemonic != ZYDIS_MNEMONIC_MOV)
		return false;
	*base = base_of(&instruction->operands[0], offset);
	*stored = register_of(&instruction->operands[1]);
	return *base != CALL_NO_REGISTER && *stored != CALL_NO_REGISTER;
}

/* mov offset(%base),%loaded */
static bool is_load(const struct instruction *instruction, uint16_t offset, uint8_t *loaded,
		    uint8_t *base)
{
	if (instruction->head.mnemonic != ZYDIS_MNEMONIC_MOV)
		return false;
	*loaded = register_of(&instruction->operands[0]);
	*base = base_of(&instruction->operands[1], offset);
	return *base != CALL_NO_REGISTER && *loaded != CALL_NO_REGISTER;
}

static const struct graph_node *node_of(const struct eval *eval, uint32_t node)
{
	return graph_node(eval->graph, node);
}

/*
 * The first emulated instruction behind a node, on its line; GRAPH_NONE: the line ends first. Takes
 * the registers that change on the way out of *kept.
 */
static uint32_t emulated_behind(const struct eval *eval, uint32_t node, uint16_t *kept)
{
	for (int i = 0; i < LINE_NODES_MAX; i++) {
		*kept &= ~node_of(eval, node)->writes;
		node = node_of(eval, node)->next;
		if (node == GRAPH_NONE || node_of(eval, node)->flags & GRAPH_EMULATED)
			return node;
	}
	return GRAPH_NONE;
}

/* ---- what indirect jumps lead to, which the graph cannot follow ---- */

static int root_add(struct eval *eval, uint64_t address)
{
	if (eval->root_count == ROOTS_MAX)
		return -E2BIG;
	eval->roots[eval->root_count++] = address;
	return 0;
}

static bool is_code(const struct elf_code_segment *segments, size_t count, uint64_t address)
{
	for (size_t i = 0; i < count; i++) {
		if (address - segments[i].address < segments[i].file_bytes)
			return true;
	}
	return false;
}

/* Whether it is the table of the opcodes' handlers; reads the process, where addresses are final. */
static bool is_table(const struct eval *eval, uint64_t address, uint64_t *words)
{
	const uint64_t bias = eval->process->load_bias;
	struct elf_code_segment segments[SEGMENTS_MAX];
	size_t count = elf_file_code_segments(eval->file, segments, SEGMENTS_MAX), inside = 0;

	if (memory_read(eval->process->pid, address + bias, words, TABLE_WORDS * sizeof(*words)))
		return false;
	for (size_t i = 0; i < TABLE_WORDS; i++) {
		words[i] -= bias;
		if (!is_code(segments, count, words[i]))
			return false;
		inside += words[i] - eval->function.address < eval->function.size;
	}
	return inside >= TABLE_INSIDE_MIN;
}

static int table_keep(struct eval *eval, uint64_t address)
{
	uint64_t words[TABLE_WORDS];
	int err = 0;

	if (!is_table(eval, address, words))
		return -ENOENT;
	for (size_t i = 0; i < TABLE_WORDS && !err; i++)
		err = root_add(eval, words[i]);
	return err;
}

/* The address that an operand of the instruction names, where it may be that of a table. */
static bool table_named(const struct instruction *instruction, uint64_t at, uint64_t *address)
{
	for (size_t i = 0; i < instruction->head.operand_count_visible; i++) {
		const ZydisDecodedOperand *operand = &instruction->operands[i];

		if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY)
			continue;
		if (operand->mem.base == ZYDIS_REGISTER_RIP)
			return ZYAN_SUCCESS(
				ZydisCalcAbsoluteAddress(&instruction->head, operand, at, address));
		if (operand->mem.base == ZYDIS_REGISTER_NONE && operand->mem.scale == 8) {
			*address = (uint64_t)operand->mem.disp.value;
			return true;
		}
	}
	return false;
}

static bool is_indirect_jump(const struct instruction *instruction)
{
	return instruction->head.mnemonic == ZYDIS_MNEMONIC_JMP &&
	       instruction->operands[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE;
}

/*
 * From the function's first byte to its last: code that begins behind an indirect jump is what such
 * a jump leads to (or a direct one), and the table of handlers is named somewhere.
 */
static int text_sweep(struct eval *eval, const uint8_t *text)
{
	bool behind_jump = false, has_table = false;
	ZydisDecoder decoder;
	uint64_t at = 0;
	int err = 0;

	if (ZYAN_FAILED(
		    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return -EINVAL;
	while (at < eval->function.size && !err) {
		struct instruction instruction;
		uint64_t address = eval->function.address + at, table;

		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, text + at,
						       eval->function.size - at, &instruction.head,
						       instruction.operands)))
			return refuse(eval, "its evaluation function cannot be disassembled");
		if (behind_jump && instruction.head.mnemonic != ZYDIS_MNEMONIC_NOP) {
			err = root_add(eval, address);
			behind_jump = false;
		}
		behind_jump |= is_indirect_jump(&instruction);
		if (!err && !has_table && table_named(&instruction, address, &table)) {
			err = table_keep(eval, table);
			has_table = !err;
			err = err == -ENOENT ? 0 : err;
		}
		at += instruction.head.length;
	}
	if (!err && !has_table)
		return refuse(eval, "its evaluation function has no table of opcode handlers");
	return err;
}

static int roots_find(struct eval *eval)
{
	uint8_t *text;
	int err;

	if (!eval->function.size || eval->function.size > FUNCTION_MAX_BYTES)
		return refuse(eval, "its evaluation function has an impossible size");
	text = malloc(eval->function.size);
	eval->roots = calloc(ROOTS_MAX, sizeof(*eval->roots));
	err = text && eval->roots ? 0 : -ENOMEM;
	if (!err)
		err = elf_file_read(eval->file, eval->function.address, text, eval->function.size);
	if (!err)
		err = root_add(eval, eval->function.address);
	if (!err)
		err = text_sweep(eval, text);
	free(text);
	return err;
}

/* ---- entering ---- */

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

	if (eval->link_count == LINKS_MAX)
		return -E2BIG;
	link->node = way->node;
	link->site = emulated_behind(eval, way->node, &kept);
	link->frame = kept >> frame & 1 ? frame : CALL_NO_REGISTER;
	link->thrown = CALL_NO_REGISTER;
	for (uint8_t i = 0; i < ABI_REGISTERS; i++) {
		if ((way->thrown & kept) >> i & 1)
			link->thrown = i;
	}
	eval->link_count++;
	return 0;
}

/* What an instruction does to the registers that are followed. */
static void way_step(const struct eval *eval, struct way_in *way,
		     const struct instruction *instruction)
{
	const uint16_t writes = node_of(eval, way->node)->writes;
	uint16_t frame = way->frame & ~writes, thrown = way->thrown & ~writes;

	if (instruction->head.mnemonic == ZYDIS_MNEMONIC_MOV) {
		uint8_t to = register_of(&instruction->operands[0]);
		uint8_t from = register_of(&instruction->operands[1]);

		if (to != CALL_NO_REGISTER && from != CALL_NO_REGISTER) {
			frame |= (way->frame >> from & 1) << to;
			thrown |= (way->thrown >> from & 1) << to;
		}
	}
	way->frame = frame;
	way->thrown = thrown;
}

/* Follows the frame from the argument it comes in to the stores that link it, on every path. */
static int links_find(struct eval *eval)
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
		struct instruction instruction;
		uint8_t stored, base;

		if (way.node == GRAPH_NONE || graph_set_has(&seen, way.node) ||
		    !instruction_at(eval, way.node, &instruction))
			continue;
		graph_set_add(&seen, way.node);
		if (is_store(&instruction, eval->layout->tstate_frame, &stored, &base) &&
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
		stack[depth++].node = node_of(eval, way.node)->branch;
		stack[depth++].node = node_of(eval, way.node)->next;
	}
	graph_set_release(&seen);
	if (err == -ENOMEM)
		return err;
	if (err || !eval->link_count)
		return refuse(eval, "where its evaluation function links a frame was not found");
	return 0;
}

/* ---- leaving ---- */

/* Whether behind the store the function does nothing but return. */
static int leads_out(const struct eval *eval, uint32_t node, bool *out)
{
	struct graph_set behind;
	bool returns = false, stays = false;
	int err = graph_set_init(&behind, eval->graph);

	if (err)
		return err;
	if (node_of(eval, node)->next != GRAPH_NONE)
		graph_reach(eval->graph, node_of(eval, node)->next, NULL, &behind);
	for (uint32_t i = 0; i < graph_count(eval->graph); i++) {
		if (!graph_set_has(&behind, i))
			continue;
		returns |= (node_of(eval, i)->flags & GRAPH_RETURN) != 0;
		stays |= (node_of(eval, i)->flags & GRAPH_INDIRECT) != 0;
	}
	graph_set_release(&behind);
	*out = returns && !stays;
	return 0;
}

static int exit_keep(struct eval *eval, uint32_t store, uint8_t frame, uint16_t kept)
{
	struct eval_exit *exit = &eval->exits[eval->exit_count];
	bool is_exit;
	int err = leads_out(eval, store, &is_exit);

	if (err || !is_exit)
		return err;
	if (eval->exit_count == EXITS_MAX)
		return -E2BIG;
	exit->node = store;
	exit->site = emulated_behind(eval, store, &kept);
	exit->frame = kept >> frame & 1 ? frame : CALL_NO_REGISTER;
	eval->exit_count++;
	return 0;
}

/* From a load of f_back along its line to the store of what it loaded. */
static int exit_follow(struct eval *eval, uint32_t load, uint8_t loaded, uint8_t frame)
{
	uint16_t kept = 0xffff & ~node_of(eval, load)->writes;
	uint32_t node = node_of(eval, load)->next;

	for (int i = 0; i < LINE_NODES_MAX && node != GRAPH_NONE; i++) {
		struct instruction instruction;
		uint8_t stored, base;

		if (!instruction_at(eval, node, &instruction))
			break;
		if (is_store(&instruction, eval->layout->tstate_frame, &stored, &base) &&
		    stored == loaded)
			return exit_keep(eval, node, frame, kept);
		kept &= ~node_of(eval, node)->writes;
		if (node_of(eval, node)->writes >> loaded & 1)
			break;
		node = node_of(eval, node)->next;
	}
	return 0;
}

static int exits_find(struct eval *eval)
{
	int err = 0;

	for (uint32_t i = 0; i < graph_count(eval->graph) && !err; i++) {
		struct instruction instruction;
		uint8_t loaded, frame;

		if (instruction_at(eval, i, &instruction) &&
		    is_load(&instruction, eval->layout->frame_back, &loaded, &frame))
			err = exit_follow(eval, i, loaded, frame);
	}
	if (err == -E2BIG)
		return refuse(eval, "its evaluation function has too many exits");
	if (!err && !eval->exit_count)
		return refuse(eval, "where its evaluation function unlinks a frame was not found");
	return err;
}

/* ---- that this is all ---- */

/* The parts of the function, by what runs in them. */
struct parts {
	struct graph_set cut;
	struct graph_set refused; /* before a frame is linked: on to an early way out, maybe */
	struct graph_set linked;
};

/* Before a frame is linked no opcode is run, and no site passed. */
static int refused_check(struct eval *eval, const struct graph_set *refused)
{
	for (uint32_t i = 0; i < graph_count(eval->graph); i++) {
		if (graph_set_has(refused, i) && node_of(eval, i)->flags & GRAPH_INDIRECT)
			return refuse(eval, "its evaluation function runs code in a frame that is "
					    "not seen being linked");
	}
	for (size_t i = 0; i < eval->link_count; i++) {
		if (eval->links[i].site == GRAPH_NONE)
			return refuse(eval, "no instruction behind the link of a frame can be "
					    "probed at a bearable price");
		if (graph_set_has(refused, eval->links[i].site))
			return refuse(eval, "calls that the recursion limit refuses cannot be told "
					    "from others");
	}
	return 0;
}

/* While it is linked nothing returns, and no site of leaving is passed. */
static int linked_check(struct eval *eval, const struct parts *parts)
{
	for (uint32_t i = 0; i < graph_count(eval->graph); i++) {
		if (graph_set_has(&parts->linked, i) && node_of(eval, i)->flags & GRAPH_RETURN)
			return refuse(eval,
				      "its evaluation function has an exit that is not "
				      "understood, to 0x%llx",
				      (unsigned long long)node_of(eval, i)->address);
	}
	for (size_t i = 0; i < eval->exit_count; i++) {
		uint32_t site = eval->exits[i].site;

		if (site == GRAPH_NONE)
			return refuse(eval, "no instruction behind the unlinking of a frame can be "
					    "probed at a bearable price");
		if (graph_set_has(&parts->linked, site) || graph_set_has(&parts->refused, site))
			return refuse(eval, "an exit of its evaluation function is shared with "
					    "what is none");
	}
	return 0;
}

static void parts_find(struct eval *eval, struct parts *parts)
{
	for (size_t i = 0; i < eval->link_count; i++)
		graph_set_add(&parts->cut, eval->links[i].node);
	graph_reach(eval->graph, graph_find(eval->graph, eval->function.address), &parts->cut,
		    &parts->refused);
	graph_set_clear(&parts->cut);
	for (size_t i = 0; i < eval->exit_count; i++)
		graph_set_add(&parts->cut, eval->exits[i].node);
	for (size_t i = 0; i < eval->link_count; i++)
		graph_reach(eval->graph, eval->links[i].node, &parts->cut, &parts->linked);
	for (size_t i = 1; i < eval->root_count; i++) {
		uint32_t root = graph_find(eval->graph, eval->roots[i]);

		if (!graph_set_has(&parts->refused, root))
			graph_reach(eval->graph, root, &parts->cut, &parts->linked);
	}
}

static int all_check(struct eval *eval)
{
	struct parts parts = { 0 };
	int err = graph_set_init(&parts.cut, eval->graph);

	if (!err)
		err = graph_set_init(&parts.refused, eval->graph);
	if (!err)
		err = graph_set_init(&parts.linked, eval->graph);
	if (!err) {
		parts_find(eval, &parts);
		err = refused_check(eval, &parts.refused);
	}
	if (!err)
		err = linked_check(eval, &parts);
	graph_set_release(&parts.cut);
	graph_set_release(&parts.refused);
	graph_set_release(&parts.linked);
	return err;
}

/* ---- sites ---- */

/* Whether the instruction hands on the name that _Py_CheckFunctionResult() is to blame. */
static bool names_function(struct eval *eval, uint32_t node)
{
	static const char *const names[] = { "_PyEval_EvalFrameDefault", "PyEval_EvalFrameEx" };
	struct instruction instruction;
	char text[32];
	ZyanU64 address;

	if (!instruction_at(eval, node, &instruction))
		return false;
	if (instruction.head.mnemonic == ZYDIS_MNEMONIC_LEA) {
		if (ZYAN_FAILED(ZydisCalcAbsoluteAddress(&instruction.head,
							 &instruction.operands[1],
							 node_of(eval, node)->address, &address)))
			return false;
	} else if (instruction.head.mnemonic == ZYDIS_MNEMONIC_MOV &&
		   instruction.operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		address = instruction.operands[1].imm.value.u;
	} else {
		return false;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!elf_file_read(eval->file, address, text, strlen(names[i]) + 1) &&
		    strcmp(text, names[i]) == 0)
			return true;
	}
	return false;
}

/* The node whose instruction ends where this one begins; GRAPH_NONE. */
static uint32_t node_in_front(const struct eval *eval, uint32_t node)
{
	for (uint64_t length = 1; length <= ZYDIS_MAX_INSTRUCTION_LENGTH; length++) {
		uint32_t front = graph_find(eval->graph, node_of(eval, node)->address - length);

		if (front != GRAPH_NONE && node_of(eval, front)->next == node)
			return front;
	}
	return GRAPH_NONE;
}

/*
 * Whether the site is the call of _Py_CheckFunctionResult(), which has the result as its argument
 * before the last, the function's name.
 */
static bool checks_result(struct eval *eval, uint32_t site)
{
	uint32_t node = site;

	if (!(node_of(eval, site)->flags & GRAPH_CALL))
		return false;
	for (int i = 0; i < LINE_NODES_MAX; i++) {
		node = node_in_front(eval, node);
		if (node == GRAPH_NONE || node_of(eval, node)->flags & GRAPH_EMULATED)
			return false;
		if (names_function(eval, node))
			return true;
	}
	return false;
}

static bool site_is_known(const struct eval *eval, uint64_t file_offset)
{
	for (size_t i = 0; i < eval->plan->site_count; i++) {
		if (eval->plan->sites[i].file_offset == file_offset)
			return true;
	}
	return false;
}

/* Paths that meet share a site. */
static int site_add(struct eval *eval, uint32_t node, const struct call_site *site,
		    const char *name)
{
	struct elf_code_segment segments[SEGMENTS_MAX];
	size_t count = elf_file_code_segments(eval->file, segments, SEGMENTS_MAX);
	uint64_t address = node_of(eval, node)->address;

	for (size_t i = 0; i < count; i++) {
		struct call_plan_site *to = &eval->plan->sites[eval->plan->site_count];
		uint64_t skip = address - segments[i].address;

		if (address < segments[i].address || skip >= segments[i].file_bytes)
			continue;
		if (site_is_known(eval, segments[i].offset + skip))
			return 0;
		*to = (struct call_plan_site){
			.file_offset = segments[i].offset + skip,
			.site = *site,
		};
		snprintf(to->name, sizeof(to->name), "%s", name);
		eval->plan->site_count++;
		return 0;
	}
	return -EFAULT;
}

static int sites_add(struct eval *eval)
{
	const struct call_site none = {
		.frame_register = CALL_NO_REGISTER,
		.ip_register = CALL_NO_REGISTER,
		.result_register = CALL_NO_REGISTER,
		.throw_register = CALL_NO_REGISTER,
	};
	int err = 0;

	for (size_t i = 0; i < eval->link_count && !err; i++) {
		const struct eval_link *link = &eval->links[i];
		struct call_site site = none;

		site.kind = CALL_ENTER;
		site.frame_register = link->frame;
		site.throw_register = link->thrown;
		err = site_add(eval, link->site, &site, "frame linked");
	}
	for (size_t i = 0; i < eval->exit_count && !err; i++) {
		const struct eval_exit *exit = &eval->exits[i];
		struct call_site site = none;

		site.kind = CALL_LEAVE;
		site.frame_register = exit->frame;
		if (checks_result(eval, exit->site))
			site.result_register = eval->layout->minor >= 9 ? RDX : RSI;
		else
			site.check_exception = 1;
		err = site_add(eval, exit->site, &site, "frame unlinked");
	}
	return err;
}

/* ---- the whole ---- */

static int function_plan(struct eval *eval)
{
	int err = roots_find(eval);

	if (!err)
		err = graph_new(eval->file, eval->roots, eval->root_count, &eval->graph);
	if (err)
		return err;
	err = links_find(eval);
	if (!err)
		err = exits_find(eval);
	if (!err)
		err = all_check(eval);
	if (!err)
		err = sites_add(eval);
	return err;
}

static int file_plan(struct eval *eval, int fd)
{
	int err = elf_file_open(fd, &eval->file);

	if (err)
		return err;
	eval->function.name = "_PyEval_EvalFrameDefault";
	if (elf_file_find_symbols(eval->file, ELF_DYNAMIC_SYMBOLS, &eval->function, 1) ||
	    elf_file_find_symbols(eval->file, ELF_ALL_SYMBOLS, &eval->function, 1)) {
		err = function_plan(eval);
	} else {
		err = refuse(eval, "its file does not say where %s is", eval->function.name);
	}
	graph_free(eval->graph);
	free(eval->roots);
	elf_file_close(eval->file);
	return err;
}

int call_plan_eval(const struct python_process *process, struct call_plan *out, char *reason,
		   size_t reason_size)
{
	struct eval eval = {
		.process = process,
		.layout = &process->target.layout,
		.plan = out,
		.reason = reason,
		.reason_size = reason_size,
	};
	int fd, err;

	if (eval.layout->minor > 10)
		return refuse(&eval,
			      "Python 3.%d calls Python functions without its evaluation function",
			      eval.layout->minor);
	fd = open(process->binary_open, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		snprintf(reason, reason_size, "its file cannot be opened: %s", strerror(-err));
		return err;
	}
	err = file_plan(&eval, fd);
	close(fd);
	if (err && err != -ENOTSUP)
		snprintf(reason, reason_size, "its evaluation function cannot be read: %s",
			 strerror(-err));
	return err;
}
