// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which Pythons call their object allocator: told by whether they run into a breakpoint there while
 * they make objects. Every Python that scripts/test-pythons knows of takes part; those under another
 * root need ours.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "python/pools.h"
#include "unit/python/allocator_child.h"

enum { PYTHONS_MAX = 64, BREAKPOINT = 0xcc };

/* Each line it is sent, it makes objects, none of which is kept. */
#define SCRIPT                                                                                     \
	"import sys\n"                                                                             \
	"class Plain: pass\n"                                                                      \
	"print('ready', flush=True)\n"                                                             \
	"for line in sys.stdin:\n"                                                                 \
	"    for i in range(1000): Plain()\n"                                                      \
	"    print('done', flush=True)\n"

struct python_row {
	char name[64], root[256], interpreter[256];
};

static size_t pythons_here(struct python_row *rows)
{
	FILE *list = popen("scripts/test-pythons --list", "r");
	size_t count = 0;
	char line[1024];

	cr_assert_not_null(list);
	while (count < PYTHONS_MAX && fgets(line, sizeof(line), list)) {
		struct python_row *row = &rows[count];
		char *rest = line;
		const char *fields[3];

		for (size_t i = 0; i < 3; i++)
			fields[i] = strsep(&rest, "\t\n");
		if (!fields[2] || (*fields[1] && geteuid() != 0))
			continue;
		snprintf(row->name, sizeof(row->name), "%s", fields[0]);
		snprintf(row->root, sizeof(row->root), "%s", fields[1]);
		snprintf(row->interpreter, sizeof(row->interpreter), "%s", fields[2]);
		count++;
	}
	pclose(list);
	if (!count)
		cr_skip_test("no Python here");
	return count;
}

/* ---- a breakpoint ---- */

static void byte_put(pid_t pid, uint64_t address, uint8_t byte, uint8_t *before)
{
	long word;

	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, pid, address, NULL);
	cr_assert_eq(errno, 0);
	if (before)
		*before = (uint8_t)word;
	cr_assert_eq(ptrace(PTRACE_POKETEXT, pid, address, (word & ~0xffL) | byte), 0);
}

static void stop_wait(pid_t pid)
{
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSTOPPED(status), "%x", (unsigned int)status);
}

/* Whether it stops there before it says that it is done. */
static bool stops(const struct child *child)
{
	struct pollfd said = { .fd = fileno(child->output), .events = POLLIN };
	int status;

	for (;;) {
		if (waitpid(child->pid, &status, WNOHANG) == child->pid) {
			cr_assert(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, "%x",
				  (unsigned int)status);
			return true;
		}
		if (poll(&said, 1, 10) == 1)
			return false;
	}
}

static bool runs_into(const struct child *child, uint64_t address)
{
	struct user_regs_struct registers;
	uint8_t before;
	char line[16];
	bool hit;

	cr_assert_eq(ptrace(PTRACE_SEIZE, child->pid, NULL, NULL), 0);
	cr_assert_eq(ptrace(PTRACE_INTERRUPT, child->pid, NULL, NULL), 0);
	stop_wait(child->pid);
	byte_put(child->pid, address, BREAKPOINT, &before);
	cr_assert_eq(ptrace(PTRACE_CONT, child->pid, NULL, NULL), 0);
	cr_assert_eq(write(child->input, "\n", 1), 1);
	hit = stops(child);
	if (!hit) {
		cr_assert_eq(ptrace(PTRACE_INTERRUPT, child->pid, NULL, NULL), 0);
		stop_wait(child->pid);
	}
	byte_put(child->pid, address, before, NULL);
	if (hit) {
		cr_assert_eq(ptrace(PTRACE_GETREGS, child->pid, NULL, &registers), 0);
		cr_assert_eq(registers.rip, address + 1);
		registers.rip = address;
		cr_assert_eq(ptrace(PTRACE_SETREGS, child->pid, NULL, &registers), 0);
	}
	cr_assert_eq(ptrace(PTRACE_DETACH, child->pid, NULL, NULL), 0);
	cr_assert_not_null(fgets(line, sizeof(line), child->output));
	return hit;
}

/* ---- plans ---- */

struct planned {
	struct python_process process;
	struct allocator_table tables[ALLOCATOR_DOMAINS];
	struct allocator_plan plan;
	char reason[256];
	bool needed;
	int err;
};

static void objects_start(const struct python_row *row, const char *allocator, struct child *child,
			  struct planned *planned)
{
	struct python_cache *cache = python_cache_new();

	if (allocator)
		setenv("PYTHONMALLOC", allocator, 1);
	else
		unsetenv("PYTHONMALLOC");
	child_start(child, row->root, NULL,
		    (char *[]){ (char *)row->interpreter, "-S", "-c", SCRIPT, NULL });
	memset(planned, 0, sizeof(*planned));
	python_inspect(cache, child->pid, &planned->process);
	python_cache_free(cache);
	cr_assert_eq(planned->process.verdict, PYTHON_KNOWN, "%s: %s", row->name,
		     planned->process.reason);
	cr_assert_eq(allocator_tables_read(&planned->process, planned->tables), 0, "%s", row->name);
	planned->err = allocator_plan_objects(&planned->process, &planned->plan, &planned->needed,
					      planned->reason, sizeof(planned->reason));
}

static void expect_sites(const struct python_row *row, const struct child *child,
			 const struct planned *planned)
{
	const struct allocator_table *objects = &planned->tables[ALLOCATOR_OBJECT];
	const struct {
		uint64_t address;
		enum memory_call call;
	} CASES[] = {
		{ objects->malloc, MEMORY_MALLOC },
		{ objects->calloc, MEMORY_CALLOC },
		{ objects->realloc, MEMORY_REALLOC },
		{ objects->free, MEMORY_FREE },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		const struct allocator_site *site =
			site_at(&planned->plan, child, CASES[i].address);

		cr_assert_not_null(site, "%s: %zu", row->name, i);
		cr_expect_eq(site->probe.call, CASES[i].call, "%s: %zu", row->name, i);
		cr_expect_eq(site->probe.first_argument, 1, "%s: %zu", row->name, i);
		cr_expect_eq(site->returns_block, CASES[i].call != MEMORY_FREE, "%s", row->name);
		cr_expect_eq(site->probe.inside_end, 0, "%s: %zu", row->name, i);
	}
}

static void expect_plan(const struct python_row *row, const char *allocator)
{
	struct planned planned;
	struct child child;
	bool called;

	objects_start(row, allocator, &child, &planned);
	called = runs_into(&child, planned.tables[ALLOCATOR_OBJECT].malloc);
	cr_expect_eq(planned.err, called ? 0 : -ENOTSUP, "%s, %s: %d, %s", row->name, allocator,
		     planned.err, planned.reason);
	if (planned.err) {
		cr_expect(strstr(planned.reason, "inlined") != NULL, "%s", planned.reason);
		cr_expect_eq(planned.plan.site_count, 0);
	} else {
		cr_expect_eq(planned.needed, !allocator || strncmp(allocator, "malloc", 6) != 0,
			     "%s, %s", row->name, allocator);
		if (planned.needed)
			expect_sites(row, &child, &planned);
		else
			cr_expect_eq(planned.plan.site_count, 0, "%s", row->name);
	}
	child_end(&child);
}

static void expect_plans(const char *allocator)
{
	struct python_row rows[PYTHONS_MAX];
	size_t count = pythons_here(rows);

	for (size_t i = 0; i < count; i++)
		expect_plan(&rows[i], allocator);
}

Test(allocator_objects, builds_that_inline_it_are_refused_and_no_others)
{
	expect_plans(NULL);
}

Test(allocator_objects, debug_hooks_are_called_by_every_build)
{
	expect_plans("debug");
}

Test(allocator_objects, where_malloc_has_every_object_nothing_more_is_needed)
{
	expect_plans("malloc");
}

Test(allocator_objects, what_the_debug_hooks_call_in_the_end_counts)
{
	expect_plans("malloc_debug");
}

Test(allocator_objects, sites_have_the_names_of_their_functions_where_the_file_tells)
{
	struct python_row rows[PYTHONS_MAX];
	size_t count = pythons_here(rows), seen = 0;

	for (size_t i = 0; i < count; i++) {
		struct planned planned;
		struct child child;

		/* Built from source, not stripped. */
		if (strncmp(rows[i].name, "pyenv-", 6) != 0)
			continue;
		seen++;
		objects_start(&rows[i], NULL, &child, &planned);
		cr_expect_eq(planned.plan.site_count, 4, "%s", rows[i].name);
		cr_expect_not_null(site_named(&planned.plan, "_PyObject_Malloc"), "%s",
				   rows[i].name);
		cr_expect_not_null(site_named(&planned.plan, "_PyObject_Free"), "%s", rows[i].name);
		child_end(&child);
	}
	if (!seen)
		cr_skip_test("no such Python here");
}
