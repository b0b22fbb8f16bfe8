/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The question "how often was each function called, by whom, and how long did it take": follows each
 * thread's stack by its entries and exits, and puts wall and CPU time where they belong.
 *
 * One clock per thread, from its events; CPU time is that clock without the time the scheduler had
 * the thread off a CPU. Between two events a probe hit costs the target `probe_ns`: that is taken out
 * of the gap behind a hit, never more than the gap.
 */
#ifndef PYBPFPROF_METER_CALLS_H
#define PYBPFPROF_METER_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "model/calls.h"
#include "pybpfprof/abi.h"

struct call_meter;
struct call_thread; /* one thread's stack */

/* `calls` must outlive it. `enter_ns`, `leave_ns`: what a hit of each costs; 0: take nothing out. */
struct call_meter *call_meter_new(struct calls *calls, uint32_t enter_ns, uint32_t leave_ns);
void call_meter_free(struct call_meter *meter);

/*
 * A thread of its own, counted as the profile's thread of that index, which others may be as well:
 * rows are bounded. Borrowed until the meter ends or it is dropped. NULL: out of memory.
 */
struct call_thread *call_meter_add(struct call_meter *meter, uint32_t thread);
/* After call_thread_end(): it will not be heard of again. */
void call_meter_drop(struct call_meter *meter, struct call_thread *thread);

/*
 * The frames that run now, outermost first. What was known of the thread's stack ends at `time_ns`
 * without being a call's end. 0 or -ENOMEM.
 */
struct call_running {
	uint64_t frame;
	uint32_t function;
};
int call_thread_start(struct call_meter *meter, struct call_thread *thread, uint64_t time_ns,
		      const struct call_running *frames, size_t count);

/*
 * One entry, exit or time off the CPU. `function` of the profile, for entries. An entry whose frame
 * is the innermost already is the same entry. An exit ends every frame above its own; one of a
 * frame that does not run is nobody's. Entries and exits cost one probe hit each. 0 or -ENOMEM.
 */
int call_thread_event(struct call_meter *meter, struct call_thread *thread,
		      enum call_event_kind kind, uint64_t time_ns, uint64_t frame,
		      uint32_t function);
/*
 * `goes`: off the CPU from time_ns on, as long as nothing else is told; else it was off for off_cpu_ns
 * since the last event, or the last time this was told. Time off belongs to what was innermost.
 */
void call_thread_off_cpu(struct call_meter *meter, struct call_thread *thread, uint64_t time_ns,
			 bool goes, uint64_t off_cpu_ns);

/* What the last hit costs, where that is not what hits usually do. */
void call_thread_hit(struct call_thread *thread, uint32_t hit_ns);

/* Innermost frame; 0 none. */
uint64_t call_thread_frame(const struct call_thread *thread);
/* It was told to go off the CPU, and nothing since. */
bool call_thread_is_off_cpu(const struct call_thread *thread);
bool call_thread_has_frame(const struct call_thread *thread, uint64_t frame);

/*
 * The thread ends, or we stop looking: what runs is counted up to `time_ns` as unfinished. Only now
 * the thread's root has its times. Later events are taken as those of a thread never heard of.
 */
int call_thread_end(struct call_meter *meter, struct call_thread *thread, uint64_t time_ns);
int call_meter_end(struct call_meter *meter, uint64_t time_ns); /* all threads */

#endif
