/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The COMMAND after `--`: forked at once and held before its exec, so that probes are in place
 * when its first instruction runs. It stays in our process group and on our terminal (Ctrl-C
 * reaches it as it would without us), inherits environment, descriptors 0 to 2, signal mask and
 * dispositions, user and limits unchanged. If we die it runs on; if we die before launch_go() it
 * ends without having run.
 */
#ifndef PYBPFPROF_CLI_LAUNCH_H
#define PYBPFPROF_CLI_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/signals.h"

struct launch;

/*
 * Forks; the child waits for launch_go(). `argv` is NULL-terminated; signals (may be NULL) says
 * what to give back to the child. 0 or -errno.
 */
int launch_prepare(char *const *argv, const struct signals *signals, struct launch **out);
/*
 * Lets it exec and returns when that happened. -errno of the exec when it failed (-ENOENT,
 * -EACCES, ...; the child is gone then), -ECHILD when the child was killed while it waited.
 */
int launch_go(struct launch *launch);
bool launch_is_started(const struct launch *launch); /* launch_go() was tried */

pid_t launch_pid(const struct launch *launch);
/* Readable (poll, epoll) when the command has ended. Borrowed. */
int launch_fd(const struct launch *launch);
/*
 * Waits at most timeout_ms (0: only looks; negative: without end, for callers that watch
 * launch_fd() themselves). 0 with *wait_status as waitpid() gives it, also when asked again;
 * -EAGAIN while it runs; -EINTR.
 */
int launch_wait(struct launch *launch, int timeout_ms, int *wait_status);
/*
 * Waits for the end of a command that outlives its profile, as time(1) does: a SIGINT is the
 * command's to answer (a terminal gave it one, too), a SIGTERM or SIGHUP sent to us, now or
 * before, is passed on to it. A further one of these ends the wait: -EINTR, and the command runs
 * on. 0 with *wait_status; -errno.
 */
int launch_wait_end(struct launch *launch, struct signals *signals, int *wait_status);
/* Sends a signal to the command while it runs. 0; -ESRCH when it has ended. */
int launch_signal(struct launch *launch, int signal_number);

/* Frees. A command that was never let go is ended; one that runs is left running. Takes NULL. */
void launch_release(struct launch *launch);

/* The status to exit with: the command's own, 128 + the signal that ended it. */
int launch_exit_status(int wait_status);
/* The status for a command that could not be executed: 127 not found, else 126. */
int launch_exec_status(int error);

#endif
