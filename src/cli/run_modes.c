// SPDX-License-Identifier: GPL-2.0-only
/* See run_modes.h: what is done with all modes of a run. The modes themselves are in run_mode_of.c. */
#include "cli/run_modes.h"

#include <errno.h>

#include "base/buffer.h"
#include "model/parts.h"

/* Modes of one kind, "time,callgraph". */
static void names_append(struct buffer *out, const struct config *config, enum profile_part part)
{
	for (int mode = 0; mode < CONFIG_MODE_COUNT; mode++) {
		if (!config_has_mode(config, mode) || config_mode_part(mode) != part)
			continue;
		if (out->length)
			buffer_byte(out, ',');
		buffer_string(out, config_mode_name(mode));
	}
}

int run_modes_make(struct run_modes *modes, const struct run_parts *parts)
{
	for (enum profile_part part = 0; part < PART_COUNT; part++) {
		const struct run_mode *mode = run_mode_of(part);
		void *self;

		if (!config_has_part(parts->config, part))
			continue;
		self = mode->make(parts);
		if (!self)
			return -ENOMEM;
		modes->array[modes->count].mode = mode;
		modes->array[modes->count++].self = self;
	}
	return 0;
}

void run_modes_release(struct run_modes *modes)
{
	while (modes->count) {
		modes->count--;
		modes->array[modes->count].mode->free(modes->array[modes->count].self);
	}
}

int run_modes_prepare(struct run_modes *modes, struct python_process *python, pid_t pid)
{
	int first = 0;

	for (size_t i = 0; i < modes->count; i++) {
		const struct run_mode *mode = modes->array[i].mode;
		int error = mode->prepare ? mode->prepare(modes->array[i].self, python, pid) : 0;

		/* One that cannot leaves the others as they are. */
		if (error && !first)
			first = error;
	}
	return first;
}

int run_modes_start(struct run_modes *modes, uint64_t start_ns)
{
	int error = 0;

	for (size_t i = 0; i < modes->count && !error; i++) {
		if (modes->array[i].mode->start)
			error = modes->array[i].mode->start(modes->array[i].self, start_ns);
	}
	return error;
}

int run_modes_found(struct run_modes *modes)
{
	int error = 0;

	for (size_t i = 0; i < modes->count && !error; i++) {
		if (modes->array[i].mode->found)
			error = modes->array[i].mode->found(modes->array[i].self);
	}
	return error;
}

int run_modes_event(struct run_modes *modes, const struct event *event)
{
	int error = 0;

	for (size_t i = 0; i < modes->count && !error; i++)
		error = modes->array[i].mode->event(modes->array[i].self, event);
	return error;
}

int run_modes_tick(struct run_modes *modes, uint64_t now_ns)
{
	int error = 0;

	for (size_t i = 0; i < modes->count && !error; i++) {
		if (modes->array[i].mode->tick)
			error = modes->array[i].mode->tick(modes->array[i].self, now_ns);
	}
	return error;
}

void run_modes_detach(struct run_modes *modes)
{
	/* The last first: objects are counted once more while everybody still sees, blocks are not. */
	for (size_t i = modes->count; i-- > 0;) {
		if (modes->array[i].mode->detach)
			modes->array[i].mode->detach(modes->array[i].self);
	}
}

int run_modes_end(struct run_modes *modes, uint64_t end_ns)
{
	int error = 0;

	for (size_t i = 0; i < modes->count && !error; i++) {
		if (modes->array[i].mode->end)
			error = modes->array[i].mode->end(modes->array[i].self, end_ns);
	}
	return error;
}

void run_modes_until(struct run_modes *modes, uint64_t until_ns)
{
	for (size_t i = 0; i < modes->count; i++) {
		if (modes->array[i].mode->until)
			modes->array[i].mode->until(modes->array[i].self, until_ns);
	}
}

int run_modes_window(struct run_modes *modes, uint64_t since_ns)
{
	int error = 0;

	for (size_t i = 0; i < modes->count && !error; i++) {
		if (modes->array[i].mode->window)
			error = modes->array[i].mode->window(modes->array[i].self, since_ns);
	}
	return error;
}

/* Where there are several each takes what is in the profile's one place as its own. */
static int part_keep(const struct run_parts *parts, const struct run_mode *mode, bool several)
{
	struct buffer names;
	int error;

	if (!several)
		return 0;
	buffer_init(&names);
	names_append(&names, parts->config, mode->part);
	error = buffer_error(&names);
	if (!error)
		error = profile_part_keep(parts->profile, mode->part, names.bytes);
	buffer_release(&names);
	return error;
}

static int mode_finish(const struct run_modes *modes, size_t index, const struct run_parts *parts,
		       uint64_t end_ns)
{
	const struct run_mode *mode = modes->array[index].mode;
	const bool several = modes->count > 1;
	int error = 0;

	if (several)
		parts->profile->unit = mode->unit;
	if (mode->finish)
		error = mode->finish(modes->array[index].self, end_ns);
	return error ? error : part_keep(parts, mode, several);
}

int run_modes_finish(struct run_modes *modes, const struct run_parts *parts, uint64_t end_ns)
{
	/*
	 * What was sampled is in the profile's sums already, so it is taken first; calls are summed last: their
	 * tables are as long as the list of functions, to which others add.
	 */
	static const enum profile_part order[PART_COUNT] = { PART_SAMPLES, PART_MEMORY,
							     PART_LIFETIMES, PART_COLLECTIONS,
							     PART_CALLS };
	int first = 0;

	for (int i = 0; i < PART_COUNT; i++) {
		for (size_t j = 0; j < modes->count; j++) {
			int error = modes->array[j].mode->part == order[i] ?
					    mode_finish(modes, j, parts, end_ns) :
					    0;

			first = first ? first : error;
		}
	}
	return first;
}

bool run_modes_refusal(const struct run_modes *modes)
{
	for (size_t i = 0; i < modes->count; i++) {
		if (modes->array[i].mode->refusal &&
		    modes->array[i].mode->refusal(modes->array[i].self))
			return true;
	}
	return false;
}

bool run_modes_refused(const struct run_modes *modes)
{
	for (size_t i = 0; i < modes->count; i++) {
		if (modes->array[i].mode->refused &&
		    modes->array[i].mode->refused(modes->array[i].self))
			return true;
	}
	return false;
}

bool run_modes_limited(const struct run_modes *modes)
{
	for (size_t i = 0; i < modes->count; i++) {
		if (modes->array[i].mode->limited)
			return true;
	}
	return false;
}

bool run_modes_start_late(const struct run_modes *modes)
{
	for (size_t i = 0; i < modes->count; i++) {
		if (!modes->array[i].mode->starts_late)
			return false;
	}
	return true;
}

uint32_t run_modes_last_ms(const struct run_modes *modes)
{
	uint32_t last_ms = 0;

	for (size_t i = 0; i < modes->count; i++) {
		if (modes->array[i].mode->last_ms > last_ms)
			last_ms = modes->array[i].mode->last_ms;
	}
	return last_ms;
}

uint64_t run_modes_event_count(const struct run_modes *modes)
{
	uint64_t count = 0;

	for (size_t i = 0; i < modes->count; i++) {
		if (modes->array[i].mode->limited)
			count += modes->array[i].mode->event_count(modes->array[i].self);
	}
	return count;
}

uint32_t run_modes_families(const struct config *config)
{
	uint32_t families = 0;

	for (enum profile_part part = 0; part < PART_COUNT; part++) {
		if (config_has_part(config, part))
			families |= run_mode_of(part)->families;
	}
	return families;
}

enum profile_unit run_modes_unit(const struct config *config)
{
	enum profile_part part = 0;

	while (part < PART_COUNT - 1 && !config_has_part(config, part))
		part++;
	return run_mode_of(part)->unit;
}
