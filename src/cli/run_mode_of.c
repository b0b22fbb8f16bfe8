// SPDX-License-Identifier: GPL-2.0-only
/* See run_modes.h: each kind of mode as a table of operations. */
#include "cli/allocating.h"
#include "cli/calling.h"
#include "cli/collecting.h"
#include "cli/living.h"
#include "cli/run_modes.h"
#include "cli/sampling.h"

enum { CALLS_LAST_MS = 120 /* until a busy thread's last calls are sent, and a bit */ };

/* ---- time, callgraph ---- */

static void *calling_make(const struct run_parts *parts)
{
	return calling_new(parts);
}

static void calling_free_self(void *self)
{
	calling_free(self);
}

static int calling_prepare_self(void *self, struct python_process *python, pid_t pid)
{
	(void)pid;
	return calling_prepare(self, python);
}

static int calling_found_self(void *self)
{
	calling_start(self);
	return 0;
}

static int calling_event_self(void *self, const struct event *event)
{
	return calling_event(self, event);
}

static const char *calling_refusal_self(const void *self)
{
	return calling_refusal(self);
}

static bool calling_refused_self(const void *self)
{
	return calling_refused(self);
}

static uint64_t calling_event_count_self(const void *self)
{
	return calling_event_count(self);
}

static int calling_end_self(void *self, uint64_t end_ns)
{
	calling_until(self, end_ns);
	return 0;
}

static int calling_finish_self(void *self, uint64_t end_ns)
{
	return calling_finish(self, end_ns);
}

static void calling_until_self(void *self, uint64_t until_ns)
{
	calling_until(self, until_ns);
}

static int calling_window_self(void *self, uint64_t since_ns)
{
	return calling_window(self, since_ns);
}

/* ---- cpu, line ---- */

static void *sampling_make(const struct run_parts *parts)
{
	return sampling_new(parts);
}

static void sampling_free_self(void *self)
{
	sampling_free(self);
}

static int sampling_event_self(void *self, const struct event *event)
{
	return sampling_event(self, event);
}

/* ---- memory ---- */

static void *allocating_make(const struct run_parts *parts)
{
	return allocating_new(parts);
}

static void allocating_free_self(void *self)
{
	allocating_free(self);
}

static int allocating_prepare_self(void *self, struct python_process *python, pid_t pid)
{
	return allocating_prepare(self, python, pid);
}

static int allocating_start_self(void *self, uint64_t start_ns)
{
	return allocating_start(self, start_ns);
}

static int allocating_found_self(void *self)
{
	allocating_found(self);
	return 0;
}

static int allocating_event_self(void *self, const struct event *event)
{
	return allocating_event(self, event);
}

static int allocating_tick_self(void *self, uint64_t now_ns)
{
	return allocating_tick(self, now_ns);
}

static const char *allocating_refusal_self(const void *self)
{
	return allocating_refusal(self);
}

static bool allocating_refused_self(const void *self)
{
	return allocating_refused(self);
}

static uint64_t allocating_event_count_self(const void *self)
{
	return allocating_event_count(self);
}

static void allocating_detach_self(void *self)
{
	allocating_end(self);
}

static int allocating_finish_self(void *self, uint64_t end_ns)
{
	return allocating_finish(self, end_ns);
}

/* ---- lifetime ---- */

static void *living_make(const struct run_parts *parts)
{
	return living_new(parts);
}

static void living_free_self(void *self)
{
	living_free(self);
}

static int living_prepare_self(void *self, struct python_process *python, pid_t pid)
{
	return living_prepare(self, python, pid);
}

static int living_start_self(void *self, uint64_t start_ns)
{
	return living_start(self, start_ns);
}

static int living_found_self(void *self)
{
	return living_found(self);
}

static int living_event_self(void *self, const struct event *event)
{
	return living_event(self, event);
}

static int living_tick_self(void *self, uint64_t now_ns)
{
	return living_tick(self, now_ns);
}

static const char *living_refusal_self(const void *self)
{
	return living_refusal(self);
}

static bool living_refused_self(const void *self)
{
	return living_refused(self);
}

static uint64_t living_event_count_self(const void *self)
{
	return living_event_count(self);
}

static void living_detach_self(void *self)
{
	living_end(self);
}

static int living_finish_self(void *self, uint64_t end_ns)
{
	return living_finish(self, end_ns);
}

/* ---- gc ---- */

static void *collecting_make(const struct run_parts *parts)
{
	return collecting_new(parts);
}

static void collecting_free_self(void *self)
{
	collecting_free(self);
}

static int collecting_prepare_self(void *self, struct python_process *python, pid_t pid)
{
	(void)pid;
	return collecting_prepare(self, python);
}

static int collecting_start_self(void *self, uint64_t start_ns)
{
	return collecting_start(self, start_ns);
}

static int collecting_found_self(void *self)
{
	return collecting_tick(self);
}

static int collecting_event_self(void *self, const struct event *event)
{
	return collecting_event(self, event);
}

static int collecting_tick_self(void *self, uint64_t now_ns)
{
	(void)now_ns;
	return collecting_tick(self);
}

static const char *collecting_refusal_self(const void *self)
{
	return collecting_refusal(self);
}

static bool collecting_refused_self(const void *self)
{
	return collecting_refused(self);
}

static uint64_t collecting_event_count_self(const void *self)
{
	return collecting_event_count(self);
}

static int collecting_end_self(void *self, uint64_t end_ns)
{
	return collecting_end(self, end_ns);
}

static int collecting_finish_self(void *self, uint64_t end_ns)
{
	(void)end_ns;
	return collecting_finish(self);
}

/* ---- all of them ---- */

static const struct run_mode modes[PART_COUNT] = {
	[PART_CALLS] = {
		.part = PART_CALLS,
		.families = 1u << PROBE_CALLS,
		.unit = UNIT_NS,
		.limited = true,
		.starts_late = true,
		.last_ms = CALLS_LAST_MS,
		.make = calling_make,
		.free = calling_free_self,
		.prepare = calling_prepare_self,
		.found = calling_found_self,
		.event = calling_event_self,
		.refusal = calling_refusal_self,
		.refused = calling_refused_self,
		.event_count = calling_event_count_self,
		.end = calling_end_self,
		.finish = calling_finish_self,
		.until = calling_until_self,
		.window = calling_window_self,
	},
	[PART_SAMPLES] = {
		.part = PART_SAMPLES,
		.families = 1u << PROBE_SAMPLE,
		.unit = UNIT_NS,
		.make = sampling_make,
		.free = sampling_free_self,
		.event = sampling_event_self,
	},
	[PART_MEMORY] = {
		.part = PART_MEMORY,
		.families = 1u << PROBE_MEMORY,
		.unit = UNIT_BYTES,
		.limited = true,
		.make = allocating_make,
		.free = allocating_free_self,
		.prepare = allocating_prepare_self,
		.start = allocating_start_self,
		.found = allocating_found_self,
		.event = allocating_event_self,
		.tick = allocating_tick_self,
		.refusal = allocating_refusal_self,
		.refused = allocating_refused_self,
		.event_count = allocating_event_count_self,
		.detach = allocating_detach_self,
		.finish = allocating_finish_self,
	},
	[PART_LIFETIMES] = {
		.part = PART_LIFETIMES,
		/* What ends while the collector runs is told from what ends otherwise. */
		.families = 1u << PROBE_LIFETIME | 1u << PROBE_GC,
		.unit = UNIT_NS,
		.limited = true,
		.make = living_make,
		.free = living_free_self,
		.prepare = living_prepare_self,
		.start = living_start_self,
		.found = living_found_self,
		.event = living_event_self,
		.tick = living_tick_self,
		.refusal = living_refusal_self,
		.refused = living_refused_self,
		.event_count = living_event_count_self,
		.detach = living_detach_self,
		.finish = living_finish_self,
	},
	[PART_COLLECTIONS] = {
		.part = PART_COLLECTIONS,
		.families = 1u << PROBE_GC,
		.unit = UNIT_NS,
		.limited = true,
		.make = collecting_make,
		.free = collecting_free_self,
		.prepare = collecting_prepare_self,
		.start = collecting_start_self,
		.found = collecting_found_self,
		.event = collecting_event_self,
		.tick = collecting_tick_self,
		.refusal = collecting_refusal_self,
		.refused = collecting_refused_self,
		.event_count = collecting_event_count_self,
		.end = collecting_end_self,
		.finish = collecting_finish_self,
	},
};

const struct run_mode *run_mode_of(enum profile_part part)
{
	return &modes[part];
}
