/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SIGINT, SIGTERM and SIGHUP as requests to stop, read from a descriptor: the first says "finish
 * and report", the second "end at once, keep what was gathered". SIGPIPE is ignored, so that a
 * closed pipe is a write error with a name.
 *
 * While open, the three are blocked, not handled; a SIGHUP that was ignored when we were started
 * (nohup) stays ignored. What was inherited is remembered, to be given back to a COMMAND and,
 * while a report goes to a pipe that may never be read, to ourselves. SIGCHLD is as it is by default:
 * where it was ignored the kernel would not keep a COMMAND's exit status for us.
 */
#ifndef PYBPFPROF_CLI_SIGNALS_H
#define PYBPFPROF_CLI_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

struct signals {
	int fd; /* readable when a request came; -1 closed */
	unsigned int stop_count;
	int last_signal; /* the number of the latest one; 0 none */
	sigset_t inherited_mask;
	struct sigaction inherited_pipe, inherited_child;
	bool holding; /* the three are blocked */
};

/* To be called before any thread or child is made. 0 or -errno. */
int signals_open(struct signals *signals);
void signals_close(struct signals *signals); /* puts back what was inherited; idempotent */

/* How many requests came in all. Never waits; cheap enough for the loops of long work. */
unsigned int signals_poll(struct signals *signals);

/*
 * From now on (let_go), or no longer (hold), another signal ends the process at once. For writes
 * that have no end of their own: to a terminal, a pipe.
 */
void signals_let_go(struct signals *signals);
void signals_hold(struct signals *signals);

/* In a child between fork and exec: mask and dispositions as we inherited them. */
void signals_restore_in_child(const struct signals *signals);

/* Only the SIGPIPE part, for commands that print and end. */
void signals_ignore_pipe(void);

#endif
