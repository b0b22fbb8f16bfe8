/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stopping a process for a moment, and never longer: a child of ours does it, which outlives us and lets
 * the process go on when the time is up, when we say so, or when we are gone, whichever comes first.
 */
#ifndef PYBPFPROF_CLI_HEAP_FREEZE_H
#define PYBPFPROF_CLI_HEAP_FREEZE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum freeze_way {
	FREEZE_NOT,
	FREEZE_CGROUP,	/* the cgroup v2 freezer: the process sees nothing of it */
	FREEZE_SIGNAL,	/* SIGSTOP and SIGCONT */
	FREEZE_STOPPED, /* it was stopped already, by somebody else, and stays so */
};

struct heap_freeze {
	pid_t pid;
	enum freeze_way way;
	pid_t child; /* 0: none */
	int control; /* closed to end it; -1 */
	int told;    /* what the child tells; -1 */
	int freezer; /* the cgroup's, for when the child was killed; -1 */
	int pidfd;   /* of the process; -1 */
	bool whole;  /* it was stopped until heap_freeze_end() */
	uint64_t ns; /* for how long */
};

/* 0 with the process stopped; -ESRCH, -EPERM, -ETIMEDOUT (it would not stop), -errno. */
int heap_freeze_begin(struct heap_freeze *freeze, pid_t pid, uint32_t limit_ms);
/* It runs on now, if it did before. Idempotent; takes a zeroed one. */
void heap_freeze_end(struct heap_freeze *freeze);

/* "the cgroup freezer", "SIGSTOP", "somebody else"; "" for none. */
const char *heap_freeze_name(enum freeze_way way);

#endif
