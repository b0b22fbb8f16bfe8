// SPDX-License-Identifier: GPL-2.0-only
/*
 * Builds whose calls cannot be seen through the dispatch table, told by their machine code: with a
 * JIT compiler that is on (its code runs no handlers), or with a function for each opcode.
 */
#include <errno.h>

#include "proc/memory.h"
#include "python/call_dispatch_loop.h"

enum {
	MINOR_JIT = 13,
	MINOR_JIT_FLAG = 14, /* 3.13 has no flag that its loop looks at */
	INTERPRETERS_MAX = 256,
	FLAG_AHEAD = 16,
};

/* Without one, the handler of what it makes does nothing but die. */
static bool handler_only_dies(struct dispatch_loop *loop, uint32_t node, struct graph_set *seen)
{
	graph_set_clear(seen);
	graph_reach(loop->graph, node, NULL, seen);
	for (uint32_t i = 0; i < graph_count(loop->graph); i++) {
		if (graph_set_has(seen, i) &&
		    graph_node(loop->graph, i)->flags & (GRAPH_INDIRECT | GRAPH_RETURN))
			return false;
	}
	return true;
}

/*
 * Where in PyInterpreterState the loop looks for whether the JIT compiler is on: the handler of
 * JUMP_BACKWARD loads tstate->interp and reads one far member of it. 0: not seen.
 */
static uint32_t flag_offset(struct dispatch_loop *loop)
{
	const struct python_layout *layout = &loop->process->target.layout;
	uint32_t node = dispatch_handler(loop, OPCODE_LOOP);
	ZydisRegister interpreter = ZYDIS_REGISTER_NONE;

	for (int i = 0; i < FLAG_AHEAD && node != GRAPH_NONE; i++) {
		ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
		ZydisDecodedInstruction instruction;

		if (!graph_decode(loop->graph, node, &instruction, operands))
			return 0;
		for (size_t j = 0; j < instruction.operand_count_visible; j++) {
			const ZydisDecodedOperandMem *memory = &operands[j].mem;

			if (operands[j].type == ZYDIS_OPERAND_TYPE_MEMORY &&
			    interpreter != ZYDIS_REGISTER_NONE && memory->base == interpreter &&
			    memory->disp.value > UINT8_MAX && memory->disp.value < INT32_MAX)
				return (uint32_t)memory->disp.value;
		}
		if (instruction.mnemonic == ZYDIS_MNEMONIC_MOV &&
		    operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    operands[1].type == ZYDIS_OPERAND_TYPE_MEMORY && operands[1].size == 64 &&
		    operands[1].mem.disp.value == layout->tstate_interp &&
		    operands[1].mem.base != ZYDIS_REGISTER_RIP)
			interpreter = operands[0].reg.value;
		node = graph_node(loop->graph, node)->next;
	}
	return 0;
}

/* 0: off in all interpreters; 1: on in one; or it cannot be told. */
static int jit_is_on(struct dispatch_loop *loop, uint32_t offset)
{
	const struct python_target *target = &loop->process->target;
	const pid_t pid = loop->process->pid;
	uint64_t interpreter;
	int err = memory_read_u64(pid, target->runtime + target->layout.runtime_interpreters_head,
				  &interpreter);

	for (int i = 0; !err && interpreter && i < INTERPRETERS_MAX; i++) {
		uint8_t flag;

		err = memory_read(pid, interpreter + offset, &flag, sizeof(flag));
		if (!err && flag > 1)
			return -EBADMSG;
		if (!err && flag)
			return 1;
		if (!err)
			err = memory_read_u64(pid, interpreter + target->layout.interp_next,
					      &interpreter);
	}
	return err;
}

/*
 * It is off; but another process of this file may have it on, and is followed before anybody has looked
 * at it. The compiled code is entered here.
 */
static int executor_watch(struct dispatch_loop *loop, uint32_t executor)
{
	const struct call_site site = {
		.kind = CALL_LEAVE,
		.frame_register = ABI_NO_REGISTER,
		.ip_register = ABI_NO_REGISTER,
		.result_register = ABI_NO_REGISTER,
		.throw_register = ABI_NO_REGISTER,
	};
	struct call_plan *plan = loop->plan;
	int err = dispatch_site_add(loop, executor, "ENTER_EXECUTOR", &site);

	if (!err)
		plan->sites[plan->site_count - 1].refusal =
			"its JIT compiler is on, whose code shows no calls (PYTHON_JIT=0 turns it "
			"off)";
	return err;
}

static int jit_check(struct dispatch_loop *loop)
{
	const char *version = loop->process->version;
	uint32_t executor = dispatch_handler(loop, OPCODE_EXECUTOR);
	struct graph_set seen = { 0 };
	bool none;
	uint32_t offset;
	int on;

	if (loop->opcodes->minor < MINOR_JIT || executor == GRAPH_NONE)
		return 0;
	if (graph_set_init(&seen, loop->graph))
		return -ENOMEM;
	none = handler_only_dies(loop, executor, &seen);
	graph_set_release(&seen);
	if (none)
		return 0;
	if (loop->opcodes->minor < MINOR_JIT_FLAG)
		return dispatch_refuse(loop,
				       "Python %s: built with the experimental JIT compiler, whose "
				       "code shows no calls",
				       version);
	offset = flag_offset(loop);
	on = offset ? jit_is_on(loop, offset) : -ENOENT;
	if (on == 1)
		return dispatch_refuse(loop,
				       "Python %s: its JIT compiler is on, whose code shows no "
				       "calls (PYTHON_JIT=0 turns it off)",
				       version);
	if (on)
		return dispatch_refuse(loop,
				       "Python %s: built with the experimental JIT compiler, and "
				       "whether it is on cannot be told",
				       version);
	return executor_watch(loop, executor);
}

int dispatch_build_check(struct dispatch_loop *loop)
{
	if (dispatch_table_has_functions(loop->file, loop->table.handlers))
		return dispatch_refuse(loop,
				       "Python %s: built with --with-tail-call-interp, whose calls "
				       "cannot be seen",
				       loop->process->version);
	return jit_check(loop);
}
