/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The processes under watch: which row of the profile each is. Rows are bounded, and slots of
 * processes that ended long ago are used again.
 */
#ifndef PYBPFPROF_CLI_WATCH_PROCESSES_H
#define PYBPFPROF_CLI_WATCH_PROCESSES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/map64.h"
#include "model/profile.h"

/* Later processes share one row, "[more processes]". */
enum { WATCHED_PROCESS_ROWS_MAX = 1024 };

struct watched_process {
	uint32_t serial; /* 0: a slot that is free */
	pid_t pid;
	uint32_t process;   /* of the profile */
	unsigned int minor; /* of its CPython */
	uint32_t thread_rows;
	bool shares_row;
	bool gone; /* seen dead, though nobody told its end */
	bool ended;
	uint64_t ended_ns;
	uint64_t start_ticks;  /* as /proc/PID/stat has it; 0: not known yet */
	uint64_t cpu_ended_ns; /* CPU time of threads that ended while watched */
};

/* Init'ed by watched_processes_init(). */
struct watched_processes {
	struct profile *profile; /* borrowed */
	struct watched_process *array;
	uint32_t count;
	uint32_t free_slot;	   /* 1 + index of a slot to use again; 0: none */
	uint32_t row_count;	   /* the shared one not counted */
	uint64_t cpu_forgotten_ns; /* cpu_ended_ns of the forgotten ones */
	struct map64 *by_serial;   /* serial -> index of array */
};

int watched_processes_init(struct watched_processes *processes, struct profile *profile);
void watched_processes_release(struct watched_processes *processes);

/* NULL: not known. Pointers are good until the next watched_process_add(). */
struct watched_process *watched_process_find(const struct watched_processes *processes,
					     uint32_t serial);
/* NULL: out of memory. */
struct watched_process *watched_process_add(struct watched_processes *processes, uint32_t serial,
					    pid_t pid, unsigned int minor);
/* The command line and the CPython, into its row unless that is shared. */
void watched_process_describe(struct watched_processes *processes,
			      const struct watched_process *process, const char *python);
/* The same of how it is seen, "dispatch", behind other ways; NULL: nothing is to be said. */
void watched_process_seen_by(struct watched_processes *processes,
			     const struct watched_process *process, const char *probes);
/* The same as another's. */
void watched_process_describe_as(struct watched_processes *processes,
				 const struct watched_process *process, uint32_t like);
/* Asks /proc; a number that is another process's by now is known by its start, from the second time on. */
bool watched_process_is_gone(struct watched_process *process);
/* No record can speak of it any more. */
void watched_process_forget(struct watched_processes *processes, struct watched_process *process);

#endif
