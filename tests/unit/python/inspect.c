// SPDX-License-Identifier: GPL-2.0-only
/*
 * Real interpreters, asked what they know of themselves and then looked at from outside. Every
 * Python that scripts/test-pythons knows of here takes part; those under another root need ours.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "python/locator.h"
#include "python/python.h"
#include "python/version.h"

#define TARGETS "tests/unit/python/targets/"

enum { THREADS_MAX = 64, PYTHONS_MAX = 64, SECOND_NS = 1000000000 };

struct truth {
	uint32_t hexversion;
	bool debug;
	uint64_t code_type;
	struct {
		uint64_t pointer, state;
	} threads[THREADS_MAX];
	size_t thread_count;
};

struct target {
	pid_t pid;
	int input;
	FILE *output;
};

static void target_start(struct target *target, const char *root, char *const argv[])
{
	int in[2], out[2];

	cr_assert_eq(pipe2(in, O_CLOEXEC), 0);
	cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
	target->pid = fork();
	cr_assert_geq(target->pid, 0);
	if (target->pid == 0) {
		if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 ||
		    (*root && (chroot(root) || chdir("/"))))
			_exit(126);
		execv(argv[0], argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	target->input = in[1];
	target->output = fdopen(out[0], "r");
}

static void target_end(struct target *target)
{
	close(target->input);
	fclose(target->output);
	kill(target->pid, SIGKILL);
	waitpid(target->pid, NULL, 0);
}

static void truth_read(struct target *target, struct truth *truth)
{
	char line[256];

	*truth = (struct truth){ 0 };
	while (fgets(line, sizeof(line), target->output)) {
		unsigned long a, b;

		if (sscanf(line, "hexversion %lu", &a) == 1)
			truth->hexversion = (uint32_t)a;
		else if (sscanf(line, "debug %lu", &a) == 1)
			truth->debug = a;
		else if (sscanf(line, "code_type %lu", &a) == 1)
			truth->code_type = a;
		else if (sscanf(line, "thread %lu %lu", &a, &b) == 2) {
			cr_assert_lt(truth->thread_count, (size_t)THREADS_MAX);
			truth->threads[truth->thread_count].pointer = a;
			truth->threads[truth->thread_count++].state = b;
		} else if (strcmp(line, "ready\n") == 0) {
			return;
		}
	}
	cr_assert_fail("the target ended before it was ready");
}

/* The script, by a path that is good under the root too. */
static void script_put(const char *root, char *path, size_t size)
{
	char command[1024];

	snprintf(path, size, "%s/tmp/pybpfprof-truth-%d.py", root, getpid());
	snprintf(command, sizeof(command), "cp " TARGETS "truth.py '%s'", path);
	cr_assert_eq(system(command), 0);
}

static void look(pid_t pid, struct python_process *process)
{
	struct python_cache *cache = python_cache_new();

	python_inspect(cache, pid, process);
	python_cache_free(cache);
}

static void expect_truth(const char *name, pid_t pid, const struct truth *truth)
{
	struct python_process process;
	char words[16];

	look(pid, &process);
	cr_assert_eq(process.verdict, PYTHON_KNOWN, "%s: %s", name, process.reason);
	version_words(truth->hexversion, words, sizeof(words));
	cr_expect_str_eq(process.version, words, "%s", name);
	cr_expect_eq(process.hexversion, truth->hexversion, "%s", name);
	cr_expect_eq(process.debug, truth->debug, "%s", name);
	cr_expect_eq(process.target.code_type, truth->code_type, "%s", name);
	cr_expect_eq(process.target.layout.minor, version_minor(truth->hexversion), "%s", name);
	cr_expect_gt(process.target.locator.steps, 0, "%s: no locator", name);
	cr_expect_eq(access(process.binary_open, R_OK), 0, "%s: %s", name, process.binary_open);
	for (size_t i = 0; i < truth->thread_count; i++)
		cr_expect_eq(
			locator_follow(pid, &process.target.locator, truth->threads[i].pointer),
			truth->threads[i].state, "%s: thread %zu", name, i);
}

static void expect_python(const char *name, const char *root, const char *interpreter,
			  const char *threads, const char *subinterpreter)
{
	char script[512];
	struct target target;
	struct truth truth;

	script_put(root, script, sizeof(script));
	target_start(&target, root,
		     (char *[]){ (char *)interpreter, "-S", script + strlen(root), (char *)threads,
				 (char *)subinterpreter, NULL });
	truth_read(&target, &truth);
	expect_truth(name, target.pid, &truth);
	target_end(&target);
	unlink(script);
}

struct python_row {
	char name[64], root[256], interpreter[256];
	unsigned int minor;
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
		const char *fields[4];

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

Test(inspect, every_python_with_one_thread_is_known_and_proven)
{
	struct python_row rows[PYTHONS_MAX];
	size_t count = pythons_here(rows);

	for (size_t i = 0; i < count; i++)
		expect_python(rows[i].name, rows[i].root, rows[i].interpreter, "0", "0");
}

Test(inspect, every_python_with_many_threads_is_known_and_proven)
{
	struct python_row rows[PYTHONS_MAX];
	size_t count = pythons_here(rows);

	for (size_t i = 0; i < count; i++)
		expect_python(rows[i].name, rows[i].root, rows[i].interpreter, "40", "0");
}

Test(inspect, a_thread_inside_a_subinterpreter_does_not_confuse)
{
	struct python_row rows[PYTHONS_MAX];
	size_t count = pythons_here(rows);

	for (size_t i = 0; i < count; i++) {
		if (rows[i].minor >= 12)
			expect_python(rows[i].name, rows[i].root, rows[i].interpreter, "2", "1");
	}
}

/* ---- embedded ---- */

/* Compiles a program of the targets directory; skips the test where that needs what is not here. */
static void program_make(const char *source, const char *flags, char *path, size_t size)
{
	char command[1024];

	snprintf(path, size, "/tmp/pybpfprof-%d-%s", getpid(), source);
	path[strlen(path) - 2] = '\0';
	snprintf(command, sizeof(command), "gcc -o '%s' " TARGETS "%s %s 2>/dev/null", path, source,
		 flags);
	if (system(command) != 0)
		cr_skip_test("cannot compile %s with %s", source, flags);
}

static void expect_embedded(const char *flags, const char *keys, uint32_t steps)
{
	struct python_process process;
	char program[128];
	struct target target;
	struct truth truth;

	program_make("embedder.c", flags, program, sizeof(program));
	target_start(&target, "",
		     (char *[]){ program, (char *)keys, TARGETS "truth.py", "3", "0", NULL });
	truth_read(&target, &truth);
	expect_truth(flags, target.pid, &truth);
	look(target.pid, &process);
	cr_expect(process.shared);
	cr_expect(strstr(process.binary, "libpython3.11") != NULL, "%s", process.binary);
	cr_expect_eq(process.target.locator.steps, steps);
	target_end(&target);
	unlink(program);
}

Test(inspect, a_program_linked_with_libpython_is_known)
{
	expect_embedded("-lpython3.11", "0", 1);
}

Test(inspect, a_program_that_loads_libpython_later_is_known)
{
	expect_embedded("-DLOAD='\"libpython3.11.so.1.0\"' -ldl", "0", 1);
}

/* glibc keeps the first 32 keys in the thread descriptor and the others behind a pointer. */
Test(inspect, a_program_with_many_pthread_keys_is_known)
{
	expect_embedded("-lpython3.11", "40", 2);
}

Test(inspect, variables_copied_into_the_executable_are_followed)
{
	expect_embedded("-DCOPY -fno-pie -no-pie -lpython3.11", "0", 1);
}

/* ---- what is no Python, or none we take ---- */

Test(inspect, a_process_that_ended_is_gone)
{
	struct python_process process;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	siginfo_t ended;

	cr_assert_eq(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT), 0);
	look(pid, &process);
	cr_expect_eq(process.verdict, PYTHON_GONE, "a zombie");
	waitpid(pid, NULL, 0);
	look(pid, &process);
	cr_expect_eq(process.verdict, PYTHON_GONE, "reaped");
}

Test(inspect, a_shell_is_no_python)
{
	struct python_process process;
	struct target target;
	char line[16];

	target_start(&target, "", (char *[]){ "/bin/sh", "-c", "echo ready; read x", NULL });
	cr_assert_not_null(fgets(line, sizeof(line), target.output));
	look(target.pid, &process);
	cr_expect_eq(process.verdict, PYTHON_NOT);
	cr_expect_str_neq(process.reason, "");
	target_end(&target);
}

struct forgery {
	const char *how;
	enum python_verdict verdict;
	const char *reason; /* part of it */
};

/* A program that exports what CPython exports, with structures made to harm a reader. */
Test(inspect, forged_interpreters_are_refused_in_time)
{
	static const struct forgery CASES[] = {
		{ "idle", PYTHON_STARTING, "not initialised" },
		{ "thread-cycle", PYTHON_UNSUPPORTED, "does not end" },
		{ "interpreter-cycle", PYTHON_UNSUPPORTED, "does not end" },
		{ "long-list", PYTHON_UNSUPPORTED, "does not end" },
		{ "wild", PYTHON_UNSUPPORTED, "contradicts itself" },
		{ "other-interpreter", PYTHON_UNSUPPORTED, "contradicts itself" },
		{ "frame-cycle", PYTHON_UNSUPPORTED, "no code objects" },
		{ "no-threads", PYTHON_UNSUPPORTED, "name no threads" },
		{ "future", PYTHON_UNSUPPORTED, "Python 3.16 is not known to this pybpfprof" },
		{ "next-major", PYTHON_UNSUPPORTED, "Python 4.0 is not known" },
		{ "beta", PYTHON_UNSUPPORTED, "3.12.0b1 is a pre-release" },
		{ "no-debug-offsets", PYTHON_UNSUPPORTED, "_Py_DebugOffsets" },
		{ "free-threaded", PYTHON_UNSUPPORTED,
		  "free-threaded CPython 3.13t is not supported yet" },
		{ "absurd-debug-offsets", PYTHON_UNSUPPORTED, "impossible" },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct timespec before, after;
		struct python_process process;
		char program[128], flags[64], line[16];
		struct target target;

		/* Py_Version is a constant of the file, so each forgery is one. */
		snprintf(flags, sizeof(flags), "-rdynamic -DHOW='\"%s\"'", CASES[i].how);
		program_make("forged.c", flags, program, sizeof(program));
		target_start(&target, "", (char *[]){ program, NULL });
		cr_assert_not_null(fgets(line, sizeof(line), target.output));
		clock_gettime(CLOCK_MONOTONIC, &before);
		look(target.pid, &process);
		clock_gettime(CLOCK_MONOTONIC, &after);
		cr_expect_eq(process.verdict, CASES[i].verdict, "%s: %d %s", CASES[i].how,
			     process.verdict, process.reason);
		cr_expect(strstr(process.reason, CASES[i].reason) != NULL, "%s: %s", CASES[i].how,
			  process.reason);
		cr_expect_lt((after.tv_sec - before.tv_sec) * SECOND_NS + after.tv_nsec -
				     before.tv_nsec,
			     SECOND_NS, "%s took a second", CASES[i].how);
		target_end(&target);
		unlink(program);
	}
}
