// SPDX-License-Identifier: GPL-2.0-only
/* pymalloc of live interpreters, against what they say of it: sys._debugmallocstats(). */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "python/pools.h"
#include "unit/python/every_python.h"

enum { ARENAS_MAX = 4096, QUIET_BLOCKS = 1, CALL_BLOCKS = 300 };

/* Sums over all that the process printed. */
struct truth {
	struct {
		uint64_t pools, used, free;
	} classes[POOL_CLASSES];
	uint64_t arenas, free_pools, pool_bytes;
};

static uint64_t number_with_commas(const char *words)
{
	uint64_t number = 0;

	for (; *words && *words != '\n'; words++) {
		if (*words >= '0' && *words <= '9')
			number = number * 10 + (uint64_t)(*words - '0');
	}
	return number;
}

static void truth_read(FILE *output, struct truth *truth)
{
	static const char arenas[] = "# arenas allocated current";
	char line[512];

	*truth = (struct truth){ 0 };
	while (fgets(line, sizeof(line), output)) {
		uint64_t class, size, pools, used, free, bytes;

		if (strcmp(line, "ready\n") == 0)
			return;
		if (strncmp(line, arenas, sizeof(arenas) - 1) == 0)
			truth->arenas += number_with_commas(strchr(line, '='));
		else if (sscanf(line, "%" SCNu64 " unused pools * %" SCNu64, &pools, &bytes) == 2) {
			truth->free_pools += pools;
			truth->pool_bytes = bytes;
		} else if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
				  &class, &size, &pools, &used, &free) == 5) {
			cr_assert_lt(class, (uint64_t)POOL_CLASSES);
			cr_assert_eq(size, (class + 1) * 16);
			truth->classes[class].pools += pools;
			truth->classes[class].used += used;
			truth->classes[class].free += free;
		}
	}
	cr_assert_fail("the target ended before it was ready");
}

static void look(pid_t pid, struct python_process *process)
{
	struct python_cache *cache = python_cache_new();

	python_inspect(cache, pid, process);
	python_cache_free(cache);
	cr_assert_eq(process->verdict, PYTHON_KNOWN, "%s", process->reason);
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* `tolerated`: blocks in all that the process may have taken or given back since it printed. */
static void expect_truth(const char *name, const struct pools *pools, const struct truth *truth,
			 uint64_t tolerated)
{
	uint64_t blocks = 0;

	for (uint32_t i = 0; i < POOL_CLASSES; i++) {
		const struct pool_class *class = &pools->classes[i];

		cr_expect_eq(class->block_bytes, (i + 1) * 16);
		blocks += distance(class->used_blocks, truth->classes[i].used);
		cr_expect_eq(class->used_blocks + class->free_blocks,
			     truth->classes[i].used + truth->classes[i].free, "%s, class %u", name,
			     i);
		cr_expect_eq(class->pools, truth->classes[i].pools, "%s, class %u", name, i);
	}
	cr_expect_leq(blocks, tolerated, "%s: %" PRIu64 " blocks differ", name, blocks);
	cr_expect_eq(pools->arenas, truth->arenas, "%s", name);
	cr_expect_eq(pools->free_pools, truth->free_pools, "%s", name);
	cr_expect_eq(pools->pool_bytes, truth->pool_bytes, "%s", name);
	cr_expect_eq(pools->torn, 0, "%s", name);
}

static void expect_python(const struct every_python *python, const char *how, const char *variable,
			  uint64_t tolerated)
{
	struct every_python_run run;
	struct python_process process;
	uint64_t addresses[ARENAS_MAX];
	struct pools pools;
	struct truth truth;
	char reason[128];
	size_t count;

	every_python_start(&run, python, "pools.py", how, variable);
	truth_read(run.output, &truth);
	look(run.pid, &process);
	cr_assert_eq(pools_read(&process, &pools, reason, sizeof(reason)), 0, "%s: %s",
		     python->name, reason);
	expect_truth(python->name, &pools, &truth, tolerated);
	cr_expect_eq(pools.arena_bytes, truth.pool_bytes * 64, "%s", python->name);
	cr_assert_eq(pools_arenas(&process, addresses, ARENAS_MAX, &count), 0);
	cr_expect_eq(count, truth.arenas, "%s", python->name);
	every_python_end(&run);
}

Test(pools, equal_what_every_python_says)
{
	struct every_python pythons[EVERY_PYTHON_MAX];
	size_t count = every_python_list(pythons);

	for (size_t i = 0; i < count; i++)
		expect_python(&pythons[i], "plain", NULL, QUIET_BLOCKS);
}

Test(pools, equal_under_debug_hooks)
{
	struct every_python pythons[EVERY_PYTHON_MAX];
	size_t count = every_python_list(pythons);

	for (size_t i = 0; i < count; i++)
		expect_python(&pythons[i], "plain", "PYTHONMALLOC=pymalloc_debug", QUIET_BLOCKS);
}

/* It runs on inside a call that the main interpreter made after it had printed. */
Test(pools, of_an_interpreter_with_its_own_count_too)
{
	struct every_python pythons[EVERY_PYTHON_MAX];
	size_t count = every_python_list(pythons);

	for (size_t i = 0; i < count; i++) {
		if (pythons[i].minor >= 12)
			expect_python(&pythons[i], "subinterpreter", NULL, CALL_BLOCKS);
	}
}

Test(pools, without_pymalloc_are_refused_in_plain_words)
{
	static const char *const VARIABLES[] = { "PYTHONMALLOC=malloc",
						 "PYTHONMALLOC=malloc_debug" };
	struct every_python pythons[EVERY_PYTHON_MAX];
	size_t count = every_python_list(pythons);

	for (size_t i = 0; i < 2 * count; i++) {
		const struct every_python *python = &pythons[i / 2];
		struct python_process process;
		struct every_python_run run;
		struct pools pools;
		char reason[128], line[512];
		size_t stored;

		every_python_start(&run, python, "pools.py", "plain", VARIABLES[i % 2]);
		do
			cr_assert_not_null(fgets(line, sizeof(line), run.output));
		while (strcmp(line, "ready\n") != 0);
		look(run.pid, &process);
		cr_expect_eq(pools_read(&process, &pools, reason, sizeof(reason)), -ENOENT, "%s %s",
			     python->name, VARIABLES[i % 2]);
		cr_expect_str_eq(reason,
				 "no pymalloc in use: PYTHONMALLOC=malloc, or a build without it");
		cr_expect_eq(pools_arenas(&process, &(uint64_t){ 0 }, 1, &stored), 0);
		cr_expect_eq(stored, 0);
		every_python_end(&run);
	}
}

Test(pools, of_a_process_at_work_make_sense)
{
	struct every_python pythons[EVERY_PYTHON_MAX];
	size_t count = every_python_list(pythons);

	for (size_t i = 0; i < count; i++) {
		struct every_python_run run;
		struct python_process process;
		struct pools pools;
		char reason[128], line[16];

		every_python_start(&run, &pythons[i], "pools.py", "busy", NULL);
		cr_assert_not_null(fgets(line, sizeof(line), run.output));
		look(run.pid, &process);
		for (int round = 0; round < 50; round++) {
			cr_assert_eq(pools_read(&process, &pools, reason, sizeof(reason)), 0,
				     "%s: %s", pythons[i].name, reason);
			/* What it keeps is 25,500 blocks, what it works with at most 60,000. */
			uint64_t used = 0;

			for (int class = 0; class < POOL_CLASSES; class ++)
				used += pools.classes[class].used_blocks;
			cr_expect(used > 25500 && used < 200000, "%s: %" PRIu64, pythons[i].name,
				  used);
			cr_expect_leq(pools.torn, 4, "%s: %" PRIu64, pythons[i].name, pools.torn);
		}
		every_python_end(&run);
	}
}

Test(pools, of_a_process_that_ended_are_gone)
{
	struct every_python pythons[EVERY_PYTHON_MAX];
	struct every_python_run run;
	struct python_process process;
	struct truth truth;
	struct pools pools;
	char reason[128];

	every_python_list(pythons);
	every_python_start(&run, &pythons[0], "pools.py", "plain", NULL);
	truth_read(run.output, &truth);
	look(run.pid, &process);
	every_python_end(&run);
	cr_expect_eq(pools_read(&process, &pools, reason, sizeof(reason)), -ESRCH);
	cr_expect_str_eq(reason, "the process ended");
}

/* ---- allocator tables ---- */

static void expect_tables(const struct every_python *python, const char *variable)
{
	struct allocator_table truth[ALLOCATOR_DOMAINS], tables[ALLOCATOR_DOMAINS];
	struct every_python_run run;
	struct python_process process;
	int domain = 0;
	char line[512];

	every_python_start(&run, python, "pools.py", "tables", variable);
	while (domain < ALLOCATOR_DOMAINS && fgets(line, sizeof(line), run.output)) {
		struct allocator_table *table = &truth[domain];

		if (sscanf(line, "table %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
			   &table->context, &table->malloc, &table->calloc, &table->realloc,
			   &table->free) == 5)
			domain++;
	}
	/* Not every root has ctypes. */
	if (domain == ALLOCATOR_DOMAINS) {
		look(run.pid, &process);
		cr_assert_eq(allocator_tables_read(&process, tables), 0, "%s", python->name);
		cr_expect_arr_eq(tables, truth, sizeof(truth), "%s %s", python->name,
				 variable ? variable : "");
	} else {
		cr_log_warn("%s has no ctypes: its allocator tables are not compared",
			    python->name);
	}
	every_python_end(&run);
}

Test(pools, allocator_tables_equal_what_every_python_says)
{
	struct every_python pythons[EVERY_PYTHON_MAX];
	size_t count = every_python_list(pythons);

	for (size_t i = 0; i < count; i++) {
		expect_tables(&pythons[i], NULL);
		expect_tables(&pythons[i], "PYTHONMALLOC=malloc");
		expect_tables(&pythons[i], "PYTHONMALLOC=debug");
	}
}
