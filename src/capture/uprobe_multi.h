/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Many uprobes of one file under one link: put in and taken away at once, where one by one each
 * costs the kernel a tenth of a second to take away (it waits until nobody can be in it any more).
 * Linux 6.6 brought it; 6.10 made it see all threads of a process when only one process is meant.
 */
#ifndef PYBPFPROF_CAPTURE_UPROBE_MULTI_H
#define PYBPFPROF_CAPTURE_UPROBE_MULTI_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Whether this kernel has them, and right. Tries it; needs the rights to load a program. */
bool uprobe_multi_works(void);

/*
 * What a program must be loaded with as its expected attach type. It can then be attached in no
 * other way: it looks for its cookie where only these links put it.
 */
enum bpf_attach_type uprobe_multi_attach_type(void);

/*
 * Whether this kernel has such links whose program runs on entry and on return, the latter only where the
 * former wants it (6.13). What it must be loaded with.
 */
bool uprobe_session_works(void);
enum bpf_attach_type uprobe_session_attach_type(void);

struct uprobe_multi {
	int program_fd;
	const char *path;
	pid_t only_pid;	 /* 0: all processes that map the file */
	bool is_session; /* the program runs at both ends; see uprobe_session_works() */
	bool is_return; /* at the function's return, whose address lies on the stack at `offsets` */
	size_t count;
	/* Each of `count`: */
	const uint64_t *offsets;    /* of the instruction, in the file */
	const uint64_t *semaphores; /* of the counter, in the file; 0 none. NULL: no counters */
	const uint64_t *cookies;    /* NULL: none */
};

/* 0, and in *link_fd what holds them in place until it is closed; -errno. */
int uprobe_multi_attach(const struct uprobe_multi *probes, int *link_fd);

#endif
