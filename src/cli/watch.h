/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The processes under watch, from the moment each is known to be CPython to its end: who they are,
 * their threads, the CPU time of each by the scheduler's own count. Turns the records about
 * processes into changes of the kernel's tables and of the profile.
 */
#ifndef PYBPFPROF_CLI_WATCH_H
#define PYBPFPROF_CLI_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/capture.h"
#include "cli/watch_processes.h"
#include "decode/event.h"
#include "model/profile.h"
#include "python/python.h"

struct watch;

/* NULL: out of memory. `capture` and `profile` must outlive it. */
struct watch *watch_new(struct capture *capture, struct profile *profile);
void watch_free(struct watch *watch);

/*
 * Calls `on_target` for each process that was inspected and is about to become a target; not for
 * forks of a target, which have its file and its layout. It may add flags to python->target, and
 * returns how the process is seen ("dispatch"), NULL where nothing is to be said. When all that want to know
 * have been called so, `on_placed` (NULL: nobody) sees the flags of them all. At most WATCH_LISTENERS.
 */
enum { WATCH_LISTENERS = PART_COUNT };
typedef const char *(*watch_target_fn)(void *arg, struct python_process *python);
typedef void (*watch_placed_fn)(void *arg, const struct python_process *python);
void watch_on_target(struct watch *watch, watch_target_fn on_target, watch_placed_fn on_placed,
		     void *arg);

/*
 * Looks at `pid` and makes it a target if it is a CPython we know. 0; -ENOMEM; -EAGAIN, not (yet):
 * process->verdict and reason tell why.
 */
int watch_add(struct watch *watch, pid_t pid, struct python_process *process);
/* Keeps looking at `pid` for a while, since its interpreter may still be starting. */
int watch_expect(struct watch *watch, pid_t pid, uint64_t cpu_base_ns);
/* Looks again at those expected whose time has come. Milliseconds until the next look; -1 none. */
int watch_retry(struct watch *watch);

/*
 * Remembers what processes that the kernel side makes targets by that template (see capture_template_make())
 * are like. 0 or -ENOMEM.
 */
int watch_template_keep(struct watch *watch, uint32_t index, const struct python_process *python);
/* NULL: there is no such template. */
const struct python_process *watch_template(const struct watch *watch, uint32_t index);
/*
 * A RECORD_PROCESS_FOUND: the kernel side made a target of a process that runs the same interpreter as its
 * template. Sets its row up, before anybody else is handed the record. 0 or -ENOMEM.
 */
int watch_found(struct watch *watch, const struct record_process *record);
/* Such a process is seen that way, "dispatch", besides others. */
void watch_seen_by(struct watch *watch, uint32_t serial, const char *probes);

/* A RECORD_PROCESS_* or RECORD_THREAD_*. 0 or -ENOMEM. */
int watch_event(struct watch *watch, const struct event *event);

/* NULL: no such process. Borrowed until the next call. */
const struct watched_process *watch_process(const struct watch *watch, uint32_t serial);
/*
 * All of them, by index from 0 on, those that have ended some seconds longer; serial 0: none there. NULL:
 * no more. Borrowed until the next call.
 */
const struct watched_process *watch_process_at(const struct watch *watch, uint32_t index);
/* The profile's thread of a sample, added when new. PROFILE_NONE: out of memory, or no process. */
uint32_t watch_thread(struct watch *watch, uint32_t serial, pid_t tid, uint64_t now_ns);

/*
 * Once a second, whatever it is called: finds processes that have ended without a record of it,
 * because it was lost or they ended while they were being added. Else they would be waited for.
 * What ended long ago is forgotten, its rows of the profile excepted.
 */
void watch_sweep(struct watch *watch);

uint32_t watch_living_count(const struct watch *watch);
/* Exited threads whose RECORD_THREAD_FREE is still to come, within tens of milliseconds. */
uint32_t watch_unfreed_count(const struct watch *watch);
/* CPU time of all targets so far; reads /proc for each thread. */
uint64_t watch_cpu_ns(struct watch *watch);
/* Fills CPU and wall times of processes and threads that still live. Once, at the end. */
void watch_finish(struct watch *watch);

#endif
