// SPDX-License-Identifier: GPL-2.0-only
/* Lines on standard error, read back through a pipe. */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static int read_end;

static void catch_stderr(void)
{
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	cr_assert_geq(dup2(ends[1], STDERR_FILENO), 0);
	close(ends[1]);
	read_end = ends[0];
}

static void expect_stderr(const char *want)
{
	char got[1000];
	ssize_t length;

	close(STDERR_FILENO);
	length = read(read_end, got, sizeof(got) - 1);
	cr_assert_geq(length, 0);
	got[length] = '\0';
	cr_assert_str_eq(got, want);
}

TestSuite(log, .init = catch_stderr);

Test(log, level_decides_what_is_said)
{
	log_set_level(LOG_NORMAL);
	log_error("e %d", 1);
	log_warn("w %d", 2);
	log_verbose("v %d", 3);
	log_debug("d %d", 4);
	log_set_level(LOG_QUIET);
	log_error("still");
	log_warn("not");
	expect_stderr("pybpfprof: e 1\npybpfprof: w 2\npybpfprof: still\n");
}

Test(log, escapes_never_reach_the_terminal)
{
	log_error("name %s", "\x1b[2J\nfake line\xff");
	expect_stderr("pybpfprof: name \\x1b[2J\\x0afake line\\xff\n");
}

Test(log, no_live_line_where_there_is_no_terminal)
{
	log_live("%d s", 1);
	log_live(NULL);
	log_error("end");
	expect_stderr("pybpfprof: end\n");
}
