// SPDX-License-Identifier: GPL-2.0-only
#include "unit/python/every_python.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

size_t every_python_list(struct every_python *pythons)
{
	FILE *list = popen("scripts/test-pythons --list", "r");
	size_t count = 0;
	char line[1024];

	cr_assert_not_null(list);
	while (count < EVERY_PYTHON_MAX && fgets(line, sizeof(line), list)) {
		struct every_python *python = &pythons[count];
		char *rest = line;
		const char *fields[4];

		for (size_t i = 0; i < 4; i++)
			fields[i] = strsep(&rest, "\t\n");
		if (!fields[3] || (*fields[1] && geteuid() != 0))
			continue;
		snprintf(python->name, sizeof(python->name), "%s", fields[0]);
		snprintf(python->root, sizeof(python->root), "%s", fields[1]);
		snprintf(python->interpreter, sizeof(python->interpreter), "%s", fields[2]);
		python->minor = (unsigned int)strtoul(fields[3] + 2, NULL, 10);
		count++;
	}
	pclose(list);
	if (!count)
		cr_skip_test("no Python here");
	return count;
}

void every_python_start(struct every_python_run *run, const struct every_python *python,
			const char *script, const char *argument, const char *variable)
{
	const size_t root_length = strlen(python->root);
	char command[1024];
	int out[2];

	/* By a path that is good under the root, too. */
	snprintf(run->script, sizeof(run->script), "%s/tmp/pybpfprof-%d-%s", python->root, getpid(),
		 script);
	snprintf(command, sizeof(command), "cp 'tests/unit/python/targets/%s' '%s'", script,
		 run->script);
	cr_assert_eq(system(command), 0);
	cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
	run->pid = fork();
	cr_assert_geq(run->pid, 0);
	if (run->pid == 0) {
		/* A test that fails leaves nobody behind. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (dup2(out[1], 1) < 0 || (variable && putenv((char *)variable)) ||
		    (root_length && (chroot(python->root) || chdir("/"))))
			_exit(126);
		execl(python->interpreter, python->interpreter, "-S", run->script + root_length,
		      argument, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	run->output = fdopen(out[0], "r");
	cr_assert_not_null(run->output);
}

void every_python_end(struct every_python_run *run)
{
	fclose(run->output);
	kill(run->pid, SIGKILL);
	waitpid(run->pid, NULL, 0);
	unlink(run->script);
}
