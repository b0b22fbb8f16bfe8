/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Many uprobes of one file under one link: put in and taken away at once, where one by one each costs
 * the kernel a tenth of a second to take away (it waits until nobody can be in it any more).
 * Linux 6.6 brought it; 6.10 made it see all threads of a process when only one process is meant.
 */
#ifndef PYBPFPROF_CAPTURE_UPROBE_MULTI_H
#define PYBPFPROF_CAPTURE_UPROBE_MULTI_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Whether this kernel has them, and right. Tries it; needs the rights to load a program. */
bool uprobe_multi_works(void);

/*
 * Before loading: has the program attached by uprobe_multi_attach(), and never in another way: such
 * a program finds its cookie where only these links put it.
 */
int uprobe_multi_prepare(struct bpf_program *program);

struct uprobe_multi {
	const struct bpf_program *program;
	const char *path;
	pid_t only_pid; /* 0: all processes that map the file */
	size_t count;
	/* Each of `count`: */
	const uint64_t *offsets;    /* of the instruction, in the file */
	const uint64_t *semaphores; /* of the counter, in the file; 0 none */
	const uint64_t *cookies;
};

/* 0, and in *link_fd what holds them in place until it is closed; -errno. */
int uprobe_multi_attach(const struct uprobe_multi *probes, int *link_fd);

#endif
