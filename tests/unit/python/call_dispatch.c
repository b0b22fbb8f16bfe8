// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parts of a plan of the dispatch table on code written here, and whole plans of the real
 * interpreters that scripts/test-pythons knows of. What must be in those is asked of the interpreter
 * (its opcode module) and of its file (the function that a call goes to). That the places are hit
 * as often as functions are called is for the live tests.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "python/call_dispatch_graph.h"
#include "python/call_dispatch_table.h"
#include "python/call_plan.h"
#include "python/emulated.h"

/* ---- the table ---- */

enum { MINOR = 13, BASE = 0x400000 };

/* As a compiler may lay out the handlers: all different, the unknown together. */
static void table_fill(uint64_t *addresses, const struct opcodes *opcodes)
{
	for (unsigned int i = 0; i < OPCODE_NUMBERS; i++)
		addresses[i] = opcode_is_handled(opcodes, i) ? BASE + 64 * i : BASE - 64;
}

Test(call_dispatch, a_table_is_known_by_its_unknown_opcodes)
{
	const struct opcodes *opcodes = opcodes_of(MINOR);
	uint64_t addresses[OPCODE_NUMBERS + 1];

	table_fill(addresses, opcodes);
	cr_expect(dispatch_table_fits(addresses, opcodes));
	cr_expect_not(dispatch_table_fits(addresses, opcodes_of(MINOR + 1)), "another version");
	/* Off by one, as in a longer row of code addresses. */
	addresses[OPCODE_NUMBERS] = BASE;
	cr_expect_not(dispatch_table_fits(addresses + 1, opcodes));
}

Test(call_dispatch, a_handler_among_the_unknown_is_no_table)
{
	const struct opcodes *opcodes = opcodes_of(MINOR);
	uint64_t addresses[OPCODE_NUMBERS];

	table_fill(addresses, opcodes);
	addresses[opcodes->opcodes[0].number] = BASE - 64;
	cr_expect_not(dispatch_table_fits(addresses, opcodes));
}

Test(call_dispatch, one_unknown_opcode_elsewhere_is_no_table)
{
	const struct opcodes *opcodes = opcodes_of(MINOR);
	uint64_t addresses[OPCODE_NUMBERS];
	unsigned int unknown = 0;

	table_fill(addresses, opcodes);
	while (opcode_is_handled(opcodes, unknown))
		unknown++;
	addresses[unknown] = BASE - 128;
	cr_expect_not(dispatch_table_fits(addresses, opcodes));
}

Test(call_dispatch, few_handlers_for_all_is_no_table)
{
	const struct opcodes *opcodes = opcodes_of(MINOR);
	uint64_t addresses[OPCODE_NUMBERS];

	for (unsigned int i = 0; i < OPCODE_NUMBERS; i++)
		addresses[i] = opcode_is_handled(opcodes, i) ? BASE : BASE - 64;
	cr_expect_not(dispatch_table_fits(addresses, opcodes));
}

/* ---- the graph ---- */

/* Never run; only read from the file of this test. */
__asm__(".text\n"
	".globl graph_root, graph_fork, graph_dies, graph_behind, graph_join, graph_out\n"
	".globl graph_back, graph_second, graph_call, graph_lost\n"
	"graph_root:	test %edi, %edi\n"
	"graph_fork:	je graph_join\n"
	"graph_dies:	call abort@plt\n"
	"graph_behind:	push %rbp\n"
	"		ret\n"
	"graph_second:	mov %rax, %rbx\n"
	"graph_join:	push %r12\n"
	"graph_back:	jne graph_join\n"
	"graph_call:	call graph_behind\n"
	"graph_out:	jmp *%rax\n"
	"graph_lost:	jmp 0x7fff0000\n");

enum place { ROOT, FORK, DIES, BEHIND, SECOND, JOIN, BACK, CALL, OUT, LOST, PLACES };

struct code {
	int fd;
	struct elf_file *file;
	struct elf_symbol symbols[PLACES];
	struct graph *graph;
	uint32_t nodes[PLACES];
	struct graph_set set, cut;
};

/* The graph of what is reached from two roots: graph_root and graph_second. */
static void code_read(struct code *code)
{
	static const char *const names[PLACES] = {
		"graph_root", "graph_fork", "graph_dies", "graph_behind", "graph_second",
		"graph_join", "graph_back", "graph_call", "graph_out",	  "graph_lost",
	};
	uint64_t roots[3];

	memset(code, 0, sizeof(*code));
	code->fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	cr_assert_eq(elf_file_open(code->fd, &code->file), 0);
	for (size_t i = 0; i < PLACES; i++)
		code->symbols[i].name = names[i];
	cr_assert_eq(elf_file_find_symbols(code->file, ELF_ALL_SYMBOLS, code->symbols, PLACES),
		     PLACES);
	roots[0] = code->symbols[ROOT].address;
	roots[1] = code->symbols[SECOND].address;
	roots[2] = code->symbols[LOST].address;
	cr_assert_eq(graph_new(code->file, roots, 3, &code->graph), 0);
	for (size_t i = 0; i < PLACES; i++)
		code->nodes[i] = graph_find(code->graph, code->symbols[i].address);
	cr_assert_eq(graph_set_init(&code->set, code->graph), 0);
	cr_assert_eq(graph_set_init(&code->cut, code->graph), 0);
}

static void code_close(struct code *code)
{
	graph_set_release(&code->set);
	graph_set_release(&code->cut);
	graph_free(code->graph);
	elf_file_close(code->file);
	close(code->fd);
}

static const struct graph_node *node_of(const struct code *code, enum place place)
{
	return graph_node(code->graph, code->nodes[place]);
}

Test(call_dispatch, what_follows_a_call_that_never_returns_is_not_followed)
{
	struct code code;

	code_read(&code);
	cr_expect_neq(code.nodes[DIES], GRAPH_NONE);
	cr_expect_eq(node_of(&code, DIES)->next, GRAPH_NONE);
	cr_expect_eq(code.nodes[BEHIND], GRAPH_NONE);
	cr_expect_eq(node_of(&code, CALL)->next, code.nodes[OUT]);
	cr_expect_eq(node_of(&code, CALL)->callee, code.symbols[BEHIND].address);
	code_close(&code);
}

Test(call_dispatch, nodes_say_what_they_are)
{
	struct code code;

	code_read(&code);
	cr_expect_eq(node_of(&code, ROOT)->flags, GRAPH_ROOT);
	cr_expect_eq(node_of(&code, FORK)->flags, GRAPH_EMULATED);
	cr_expect_eq(node_of(&code, SECOND)->flags, GRAPH_ROOT);
	cr_expect_eq(node_of(&code, JOIN)->flags, GRAPH_EMULATED);
	cr_expect_eq(node_of(&code, CALL)->flags, GRAPH_EMULATED | GRAPH_CALL);
	cr_expect_eq(node_of(&code, OUT)->flags, GRAPH_INDIRECT);
	cr_expect_eq(node_of(&code, FORK)->branch, code.nodes[JOIN]);
	cr_expect_eq(node_of(&code, FORK)->next, code.nodes[DIES]);
	/* rbx; rsp; what the psABI lets a function change. */
	cr_expect_eq(node_of(&code, SECOND)->writes, 1 << 3);
	cr_expect_eq(node_of(&code, JOIN)->writes, 1 << 4);
	cr_expect_eq(node_of(&code, CALL)->writes, 0x0fc7);
	code_close(&code);
}

Test(call_dispatch, control_is_followed_both_ways)
{
	struct code code;

	code_read(&code);
	graph_reach(code.graph, code.nodes[ROOT], NULL, &code.set);
	cr_expect(graph_set_has(&code.set, code.nodes[DIES]));
	cr_expect(graph_set_has(&code.set, code.nodes[OUT]));
	cr_expect_not(graph_set_has(&code.set, code.nodes[SECOND]));
	graph_set_clear(&code.set);
	graph_reach_back(code.graph, code.nodes[OUT], NULL, &code.set);
	cr_expect(graph_set_has(&code.set, code.nodes[ROOT]));
	cr_expect(graph_set_has(&code.set, code.nodes[SECOND]));
	cr_expect_not(graph_set_has(&code.set, code.nodes[DIES]));
	code_close(&code);
}

Test(call_dispatch, a_cut_is_not_passed)
{
	struct code code;

	code_read(&code);
	graph_set_add(&code.cut, code.nodes[FORK]);
	graph_reach(code.graph, code.nodes[ROOT], &code.cut, &code.set);
	cr_expect(graph_set_has(&code.set, code.nodes[ROOT]));
	cr_expect_not(graph_set_has(&code.set, code.nodes[FORK]));
	cr_expect_not(graph_set_has(&code.set, code.nodes[JOIN]));
	graph_set_clear(&code.set);
	graph_reach_back(code.graph, code.nodes[JOIN], &code.cut, &code.set);
	cr_expect(graph_set_has(&code.set, code.nodes[SECOND]));
	cr_expect(graph_set_has(&code.set, code.nodes[BACK]), "round the loop");
	cr_expect_not(graph_set_has(&code.set, code.nodes[ROOT]));
	code_close(&code);
}

Test(call_dispatch, control_that_leaves_the_code_ends_there)
{
	struct code code;
	uint32_t outside;

	code_read(&code);
	outside = node_of(&code, LOST)->branch;
	cr_assert_neq(outside, GRAPH_NONE);
	cr_expect_eq(graph_node(code.graph, outside)->length, 0);
	cr_expect_eq(graph_node(code.graph, outside)->next, GRAPH_NONE);
	cr_expect_eq(graph_node(code.graph, outside)->branch, GRAPH_NONE);
	code_close(&code);
}

/* ---- handlers that are functions ---- */

enum { HANDLER_BYTES = 16 };

/* 256 functions; and as many places in one function. */
__asm__(".text\n"
	".balign 16\n"
	".globl graph_functions, graph_labels\n"
	"graph_functions:\n"
	".rept 256\n"
	".balign 16\n"
	".cfi_startproc\n"
	"push %rbx\n"
	"ret\n"
	".cfi_endproc\n"
	".endr\n"
	".balign 16\n"
	".cfi_startproc\n"
	"graph_labels:\n"
	".rept 256\n"
	".balign 16\n"
	"push %rbx\n"
	"jmp *%rax\n"
	".endr\n"
	".cfi_endproc\n");

static bool has_functions(const char *name)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct elf_symbol symbol = { .name = name };
	uint64_t handlers[OPCODE_NUMBERS];
	struct elf_file *file;
	bool has;

	cr_assert_eq(elf_file_open(fd, &file), 0);
	cr_assert_eq(elf_file_find_symbols(file, ELF_ALL_SYMBOLS, &symbol, 1), 1);
	for (size_t i = 0; i < OPCODE_NUMBERS; i++)
		handlers[i] = symbol.address + i * HANDLER_BYTES;
	has = dispatch_table_has_functions(file, handlers);
	elf_file_close(file);
	close(fd);
	return has;
}

Test(call_dispatch, handlers_that_are_functions_are_told_from_labels)
{
	cr_expect(has_functions("graph_functions"));
	cr_expect_not(has_functions("graph_labels"));
}

/* ---- real interpreters ---- */

enum { PYTHONS_MAX = 64, NAMES_MAX = 16, DISPATCH_MINOR = 11, CLEAR_EXPORTED_MINOR = 13 };

struct python_row {
	char name[64], root[256], interpreter[256];
	unsigned int minor;
};

struct target {
	pid_t pid;
	FILE *output;
	struct python_process process;
	char names[NAMES_MAX][32]; /* of the opcodes that begin and leave frames */
	size_t name_count;
};

static size_t pythons_here(struct python_row *rows)
{
	FILE *list = popen("scripts/test-pythons --list", "r");
	size_t count = 0;
	char line[1024];

	cr_assert_not_null(list);
	while (count < PYTHONS_MAX && fgets(line, sizeof(line), list)) {
		struct python_row *row = &rows[count];
		const char *fields[4];
		char *rest = line;

		for (size_t i = 0; i < 4; i++)
			fields[i] = strsep(&rest, "\t\n");
		if (!fields[3] || (*fields[1] && geteuid() != 0))
			continue;
		snprintf(row->name, sizeof(row->name), "%s", fields[0]);
		snprintf(row->root, sizeof(row->root), "%s", fields[1]);
		snprintf(row->interpreter, sizeof(row->interpreter), "%s", fields[2]);
		row->minor = (unsigned int)strtoul(fields[3] + 2, NULL, 10);
		count++;
	}
	pclose(list);
	if (!count)
		cr_skip_test("no Python here");
	return count;
}

/* Says what its opcodes are called, and waits to be killed. */
static const char script[] =
	"import opcode, re, signal\n"
	"names = list(opcode.opmap)\n"
	"names += getattr(opcode, '_specialized_opmap', {}) or "
	"getattr(opcode, '_specialized_instructions', [])\n"
	"for name in names:\n"
	"    if re.fullmatch('(INSTRUMENTED_)?(RESUME|RETURN_VALUE|RETURN_CONST|YIELD_VALUE)"
	"|RESUME_(QUICK|CHECK|CHECK_JIT)', name):\n"
	"        print(name)\n"
	"print('ready', flush=True)\n"
	"signal.pause()\n";

static void target_start(struct target *target, const struct python_row *row, const char *jit)
{
	struct python_cache *cache = python_cache_new();
	char line[64];
	int out[2];

	memset(target, 0, sizeof(*target));
	cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
	target->pid = fork();
	cr_assert_geq(target->pid, 0);
	if (target->pid == 0) {
		if (dup2(out[1], 1) < 0 || setenv("PYTHON_JIT", jit, 1) ||
		    (*row->root && (chroot(row->root) || chdir("/"))))
			_exit(126);
		execl(row->interpreter, row->interpreter, "-S", "-c", script, NULL);
		_exit(127);
	}
	close(out[1]);
	target->output = fdopen(out[0], "r");
	while (fgets(line, sizeof(line), target->output) && strcmp(line, "ready\n") != 0) {
		cr_assert_lt(target->name_count, (size_t)NAMES_MAX);
		snprintf(target->names[target->name_count++], sizeof(target->names[0]), "%.*s",
			 (int)strcspn(line, "\n"), line);
	}
	python_inspect(cache, target->pid, &target->process);
	python_cache_free(cache);
	cr_assert_eq(target->process.verdict, PYTHON_KNOWN, "%s: %s", row->name,
		     target->process.reason);
}

static void target_end(struct target *target)
{
	fclose(target->output);
	kill(target->pid, SIGKILL);
	waitpid(target->pid, NULL, 0);
}

static const struct call_plan_site *site_named(const struct call_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->site_count; i++) {
		if (strcmp(plan->sites[i].name, name) == 0)
			return &plan->sites[i];
	}
	return NULL;
}

static enum call_event_kind kind_of(const char *name)
{
	return strstr(name, "RESUME") ? CALL_ENTER :
	       strstr(name, "YIELD")  ? CALL_YIELD :
					CALL_RETURN;
}

/* Every opcode that begins or leaves a frame has its place, and so have exceptions. */
static void expect_names(const char *python, const struct target *target,
			 const struct call_plan *plan)
{
	const struct call_plan_site *site;

	cr_expect_gt(target->name_count, 0, "%s", python);
	for (size_t i = 0; i < target->name_count; i++) {
		site = site_named(plan, target->names[i]);
		cr_assert_not_null(site, "%s: no %s", python, target->names[i]);
		cr_expect_eq(site->site.kind, kind_of(site->name), "%s: %s", python, site->name);
	}
	site = site_named(plan, "unwind");
	cr_expect(site && site->site.kind == CALL_UNWIND, "%s", python);
	site = site_named(plan, "throw");
	cr_expect(site && site->site.kind == CALL_THROW, "%s", python);
}

/*
 * Each place holds an instruction that the kernel emulates; 3.13 has none to see yields at, and where
 * a JIT compiler that is off would show itself nothing is ever hit.
 */
static void expect_emulated(const char *python, const struct target *target,
			    const struct call_plan *plan)
{
	int fd = open(target->process.binary_open, O_RDONLY | O_CLOEXEC);

	for (size_t i = 0; i < plan->site_count; i++) {
		const struct call_plan_site *site = &plan->sites[i];
		uint8_t text[16];

		cr_assert_eq(pread(fd, text, sizeof(text), (off_t)site->file_offset),
			     (ssize_t)sizeof(text));
		cr_expect_eq(emulated_at(text, sizeof(text)), !site->stepped, "%s: %s", python,
			     site->name);
		if (site->stepped)
			cr_expect(site->refusal || (target->process.target.layout.minor == 13 &&
						    strcmp(site->name, "YIELD_VALUE") == 0),
				  "%s: %s", python, site->name);
		cr_expect_eq(site->refusal != NULL, strcmp(site->name, "ENTER_EXECUTOR") == 0,
			     "%s: %s", python, site->name);
		cr_expect_not(site->site.proven);
	}
	close(fd);
}

/* From 3.13 on the function that clears a frame has a name, and exceptions are seen calling it. */
static void expect_unwinder(const char *python, const struct target *target,
			    const struct call_plan *plan)
{
	const struct call_plan_site *site = site_named(plan, "unwind");
	int fd = open(target->process.binary_open, O_RDONLY | O_CLOEXEC);
	struct elf_symbol clear = { .name = "_PyEval_FrameClearAndPop" };
	struct elf_code_segment segments[8];
	struct elf_file *file;
	uint8_t text[5];
	int32_t distance;
	size_t count;

	cr_assert_eq(elf_file_open(fd, &file), 0);
	count = elf_file_code_segments(file, segments, 8);
	elf_file_find_symbols(file, ELF_DYNAMIC_SYMBOLS, &clear, 1);
	cr_assert(clear.found, "%s", python);
	cr_assert_eq(pread(fd, text, sizeof(text), (off_t)site->file_offset),
		     (ssize_t)sizeof(text));
	memcpy(&distance, text + 1, sizeof(distance));
	for (size_t i = 0; i < count; i++) {
		uint64_t skip = site->file_offset - segments[i].offset;

		if (skip >= segments[i].file_bytes)
			continue;
		/* A library may go through its linkage table. */
		if (!target->process.shared)
			cr_expect_eq(segments[i].address + skip + 5 + (uint64_t)(int64_t)distance,
				     clear.address, "%s", python);
		cr_expect_eq(text[0], 0xe8, "%s", python);
	}
	cr_expect_eq(site->site.frame_register, 6, "%s: not the second argument", python);
	elf_file_close(file);
	close(fd);
}

static void expect_plan(const struct python_row *row)
{
	struct call_plan plan;
	struct target target;
	char reason[256] = "";
	int err;

	target_start(&target, row, "0");
	err = call_plan_make(&target.process, CALL_WAY_DISPATCH, &plan, reason, sizeof(reason));
	if (row->minor < DISPATCH_MINOR) {
		cr_expect_eq(err, -ENOTSUP, "%s", row->name);
		cr_expect(strstr(reason, "3.11"), "%s: %s", row->name, reason);
	} else {
		cr_assert_eq(err, 0, "%s: %s", row->name, reason);
		cr_expect_eq(plan.way, CALL_WAY_DISPATCH);
		expect_names(row->name, &target, &plan);
		expect_emulated(row->name, &target, &plan);
		if (row->minor >= CLEAR_EXPORTED_MINOR)
			expect_unwinder(row->name, &target, &plan);
	}
	target_end(&target);
}

Test(call_dispatch, every_python_that_has_a_table_has_a_plan)
{
	struct python_row rows[PYTHONS_MAX];
	size_t count = pythons_here(rows);

	for (size_t i = 0; i < count; i++)
		expect_plan(&rows[i]);
}

Test(call_dispatch, a_jit_compiler_that_is_on_is_refused_by_name)
{
	struct python_row rows[PYTHONS_MAX];
	size_t count = pythons_here(rows), seen = 0;

	for (size_t i = 0; i < count; i++) {
		struct call_plan plan;
		struct target target;
		char reason[256] = "";

		/* Debian's are built with one that is off unless PYTHON_JIT says otherwise. */
		if (rows[i].minor < 14 || !*rows[i].root)
			continue;
		seen++;
		target_start(&target, &rows[i], "1");
		cr_expect_eq(call_plan_make(&target.process, CALL_WAY_DISPATCH, &plan, reason,
					    sizeof(reason)),
			     -ENOTSUP, "%s", rows[i].name);
		cr_expect(strstr(reason, "JIT"), "%s: %s", rows[i].name, reason);
		target_end(&target);
	}
	if (!seen)
		cr_skip_test("no Python with a JIT compiler here");
}
