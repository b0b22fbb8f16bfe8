/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of this room share: the capture's parts. Nobody else includes it. */
#ifndef PYBPFPROF_CAPTURE_CAPTURE_PRIVATE_H
#define PYBPFPROF_CAPTURE_CAPTURE_PRIVATE_H

#include <bpf/libbpf.h>
#include <pthread.h>
#include <sys/stat.h>

#include "capture/capture.h"
#include "capture/map_each.h"
#include "pybpfprof.skel.h"

/* An interpreter file; in `watched`, one whose code objects' ends are reported. */
struct watched_file {
	dev_t device;
	ino_t inode;
};

/* A link that is being closed. */
struct closing {
	pthread_t thread;
	bool waits;
};

/* An interpreter file (and process, where only one is meant) whose calls are followed. */
struct called_file {
	dev_t device;
	ino_t inode;
	pid_t only_pid;
	int fd; /* the file stays what it is, whatever becomes of its path */
	uint32_t first_site;
	uint32_t template_index; /* NO_TEMPLATE: none yet */
	bool retired;		 /* see capture_calls_retire() */
	struct call_plan plan;
	int multi_fds[2]; /* of those that leave, of those that enter; -1 not in place */
	struct closing closings[2];
	struct bpf_link *links[CALL_PLAN_SITES]; /* where the kernel has no uprobe_multi */
};

/* Probes on allocators that have a number. */
struct allocating_sites {
	struct allocating_site *array;
	size_t count;
};

/* A program that ticks, and its perf event on each CPU; NULL: that CPU is offline. */
struct capture_clock {
	const struct bpf_program *program;
	struct bpf_link **by_cpu;
};

enum { CAPTURE_CLOCKS = 2 };

struct capture {
	struct capture_options options;
	struct pybpfprof_bpf *skeleton;
	struct ring_buffer *ring;
	struct bpf_link **links;
	size_t link_count;
	struct watched_file *watched;
	size_t watched_count;
	struct called_file **called;
	size_t called_count;
	uint32_t next_site;
	bool uprobe_multi;   /* probes are attached many at once */
	bool uprobe_session; /* entry and return of an allocator's function by one program */
	bool calls_away;     /* probes on calls are not to be in place now */
	struct watched_file templates[ABI_TEMPLATES]; /* the interpreters they are of */
	uint32_t next_template;
	uint32_t next_serial;
	struct closer *closer; /* of links of processes that have ended; NULL: none yet */
	struct allocating_process **allocating;
	size_t allocating_count;
	struct allocating_sites allocating_sites[2]; /* of PROBE_MEMORY, of PROBE_LIFETIME */
	struct collecting_file **collecting; /* interpreter files whose collections are seen */
	size_t collecting_count;
	uint32_t next_gc_site;
	int start_fds[2 * ABI_TEMPLATES]; /* links of memory__start and lifetime__start */
	size_t start_fd_count;
	struct map_cursor sweep_cursor; /* of a walk for what ended processes had */
	struct capture_clock clocks[CAPTURE_CLOCKS];
	size_t clock_count;
	int cpu_count;		     /* possible ones: what per-CPU maps have values for */
	int cpu_limit;		     /* the highest number of one, + 1: numbers may have gaps */
	capture_record_fn on_record; /* during a drain */
	void *on_record_arg;
	int drained;
};

/* Owns `link` from now on; -errno of its making when it is NULL. */
int capture_link_keep(struct capture *capture, struct bpf_link *link);

/* What threads remember of their processes is looked up anew. */
void capture_targets_changed(struct capture *capture);

/*
 * The template for the file that `python` runs: what any process that runs it is, with `flags` besides those that
 * it has, if somebody asked for it before. -ENOSPC; -errno; *index is untouched then.
 */
int capture_template_make(struct capture *capture, const struct python_process *python,
			  uint32_t flags, uint32_t *index);

int capture_cpu_limit(void);
int capture_clock_add(struct capture *capture, const struct bpf_program *program);
void capture_clocks_release(struct capture *capture);

void capture_calls_release(struct capture *capture);

/* Before programs are chosen: PROBE_RSS in the options becomes what this kernel needs. 0 or -errno. */
int capture_rss_tune(struct capture *capture);
/* Before loading: room for blocks that live shortly. 0 or -errno. */
int capture_slots_tune(struct capture *capture);
void capture_memory_release(struct capture *capture);
void capture_gc_release(struct capture *capture);

#endif
