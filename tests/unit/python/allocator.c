// SPDX-License-Identifier: GPL-2.0-only
/*
 * Real processes, asked where they have the functions they allocate with (by ctypes or dlsym), and
 * then looked at from outside.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "python/emulated.h"
#include "unit/python/allocator_child.h"

#define LIBRARIES "/usr/lib/x86_64-linux-gnu/"
#define PYTHON "/usr/bin/python3.11"
#define TRUTH "tests/unit/python/targets/allocator_truth.py"
#define LINKER "/lib64/ld-linux-x86-64.so.2"

struct planned {
	struct child child;
	struct allocator_plan plan;
	char reason[256];
	int err;
};

static void plan_python(struct planned *planned, const char *preload, const char *library,
			const char *needed)
{
	struct python_cache *cache = python_cache_new();
	struct python_process process;

	if (access(PYTHON, X_OK))
		cr_skip_test("no " PYTHON);
	child_start(&planned->child, "", preload,
		    (char *[]){ PYTHON, "-S", TRUTH, (char *)library, (char *)needed, NULL });
	python_inspect(cache, planned->child.pid, &process);
	python_cache_free(cache);
	cr_assert_eq(process.verdict, PYTHON_KNOWN, "%s", process.reason);
	planned->err = allocator_plan_make(&process, &planned->plan, planned->reason,
					   sizeof(planned->reason));
}

/* Of a program that is no Python: what a plan needs to know is little. */
static void plan_program(struct planned *planned, const char *compiler, const char *flags,
			 const char *linker)
{
	struct python_process process = { .verdict = PYTHON_KNOWN };

	child_build(compiler, flags, process.binary, sizeof(process.binary));
	memcpy(process.binary_open, process.binary, sizeof(process.binary_open));
	child_start(&planned->child, "", NULL,
		    linker ? (char *[]){ (char *)linker, process.binary, NULL } :
			     (char *[]){ process.binary, NULL });
	process.pid = planned->child.pid;
	process.load_bias = planned->child.bias;
	process.musl = strcmp(compiler, "musl-gcc") == 0;
	planned->err = allocator_plan_make(&process, &planned->plan, planned->reason,
					   sizeof(planned->reason));
	unlink(process.binary);
}

static void expect_site(const struct planned *planned, const char *name)
{
	uint64_t address = child_function(&planned->child, name);

	cr_assert_neq(address, 0, "%s: the child does not say", name);
	cr_expect_not_null(site_at(&planned->plan, &planned->child, address), "%s", name);
}

static void expect_file(const struct planned *planned, const char *name, const char *file)
{
	const struct allocator_site *site = site_named(&planned->plan, name);

	cr_assert_not_null(site, "%s", name);
	cr_expect(strstr(planned->plan.files[site->file].path, file) != NULL, "%s: %s", name,
		  planned->plan.files[site->file].path);
}

/* What the kernel emulates lies at every place but those said to be stepped. */
static void expect_emulated(const struct planned *planned)
{
	for (size_t i = 0; i < planned->plan.site_count; i++) {
		const struct allocator_site *site = &planned->plan.sites[i];
		int fd = open(planned->plan.files[site->file].path_open, O_RDONLY | O_CLOEXEC);
		uint8_t text[16];

		cr_assert_geq(fd, 0, "%s", planned->plan.files[site->file].path_open);
		cr_assert_eq(pread(fd, text, sizeof(text), (off_t)site->file_offset), sizeof(text));
		close(fd);
		cr_expect(site->stepped || emulated_at(text, sizeof(text)), "%s", site->symbol);
	}
}

Test(allocator, every_function_of_a_python_is_probed_where_it_has_it)
{
	struct planned planned;

	plan_python(&planned, NULL, "libc.so.6", NULL);
	cr_assert_eq(planned.err, 0, "%s", planned.reason);
	cr_expect_str_eq(planned.plan.name, "glibc");
	cr_expect_str_eq(planned.plan.unseen, "");
	cr_expect_geq(planned.child.function_count, 12);
	for (size_t i = 0; i < planned.child.function_count; i++) {
		/* It ends in a jump to realloc(), which sees the call. */
		if (strcmp(planned.child.functions[i].name, "reallocarray") != 0)
			expect_site(&planned, planned.child.functions[i].name);
	}
	cr_expect_null(site_named(&planned.plan, "reallocarray"));
	expect_emulated(&planned);
	child_end(&planned.child);
}

Test(allocator, a_site_knows_what_its_function_does)
{
	static const struct {
		const char *name;
		enum memory_call call;
		bool returns_block;
	} CASES[] = {
		{ "malloc", MEMORY_MALLOC, true },
		{ "calloc", MEMORY_CALLOC, true },
		{ "realloc", MEMORY_REALLOC, true },
		{ "posix_memalign", MEMORY_POSIX_MEMALIGN, true },
		{ "aligned_alloc", MEMORY_ALIGNED_ALLOC, true },
		{ "valloc", MEMORY_MALLOC, true },
		{ "free", MEMORY_FREE, false },
		{ "mmap", MEMORY_MMAP, true },
		{ "munmap", MEMORY_MUNMAP, false },
		{ "mremap", MEMORY_MREMAP, true },
		{ "sbrk", MEMORY_SBRK, true },
	};
	struct planned planned;

	plan_python(&planned, NULL, "libc.so.6", NULL);
	cr_assert_eq(planned.err, 0, "%s", planned.reason);
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		const struct allocator_site *site = site_named(&planned.plan, CASES[i].name);
		const struct mapping *code = maps_find(
			&planned.child.maps, child_function(&planned.child, CASES[i].name));

		cr_assert_not_null(site, "%s", CASES[i].name);
		cr_expect_eq(site->probe.call, CASES[i].call, "%s", CASES[i].name);
		cr_expect_eq(site->returns_block, CASES[i].returns_block, "%s", CASES[i].name);
		cr_expect_eq(site->probe.first_argument, 0, "%s", CASES[i].name);
		/* The C library's code begins and ends where it is mapped, give or take a page. */
		cr_expect_eq(site->probe.inside_start, code->offset, "%s", CASES[i].name);
		cr_expect_leq(site->probe.inside_end, code->offset + code->end - code->start);
		cr_expect_gt(site->probe.inside_end, code->offset + code->end - code->start - 4096);
	}
	child_end(&planned.child);
}

Test(allocator, names_of_one_function_are_one_site)
{
	struct planned planned;

	plan_python(&planned, NULL, "libc.so.6", NULL);
	for (size_t i = 0; i < planned.plan.site_count; i++) {
		for (size_t j = 0; j < i; j++)
			cr_expect(planned.plan.sites[i].file_offset !=
						  planned.plan.sites[j].file_offset ||
					  planned.plan.sites[i].file != planned.plan.sites[j].file,
				  "%s, %s", planned.plan.sites[i].symbol,
				  planned.plan.sites[j].symbol);
	}
	child_end(&planned.child);
}

static bool has_call(const struct planned *planned, enum memory_call call, const char *file)
{
	for (size_t i = 0; i < planned->plan.site_count; i++) {
		const struct allocator_site *site = &planned->plan.sites[i];

		if (site->probe.call == call &&
		    strstr(planned->plan.files[site->file].path, file) != NULL)
			return true;
	}
	return false;
}

struct preloaded {
	const char *library, *name;
	const char *elsewhere; /* function that leads on to another one; "" none */
};

Test(allocator, an_allocator_that_is_preloaded_is_what_the_target_uses)
{
	static const struct preloaded CASES[] = {
		{ "libjemalloc.so.2", "jemalloc", "reallocarray" },
		{ "libtcmalloc_minimal.so.4", "tcmalloc", "reallocarray valloc" },
		{ "libmimalloc.so.2.0", "mimalloc", "" },
	};
	size_t seen = 0;

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct planned planned;
		char path[128];

		snprintf(path, sizeof(path), LIBRARIES "%s", CASES[i].library);
		if (access(path, R_OK))
			continue;
		seen++;
		plan_python(&planned, path, path, NULL);
		cr_assert_eq(planned.err, 0, "%s: %s", CASES[i].name, planned.reason);
		cr_expect_str_eq(planned.plan.name, CASES[i].name);
		for (size_t j = 0; j < planned.child.function_count; j++) {
			if (!strstr(CASES[i].elsewhere, planned.child.functions[j].name))
				expect_site(&planned, planned.child.functions[j].name);
		}
		expect_file(&planned, "malloc", CASES[i].name);
		expect_file(&planned, "free", CASES[i].name);
		/* Threads' stacks come from there, whatever the allocator maps with. */
		cr_expect(has_call(&planned, MEMORY_MMAP, "libc.so.6"), "%s", CASES[i].name);
		expect_emulated(&planned);
		child_end(&planned.child);
	}
	if (!seen)
		cr_skip_test("no other allocator here");
}

Test(allocator, an_operator_new_that_cannot_be_probed_is_told_where_it_is_used)
{
	static const char *const TCMALLOC = LIBRARIES "libtcmalloc_minimal.so.4";
	char library[64], command[256];
	struct planned planned;

	if (access(TCMALLOC, R_OK))
		cr_skip_test("no tcmalloc here");
	plan_python(&planned, TCMALLOC, TCMALLOC, NULL);
	cr_expect_str_eq(planned.plan.unseen, "");
	child_end(&planned.child);

	snprintf(library, sizeof(library), "/tmp/pybpfprof-%d-new.so", getpid());
	snprintf(command, sizeof(command),
		 "echo 'int *made() { return new int; }' | g++ -shared -fPIC -x c++ - -o %s",
		 library);
	if (system(command) != 0)
		cr_skip_test("no C++ here");
	plan_python(&planned, TCMALLOC, TCMALLOC, library);
	cr_expect(strstr(planned.plan.unseen, "tcmalloc") != NULL, "%s", planned.plan.unseen);
	child_end(&planned.child);
	/* The C library's own leaves operator new to libstdc++, which calls malloc(). */
	plan_python(&planned, NULL, "libc.so.6", library);
	cr_expect_str_eq(planned.plan.unseen, "");
	child_end(&planned.child);
	unlink(library);
}

Test(allocator, a_wrapper_is_probed_and_what_it_leaves_alone_is_looked_for_behind_it)
{
	char wrapper[64], command[256];
	struct planned planned;

	snprintf(wrapper, sizeof(wrapper), "/tmp/pybpfprof-%d-wrapper.so", getpid());
	snprintf(command, sizeof(command),
		 "gcc -O1 -shared -fPIC -o %s tests/unit/python/targets/wrapper.c", wrapper);
	cr_assert_eq(system(command), 0);
	plan_python(&planned, wrapper, wrapper, NULL);
	cr_assert_eq(planned.err, 0, "%s", planned.reason);
	cr_expect(strncmp(planned.plan.name, "pybpfprof-", 10) == 0, "%s", planned.plan.name);
	expect_file(&planned, "malloc", wrapper);
	expect_file(&planned, "free", wrapper);
	expect_file(&planned, "calloc", "libc");
	expect_file(&planned, "realloc", "libc");
	for (size_t i = 0; i < planned.child.function_count; i++) {
		if (strcmp(planned.child.functions[i].name, "reallocarray") != 0)
			expect_site(&planned, planned.child.functions[i].name);
	}
	child_end(&planned.child);
	unlink(wrapper);
}

Test(allocator, programs_are_understood_however_they_are_linked)
{
	static const struct {
		const char *compiler, *flags, *linker, *name;
	} CASES[] = {
		{ "gcc", "-fPIE -pie -Wl,-z,lazy", NULL, "glibc" },
		{ "gcc", "-fPIE -pie -Wl,-z,now", NULL, "glibc" },
		{ "gcc", "-fPIE -pie -fno-plt", NULL, "glibc" },
		{ "gcc", "-fno-pie -no-pie -Wl,-z,lazy", NULL, "glibc" },
		{ "gcc", "-fno-pie -no-pie -DTAKEN -Wl,-z,lazy", NULL, "glibc" },
		{ "gcc", "-fno-pie -no-pie -fno-plt -DTAKEN", NULL, "glibc" },
		/* The kernel has loaded the linker only: there is no list of files to be found. */
		{ "gcc", "-fPIE -pie -Wl,-z,lazy", LINKER, "glibc" },
		{ "gcc", "-static -fno-pie -no-pie -DSTATIC", NULL, "glibc" },
		{ "gcc", "-static-pie -fPIE -DSTATIC", NULL, "glibc" },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct planned planned;

		plan_program(&planned, CASES[i].compiler, CASES[i].flags, CASES[i].linker);
		cr_assert_eq(planned.err, 0, "%s: %s", CASES[i].flags, planned.reason);
		cr_expect_str_eq(planned.plan.name, CASES[i].name, "%s", CASES[i].flags);
		cr_expect_eq(planned.child.function_count, 7);
		for (size_t j = 0; j < planned.child.function_count; j++)
			cr_expect_not_null(site_at(&planned.plan, &planned.child,
						   planned.child.functions[j].address),
					   "%s: %s", CASES[i].flags,
					   planned.child.functions[j].name);
		expect_emulated(&planned);
		child_end(&planned.child);
	}
}

/* Where a file that is no program begins in the process. */
static uint64_t file_start(const struct child *child, const char *path)
{
	for (size_t i = 0; i < child->maps.count; i++) {
		if (strcmp(child->maps.mappings[i].path, path) == 0)
			return child->maps.mappings[i].start;
	}
	cr_assert_fail("%s is not mapped", path);
	return 0;
}

/*
 * A program that is not relocatable and takes malloc()'s address has all its libraries use its own
 * stub for that: nothing to probe.
 */
Test(allocator, a_programs_stub_is_not_taken_for_the_function)
{
	struct python_process process = { .verdict = PYTHON_KNOWN };
	char program[64], command[1024], flags[640];
	struct planned planned;

	snprintf(process.binary, sizeof(process.binary), "/tmp/pybpfprof-%d-user.so", getpid());
	memcpy(process.binary_open, process.binary, sizeof(process.binary_open));
	snprintf(command, sizeof(command),
		 "printf '#include <stdlib.h>\\nvoid use(void) { void *volatile block = malloc(1); "
		 "free(block); }' | gcc -O1 -shared -fPIC -fno-plt -x c - -o %s",
		 process.binary);
	cr_assert_eq(system(command), 0);
	snprintf(flags, sizeof(flags), "-fno-pie -no-pie -DTAKEN -Wl,--no-as-needed %s",
		 process.binary);
	child_build("gcc", flags, program, sizeof(program));
	child_start(&planned.child, "", NULL, (char *[]){ program, NULL });
	process.pid = planned.child.pid;
	process.load_bias = file_start(&planned.child, process.binary);
	planned.err = allocator_plan_make(&process, &planned.plan, planned.reason,
					  sizeof(planned.reason));
	cr_assert_eq(planned.err, 0, "%s", planned.reason);
	expect_file(&planned, "malloc", "libc.so.6");
	expect_file(&planned, "free", "libc.so.6");
	cr_expect_str_eq(planned.plan.name, "glibc");
	child_end(&planned.child);
	unlink(program);
	unlink(process.binary);
}

Test(allocator, musl_is_understood)
{
	static const char *const FLAGS[] = { "-fPIE -pie", "-static -fno-pie -no-pie -DSTATIC" };

	for (size_t i = 0; i < sizeof(FLAGS) / sizeof(FLAGS[0]); i++) {
		struct planned planned;

		plan_program(&planned, "musl-gcc", FLAGS[i], NULL);
		cr_assert_eq(planned.err, 0, "%s: %s", FLAGS[i], planned.reason);
		cr_expect_str_eq(planned.plan.name, "musl", "%s", FLAGS[i]);
		for (size_t j = 0; j < planned.child.function_count; j++)
			expect_site(&planned, planned.child.functions[j].name);
		expect_emulated(&planned);
		child_end(&planned.child);
	}
}

Test(allocator, a_program_that_hides_its_malloc_is_refused_with_a_reason)
{
	struct planned planned;

	plan_program(&planned, "gcc", "-static -s -fno-pie -no-pie -DSTATIC", NULL);
	cr_expect_eq(planned.err, -ENOENT, "%d", planned.err);
	cr_expect(strstr(planned.reason, "no malloc() to be found") != NULL, "%s", planned.reason);
	cr_expect_null(strchr(planned.reason, '\n'));
	cr_expect_eq(planned.plan.site_count, 0);
	child_end(&planned.child);
}

Test(allocator, a_process_that_is_gone_is_said_to_be)
{
	struct python_process process = { .verdict = PYTHON_KNOWN, .binary = "gone" };
	struct allocator_plan plan;
	char reason[256] = "";
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	cr_assert_gt(pid, 0);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	process.pid = pid;
	cr_expect_eq(allocator_plan_make(&process, &plan, reason, sizeof(reason)), -ESRCH);
	cr_expect_neq(reason[0], '\0');
}
