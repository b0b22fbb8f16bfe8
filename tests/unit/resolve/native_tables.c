// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is read from files, against what binutils reads from them: unwind rows against readelf,
 * names against nm, source lines against addr2line.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dwarf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "native_target.h"
#include "resolve/native_cfi.h"
#include "resolve/native_expression.h"

#define PYTHON "/usr/bin/python3.11"
#define LIBC "/lib/x86_64-linux-gnu/libc.so.6"

static int file_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
	return fd;
}

/* ---- unwind rows ---- */

struct rows_check {
	struct native_elf elf;
	struct native_cfi cfi;
	char columns[16][8];
	size_t column_count;
	size_t seen, checked, unsupported;
	size_t stride; /* every so many rows are checked */
};

/* "rsp+8", "exp", "c-16", "u", "s" as readelf prints them. */
static void expect_cell(const struct native_row *row, const char *column, const char *cell)
{
	static const struct {
		const char *name;
		enum native_register which;
	} registers[] = {
		{ "rbx", NATIVE_RBX }, { "rbp", NATIVE_RBP }, { "r12", NATIVE_R12 },
		{ "r13", NATIVE_R13 }, { "r14", NATIVE_R14 }, { "r15", NATIVE_R15 },
		{ "ra", NATIVE_RA },   { "rsp", NATIVE_RSP },
	};
	size_t length;

	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		enum native_register which = registers[i].which;

		length = strlen(registers[i].name);
		if (strcmp(column, "CFA") == 0 && strncmp(cell, registers[i].name, length) == 0) {
			cr_assert_eq(row->cfa_base, which, "%#" PRIx64, row->address);
			cr_assert_eq(row->cfa_offset, atoi(cell + length), "%#" PRIx64,
				     row->address);
		}
		if (strcmp(column, registers[i].name) != 0 || which == NATIVE_RSP)
			continue;
		if (cell[0] == 'c') {
			cr_assert_eq(row->base[which], NATIVE_BASE_CFA, "%#" PRIx64 " %s",
				     row->address, column);
			cr_assert_eq(row->words[which] * 8, atoi(cell + 1), "%#" PRIx64 " %s",
				     row->address, column);
		} else if (which == NATIVE_RA && cell[0] == 'u') {
			cr_assert(row->flags & NATIVE_ROW_OUTERMOST, "%#" PRIx64, row->address);
		} else if (cell[0] == 'u' || cell[0] == 's') {
			/* readelf says "u" for what was never mentioned, too: unchanged. */
			cr_assert_geq(row->base[which], NATIVE_BASE_SAME);
		}
	}
}

static void row_line(char *text, void *arg)
{
	struct rows_check *check = arg;
	struct native_row row;
	struct native_fde fde;
	char *rest = NULL, *word = strtok_r(text, " ", &rest);
	uint64_t address;
	int err;

	if (word && strcmp(word, "LOC") == 0) {
		check->column_count = 0;
		while ((word = strtok_r(NULL, " ", &rest)) && check->column_count < 16)
			snprintf(check->columns[check->column_count++], 8, "%s", word);
		return;
	}
	if (!word || strlen(word) != 16 || !rest || !strchr("re", *rest) || strstr(rest, "cie=") ||
	    check->seen++ % check->stride != 0)
		return;
	address = strtoull(word, NULL, 16);
	if (address == 0) /* of a CIE */
		return;
	err = native_cfi_find(&check->cfi, address, &fde);
	cr_assert_eq(err, 0, "%#" PRIx64 ": %s", address, strerror(-err));
	err = native_fde_row(&fde, address, &row);
	native_fde_release(&fde);
	check->checked++;
	check->unsupported += err != 0;
	for (size_t i = 0; !err && i < check->column_count; i++) {
		word = strtok_r(NULL, " ", &rest);
		cr_assert_not_null(word);
		if (*rest == '(') /* "r10 (r10)" */
			strtok_r(NULL, " ", &rest);
		if (row.flags & NATIVE_ROW_OUTERMOST && strcmp(check->columns[i], "ra") != 0)
			continue;
		expect_cell(&row, check->columns[i], word);
	}
}

/* libc is assembly to a good part; python is what compilers make of C. */
Test(native_tables, rows_are_those_of_readelf, .timeout = 120)
{
	static const char *const files[] = { PYTHON, LIBC };

	for (size_t i = 0; i < 2; i++) {
		struct rows_check check = { .stride = 3 };
		char command[128];

		cr_assert_eq(native_elf_open(file_open(files[i]), &check.elf), 0);
		native_cfi_init(&check.cfi, &check.elf);
		snprintf(command, sizeof(command), "LC_ALL=C readelf -wF %s 2>/dev/null || true",
			 files[i]);
		target_each_line(command, row_line, &check);
		cr_expect_gt(check.checked, 1000u, "%s: %zu", files[i], check.checked);
		/* Expressions that load twice and the like; there are two in libc. */
		cr_expect_leq(check.unsupported, check.checked / 500, "%s: %zu of %zu", files[i],
			      check.unsupported, check.checked);
		native_cfi_release(&check.cfi);
		native_elf_release(&check.elf);
	}
}

struct expression_case {
	const char *what;
	uint8_t code[32];
	size_t length;
	uint64_t address;
	bool from_cfa;
	int error;
	struct native_place place;
};

/* What linkers put into every file: rsp+8, or 16 behind the push, which ends at byte 11. */
#define PLT                                                                                        \
	{ DW_OP_breg7, 8,	 DW_OP_breg16, 0,	  DW_OP_lit15, DW_OP_and,                  \
	  DW_OP_lit11, DW_OP_ge, DW_OP_lit3,   DW_OP_shl, DW_OP_plus },                            \
		11

Test(native_tables, expressions)
{
	static const struct expression_case cases[] = {
		{ "plt, before", PLT, 0x1020, false, 0, { NATIVE_RSP, false, 8 } },
		{ "plt, behind", PLT, 0x102b, false, 0, { NATIVE_RSP, false, 16 } },
		{ "realigned",
		  { DW_OP_breg6, 0x78, DW_OP_deref },
		  3,
		  0,
		  false,
		  0,
		  { NATIVE_RBP, true, -8 } },
		{ "signal",
		  { DW_OP_breg7, 0xa0, 0x01, DW_OP_deref },
		  4,
		  0,
		  false,
		  0,
		  { NATIVE_RSP, true, 160 } },
		{ "below the cfa",
		  { DW_OP_plus_uconst, 8 },
		  2,
		  0,
		  true,
		  0,
		  { NATIVE_BASE_CFA, false, 8 } },
		{ "loads twice",
		  { DW_OP_breg6, 0, DW_OP_deref, DW_OP_deref },
		  4,
		  0,
		  false,
		  -ENOTSUP,
		  { 0 } },
		{ "unknown register", { DW_OP_breg0, 0 }, 2, 0, false, -ENOTSUP, { 0 } },
		{ "empty stack", { DW_OP_plus }, 1, 0, false, -ENOTSUP, { 0 } },
		{ "cut operand", { DW_OP_const4u, 1 }, 2, 0, false, -ENOTSUP, { 0 } },
		{ "a jump", { DW_OP_lit0, DW_OP_skip, 0xfd, 0xff }, 4, 0, false, -ENOTSUP, { 0 } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct expression_case *it = &cases[i];
		struct native_span span = { it->code, it->code + it->length, false };
		struct native_place place = { 0 };
		int err = native_expression_place(span, it->address, it->from_cfa, &place);

		cr_expect_eq(err, it->error, "%s: %d", it->what, err);
		if (err || it->error)
			continue;
		cr_expect_eq(place.base, it->place.base, "%s", it->what);
		cr_expect_eq(place.load, it->place.load, "%s", it->what);
		cr_expect_eq(place.offset, it->place.offset, "%s", it->what);
	}
}

/* ---- names and lines of a running program ---- */

/* Addresses are those in the file: the programs are not position-independent. */
struct names_check {
	struct target target;
	struct native_resolver *resolver;
	uint64_t address,
		size; /* of the symbol before, to be compared when all its names are known */
	char names[4096];
	size_t checked, eval_count;
};

static void names_compare(struct names_check *check)
{
	struct native_symbol symbol;
	char quoted[1100];

	if (!check->size)
		return;
	cr_assert_eq(native_symbol_of(check->resolver, check->target.pid,
				      check->address + check->size / 2, &symbol),
		     0);
	snprintf(quoted, sizeof(quoted), " %s ", symbol.name);
	check->checked++;
	check->eval_count += symbol.is_eval;
	cr_expect(strstr(check->names, quoted), "%#" PRIx64 " is%snot one of%s", check->address,
		  quoted, check->names);
	cr_expect_eq(symbol.is_eval, strstr(check->names, " _PyEval_EvalFrameDefault ") != NULL);
}

/* "000000000052b0f0 000000000000d95c T name@@VERSION", sorted by address */
static void name_line(char *text, void *arg)
{
	struct names_check *check = arg;
	uint64_t address, size;
	char type, name[512], *suffix;
	size_t length;

	if (sscanf(text, "%" SCNx64 " %" SCNx64 " %c %511s", &address, &size, &type, name) != 4 ||
	    !strchr("tTwWi", type))
		return;
	name[strcspn(name, "@")] = '\0';
	suffix = strstr(name, ".cold");
	if (suffix)
		*suffix = '\0';
	if (address != check->address) {
		names_compare(check);
		check->address = address;
		strcpy(check->names, " ");
	}
	check->size = size;
	length = strlen(check->names);
	snprintf(check->names + length, sizeof(check->names) - length, "%s ", name);
}

static void expect_names_of_nm(const char *const *argv, const char *nm, size_t least,
			       size_t eval_count)
{
	struct names_check check = { .names = " " };
	char command[256];

	target_start(&check.target, argv);
	check.resolver = native_resolver_new();
	snprintf(command, sizeof(command), "%s '%s'", nm, argv[0]);
	target_each_line(command, name_line, &check);
	names_compare(&check);
	cr_expect_geq(check.checked, least, "%s: %zu", argv[0], check.checked);
	cr_expect_eq(check.eval_count, eval_count);
	native_resolver_free(check.resolver);
	target_kill(&check.target);
}

#define TRAP_BY_SIGNAL "import os, signal; os.kill(os.getpid(), signal.SIGTRAP)"

Test(native_tables, names_are_those_of_nm, .timeout = 60)
{
	char path[64];

	target_build("gcc -O2 -no-pie", "chain.c", path, sizeof(path));
	expect_names_of_nm((const char *[]){ path, "frames", NULL }, "nm -n -S --defined-only", 15,
			   0);
	unlink(path);
	expect_names_of_nm((const char *[]){ PYTHON, "-c", TRAP_BY_SIGNAL, NULL },
			   "nm -D -n -S --defined-only", 1000, 1);
}

struct lines_check {
	struct target target;
	struct native_resolver *resolver;
	uint64_t address;
	size_t checked, with_line;
};

/* "/tmp/x/chain.c:42 (discriminator 1)" or "??:0" */
static void line_line(char *text, void *arg)
{
	struct lines_check *check = arg;
	struct native_symbol symbol;
	char *colon = strrchr(text, ':');
	char *base = strrchr(text, '/');

	cr_assert_not_null(colon, "%s", text);
	cr_assert_eq(
		native_symbol_of(check->resolver, check->target.pid, check->address++, &symbol), 0);
	*colon = '\0';
	check->checked++;
	/* addr2line says "?" both for line 0 and for none. */
	cr_expect_eq(symbol.line, atoi(colon + 1), "%#" PRIx64 " is line %d, not %s",
		     check->address - 1, symbol.line, colon + 1);
	if (symbol.line == 0)
		return;
	check->with_line++;
	cr_expect_str_eq(strrchr(symbol.file, '/') ? strrchr(symbol.file, '/') : symbol.file,
			 base ? base : text);
}

static const char *const LINE_COMPILERS[] = {
	"gcc -O2 -no-pie -gdwarf-5",
	"gcc -O2 -no-pie -gdwarf-4",
	"gcc -O0 -no-pie -gdwarf-3",
	"gcc -O2 -no-pie -gdwarf-5 -gz=zlib",
	"clang -O2 -no-pie -gdwarf-5",
	"gcc -O2 -no-pie -gdwarf-5 -ffunction-sections -Wl,--gc-sections",
};

enum { LINE_COMPILER_COUNT = sizeof(LINE_COMPILERS) / sizeof(LINE_COMPILERS[0]) };

ParameterizedTestParameters(native_tables, lines_are_those_of_addr2line)
{
	static int numbers[LINE_COMPILER_COUNT];

	for (int i = 0; i < LINE_COMPILER_COUNT; i++)
		numbers[i] = i;
	return cr_make_param_array(int, numbers, LINE_COMPILER_COUNT);
}

/* Every byte of code from the first function to the last. */
ParameterizedTest(int *number, native_tables, lines_are_those_of_addr2line)
{
	struct lines_check check = { .address = 0 };
	char path[64], command[256];
	struct native_elf elf;
	const Elf64_Shdr *text;

	target_build(LINE_COMPILERS[*number], "chain.c", path, sizeof(path));
	target_start(&check.target, (const char *[]){ path, "frames", NULL });
	check.resolver = native_resolver_new();
	cr_assert_eq(native_elf_open(file_open(path), &elf), 0);
	text = native_elf_section(&elf, ".text");
	cr_assert_not_null(text);
	check.address = text->sh_addr;
	snprintf(command, sizeof(command),
		 "for i in $(seq %" PRIu64 " %" PRIu64 "); do printf '%%x\n' $i; done |"
		 " addr2line -e %s",
		 text->sh_addr, text->sh_addr + text->sh_size - 1, path);
	target_each_line(command, line_line, &check);
	cr_expect_eq(check.checked, text->sh_size);
	cr_expect_gt(check.with_line, text->sh_size / 2, "%s", LINE_COMPILERS[*number]);
	native_elf_release(&elf);
	native_resolver_free(check.resolver);
	target_kill(&check.target);
	unlink(path);
}

/* ---- the evaluation loop ---- */

struct cold_check {
	struct target target;
	struct native_resolver *resolver;
	size_t eval_count, other_count;
};

/* "0000000000401090 t _PyEval_EvalFrameDefault.cold": nm knows, we have it without symbols */
static void cold_line(char *text, void *arg)
{
	struct cold_check *check = arg;
	struct native_symbol symbol;
	uint64_t address;
	char type, name[256];
	bool is_eval;

	if (sscanf(text, "%" SCNx64 " %c %255s", &address, &type, name) != 3 ||
	    !strstr(name, ".cold"))
		return;
	is_eval = strcmp(name, "_PyEval_EvalFrameDefault.cold") == 0;
	check->eval_count += is_eval;
	check->other_count += !is_eval;
	cr_assert_eq(native_symbol_of(check->resolver, check->target.pid, address + 4, &symbol), 0);
	cr_expect_eq(symbol.is_eval, is_eval, "%s", name);
	cr_expect_str_eq(symbol.name, is_eval ? "_PyEval_EvalFrameDefault" : "[unknown]");
}

Test(native_tables, moved_parts_of_a_stripped_evaluation_loop)
{
	struct cold_check check = { .eval_count = 0 };
	char path[64], stripped[80], command[256];

	target_build("gcc -O2 -no-pie -rdynamic", "eval.c", path, sizeof(path));
	snprintf(stripped, sizeof(stripped), "%s.stripped", path);
	snprintf(command, sizeof(command), "strip -o %s %s", stripped, path);
	cr_assert_eq(system(command), 0);
	target_start(&check.target, (const char *[]){ stripped, "\1\2", NULL });
	check.resolver = native_resolver_new();
	snprintf(command, sizeof(command), "nm -n %s", path);
	target_each_line(command, cold_line, &check);
	cr_expect_eq(check.eval_count, 1u);
	cr_expect_geq(check.other_count, 2u);
	native_resolver_free(check.resolver);
	target_kill(&check.target);
	unlink(path);
	unlink(stripped);
}
