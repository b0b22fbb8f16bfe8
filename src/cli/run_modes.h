/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The questions of a run. Each kind of mode is a table of operations, so that whoever runs them knows none
 * by name; a run has one of each kind that was asked, which share the watch, the stacks and the profile.
 */
#ifndef PYBPFPROF_CLI_RUN_MODES_H
#define PYBPFPROF_CLI_RUN_MODES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "capture/capture.h"
#include "cli/collector_plans.h"
#include "cli/config.h"
#include "cli/run_cost.h"
#include "cli/stacks.h"
#include "cli/watch.h"
#include "decode/event.h"
#include "model/profile.h"

/* What all modes of a run share; borrowed. */
struct run_parts {
	const struct config *config;
	struct capture *capture;
	struct watch *watch;
	struct stacks *stacks;
	struct collector_plans *collector_plans;
	struct profile *profile;
	const struct run_cost *cost;
};

/* Operations that return an int: 0 or -ENOMEM, if not said otherwise. NULL: there is nothing to do. */
struct run_mode {
	enum profile_part part;
	uint32_t families; /* bits 1 << enum probe_family */
	enum profile_unit unit;
	bool limited;	  /* its probes have a limit to what they cost the targets */
	bool starts_late; /* the time until all that were there are found is not its own */
	uint32_t last_ms; /* after the end, what happened before is told so late */

	void *(*make)(const struct run_parts *parts); /* NULL: out of memory */
	void (*free)(void *self);

	/* `pid` is about to exec what `python`, another process, runs: its probes are in by then. 0, -errno. */
	int (*prepare)(void *self, struct python_process *python, pid_t pid);
	/* The run starts, before anybody is looked at. */
	int (*start)(void *self, uint64_t start_ns);
	/* Those that were there have been looked at: who comes now began while we watch. */
	int (*found)(void *self);
	/* Any record; what does not concern it is passed over. */
	int (*event)(void *self, const struct event *event);
	/* Now and then. */
	int (*tick)(void *self, uint64_t now_ns);

	/* Why a target cannot be seen, NULL when all can; borrowed. */
	const char *(*refusal)(const void *self);
	/* Whether that is so of all there were: the numbers must not be shown. */
	bool (*refused)(const void *self);
	/* Heard of so far: calls and returns, allocations, samples. */
	uint64_t (*event_count)(const void *self);

	/* The run ends, in this order. Takes its own probes away, as far as all is told by then. */
	void (*detach)(void *self);
	/* What happens later than end_ns is not counted. All other probes are still in place. */
	int (*end)(void *self, uint64_t end_ns);
	/* All probes are gone and all records were handed over: its part of the profile is made. 0, -errno. */
	int (*finish)(void *self, uint64_t end_ns);

	/* Windows (--duty): nothing after until_ns counts, until a window begins at since_ns. */
	void (*until)(void *self, uint64_t until_ns);
	int (*window)(void *self, uint64_t since_ns);
};

/* One of each kind, in the order of enum profile_part. */
const struct run_mode *run_mode_of(enum profile_part part);

/* What runs. Zeroed is none. */
struct run_modes {
	struct {
		const struct run_mode *mode;
		void *self;
	} array[PART_COUNT];
	size_t count;
};

/* The ints: 0 or the first error. */
int run_modes_make(struct run_modes *modes, const struct run_parts *parts);
void run_modes_release(struct run_modes *modes);

int run_modes_prepare(struct run_modes *modes, struct python_process *python, pid_t pid);
int run_modes_start(struct run_modes *modes, uint64_t start_ns);
int run_modes_found(struct run_modes *modes);
int run_modes_event(struct run_modes *modes, const struct event *event);
int run_modes_tick(struct run_modes *modes, uint64_t now_ns);
void run_modes_detach(struct run_modes *modes);
int run_modes_end(struct run_modes *modes, uint64_t end_ns);
/* Every one of them, also after an error: what was seen is nothing before it is summed. */
int run_modes_finish(struct run_modes *modes, const struct run_parts *parts, uint64_t end_ns);
void run_modes_until(struct run_modes *modes, uint64_t until_ns);
int run_modes_window(struct run_modes *modes, uint64_t since_ns);

/* Whether one of them has a refusal; whether one must not show its numbers; whether one is limited. */
bool run_modes_refusal(const struct run_modes *modes);
bool run_modes_refused(const struct run_modes *modes);
bool run_modes_limited(const struct run_modes *modes);
/* Whether all of them do. */
bool run_modes_start_late(const struct run_modes *modes);
uint32_t run_modes_last_ms(const struct run_modes *modes);
/* Of those that are limited. */
uint64_t run_modes_event_count(const struct run_modes *modes);

/* Of the modes that the command line asks for: their probes, and the unit of the first. */
uint32_t run_modes_families(const struct config *config);
enum profile_unit run_modes_unit(const struct config *config);

#endif
