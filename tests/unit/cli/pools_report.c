// SPDX-License-Identifier: GPL-2.0-only
/* A live interpreter's pools in the model's terms. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/pools_report.h"

#define PYTHON "/usr/bin/python3.11"
/* 10,000 of 33 + 67 bytes: blocks of 112. */
#define SCRIPT                                                                                     \
	"import os, signal; keep = [bytes(67) for i in range(10000)]; os.write(1, b'ready')\n"     \
	"signal.pause()"

static pid_t python_start(const char *variable)
{
	char ready[5];
	int out[2];
	pid_t pid;

	if (access(PYTHON, X_OK))
		cr_skip_test("no " PYTHON);
	cr_assert_eq(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		dup2(out[1], 1);
		putenv((char *)variable);
		execl(PYTHON, PYTHON, "-S", "-c", SCRIPT, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	cr_assert_eq(read(out[0], ready, sizeof(ready)), sizeof(ready));
	close(out[0]);
	return pid;
}

static void look(pid_t pid, struct python_process *process)
{
	struct python_cache *cache = python_cache_new();

	python_inspect(cache, pid, process);
	python_cache_free(cache);
	cr_assert_eq(process->verdict, PYTHON_KNOWN, "%s", process->reason);
}

static void python_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

Test(pools_report, tells_what_is_in_use)
{
	pid_t pid = python_start("PYTHONMALLOC=pymalloc");
	struct python_process process;
	struct memory_pools pools;
	uint64_t used = 0, used_pools = 0;

	look(pid, &process);
	cr_assert_eq(pools_report(&process, &pools), 0);
	python_end(pid);
	cr_expect(pools.known);
	cr_expect_null(pools.reason);
	cr_expect_eq(pools.arena_bytes, 1u << 20);
	cr_expect_eq(pools.pool_bytes, 16384);
	cr_expect_eq(pools.arenas_bytes, pools.arenas << 20);
	cr_expect_eq(pools.torn, 0);
	cr_expect_eq(pools.classes[6].block_bytes, 112);
	cr_expect(pools.classes[6].used_blocks >= 10000 && pools.classes[6].used_blocks < 12000,
		  "%lu", pools.classes[6].used_blocks);
	for (int i = 0; i < MEMORY_POOL_CLASSES; i++) {
		const struct memory_pool_class *class = &pools.classes[i];

		used += class->used_blocks * class->block_bytes;
		used_pools += class->pools;
		cr_expect_eq(class->used_blocks + class->free_blocks,
			     class->pools * ((16384 - 48) / class->block_bytes));
	}
	cr_expect_eq(pools.used_bytes, used);
	/* 63 or 64 pools to an arena, as it is aligned. */
	cr_expect_geq(used_pools + pools.free_pools, pools.arenas * 63);
	cr_expect_leq(used_pools + pools.free_pools, pools.arenas * 64);
}

Test(pools_report, says_why_there_are_none)
{
	pid_t pid = python_start("PYTHONMALLOC=malloc");
	struct python_process process;
	struct memory_pools pools;

	look(pid, &process);
	cr_expect_eq(pools_report(&process, &pools), 0);
	cr_expect(!pools.known);
	cr_expect_str_eq(pools.reason,
			 "no pymalloc in use: PYTHONMALLOC=malloc, or a build without it");
	python_end(pid);
	cr_expect_eq(pools_report(&process, &pools), -ESRCH);
	cr_expect(!pools.known);
	cr_expect_str_eq(pools.reason, "the process ended");
}
