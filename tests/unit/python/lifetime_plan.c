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
	TYPE_ITEMSIZE = 0x28, /* tp_itemsize */
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

/* `variable`: of its environment, NAME=value, or NULL. */
static void planned_start(struct planned *planned, const struct every_python *from,
			  const char *variable)
{
	struct python_cache *cache = python_cache_new();
	char *const plain[] = { (char *)from->interpreter, "-S", "-c", script_text, NULL };
	char *const by_env[] = { "/usr/bin/env",
				 (char *)variable,
				 (char *)from->interpreter,
				 "-S",
				 "-c",
				 script_text,
				 NULL };

	memset(planned, 0, sizeof(*planned));
	child_start(&planned->child, from->root, NULL, variable ? by_env : plain);
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

/* What is looked for while one kind is made and dropped: all at once would be too many. */
enum looking { FOR_MAKINGS, FOR_ENDS };

struct counted {
	const struct planned *planned;
	uint64_t type;
	bool has_items;					/* instances of it can have any */
	uint64_t asked;					/* for how many each time */
	const struct memory_probe *probes[BREAKPOINTS]; /* where a breakpoint is */
	uint64_t back, back_stack; /* where a call returns to, with which stack pointer; 0: none */
	size_t entered, made, ended;
};

static uint64_t word_of(pid_t pid, uint64_t address)
{
	uint64_t word;

	cr_assert_eq(memory_read_u64(pid, address, &word), 0, "%lx", (unsigned long)address);
	return word;
}

/* Numbered as instructions do. */
static uint64_t register_of(const struct user_regs_struct *registers, unsigned int number)
{
	const uint64_t values[] = {
		registers->rax, registers->rcx, registers->rdx, registers->rbx,
		registers->rsp, registers->rbp, registers->rsi, registers->rdi,
		registers->r8,	registers->r9,	registers->r10, registers->r11,
		registers->r12, registers->r13, registers->r14, registers->r15,
	};

	cr_assert_lt(number, sizeof(values) / sizeof(values[0]));
	return values[number];
}

static void debug_register_put(const struct counted *counted, size_t number, uint64_t value)
{
	const size_t offset = offsetof(struct user, u_debugreg) + number * sizeof(value);

	if (ptrace(PTRACE_POKEUSER, counted->planned->child.pid, offset, value) != 0)
		cr_skip_test("no hardware breakpoints here");
}

/* Those that are to be met from now on. */
static void breakpoints_enable(const struct counted *counted)
{
	uint64_t control = counted->back_stack ? 1u << 2 * BACK : 0;

	for (size_t i = 0; i < BREAKPOINTS; i++) {
		if (counted->probes[i])
			control |= 1u << 2 * i;
	}
	debug_register_put(counted, CONTROL, control);
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

static bool is_making(const struct memory_probe *probe)
{
	return probe->call == LIFETIME_MAKE || probe->call == LIFETIME_BIRTH;
}

static void probes_take(struct counted *counted, enum looking looking)
{
	const struct allocator_plan *plan = &counted->planned->plan;
	bool returns = false;
	size_t count = 0;

	for (size_t i = 0; i < plan->site_count; i++) {
		const struct memory_probe *probe = &plan->sites[i].probe;

		if (looking == FOR_MAKINGS ? !is_making(probe) : probe->call != LIFETIME_END)
			continue;
		cr_assert_lt(count, (size_t)BREAKPOINTS);
		counted->probes[count++] = probe;
		returns |= probe->call == LIFETIME_MAKE;
	}
	if (returns)
		cr_assert_leq(count, (size_t)BACK);
}

static uint64_t address_of(const struct counted *counted, const struct memory_probe *probe)
{
	return probe->address + counted->planned->python.load_bias;
}

static void counting_start(struct counted *counted, enum looking looking)
{
	const pid_t pid = counted->planned->child.pid;

	cr_assert_eq(ptrace(PTRACE_SEIZE, pid, NULL, NULL), 0);
	interrupt(pid);
	probes_take(counted, looking);
	for (size_t i = 0; i < BREAKPOINTS && counted->probes[i]; i++)
		debug_register_put(counted, i, address_of(counted, counted->probes[i]));
	breakpoints_enable(counted);
	cr_assert_eq(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
}

static void counting_end(struct counted *counted)
{
	const pid_t pid = counted->planned->child.pid;

	interrupt(pid);
	debug_register_put(counted, CONTROL, 0);
	cr_assert_eq(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
}

/* What is born lies in one register and its type in another, and in it. */
static void birth_count(struct counted *counted, const struct memory_probe *probe,
			const struct user_regs_struct *registers)
{
	const uint64_t object =
		register_of(registers, probe->object_register) + probe->object_offset;
	uint64_t items = 0;

	if (register_of(registers, probe->type_register) != counted->type)
		return;
	counted->entered++;
	if (probe->items_register != ABI_NO_REGISTER)
		items = register_of(registers, probe->items_register);
	counted->made +=
		word_of(counted->planned->child.pid, object + OBJECT_TYPE) == counted->type &&
		(!counted->has_items || items == counted->asked);
}

static void call_count(struct counted *counted, const struct user_regs_struct *registers)
{
	if (registers->rdi != counted->type)
		return;
	counted->entered++;
	/* One inside of the other would be one instance that is met twice. */
	if (counted->back_stack)
		return;
	counted->back_stack = registers->rsp + 8;
	counted->back = word_of(counted->planned->child.pid, registers->rsp);
	debug_register_put(counted, BACK, counted->back);
	breakpoints_enable(counted);
}

/* It came back: what it hands out is an object of the type. */
static void back_count(struct counted *counted, const struct user_regs_struct *registers)
{
	if (registers->rsp != counted->back_stack)
		return;
	counted->made +=
		word_of(counted->planned->child.pid, registers->rax + OBJECT_TYPE) == counted->type;
	counted->back_stack = 0;
	breakpoints_enable(counted);
}

static void probe_count(struct counted *counted, const struct memory_probe *probe,
			const struct user_regs_struct *registers)
{
	const pid_t pid = counted->planned->child.pid;

	switch (probe->call) {
	case LIFETIME_BIRTH:
		birth_count(counted, probe, registers);
		break;
	case LIFETIME_MAKE:
		call_count(counted, registers);
		break;
	default:
		counted->ended += word_of(pid, registers->rdi + OBJECT_TYPE) == counted->type;
	}
}

static void stopped(struct counted *counted)
{
	const pid_t pid = counted->planned->child.pid;
	struct user_regs_struct registers;

	cr_assert_eq(ptrace(PTRACE_GETREGS, pid, NULL, &registers), 0);
	if (counted->back_stack && registers.rip == counted->back)
		back_count(counted, &registers);
	for (size_t i = 0; i < BREAKPOINTS && counted->probes[i]; i++) {
		if (address_of(counted, counted->probes[i]) == registers.rip)
			probe_count(counted, counted->probes[i], &registers);
	}
	cr_assert_eq(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
}

/* Has the target make and drop the instances of one kind. */
static void kind_run(struct planned *planned, size_t kind, enum looking looking,
		     struct counted *counted)
{
	struct pollfd said = { .fd = fileno(planned->child.output), .events = POLLIN };
	const pid_t pid = planned->child.pid;
	char line[32];
	int status;

	counting_start(counted, looking);
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

/*
 * What tp_alloc is asked for, by the arguments in targets/lifetimes.py: elements, bytes, and digits
 * of 30 bits. Nobody asks for items of a class that is made, for it has no slots.
 */
static const struct {
	const char *class;
	uint64_t asked[2]; /* by its first kind, and its second */
} ITEMS[] = {
	{ "Subtuple", { 2, 300 } }, { "Named", { 2 } }, { "Subint", { 1, 3000 / 30 + 1 } },
	{ "Subbytes", { 3 } },	    { "Meta", { 0 } },
};

static struct counted kind_counted(const struct planned *planned, size_t kind)
{
	const uint64_t type = planned->child.functions[kind].address;
	const char *name = planned->child.functions[kind].name;
	struct counted counted = { .planned = planned, .type = type };
	size_t earlier = 0;

	counted.has_items = word_of(planned->child.pid, type + TYPE_ITEMSIZE) != 0;
	for (size_t i = 0; i < kind; i++)
		earlier += strcmp(planned->child.functions[i].name, name) == 0;
	for (size_t i = 0; i < sizeof(ITEMS) / sizeof(ITEMS[0]); i++) {
		if (strcmp(ITEMS[i].class, name) != 0)
			continue;
		cr_assert(counted.has_items, "%s", name);
		cr_assert_lt(earlier, 2u, "%s", name);
		counted.asked = ITEMS[i].asked[earlier];
		return counted;
	}
	cr_assert_not(counted.has_items, "%s", name);
	return counted;
}

static void expect_kinds(const struct every_python *from, struct planned *planned)
{
	cr_assert_gt(planned->child.function_count, (size_t)40, "%s", from->name);
	for (size_t i = 0; i < planned->child.function_count; i++) {
		const char *name = planned->child.functions[i].name;
		struct counted counted = kind_counted(planned, i);

		kind_run(planned, i, FOR_MAKINGS, &counted);
		cr_expect_eq(counted.entered, (size_t)COUNT, "%s, kind %zu %s: %zu", from->name, i,
			     name, counted.entered);
		cr_expect_eq(counted.made, (size_t)COUNT, "%s, kind %zu %s: %zu", from->name, i,
			     name, counted.made);
		/* A class refers to itself: it is left to the collector. */
		if (strcmp(name, "Meta") == 0)
			continue;
		counted = kind_counted(planned, i);
		kind_run(planned, i, FOR_ENDS, &counted);
		cr_expect_eq(counted.ended, (size_t)COUNT, "%s, kind %zu %s: %zu", from->name, i,
			     name, counted.ended);
	}
}

/* `making`: how it is seen that instances are made. */
static void expect_sites(const struct every_python *from, const struct planned *planned,
			 enum memory_call making)
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
	cr_expect_geq(calls[making], 1u, "%s", from->name);
	cr_expect_eq(calls[LIFETIME_MAKE] + calls[LIFETIME_BIRTH], calls[making], "%s", from->name);
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
		expect_sites(&pythons[i], &planned, LIFETIME_BIRTH);
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
	char directory[PATH_BYTES], variable[2 * PATH_BYTES], command[2 * PATH_BYTES];

	script_read();
	for (size_t i = 0; i < count; i++) {
		struct planned planned;

		if (strncmp(pythons[i].name, "pyenv-", 6) != 0 ||
		    !stripped_copy(&pythons[i], directory, sizeof(directory)))
			continue;
		seen++;
		snprintf(variable, sizeof(variable), "LD_LIBRARY_PATH=%s", directory);
		planned_start(&planned, &pythons[i], variable);
		cr_expect(planned.python.stripped, "%s", pythons[i].name);
		expect_sites(&pythons[i], &planned, LIFETIME_BIRTH);
		expect_kinds(&pythons[i], &planned);
		child_end(&planned.child);
		snprintf(command, sizeof(command), "rm -r '%s'", directory);
		cr_assert_eq(system(command), 0);
	}
	if (!seen)
		cr_skip_test("no such Python here");
}

/* Debian's own, which is one file: what it calls itself it calls by no name. */
static const struct every_python *whole_python(const struct every_python *pythons, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!*pythons[i].root && strncmp(pythons[i].interpreter, "/usr/bin/", 9) == 0)
			return &pythons[i];
	}
	cr_skip_test("no Debian python3 on this host");
}

Test(lifetime_plan, where_no_place_is_found_calls_and_their_returns_are_taken)
{
	struct every_python pythons[EVERY_PYTHON_MAX], nameless;
	size_t count = every_python_list(pythons);
	struct planned planned;
	char command[2 * PATH_BYTES];

	script_read();
	nameless = *whole_python(pythons, count);
	snprintf(
		command, sizeof(command),
		"LC_ALL=C sed 's/PyErr_NoMemory/PyErr_NoMemorx/g' '%s' >/tmp/pybpfprof-%d-nameless "
		"&& chmod +x /tmp/pybpfprof-%d-nameless",
		nameless.interpreter, getpid(), getpid());
	cr_assert_eq(system(command), 0);
	snprintf(nameless.interpreter, sizeof(nameless.interpreter), "/tmp/pybpfprof-%d-nameless",
		 getpid());
	planned_start(&planned, &nameless, "PYTHONHOME=/usr");
	unlink(nameless.interpreter);
	expect_sites(&nameless, &planned, LIFETIME_MAKE);
	expect_kinds(&nameless, &planned);
	child_end(&planned.child);
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
