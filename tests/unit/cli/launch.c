// SPDX-License-Identifier: GPL-2.0-only
/* A command held before its exec, let go, waited for; and requests to stop. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fs.h"
#include "cli/launch.h"
#include "cli/signals.h"

enum { PATIENCE_MS = 20000 };

static char directory[] = "/tmp/pybpfprof-test-XXXXXX";

static void make_directory(void)
{
	cr_assert(mkdtemp(directory));
}

static void remove_directory(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	cr_assert_eq(system(command), 0);
}

TestSuite(launch, .init = make_directory, .fini = remove_directory);

/* Runs a shell line to its end; the status it exits with, or the error of launch_go(). */
static int run_shell(const char *line, const struct signals *signals)
{
	char *argv[] = { "sh", "-c", (char *)line, NULL };
	struct launch *launch;
	int wait_status = -1;

	cr_assert_eq(launch_prepare(argv, signals, &launch), 0);
	cr_expect(!launch_is_started(launch));
	cr_assert_eq(launch_go(launch), 0);
	cr_expect(launch_is_started(launch));
	cr_assert_eq(launch_wait(launch, PATIENCE_MS, &wait_status), 0);
	launch_release(launch);
	return launch_exit_status(wait_status);
}

Test(launch, gives_the_commands_own_status)
{
	cr_expect_eq(run_shell("exit 0", NULL), 0);
	cr_expect_eq(run_shell("exit 42", NULL), 42);
	cr_expect_eq(run_shell("kill -TERM $$", NULL), 128 + SIGTERM);
}

Test(launch, does_not_run_before_it_is_let_go)
{
	char path[64], line[96];
	char *argv[] = { "sh", "-c", line, NULL };
	struct launch *launch;
	struct stat file;
	int wait_status;

	snprintf(path, sizeof(path), "%s/ran", directory);
	snprintf(line, sizeof(line), "touch %s", path);
	cr_assert_eq(launch_prepare(argv, NULL, &launch), 0);
	cr_expect_eq(launch_wait(launch, 100, &wait_status), -EAGAIN);
	cr_expect_neq(stat(path, &file), 0);
	cr_expect_eq(launch_go(launch), 0);
	cr_expect_eq(launch_wait(launch, PATIENCE_MS, &wait_status), 0);
	cr_expect_eq(stat(path, &file), 0);
	launch_release(launch);
}

Test(launch, never_runs_when_released_before)
{
	char path[64], line[96];
	char *argv[] = { "sh", "-c", line, NULL };
	struct launch *launch;
	struct stat file;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/ran", directory);
	snprintf(line, sizeof(line), "touch %s", path);
	cr_assert_eq(launch_prepare(argv, NULL, &launch), 0);
	pid = launch_pid(launch);
	launch_release(launch);
	cr_expect_neq(stat(path, &file), 0);
	cr_expect(kill(pid, 0) && errno == ESRCH);
}

Test(launch, tells_why_a_command_cannot_run)
{
	char plain[64], odd[64];
	const struct {
		char *name;
		int err;
		int status;
	} cases[] = {
		{ "/nonexistent/command", -ENOENT, 127 },
		{ "no-such-command-anywhere", -ENOENT, 127 },
		{ directory, -EACCES, 126 },
		{ plain, -EACCES, 126 },
		{ odd, -ENOENT, 127 },
	};
	FILE *file;

	snprintf(plain, sizeof(plain), "%s/plain", directory);
	snprintf(odd, sizeof(odd), "%s/odd", directory);
	file = fopen(plain, "w");
	fclose(file);
	file = fopen(odd, "w");
	fputs("#!/nonexistent/interpreter\n", file);
	fclose(file);
	chmod(odd, 0755);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *argv[] = { cases[i].name, NULL };
		struct launch *launch;
		int wait_status;

		cr_assert_eq(launch_prepare(argv, NULL, &launch), 0);
		cr_expect_eq(launch_go(launch), cases[i].err, "%s", cases[i].name);
		cr_expect_eq(launch_exec_status(-cases[i].err), cases[i].status);
		/* Nothing is left of it. */
		cr_expect_eq(launch_wait(launch, 0, &wait_status), 0);
		launch_release(launch);
	}
}

Test(launch, says_when_the_command_was_killed_while_held)
{
	char *argv[] = { "true", NULL };
	struct signals signals;
	struct launch *launch;
	struct pollfd ended = { .events = POLLIN };

	cr_assert_eq(signals_open(&signals), 0); /* SIGPIPE would end us otherwise */
	cr_assert_eq(launch_prepare(argv, &signals, &launch), 0);
	cr_expect_eq(launch_signal(launch, SIGKILL), 0);
	ended.fd = launch_fd(launch);
	cr_expect_eq(poll(&ended, 1, PATIENCE_MS), 1);
	cr_expect_eq(launch_go(launch), -ECHILD);
	cr_expect_eq(launch_signal(launch, SIGKILL), -ESRCH);
	launch_release(launch);
	signals_close(&signals);
}

/* A line of /proc/self/status of a child, as that child sees it. */
static void child_status(const char *name, const struct signals *signals, char *out, size_t size)
{
	char path[64], line[128];
	struct buffer text;

	snprintf(path, sizeof(path), "%s/status", directory);
	snprintf(line, sizeof(line), "exec grep ^%s /proc/self/status > %s", name, path);
	cr_assert_eq(run_shell(line, signals), 0);
	buffer_init(&text);
	cr_assert_eq(fs_read(path, 4096, &text), 0);
	snprintf(out, size, "%s", text.bytes);
	buffer_release(&text);
}

Test(launch, gives_the_child_the_signals_we_inherited)
{
	char mask_before[64], mask_after[64], ignored_before[64], ignored_after[64];
	struct signals signals;

	/* A background job of a shell: SIGINT is ignored, and stays so. */
	signal(SIGINT, SIG_IGN);
	child_status("SigBlk", NULL, mask_before, sizeof(mask_before));
	child_status("SigIgn", NULL, ignored_before, sizeof(ignored_before));
	cr_assert_eq(signals_open(&signals), 0);
	child_status("SigBlk", &signals, mask_after, sizeof(mask_after));
	child_status("SigIgn", &signals, ignored_after, sizeof(ignored_after));
	signals_close(&signals);
	cr_expect_str_eq(mask_after, mask_before);
	cr_expect_str_eq(ignored_after, ignored_before);
}

Test(launch, stays_in_our_process_group)
{
	char *argv[] = { "true", NULL };
	struct launch *launch;

	cr_assert_eq(launch_prepare(argv, NULL, &launch), 0);
	cr_expect_eq(getpgid(launch_pid(launch)), getpgrp());
	launch_release(launch);
}

Test(launch, waits_no_longer_than_told)
{
	char *argv[] = { "sleep", "60", NULL };
	struct timespec start, end;
	struct launch *launch;
	int wait_status;

	cr_assert_eq(launch_prepare(argv, NULL, &launch), 0);
	cr_assert_eq(launch_go(launch), 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	cr_expect_eq(launch_wait(launch, 50, &wait_status), -EAGAIN);
	clock_gettime(CLOCK_MONOTONIC, &end);
	cr_expect_lt(end.tv_sec - start.tv_sec, 20);
	cr_expect_eq(launch_signal(launch, SIGKILL), 0);
	cr_expect_eq(launch_wait(launch, PATIENCE_MS, &wait_status), 0);
	cr_expect_eq(launch_exit_status(wait_status), 128 + SIGKILL);
	launch_release(launch);
}

/* Starts a shell that runs `setup`, which sets its traps, tells us so, and then runs `rest`. */
static struct launch *start_shell(const char *setup, const char *rest,
				  const struct signals *signals)
{
	char line[256];
	char *argv[] = { "sh", "-c", line, NULL };
	struct launch *launch;
	int ready[2];
	char byte;

	cr_assert_eq(pipe(ready), 0);
	snprintf(line, sizeof(line), "%s; echo >/dev/fd/%d; %s", setup, ready[1], rest);
	cr_assert_eq(launch_prepare(argv, signals, &launch), 0);
	close(ready[1]);
	cr_assert_eq(launch_go(launch), 0);
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return launch;
}

Test(launch, passes_a_termination_on_and_waits_for_the_answer)
{
	struct signals signals;
	struct launch *launch;
	int wait_status = -1;

	cr_assert_eq(signals_open(&signals), 0);
	launch = start_shell("trap 'exit 7' TERM", "while :; do sleep 0.05; done", &signals);
	raise(SIGTERM);
	cr_expect_eq(launch_wait_end(launch, &signals, &wait_status), 0);
	cr_expect_eq(launch_exit_status(wait_status), 7);
	launch_release(launch);
	signals_close(&signals);
}

Test(launch, leaves_an_interrupt_to_the_command)
{
	struct signals signals;
	struct launch *launch;
	int wait_status = -1;

	cr_assert_eq(signals_open(&signals), 0);
	launch = start_shell("trap 'exit 8' INT", "sleep 0.3; exit 5", &signals);
	raise(SIGINT);
	cr_expect_eq(launch_wait_end(launch, &signals, &wait_status), 0);
	cr_expect_eq(launch_exit_status(wait_status), 5);
	launch_release(launch);
	signals_close(&signals);
}

Test(launch, gives_up_on_a_command_that_does_not_mind)
{
	struct signals signals;
	struct launch *launch;
	int wait_status = -1;
	pid_t killer;

	cr_assert_eq(signals_open(&signals), 0);
	launch = start_shell("trap '' TERM", "exec sleep 60", &signals);
	raise(SIGTERM);
	killer = fork();
	if (!killer) {
		usleep(200000);
		kill(getppid(), SIGTERM);
		_exit(0);
	}
	cr_expect_eq(launch_wait_end(launch, &signals, &wait_status), -EINTR);
	cr_expect_eq(launch_signal(launch, SIGKILL), 0);
	cr_expect_eq(launch_wait(launch, PATIENCE_MS, &wait_status), 0);
	launch_release(launch);
	signals_close(&signals);
}

Test(signals, count_requests_to_stop)
{
	struct signals signals;
	struct pollfd request = { .events = POLLIN };

	cr_assert_eq(signals_open(&signals), 0);
	request.fd = signals.fd;
	cr_expect_eq(signals_poll(&signals), 0);
	cr_expect_eq(poll(&request, 1, 0), 0);
	raise(SIGINT);
	cr_expect_eq(poll(&request, 1, 0), 1);
	cr_expect_eq(signals_poll(&signals), 1);
	raise(SIGTERM);
	cr_expect_eq(signals_poll(&signals), 2);
	cr_expect_eq(signals.last_signal, SIGTERM);
	cr_expect_eq(poll(&request, 1, 0), 0);
	signals_close(&signals);
	signals_close(&signals);
}

Test(signals, interrupt_a_background_job_of_a_script)
{
	struct signals signals;

	signal(SIGINT, SIG_IGN);
	cr_assert_eq(signals_open(&signals), 0);
	raise(SIGINT);
	cr_expect_eq(signals_poll(&signals), 1);
	signals_close(&signals);
}

Test(signals, a_hangup_ignored_by_nohup_stays_ignored)
{
	struct signals signals;

	signal(SIGHUP, SIG_IGN);
	cr_assert_eq(signals_open(&signals), 0);
	raise(SIGHUP);
	cr_expect_eq(signals_poll(&signals), 0);
	signals_close(&signals);
}

Test(signals, a_closed_pipe_is_a_write_error)
{
	struct signals signals;
	int ends[2];

	cr_assert_eq(signals_open(&signals), 0);
	cr_assert_eq(pipe(ends), 0);
	close(ends[0]);
	cr_expect_eq(write(ends[1], "x", 1), -1);
	cr_expect_eq(errno, EPIPE);
	close(ends[1]);
	signals_close(&signals);
}

Test(signals, end_the_process_once_let_go, .signal = SIGTERM)
{
	struct signals signals;

	cr_assert_eq(signals_open(&signals), 0);
	signals_let_go(&signals);
	raise(SIGTERM);
}

Test(signals, are_requests_again_when_held)
{
	struct signals signals;

	cr_assert_eq(signals_open(&signals), 0);
	signals_let_go(&signals);
	signals_hold(&signals);
	raise(SIGTERM);
	cr_expect_eq(signals_poll(&signals), 1);
	signals_close(&signals);
}
