// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPython's own allocator of objects, where its build calls it: PyObject_Malloc() and its like go
 * through a table of functions (Objects/obmalloc.c). With profile-guided optimisation the compiler has
 * them compare the table's word with the function it mostly holds, and that one's body follows instead
 * of a call, there and wherever else they were inlined. So a build that names the function it should
 * call as a constant does not call it; one with other functions in its table (PYTHONMALLOC=debug) does.
 */
#include <Zydis/Zydis.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proc/memory.h"
#include "python/allocator_plan.h"
#include "python/pools.h"

enum {
	TABLE_FUNCTIONS = 4,
	WRAPPERS_MAX = 4, /* around an allocator: debug hooks, tracemalloc */
	WRAPPED_BEHIND_ID = 8,
	SYMBOL_BYTES = 32,
};

static const struct {
	const char *suffix;
	enum memory_call call;
	size_t offset; /* of its address in the table */
} table_functions[TABLE_FUNCTIONS] = {
	{ "Malloc", MEMORY_MALLOC, offsetof(struct allocator_table, malloc) },
	{ "Calloc", MEMORY_CALLOC, offsetof(struct allocator_table, calloc) },
	{ "Realloc", MEMORY_REALLOC, offsetof(struct allocator_table, realloc) },
	{ "Free", MEMORY_FREE, offsetof(struct allocator_table, free) },
};

/* Whose functions are looked at, and what calls them. */
static const struct {
	enum allocator_domain domain;
	const char *prefix;
} domains[] = {
	{ ALLOCATOR_OBJECT, "PyObject_" },
	{ ALLOCATOR_MEM, "PyMem_" },
};

enum { DOMAINS_SEEN = sizeof(domains) / sizeof(domains[0]) };

static uint64_t table_word(const struct allocator_table *table, size_t function)
{
	uint64_t word;

	memcpy(&word, (const char *)table + table_functions[function].offset, sizeof(word));
	return word;
}

/* ---- where the tables lead to in the end ---- */

static bool is_table(const struct planning *planning, const struct allocator_table *table)
{
	for (size_t i = 0; i < TABLE_FUNCTIONS; i++) {
		const struct mapping *mapping = maps_find(&planning->maps, table_word(table, i));

		if (!mapping || !(mapping->flags & MAPPING_EXEC))
			return false;
	}
	return true;
}

/*
 * The context of the debug hooks is a letter and the allocator that they call; of tracemalloc the
 * allocator alone.
 */
static void unwrap(const struct planning *planning, struct allocator_table *table)
{
	static const uint64_t offsets[] = { WRAPPED_BEHIND_ID, 0 };

	for (int i = 0; i < WRAPPERS_MAX && table->context; i++) {
		struct allocator_table inner;
		bool found = false;

		for (size_t j = 0; j < 2 && !found; j++)
			found = !memory_read(planning->python->pid, table->context + offsets[j],
					     &inner, sizeof(inner)) &&
				is_table(planning, &inner);
		if (!found)
			return;
		*table = inner;
	}
}

/* Whether all objects come from the allocator that PyMem_RawMalloc() has: malloc(). */
static bool lead_to_malloc(const struct planning *planning,
			   const struct allocator_table tables[ALLOCATOR_DOMAINS])
{
	struct allocator_table raw = tables[ALLOCATOR_RAW];

	unwrap(planning, &raw);
	for (size_t i = 0; i < DOMAINS_SEEN; i++) {
		struct allocator_table table = tables[domains[i].domain];

		unwrap(planning, &table);
		if (table.malloc != raw.malloc)
			return false;
	}
	return true;
}

/* ---- whether the build calls them ---- */

struct calling {
	bool indirectly; /* has a call or jump through a word or register */
	bool named;	 /* names the function as a constant, or jumps right to it */
};

static void instruction_look(const ZydisDecodedInstruction *instruction,
			     const ZydisDecodedOperand *operands, uint64_t at, uint64_t function,
			     struct calling *calling)
{
	const bool branches = instruction->meta.category == ZYDIS_CATEGORY_CALL ||
			      instruction->meta.category == ZYDIS_CATEGORY_UNCOND_BR;

	if (branches && operands[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		calling->indirectly = true;
	for (size_t i = 0; i < instruction->operand_count_visible; i++) {
		const ZydisDecodedOperand *operand = &operands[i];
		uint64_t value;

		if (operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && !operand->imm.is_relative)
			value = operand->imm.value.u;
		else if ((operand->type != ZYDIS_OPERAND_TYPE_IMMEDIATE &&
			  instruction->mnemonic != ZYDIS_MNEMONIC_LEA) ||
			 ZYAN_FAILED(ZydisCalcAbsoluteAddress(instruction, operand, at, &value)))
			continue;
		calling->named |= value == function;
	}
}

/* How the function of this name in the file calls `function`, also in the file. */
static int calling_read(const struct module *module, const char *name, uint64_t function,
			struct calling *out)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction instruction;
	struct elf_symbol symbol = { .name = name };
	uint8_t text[PLACE_TEXT_MAX_BYTES];
	ZydisDecoder decoder;

	*out = (struct calling){ 0 };
	if (!module_symbols_find(module, false, &symbol, 1) || !symbol.size ||
	    symbol.size > sizeof(text) ||
	    elf_file_read(module->file, symbol.address, text, symbol.size) ||
	    ZYAN_FAILED(
		    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return -ENOENT;
	for (size_t at = 0; at < symbol.size; at += instruction.length) {
		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, text + at, symbol.size - at,
						       &instruction, operands)))
			return -ENOENT;
		instruction_look(&instruction, operands, symbol.address + at, function, out);
	}
	return 0;
}

/* 0; -ENOTSUP: it does not call all of them; -ENOENT: it cannot be told. */
static int calls_check(const struct module *module,
		       const struct allocator_table tables[ALLOCATOR_DOMAINS])
{
	for (size_t i = 0; i < DOMAINS_SEEN; i++) {
		for (size_t j = 0; j < TABLE_FUNCTIONS; j++) {
			const struct allocator_table *table = &tables[domains[i].domain];
			char name[SYMBOL_BYTES];
			struct calling calling;
			int err;

			snprintf(name, sizeof(name), "%s%s", domains[i].prefix,
				 table_functions[j].suffix);
			err = calling_read(module, name, table_word(table, j) - module->bias,
					   &calling);
			if (err)
				return err;
			if (calling.named)
				return -ENOTSUP;
			if (!calling.indirectly)
				return -ENOENT;
		}
	}
	return 0;
}

/* ---- sites ---- */

/* What .symtab calls the function; else what it does. */
static void function_name(const struct module *module, uint64_t address, size_t function,
			  char *name, size_t size)
{
	static const char *const prefixes[] = { "_PyObject_", "_PyMem_Debug", "_PyObject_Mi",
						"_PyMem_Mi", "_PyMem_Raw" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct elf_symbol symbol = { .name = name };

		snprintf(name, size, "%s%s", prefixes[i], table_functions[function].suffix);
		if (module_symbols_find(module, true, &symbol, 1) &&
		    symbol.address + module->bias == address)
			return;
	}
	snprintf(name, size, "object %s", table_functions[function].suffix);
}

static int objects_add(struct planning *planning,
		       const struct allocator_table tables[ALLOCATOR_DOMAINS])
{
	const size_t before = planning->plan->site_count;

	for (size_t i = 0; i < DOMAINS_SEEN; i++) {
		for (size_t j = 0; j < TABLE_FUNCTIONS; j++) {
			char name[SYMBOL_BYTES];
			struct planned_function function = {
				.name = name,
				.address = table_word(&tables[domains[i].domain], j),
				.call = table_functions[j].call,
				.context = 1,
			};
			struct module *module;
			int err = planning_module(planning, function.address, &module);

			if (err)
				return err;
			function_name(module, function.address, j, name, sizeof(name));
			err = planning_add(planning, &function);
			if (err)
				return err;
		}
	}
	/* Their file is the interpreter's, whose calls are no calls of an allocator. */
	for (size_t i = before; i < planning->plan->site_count; i++) {
		planning->plan->sites[i].probe.inside_start = 0;
		planning->plan->sites[i].probe.inside_end = 0;
	}
	return 0;
}

static int objects_plan(struct planning *planning,
			const struct allocator_table tables[ALLOCATOR_DOMAINS], char *reason,
			size_t reason_size)
{
	const char *version = planning->python->version;
	struct module interpreter;
	int err = module_open_python(planning->python, &interpreter);

	if (!err) {
		err = calls_check(&interpreter, tables);
		module_close(&interpreter);
	}
	if (err == -ENOTSUP)
		snprintf(reason, reason_size,
			 "this build of Python %s has its object allocator inlined where it is "
			 "used: single objects cannot be seen",
			 version);
	else if (err)
		snprintf(reason, reason_size,
			 "how this build of Python %s calls its object allocator cannot be told",
			 version);
	if (err)
		return err;
	err = objects_add(planning, tables);
	if (err)
		snprintf(reason, reason_size,
			 "the object allocator of Python %s cannot be probed: %s", version,
			 strerror(-err));
	return err;
}

int allocator_plan_objects(const struct python_process *python, struct allocator_plan *plan,
			   bool *needed, char *reason, size_t reason_size)
{
	struct allocator_table tables[ALLOCATOR_DOMAINS];
	const struct allocator_plan before = *plan;
	struct planning planning;
	bool to_malloc;
	int err = allocator_tables_read(python, tables);

	if (err) {
		snprintf(reason, reason_size,
			 "the allocator tables of Python %s cannot be found: %s", python->version,
			 strerror(-err));
		return err;
	}
	err = planning_begin(&planning, python, plan);
	if (err) {
		snprintf(reason, reason_size, "its memory map cannot be read: %s", strerror(-err));
		return err;
	}
	to_malloc = lead_to_malloc(&planning, tables);
	if (!to_malloc)
		err = objects_plan(&planning, tables, reason, reason_size);
	planning_end(&planning);
	if (err)
		*plan = before;
	else
		*needed = !to_malloc;
	return err;
}
