/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A second account of calls, kept the slow way: every gap of time is given to the innermost frame
 * and, once each, to every function, pair and path that runs; frames are searched from one end to
 * the other; durations are kept as they are.
 */
#ifndef PYBPFPROF_TESTS_METER_SLOW_CALLS_H
#define PYBPFPROF_TESTS_METER_SLOW_CALLS_H

#include "meter/calls.h"

enum {
	FUNCTIONS = 6,
	NOBODY = FUNCTIONS, /* as a caller */
	THREADS = 3,
	DEPTH_MAX = 24,
	PATHS_MAX = 20000,
	ENTER_NS = 7,
	LEAVE_NS = 4,
};

struct sums {
	uint64_t calls, resumes, exceptions, running, unfinished, recursive;
	uint64_t self_ns, total_ns, cpu_self_ns, cpu_total_ns;
	uint64_t *durations;
	size_t duration_count;
};

struct slow_frame {
	uint64_t frame;
	uint32_t function;
	uint64_t wall_ns; /* since it entered */
	bool running;
};

struct slow_thread {
	struct slow_frame frames[DEPTH_MAX];
	unsigned int depth;
	bool followed, entered, off;
	uint64_t time_ns, off_ns, off_since_ns, cost_ns, outside_ns, followed_ns;
};

struct slow_path {
	uint32_t thread;
	unsigned int depth;
	uint8_t functions[DEPTH_MAX];
	uint64_t calls, self_ns, total_ns;
};

struct slow {
	struct slow_thread threads[THREADS];
	struct sums functions[FUNCTIONS];
	struct sums edges[FUNCTIONS + 1][FUNCTIONS];
	struct slow_path *paths;
	size_t path_count;
	uint64_t compensated_ns, unseen, stray, resynchronised;
};

/* As those of meter/calls.h. */
void slow_event(struct slow *slow, uint32_t thread_id, enum call_event_kind kind, uint64_t time_ns,
		uint64_t frame, uint32_t function);
void slow_off_cpu(struct slow_thread *thread, uint64_t time_ns, bool goes, uint64_t off_ns);
void slow_start(struct slow *slow, uint32_t thread_id, uint64_t time_ns,
		const struct call_running *frames, size_t count);
void slow_end(struct slow *slow, uint32_t thread_id, uint64_t time_ns);

#endif
