// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two pipes, both closed on exec. `go`: the child reads one byte before it execs; end of file
 * instead means that we are gone or changed our mind. `failed`: the child writes the errno of a
 * failed exec; end of file instead means that the exec happened.
 */
#include "cli/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct launch {
	pid_t pid;
	int pid_fd;
	int go_fd;     /* write end; -1 once used */
	int failed_fd; /* read end; -1 once read */
	bool ended;
	int wait_status;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void child_run(char *const *argv, const struct signals *signals, int go_fd, int failed_fd)
{
	ssize_t length;
	int err;
	char byte;

	if (signals)
		signals_restore_in_child(signals);
	do {
		length = read(go_fd, &byte, 1);
	} while (length < 0 && errno == EINTR);
	if (length != 1)
		_exit(127);
	execvp(argv[0], argv);
	err = errno;
	do {
		length = write(failed_fd, &err, sizeof(err));
	} while (length < 0 && errno == EINTR);
	_exit(launch_exec_status(err));
}

static int fork_child(struct launch *launch, char *const *argv, const struct signals *signals)
{
	int go[2] = { -1, -1 }, failed[2] = { -1, -1 };
	int err;

	if (pipe2(go, O_CLOEXEC) || pipe2(failed, O_CLOEXEC)) {
		err = -errno;
		goto fail;
	}
	launch->pid = fork();
	if (launch->pid < 0) {
		err = -errno;
		goto fail;
	}
	if (!launch->pid) {
		/* Else the child would keep its own pipe open and never see us go. */
		close(go[1]);
		close(failed[0]);
		child_run(argv, signals, go[0], failed[1]);
	}
	close(go[0]);
	close(failed[1]);
	launch->go_fd = go[1];
	launch->failed_fd = failed[0];
	return 0;

fail:
	for (size_t i = 0; i < 2; i++) {
		close_fd(&go[i]);
		close_fd(&failed[i]);
	}
	return err;
}

int launch_prepare(char *const *argv, const struct signals *signals, struct launch **out)
{
	struct launch *launch;
	int err;

	launch = calloc(1, sizeof(*launch));
	if (!launch)
		return -ENOMEM;
	launch->pid = -1;
	launch->pid_fd = launch->go_fd = launch->failed_fd = -1;

	err = fork_child(launch, argv, signals);
	if (err)
		goto fail;
	launch->pid_fd = (int)syscall(SYS_pidfd_open, launch->pid, 0);
	if (launch->pid_fd < 0) {
		err = -errno;
		goto fail;
	}
	*out = launch;
	return 0;

fail:
	launch_release(launch);
	return err;
}

/* Takes the status of an ended child, which must be waited for only once. */
static int reap(struct launch *launch, int flags)
{
	pid_t pid;

	if (launch->ended)
		return 0;
	pid = waitpid(launch->pid, &launch->wait_status, flags);
	if (!pid)
		return -EAGAIN;
	if (pid < 0)
		return -errno;
	launch->ended = true;
	return 0;
}

int launch_go(struct launch *launch)
{
	ssize_t length;
	int err = 0;

	do {
		length = write(launch->go_fd, "", 1);
	} while (length < 0 && errno == EINTR);
	if (length != 1)
		err = -ECHILD; /* EPIPE: nobody is there to read */
	close_fd(&launch->go_fd);
	if (!err) {
		int failed = 0;

		do {
			length = read(launch->failed_fd, &failed, sizeof(failed));
		} while (length < 0 && errno == EINTR);
		if (length == (ssize_t)sizeof(failed))
			err = -failed;
	}
	close_fd(&launch->failed_fd);
	if (err) {
		while (reap(launch, 0) == -EINTR)
			;
	}
	return err;
}

bool launch_is_started(const struct launch *launch)
{
	return launch->go_fd < 0;
}

pid_t launch_pid(const struct launch *launch)
{
	return launch->pid;
}

int launch_fd(const struct launch *launch)
{
	return launch->pid_fd;
}

int launch_wait(struct launch *launch, int timeout_ms, int *wait_status)
{
	struct pollfd ended = { .fd = launch->pid_fd, .events = POLLIN };
	int err;

	err = reap(launch, WNOHANG);
	if (err == -EAGAIN && timeout_ms) {
		if (poll(&ended, 1, timeout_ms) < 0)
			return -errno;
		err = reap(launch, WNOHANG);
	}
	if (!err)
		*wait_status = launch->wait_status;
	return err;
}

int launch_wait_end(struct launch *launch, struct signals *signals, int *wait_status)
{
	unsigned int stop_count = 0;
	bool passed_on = false;

	for (;;) {
		struct pollfd waited[] = {
			{ .fd = launch->pid_fd, .events = POLLIN },
			{ .fd = signals->fd, .events = POLLIN },
		};
		int err = launch_wait(launch, 0, wait_status);

		if (err != -EAGAIN && err != -EINTR)
			return err;
		if (signals_poll(signals) > stop_count && signals->last_signal != SIGINT) {
			if (passed_on)
				return -EINTR;
			launch_signal(launch, signals->last_signal);
			passed_on = true;
		}
		stop_count = signals->stop_count;
		if (poll(waited, 2, -1) < 0 && errno != EINTR)
			return -errno;
	}
}

int launch_signal(struct launch *launch, int signal_number)
{
	/* Not reaped yet: the pid is still its own. */
	if (launch->ended || kill(launch->pid, signal_number))
		return -ESRCH;
	return 0;
}

void launch_release(struct launch *launch)
{
	if (!launch)
		return;
	close_fd(&launch->failed_fd);
	if (launch->go_fd >= 0) {
		close_fd(&launch->go_fd);
		while (reap(launch, 0) == -EINTR)
			;
	}
	close_fd(&launch->pid_fd);
	free(launch);
}

int launch_exit_status(int wait_status)
{
	if (WIFSIGNALED(wait_status))
		return 128 + WTERMSIG(wait_status);
	return WEXITSTATUS(wait_status);
}

int launch_exec_status(int error)
{
	return error == ENOENT ? 127 : 126;
}
