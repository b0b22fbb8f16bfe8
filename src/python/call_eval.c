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
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "python/call_eval_function.h"

enum { RDX = 2, RSI = 6 };

/* ---- sites ---- */

/* Whether the instruction hands on the name that _Py_CheckFunctionResult() is to blame. */
static bool names_function(struct eval *eval, uint32_t node)
{
	static const char *const names[] = { "_PyEval_EvalFrameDefault", "PyEval_EvalFrameEx" };
	struct eval_instruction instruction;
	char text[32];
	ZyanU64 address;

	if (!eval_instruction_at(eval, node, &instruction))
		return false;
	if (instruction.head.mnemonic == ZYDIS_MNEMONIC_LEA) {
		if (ZYAN_FAILED(ZydisCalcAbsoluteAddress(&instruction.head,
							 &instruction.operands[1],
							 eval_node(eval, node)->address, &address)))
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
		uint32_t front = graph_find(eval->graph, eval_node(eval, node)->address - length);

		if (front != GRAPH_NONE && eval_node(eval, front)->next == node)
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

	if (!(eval_node(eval, site)->flags & GRAPH_CALL))
		return false;
	for (int i = 0; i < EVAL_LINE_NODES_MAX; i++) {
		node = node_in_front(eval, node);
		if (node == GRAPH_NONE || eval_node(eval, node)->flags & GRAPH_EMULATED)
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
	struct elf_code_segment segments[EVAL_SEGMENTS_MAX];
	size_t count = elf_file_code_segments(eval->file, segments, EVAL_SEGMENTS_MAX);
	uint64_t address = eval_node(eval, node)->address;

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
		.frame_register = ABI_NO_REGISTER,
		.ip_register = ABI_NO_REGISTER,
		.result_register = ABI_NO_REGISTER,
		.throw_register = ABI_NO_REGISTER,
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
	for (size_t i = 0; i < eval->leave_count && !err; i++) {
		struct call_site site = none;

		site.kind = CALL_LEAVE;
		site.check_exception = 1;
		err = site_add(eval, eval->leaves[i], &site, "frame left");
	}
	for (size_t i = 0; i < eval->exit_count && !eval->leave_count && !err; i++) {
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
	int err = eval_function_read(eval);

	if (!err)
		err = eval_links_find(eval);
	if (!err)
		err = eval_exits_find(eval);
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
		err = eval_refuse(eval, "its file does not say where %s is", eval->function.name);
	}
	eval_function_free(eval);
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
		return eval_refuse(
			&eval, "Python 3.%d calls Python functions without its evaluation function",
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
