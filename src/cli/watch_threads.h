/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The threads of the processes under watch: which row of the profile each is, what CPU time it had
 * used when its watch began, when it ended. Rows are bounded, slots of ended threads are used again.
 */
#ifndef PYBPFPROF_CLI_WATCH_THREADS_H
#define PYBPFPROF_CLI_WATCH_THREADS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/map64.h"
#include "model/profile.h"

enum { WATCHED_THREAD_ROWS_MAX = 4096 /* of a process; later threads share one row */ };

struct watched_thread {
	uint32_t serial;
	pid_t pid, tid;
	uint32_t thread;      /* of the profile */
	uint64_t cpu_base_ns; /* when the watch began */
	uint64_t start_ns;    /* CLOCK_MONOTONIC, of the watch */
	bool ended;
	bool cpu_counted;
};

/* Init'ed by watched_threads_init(). */
struct watched_threads {
	struct profile *profile; /* borrowed */
	struct watched_thread *array;
	uint32_t count;
	uint32_t free_slot;   /* 1 + index of a slot to use again; 0: none */
	struct map64 *by_tid; /* (serial, tid) -> index of array */
};

int watched_threads_init(struct watched_threads *threads, struct profile *profile);
void watched_threads_release(struct watched_threads *threads);

/* NULL: not known. Pointers to threads are good until the next watched_thread_add(). */
struct watched_thread *watched_thread_find(const struct watched_threads *threads, uint32_t serial,
					   pid_t tid);
/*
 * Adds a thread of the profile's process `process`; *rows counts the rows that process has.
 * NULL: out of memory.
 */
struct watched_thread *watched_thread_add(struct watched_threads *threads,
					  const struct watched_thread *thread, uint32_t process,
					  uint32_t *rows);
/*
 * The thread ended (or the run did): its times go to the profile, each once. `cpu_ns` 0: not known
 * (yet): the end of a process may be heard of before the ends of its last threads.
 */
void watched_thread_end(struct watched_threads *threads, struct watched_thread *thread,
			uint64_t cpu_ns, uint64_t end_ns);
/* The kernel forgot the thread; its number may be another's from now on. */
void watched_thread_forget(struct watched_threads *threads, struct watched_thread *thread);

#endif
