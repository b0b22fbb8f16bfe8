// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether what the plan names is met by every instance once: a target that makes so many of a kind
 * runs into breakpoints where probes would be. Every Python that scripts/test-pythons knows of
 * takes part; those under another root need ours.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/memory.h"
#include "python/lifetime_plan.h"
#include "unit/python/allocator_child.h"
#include "unit/python/every_python.h"

enum {
	COUNT = 20, /* of each kind, by targets/lifetimes.py */
	OBJECT_TYPE = 8,
	PATH_BYTES = 512,
};

static char script_text[1 << 14];

static void script_read(void)
{
	FILE *file = fopen("tests/unit/python/targets/lifetimes.py", "r");
	size_t bytes;

	cr_assert_not_null(file);
	bytes = fread(script_text, 1, sizeof(script_text) - 1, file);
	script_text[bytes] = '\0';
	fclose(file);
	cr_assert_lt(bytes, sizeof(script_text) - 1);
}

struct planned {
	struct child child;
	struct python_process python;
	struct allocator_plan plan;
	struct lifetime_addresses addresses;
	char reason[256];
};

/* `library_path`: LD_LIBRARY_PATH for it, or NULL. */
static void planned_start(struct planned *planned, const struct every_python *from,
			  const char *library_path)
{
	struct python_cache *cache = python_cache_new();
	char variable[PATH_BYTES];
	char *const plain[] = { (char *)from->interpreter, "-S", "-c", script_text, NULL };
	char *const by_env[] = { "/usr/bin/env", variable, (char *)from->interpreter, "-S", "-c",
				 script_text,	 NULL };

	memset(planned, 0, sizeof(*planned));
	if (library_path)
		snprintf(variable, sizeof(variable), "LD_LIBRARY_PATH=%s", library_path);
	child_start(&planned->child, from->root, NULL, library_path ? by_env : plain);
	python_inspect(cache, planned->child.pid, &planned->python);
	python_cache_free(cache);
	cr_assert_eq(planned->python.verdict, PYTHON_KNOWN, "%s: %s", from->name,
		     planned->python.reason);
	cr_assert_eq(lifetime_plan_make(&planned->python, &planned->plan, &planned->addresses,
					planned->reason, sizeof(planned->reason)),
		     0, "%s: %s", from->name, planned->reason);
}

/* ---- breakpoints ---- */

/*
 * The processor's own: one in the code would not be met while somebody else has a probe at the same
 * place of the file, though it were for another process.
 */
enum { BREAKPOINTS = 4, CONTROL = 7, BACK = BREAKPOINTS - 1 };

struct counted {
	const struct planned *planned;
	uint64_t type;
	uint64_t address[BREAKPOINTS]; /* in the process; the makers', and BACK */
	uint64_t end;		       /* in BACK, unless that is where a making returns to */
	uint64_t back_stack;	       /* what the stack pointer is there; 0: none in progress */
	size_t entered, made, ended;
};

static uint64_t word_of(pid_t pid, uint64_t address)
{
	uint64_t word;

	cr_assert_eq(memory_read_u64(pid, address, &word), 0, "%lx", (unsigned long)address);
	return word;
}

static bool debug_register_put(pid_t pid, size_t number, uint64_t value)
{
	return ptrace(PTRACE_POKEUSER, pid,
		      offsetof(struct user, u_debugreg) + number * sizeof(value), value) == 0;
}

static void stop_wait(pid_t pid)
{
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSTOPPED(status), "%x", (unsigned int)status);
}

static void interrupt(pid_t pid)
{
	cr_assert_eq(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), 0);
	stop_wait(pid);
}

static void addresses_take(struct counted *counted)
{
	const struct planned *planned = counted->planned;
	size_t makers = 0;

	for (size_t i = 0; i < planned->plan.site_count; i++) {
		const struct memory_probe *probe = &planned->plan.sites[i].probe;
		const uint64_t address = probe->address + planned->python.load_bias;

		if (probe->call == LIFETIME_END)
			counted->end = address;
		if (probe->call != LIFETIME_MAKE)
			continue;
		cr_assert_lt(makers, (size_t)BACK);
		counted->address[makers++] = address;
	}
	counted->address[BACK] = counted->end;
}

static void counting_start(struct counted *counted, const struct planned *planned, uint64_t type)
{
	const pid_t pid = planned->child.pid;
	uint64_t enabled = 0;

	*counted = (struct counted){ .planned = planned, .type = type };
	addresses_take(counted);
	cr_assert_eq(ptrace(PTRACE_SEIZE, pid, NULL, NULL), 0);
	interrupt(pid);
	for (size_t i = 0; i < BREAKPOINTS; i++) {
		if (!counted->address[i])
			continue;
		if (!debug_register_put(pid, i, counted->address[i]))
			cr_skip_test("no hardware breakpoints here");
		enabled |= 1u << 2 * i;
	}
	if (!debug_register_put(pid, CONTROL, enabled))
		cr_skip_test("no hardware breakpoints here");
	cr_assert_eq(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
}

static void counting_end(struct counted *counted)
{
	const pid_t pid = counted->planned->child.pid;

	interrupt(pid);
	cr_assert(debug_register_put(pid, CONTROL, 0));
	cr_assert_eq(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
}

static void back_put(struct counted *counted, uint64_t address)
{
	counted->address[BACK] = address;
	cr_assert(debug_register_put(counted->planned->child.pid, BACK, address));
}

static void making_count(struct counted *counted, const struct user_regs_struct *registers)
{
	if (registers->rdi != counted->type)
		return;
	counted->entered++;
	/* One inside of the other would be one instance that is met twice. */
	if (counted->back_stack)
		return;
	counted->back_stack = registers->rsp + 8;
	back_put(counted, word_of(counted->planned->child.pid, registers->rsp));
}

/* It came back: what it hands out is an object of the type. */
static void back_count(struct counted *counted, const struct user_regs_struct *registers)
{
	if (registers->rsp != counted->back_stack)
		return;
	counted->made +=
		word_of(counted->planned->child.pid, registers->rax + OBJECT_TYPE) == counted->type;
	counted->back_stack = 0;
	back_put(counted, counted->end);
}

static void stopped(struct counted *counted)
{
	const pid_t pid = counted->planned->child.pid;
	struct user_regs_struct registers;

	cr_assert_eq(ptrace(PTRACE_GETREGS, pid, NULL, &registers), 0);
	if (registers.rip != counted->address[BACK])
		making_count(counted, &registers);
	else if (counted->back_stack)
		back_count(counted, &registers);
	else
		counted->ended += word_of(pid, registers.rdi + OBJECT_TYPE) == counted->type;
	cr_assert_eq(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
}

/* Has the target make and drop the instances of one kind. */
static void kind_run(struct planned *planned, size_t kind, struct counted *counted)
{
	struct pollfd said = { .fd = fileno(planned->child.output), .events = POLLIN };
	const pid_t pid = planned->child.pid;
	char line[32];
	int status;

	counting_start(counted, planned, planned->child.functions[kind].address);
	snprintf(line, sizeof(line), "%zu\n", kind);
	cr_assert_eq(write(planned->child.input, line, strlen(line)), (ssize_t)strlen(line));
	for (;;) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			cr_assert(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, "%x",
				  (unsigned int)status);
			stopped(counted);
		} else if (poll(&said, 1, 0) == 1) {
			break;
		}
	}
	cr_assert_not_null(fgets(line, sizeof(line), planned->child.output));
	counting_end(counted);
}

static void expect_kinds(const struct every_python *from, struct planned *planned)
{
	cr_assert_gt(planned->child.function_count, (size_t)40, "%s", from->name);
	for (size_t i = 0; i < planned->child.function_count; i++) {
		const char *name = planned->child.functions[i].name;
		struct counted counted;

		kind_run(planned, i, &counted);
		cr_expect_eq(counted.entered, (size_t)COUNT, "%s, kind %zu %s: %zu", from->name, i,
			     name, counted.entered);
		cr_expect_eq(counted.made, (size_t)COUNT, "%s, kind %zu %s: %zu", from->name, i,
			     name, counted.made);
		/* A class refers to itself: it is left to the collector. */
		if (strcmp(name, "Meta") != 0)
			cr_expect_eq(counted.ended, (size_t)COUNT, "%s, kind %zu %s: %zu",
				     from->name, i, name, counted.ended);
	}
}

static void expect_sites(const struct every_python *from, const struct planned *planned)
{
	size_t calls[LIFETIME_TYPE_END + 1] = { 0 };

	for (size_t i = 0; i < planned->plan.site_count; i++) {
		const struct allocator_site *site = &planned->plan.sites[i];

		cr_assert_leq(site->probe.call, (unsigned int)LIFETIME_TYPE_END, "%s", from->name);
		calls[site->probe.call]++;
		cr_expect_eq(site->returns_block, site->probe.call == LIFETIME_MAKE, "%s",
			     from->name);
		cr_expect_eq(site->probe.first_argument, 0, "%s", from->name);
	}
	cr_expect_geq(calls[LIFETIME_MAKE], 1u, "%s", from->name);
	cr_expect_eq(calls[LIFETIME_END], 1u, "%s", from->name);
	cr_expect_eq(calls[LIFETIME_TYPE_END], 1u, "%s", from->name);
	cr_expect_str_eq(planned->plan.name, "objects");
	cr_expect_str_eq(planned->plan.unseen, "");
}

/* ---- tests ---- */

Test(lifetime_plan, every_instance_is_met_once_where_it_is_made_and_once_where_it_ends)
{
	struct every_python pythons[EVERY_PYTHON_MAX];
	size_t count = every_python_list(pythons);

	script_read();
	for (size_t i = 0; i < count; i++) {
		struct planned planned;

		planned_start(&planned, &pythons[i], NULL);
		expect_sites(&pythons[i], &planned);
		expect_kinds(&pythons[i], &planned);
		child_end(&planned.child);
	}
}

/* A copy without symbols of the library that a Python built from source has; false: it has none. */
static bool stripped_copy(const struct every_python *from, char *directory, size_t size)
{
	char command[4 * PATH_BYTES];

	snprintf(directory, size, "/tmp/pybpfprof-%d-stripped", getpid());
	snprintf(command, sizeof(command),
		 "library=$(ls '%.*s'/lib/libpython3.%u.so.1.0) && mkdir -p '%s' && "
		 "strip -o '%s'/\"${library##*/}\" \"$library\"",
		 (int)(strstr(from->interpreter, "/bin/") - from->interpreter), from->interpreter,
		 from->minor, directory, directory);
	return system(command) == 0;
}

Test(lifetime_plan, no_symbol_is_needed_but_what_is_exported)
{
	struct every_python pythons[EVERY_PYTHON_MAX];
	size_t count = every_python_list(pythons), seen = 0;
	char directory[PATH_BYTES], command[2 * PATH_BYTES];

	script_read();
	for (size_t i = 0; i < count; i++) {
		struct planned planned;

		if (strncmp(pythons[i].name, "pyenv-", 6) != 0 ||
		    !stripped_copy(&pythons[i], directory, sizeof(directory)))
			continue;
		seen++;
		planned_start(&planned, &pythons[i], directory);
		cr_expect(planned.python.stripped, "%s", pythons[i].name);
		expect_sites(&pythons[i], &planned);
		expect_kinds(&pythons[i], &planned);
		child_end(&planned.child);
		snprintf(command, sizeof(command), "rm -r '%s'", directory);
		cr_assert_eq(system(command), 0);
	}
	if (!seen)
		cr_skip_test("no such Python here");
}

/* What `symbol` of an unstripped library is called is where the plan says instances end. */
Test(lifetime_plan, the_addresses_are_those_of_the_functions_of_these_names)
{
	struct every_python pythons[EVERY_PYTHON_MAX];
	size_t count = every_python_list(pythons), seen = 0;

	script_read();
	for (size_t i = 0; i < count; i++) {
		struct planned planned;
		char command[2 * PATH_BYTES], line[128];
		FILE *names;

		if (strncmp(pythons[i].name, "pyenv-", 6) != 0)
			continue;
		planned_start(&planned, &pythons[i], NULL);
		snprintf(command, sizeof(command),
			 "nm '%s' | grep -E ' (sub)?type_dealloc$| PyType_GenericAlloc$'",
			 planned.python.binary);
		names = popen(command, "r");
		cr_assert_not_null(names);
		while (fgets(line, sizeof(line), names)) {
			unsigned long address;
			char kind, name[64];

			cr_assert_eq(sscanf(line, "%lx %c %63s", &address, &kind, name), 3);
			address += planned.python.load_bias;
			seen++;
			if (strcmp(name, "subtype_dealloc") == 0)
				cr_expect_eq(planned.addresses.subtype_dealloc, address);
			else if (strcmp(name, "type_dealloc") == 0)
				cr_expect_eq(planned.addresses.type_dealloc, address);
			else
				cr_expect_not_null(site_named(&planned.plan, name), "%s",
						   pythons[i].name);
		}
		pclose(names);
		child_end(&planned.child);
	}
	if (!seen)
		cr_skip_test("no such Python here");
}

Test(lifetime_plan, another_end_is_added_once)
{
	struct every_python pythons[EVERY_PYTHON_MAX];
	struct planned planned;
	size_t before;

	every_python_list(pythons);
	script_read();
	planned_start(&planned, &pythons[0], NULL);
	before = planned.plan.site_count;
	cr_assert_eq(lifetime_plan_end_add(&planned.python, &planned.plan,
					   planned.addresses.subtype_dealloc),
		     0);
	cr_expect_eq(planned.plan.site_count, before);
	cr_expect_neq(lifetime_plan_end_add(&planned.python, &planned.plan, 8), 0);
	cr_expect_eq(planned.plan.site_count, before);
	child_end(&planned.child);
}
