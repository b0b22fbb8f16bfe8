// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests to stop, through a signalfd: no handler, hence no file-scope state, nothing interrupted
 * in the middle, and a descriptor that a poll loop can wait on.
 */
#include "cli/signals.h"

#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/*
 * SIGINT also where it was ignored: shells ignore it for background jobs of scripts, which then
 * say `kill -INT` and mean it. An ignored SIGHUP is nohup(1) and means the contrary.
 */
static void stop_set(sigset_t *set)
{
	struct sigaction hangup;

	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	if (sigaction(SIGHUP, NULL, &hangup) || hangup.sa_handler != SIG_IGN)
		sigaddset(set, SIGHUP);
}

int signals_open(struct signals *signals)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	const struct sigaction by_default = { .sa_handler = SIG_DFL };
	sigset_t stop;
	int err;

	memset(signals, 0, sizeof(*signals));
	stop_set(&stop);
	signals->fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals->fd < 0)
		return -errno;
	if (sigprocmask(SIG_BLOCK, &stop, &signals->inherited_mask)) {
		err = -errno;
		close(signals->fd);
		signals->fd = -1;
		return err;
	}
	sigaction(SIGPIPE, &ignore, &signals->inherited_pipe);
	sigaction(SIGCHLD, &by_default, &signals->inherited_child);
	signals->holding = true;
	return 0;
}

void signals_close(struct signals *signals)
{
	if (signals->fd < 0)
		return;
	/* What came in and was not asked for yet must not kill us now. */
	signals_poll(signals);
	close(signals->fd);
	signals->fd = -1;
	sigaction(SIGPIPE, &signals->inherited_pipe, NULL);
	sigaction(SIGCHLD, &signals->inherited_child, NULL);
	sigprocmask(SIG_SETMASK, &signals->inherited_mask, NULL);
	signals->holding = false;
}

unsigned int signals_poll(struct signals *signals)
{
	struct signalfd_siginfo request;

	while (signals->fd >= 0 &&
	       read(signals->fd, &request, sizeof(request)) == (ssize_t)sizeof(request)) {
		signals->stop_count++;
		signals->last_signal = (int)request.ssi_signo;
	}
	return signals->stop_count;
}

void signals_let_go(struct signals *signals)
{
	if (signals->fd < 0 || !signals->holding)
		return;
	signals_poll(signals);
	sigprocmask(SIG_SETMASK, &signals->inherited_mask, NULL);
	signals->holding = false;
}

void signals_hold(struct signals *signals)
{
	sigset_t stop;

	if (signals->fd < 0 || signals->holding)
		return;
	stop_set(&stop);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	signals->holding = true;
}

void signals_restore_in_child(const struct signals *signals)
{
	sigaction(SIGPIPE, &signals->inherited_pipe, NULL);
	sigaction(SIGCHLD, &signals->inherited_child, NULL);
	sigprocmask(SIG_SETMASK, &signals->inherited_mask, NULL);
}

void signals_ignore_pipe(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	sigaction(SIGPIPE, &ignore, NULL);
}
