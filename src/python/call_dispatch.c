// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls through the evaluation loop's handlers, CPython 3.11 and later: every function starts and
 * goes on in the handler of RESUME and leaves in one of RETURN_VALUE, RETURN_CONST, YIELD_VALUE, or
 * through the code that unwinds exceptions; an exception thrown into a generator comes in through
 * the evaluation function itself. docs/probes.md tells how each is found.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "python/call_dispatch_loop.h"

enum { MINOR_FIRST = 11, SEGMENTS_MAX = 8 };

int dispatch_refuse(struct dispatch_loop *loop, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(loop->reason, loop->reason_size, format, arguments);
	va_end(arguments);
	return -ENOTSUP;
}

/* Another error than -ENOTSUP, in words. */
static int failed(struct dispatch_loop *loop, int err, const char *what)
{
	snprintf(loop->reason, loop->reason_size, "%s: %s", what, strerror(-err));
	return err;
}

uint32_t dispatch_handler(const struct dispatch_loop *loop, enum opcode_kind kind)
{
	for (const struct opcode *opcode = loop->opcodes->opcodes; opcode->kind; opcode++) {
		if (opcode->kind == kind)
			return graph_find(loop->graph, loop->table.handlers[opcode->number]);
	}
	return GRAPH_NONE;
}

uint8_t dispatch_register(ZydisRegister reg)
{
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
		return ABI_NO_REGISTER;
	return (uint8_t)(whole - ZYDIS_REGISTER_RAX);
}

int dispatch_site_add(struct dispatch_loop *loop, uint32_t node, const char *name,
		      const struct call_site *site)
{
	struct elf_code_segment segments[SEGMENTS_MAX];
	const uint64_t address = graph_node(loop->graph, node)->address;
	size_t count = elf_file_code_segments(loop->file, segments, SEGMENTS_MAX);
	struct call_plan *plan = loop->plan;
	struct call_plan_site *added;
	uint64_t offset = 0;

	for (size_t i = 0; i < count; i++) {
		if (address - segments[i].address < segments[i].file_bytes)
			offset = address - segments[i].address + segments[i].offset;
	}
	for (size_t i = 0; i < plan->site_count; i++) {
		if (plan->sites[i].file_offset == offset)
			return 0;
	}
	if (plan->site_count == CALL_PLAN_SITES)
		return failed(loop, -ENOSPC, "more places to probe than there is room for");
	added = &plan->sites[plan->site_count++];
	*added = (struct call_plan_site){ .file_offset = offset, .site = *site };
	added->stepped = !(graph_node(loop->graph, node)->flags & GRAPH_EMULATED);
	snprintf(added->name, sizeof(added->name), "%s", name);
	return 0;
}

static int table_find(struct dispatch_loop *loop)
{
	int err = dispatch_table_find(loop->process, loop->file, loop->opcodes, &loop->table);

	if (err == -ENOENT)
		return dispatch_refuse(loop,
				       "Python %s: no dispatch table was found in it "
				       "(built without computed gotos?)",
				       loop->process->version);
	if (err == -EEXIST)
		return dispatch_refuse(loop, "Python %s: several dispatch tables were found in it",
				       loop->process->version);
	if (err)
		return failed(loop, err, "its dispatch table cannot be read");
	return 0;
}

static int graph_make(struct dispatch_loop *loop)
{
	struct elf_symbol function = { .name = "_PyEval_EvalFrameDefault" };
	uint64_t roots[OPCODE_NUMBERS + 1];
	int err;

	elf_file_find_symbols(loop->file, ELF_DYNAMIC_SYMBOLS, &function, 1);
	elf_file_find_symbols(loop->file, ELF_ALL_SYMBOLS, &function, 1);
	if (!function.found)
		return dispatch_refuse(loop, "Python %s: its evaluation function is not exported",
				       loop->process->version);
	loop->function = function.address;
	memcpy(roots, loop->table.handlers, sizeof(loop->table.handlers));
	roots[OPCODE_NUMBERS] = loop->function;
	err = graph_new(loop->file, roots, OPCODE_NUMBERS + 1, &loop->graph);
	if (err == -E2BIG)
		return dispatch_refuse(loop, "Python %s: its evaluation loop has no end",
				       loop->process->version);
	if (err)
		return failed(loop, err, "its evaluation loop cannot be read");
	if (graph_set_init(&loop->raised, loop->graph) ||
	    graph_set_init(&loop->failing, loop->graph))
		return failed(loop, -ENOMEM, "its evaluation loop cannot be read");
	return 0;
}

static int plan_make(struct dispatch_loop *loop)
{
	int err = table_find(loop);

	if (!err)
		err = graph_make(loop);
	if (!err)
		err = dispatch_build_check(loop);
	if (err)
		return err;
	dispatch_registers_find(loop);
	err = dispatch_ends_find(loop);
	if (!err)
		err = dispatch_handlers_find(loop, OPCODE_RESUME, CALL_ENTER);
	if (!err)
		err = dispatch_handlers_find(loop, OPCODE_RETURN, CALL_RETURN);
	if (!err)
		err = dispatch_handlers_find(loop, OPCODE_YIELD, CALL_YIELD);
	if (!err)
		err = dispatch_throws_find(loop);
	return err;
}

int call_plan_dispatch(const struct python_process *process, struct call_plan *out, char *reason,
		       size_t reason_size)
{
	struct dispatch_loop *loop;
	int fd, err;

	if (process->target.layout.minor < MINOR_FIRST) {
		snprintf(reason, reason_size,
			 "Python %s: only 3.11 and later enter functions through "
			 "the dispatch table",
			 process->version);
		return -ENOTSUP;
	}
	loop = calloc(1, sizeof(*loop));
	if (!loop) {
		snprintf(reason, reason_size, "out of memory");
		return -ENOMEM;
	}
	loop->process = process;
	loop->opcodes = opcodes_of(process->target.layout.minor);
	loop->plan = out;
	loop->reason = reason;
	loop->reason_size = reason_size;
	fd = open(process->binary_open, O_RDONLY | O_CLOEXEC);
	err = fd < 0 ? -errno : elf_file_open(fd, &loop->file);
	if (err)
		failed(loop, err, "its file cannot be read");
	else if (!loop->opcodes)
		err = dispatch_refuse(loop, "Python %s: its opcodes are not known",
				      process->version);
	else
		err = plan_make(loop);
	graph_set_release(&loop->raised);
	graph_set_release(&loop->failing);
	graph_free(loop->graph);
	elf_file_close(loop->file);
	if (fd >= 0)
		close(fd);
	free(loop);
	return err;
}
