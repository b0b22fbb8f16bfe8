// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the evaluation function is entered and left: on code written here, whose labels tell what must
 * be found, and on the interpreters that scripts/test-pythons knows of. That the places are hit as
 * often as functions are called is for the live tests.
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

#include "proc/elf_file.h"
#include "python/call_plan.h"
#include "python/emulated.h"
#include "python/layout.h"

#define EVALUATION "tests/unit/python/targets/evaluation.S"

enum { RDX = 2, RBX = 3, RSI = 6, PYTHONS_MAX = 64 };

/* ---- code written here ---- */

struct made {
	struct python_process process;
	struct call_plan plan;
	char reason[256];
	int err;
};

/* Runs a program; it is executed when this returns. */
static pid_t program_start(const char *root, char *const argv[])
{
	int executed[2];
	pid_t pid;
	char byte;

	cr_assert_eq(pipe2(executed, O_CLOEXEC), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		if (!*root || (!chroot(root) && !chdir("/")))
			execv(argv[0], argv);
		_exit(127);
	}
	close(executed[1]);
	cr_assert_eq(read(executed[0], &byte, 1), 0);
	close(executed[0]);
	return pid;
}

static void program_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void evaluation_plan(struct made *made, const char *flags)
{
	char *path = made->process.binary_open, command[1024];

	memset(made, 0, sizeof(*made));
	snprintf(path, sizeof(made->process.binary_open), "/tmp/pybpfprof-%d-evaluation", getpid());
	/* Exported like CPython's, at fixed addresses. */
	snprintf(command, sizeof(command),
		 "gcc -no-pie -rdynamic -o '%s' %s " EVALUATION " 2>/dev/null", path, flags);
	if (system(command) != 0)
		cr_skip_test("cannot assemble " EVALUATION);
	made->process.verdict = PYTHON_KNOWN;
	made->process.target.layout = layout_of(9)->walk;
	made->process.pid = program_start("", (char *[]){ path, NULL });
	made->err = call_plan_make(&made->process, CALL_WAY_EVAL, &made->plan, made->reason,
				   sizeof(made->reason));
	program_end(made->process.pid);
}

/* The file offset of a label. */
static uint64_t label_offset(const struct made *made, const char *name)
{
	struct elf_symbol symbol = { .name = name };
	struct elf_code_segment segments[8];
	uint64_t offset = 0;
	struct elf_file *file;
	int fd = open(made->process.binary_open, O_RDONLY | O_CLOEXEC);

	cr_assert_eq(elf_file_open(fd, &file), 0);
	cr_assert_eq(elf_file_find_symbols(file, ELF_ALL_SYMBOLS, &symbol, 1), 1, "%s", name);
	for (size_t i = 0, n = elf_file_code_segments(file, segments, 8); i < n; i++) {
		if (symbol.address - segments[i].address < segments[i].file_bytes)
			offset = symbol.address - segments[i].address + segments[i].offset;
	}
	elf_file_close(file);
	close(fd);
	return offset;
}

struct expected {
	const char *label;
	enum call_event_kind kind;
	uint8_t frame, thrown, result; /* registers */
	uint8_t check_exception;
};

enum { NONE = ABI_NO_REGISTER };

static const struct call_plan_site *site_at(const struct made *made, uint64_t offset)
{
	for (size_t i = 0; i < made->plan.site_count; i++) {
		if (made->plan.sites[i].file_offset == offset)
			return &made->plan.sites[i];
	}
	return NULL;
}

static void expect_sites(const char *flags, const struct expected *expected, size_t count)
{
	struct made made;

	evaluation_plan(&made, flags);
	cr_assert_eq(made.err, 0, "%s: %s", flags, made.reason);
	cr_expect_eq(made.plan.site_count, count, "%s: %zu sites", flags, made.plan.site_count);
	for (size_t i = 0; i < count; i++) {
		const struct call_plan_site *site =
			site_at(&made, label_offset(&made, expected[i].label));

		cr_assert_not_null(site, "%s: nothing at %s", flags, expected[i].label);
		cr_expect_eq(site->site.kind, expected[i].kind, "%s", expected[i].label);
		cr_expect_eq(site->site.frame_register, expected[i].frame, "%s: %s: frame in %u",
			     flags, expected[i].label, site->site.frame_register);
		cr_expect_eq(site->site.throw_register, expected[i].thrown, "%s: %s: throw in %u",
			     flags, expected[i].label, site->site.throw_register);
		cr_expect_eq(site->site.result_register, expected[i].result, "%s: %s: result in %u",
			     flags, expected[i].label, site->site.result_register);
		cr_expect_eq(site->site.check_exception, expected[i].check_exception, "%s: %s",
			     flags, expected[i].label);
		cr_expect_eq(site->site.ip_register, ABI_NO_REGISTER);
		cr_expect_eq(site->site.proven, 0);
		cr_expect_eq(site->semaphore_offset, 0);
	}
	unlink(made.process.binary_open);
}

static void expect_refusal(const char *flags, const char *reason)
{
	struct made made;

	evaluation_plan(&made, flags);
	cr_expect_eq(made.err, -ENOTSUP, "%s: %d", flags, made.err);
	cr_expect(strstr(made.reason, reason) != NULL, "%s: %s", flags, made.reason);
	unlink(made.process.binary_open);
}

static const struct expected ENTERED = { "entered", CALL_ENTER, RBX, RDX, NONE, 0 };
static const struct expected LEFT = { "left", CALL_LEAVE, RBX, NONE, RDX, 0 };

Test(call_eval, a_call_is_seen_behind_the_link_and_the_unlinking)
{
	const struct expected SITES[] = { ENTERED, LEFT };

	expect_sites("", SITES, 2);
}

/* The call of the recursion check changes the register that tells of a throw. */
Test(call_eval, every_link_that_the_compiler_made_is_a_way_in)
{
	const struct expected SITES[] = {
		ENTERED,
		{ "entered_slowly", CALL_ENTER, RBX, NONE, NONE, 0 },
		LEFT,
	};

	expect_sites("-DLINK_TWICE", SITES, 3);
}

Test(call_eval, a_result_that_is_checked_inline_is_told_by_the_thread_state)
{
	const struct expected SITES[] = {
		ENTERED,
		{ "left_inlined", CALL_LEAVE, RBX, NONE, NONE, 1 },
	};

	expect_sites("-DOWN_CHECK", SITES, 2);
}

Test(call_eval, a_frame_that_is_overwritten_is_seen_where_leaving_is_decided)
{
	const struct expected SITES[] = {
		ENTERED,
		{ "decided", CALL_LEAVE, NONE, NONE, NONE, 1 },
		{ "gave_up", CALL_LEAVE, NONE, NONE, NONE, 1 },
	};

	expect_sites("-DFRAME_LOST", SITES, 3);
	expect_sites("-DFRAME_LOST -DOWN_CHECK", SITES, 3);
}

Test(call_eval, what_would_not_count_every_call_once_is_refused)
{
	static const struct {
		const char *flags, *reason;
	} CASES[] = {
		{ "-DEXIT_UNSEEN", "an exit that is not understood" },
		{ "-DEXIT_SHARED", "way out of its evaluation function is shared" },
		{ "-DNO_LINK", "links a frame was not found" },
		{ "-DNO_UNLINK", "unlinks a frame was not found" },
		{ "-DNO_TABLE", "no table of opcode handlers" },
		{ "-D_PyEval_EvalFrameDefault=other_function", "does not say where" },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		expect_refusal(CASES[i].flags, CASES[i].reason);
}

Test(call_eval, versions_that_call_without_it_are_refused)
{
	for (unsigned int minor = 11; minor <= LAYOUT_MINOR_LAST; minor++) {
		struct python_process process = {
			.verdict = PYTHON_KNOWN,
			.target.layout = layout_of(minor)->walk,
		};
		struct call_plan plan;
		char reason[256] = "", version[16];

		snprintf(version, sizeof(version), "Python 3.%u ", minor);
		cr_expect_eq(call_plan_make(&process, CALL_WAY_EVAL, &plan, reason, sizeof(reason)),
			     -ENOTSUP);
		cr_expect(strstr(reason, version) != NULL, "%s", reason);
	}
}

/* ---- real interpreters ---- */

struct python_row {
	char name[64], root[256], interpreter[256];
};

/* Those of a version that has a plan, as far as our rights go. */
static size_t pythons_here(struct python_row *rows)
{
	FILE *list = popen("scripts/test-pythons --list", "r");
	size_t count = 0;
	char line[1024];

	cr_assert_not_null(list);
	while (count < PYTHONS_MAX && fgets(line, sizeof(line), list)) {
		struct python_row *row = &rows[count];
		char *rest = line;
		const char *fields[4];

		for (size_t i = 0; i < 4; i++)
			fields[i] = strsep(&rest, "\t\n");
		if (!fields[3] || (*fields[1] && geteuid() != 0) || atoi(fields[3] + 2) > 10)
			continue;
		snprintf(row->name, sizeof(row->name), "%s", fields[0]);
		snprintf(row->root, sizeof(row->root), "%s", fields[1]);
		snprintf(row->interpreter, sizeof(row->interpreter), "%s", fields[2]);
		count++;
	}
	pclose(list);
	if (!count)
		cr_skip_test("no Python before 3.11 here");
	return count;
}

static void interpreter_inspect(pid_t pid, struct python_process *process)
{
	struct python_cache *cache = python_cache_new();

	for (int i = 0; i < 500; i++) {
		python_inspect(cache, pid, process);
		if (process->verdict == PYTHON_KNOWN)
			break;
		usleep(10000);
	}
	python_cache_free(cache);
}

static void expect_interpreter(const struct python_row *row)
{
	size_t entries = 0, exits = 0;
	struct python_process process;
	struct call_plan plan;
	char reason[256] = "";
	pid_t pid = program_start(row->root, (char *[]){ (char *)row->interpreter, "-S", "-c",
							 "import time; time.sleep(60)", NULL });
	int fd, err;

	interpreter_inspect(pid, &process);
	cr_assert_eq(process.verdict, PYTHON_KNOWN, "%s: %s", row->name, process.reason);
	fd = open(process.binary_open, O_RDONLY | O_CLOEXEC);
	err = call_plan_make(&process, CALL_WAY_EVAL, &plan, reason, sizeof(reason));
	program_end(pid);
	cr_assert_eq(err, 0, "%s: %s", row->name, reason);
	for (size_t i = 0; i < plan.site_count; i++) {
		const struct call_plan_site *site = &plan.sites[i];
		uint8_t text[16];

		cr_assert_eq(pread(fd, text, sizeof(text), (off_t)site->file_offset), 16);
		cr_expect(emulated_at(text, sizeof(text)), "%s: site %zu", row->name, i);
		entries += site->site.kind == CALL_ENTER;
		exits += site->site.kind == CALL_LEAVE;
		if (site->site.kind == CALL_LEAVE)
			cr_expect((site->site.result_register == ABI_NO_REGISTER) ==
					  site->site.check_exception,
				  "%s: site %zu tells exceptions in one way", row->name, i);
	}
	cr_expect_gt(entries, 0, "%s", row->name);
	cr_expect_gt(exits, 0, "%s", row->name);
	cr_expect_eq(entries + exits, plan.site_count, "%s", row->name);
	close(fd);
}

Test(call_eval, every_real_interpreter_has_a_plan)
{
	struct python_row rows[PYTHONS_MAX];
	size_t count = pythons_here(rows);

	for (size_t i = 0; i < count; i++)
		expect_interpreter(&rows[i]);
}
