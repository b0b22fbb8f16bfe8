// SPDX-License-Identifier: GPL-2.0-only
/* A tree of directories like that of cgroups, made here. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc/cgroup.h"

static char root[64];

static void procs_write(const char *below, const char *text)
{
	char path[160];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, below);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s/cgroup.procs", root, below);
	file = fopen(path, "w");
	cr_assert(file);
	fputs(text, file);
	fclose(file);
}

static void setup(void)
{
	snprintf(root, sizeof(root), "/tmp/cgroup-test-XXXXXX");
	cr_assert(mkdtemp(root));
	procs_write(".", "11\n0\n12\n");
	procs_write("service", "21\n");
	procs_write("service/worker", "31\n32\n");
	procs_write("empty", "");
}

static void teardown(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -r %s", root);
	cr_expect_eq(system(command), 0);
}

TestSuite(cgroup, .init = setup, .fini = teardown);

struct sum {
	int sum, count;
	int stop_at;
};

static int add(pid_t pid, void *arg)
{
	struct sum *sum = arg;

	sum->sum += pid;
	sum->count++;
	return sum->count == sum->stop_at ? -ECANCELED : 0;
}

Test(cgroup, all_below_are_met_and_those_without_a_number_here_are_not)
{
	struct sum sum = { 0 };

	cr_expect_eq(cgroup_each(root, add, &sum), 0);
	cr_expect_eq(sum.count, 5);
	cr_expect_eq(sum.sum, 11 + 12 + 21 + 31 + 32);
}

Test(cgroup, a_visit_can_end_it)
{
	for (int stop_at = 1; stop_at <= 5; stop_at++) {
		struct sum sum = { .stop_at = stop_at };

		cr_expect_eq(cgroup_each(root, add, &sum), -ECANCELED);
		cr_expect_eq(sum.count, stop_at);
	}
}

Test(cgroup, what_is_not_there_is_said)
{
	struct sum sum = { 0 };

	cr_expect_eq(cgroup_each("/nowhere/at/all", add, &sum), -ENOENT);
	cr_expect_eq(cgroup_each("/etc/passwd", add, &sum), -ENOTDIR);
	cr_expect_eq(cgroup_each("/etc", add, &sum), -ENOENT, "no cgroup");
	cr_expect_eq(sum.count, 0);
}
