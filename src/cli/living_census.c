// SPDX-License-Identifier: GPL-2.0-only
/*
 * See living_classes.h: censuses, and types made in C. A census counts what is there at its moment, the
 * probes what comes and goes: a life tells for each census whether it was in it, so that both speak of the
 * same two moments, the start of watching and its end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/log.h"
#include "cli/living_classes_private.h"
#include "cli/types_wanted.h"

enum { TYPE_FLAG_HEAP = 1 << 9 };

/* ---- types made in C ---- */

static int c_type_follow(struct living_classes *classes, struct living_process *process,
			 const struct class_facts *facts)
{
	const struct lifetime_class_key key = { .type = facts->address, .serial = process->serial };
	const struct lifetime_class_value value = {
		.class_id = LIFETIME_C_TYPE | (classes->c_count + 1),
		.bytes = facts->basic_bytes,
		.item_bytes = facts->item_bytes,
	};
	struct living_class *class;
	uint32_t row = living_row_of(classes, facts->module, facts->name, false, false);

	if (row == UINT32_MAX || GROW(classes->c_types, classes->c_capacity, classes->c_count))
		return -ENOMEM;
	class = &classes->c_types[classes->c_count++];
	*class = (struct living_class){
		.row = row,
		.extra_bytes = facts->extra_bytes,
		.process = process - classes->processes,
		.serial = process->serial,
		.type = facts->address,
		.in_c = true,
	};
	capture_lifetime_class(classes->capture, &key, &value);
	return 0;
}

static int c_types_follow(struct living_classes *classes, struct living_process *process)
{
	struct types_wanted wanted = { 0 };
	int error = 0;

	if (!classes->config->type_count || !process->reader ||
	    types_wanted_find(process->reader, classes->config->types, classes->config->type_count,
			      process->subtype_dealloc, &wanted))
		return 0;
	for (uint32_t i = 0; i < wanted.count && !error; i++)
		error = c_type_follow(classes, process, &wanted.array[i]);
	types_wanted_release(&wanted);
	return error;
}

/* ---- censuses ---- */

/* The row of a type that a census met; UINT32_MAX: its instances are not followed. */
static uint32_t counted_row(struct living_classes *classes, struct living_process *process,
			    uint64_t type)
{
	const struct living_class *known = living_class_at(classes, process->serial, type);
	struct class_facts facts;
	uint64_t *slot;
	uint32_t row;

	for (uint32_t i = 0; i < classes->c_count; i++) {
		if (classes->c_types[i].type == type &&
		    classes->c_types[i].serial == process->serial)
			return classes->c_types[i].row;
	}
	if (known && known->row != UINT32_MAX)
		return known->row;
	if (classes_read(process->reader, type, &facts) || !(facts.flags & TYPE_FLAG_HEAP) ||
	    facts.dealloc != process->subtype_dealloc)
		return UINT32_MAX;
	row = living_row_of(classes, facts.module, facts.name, true, process->makes_seen);
	slot = map64_slot(classes->counted, living_type_key(process->serial, type), NULL);
	if (slot && row != UINT32_MAX)
		*slot = (uint64_t)row + 1;
	return row;
}

static void census_take(struct living_classes *classes, struct living_process *process, bool end)
{
	struct census_taken *taken = end ? &process->end : &process->start;
	struct class_counts counts = { 0 };
	int error;

	living_process_open(process);
	if (!process->reader)
		return;
	error = classes_count(process->reader, &counts);
	if (error) {
		log_verbose("pid %d: its objects cannot be counted: %s", process->pid,
			    strerror(-error));
		return;
	}
	taken->taken = true;
	taken->time_ns = counts.time_ns;
	taken->until_ns = counts.until_ns;
	for (size_t i = 0; i < counts.count; i++) {
		uint32_t row = counted_row(classes, process, counts.array[i].address);

		if (row == UINT32_MAX)
			continue;
		if (end)
			classes->rows[row].end += counts.array[i].count;
		else
			classes->rows[row].start += counts.array[i].count;
	}
	log_verbose("pid %d: a census of its objects took %.1f ms%s", process->pid,
		    (double)(counts.until_ns - counts.time_ns) / 1e6,
		    counts.complete ? "" : ", and met lists that changed");
	class_counts_release(&counts);
}

/* Where all Pythons are looked at there may be hundreds: no census of each. */
static bool counts_all(const struct living_classes *classes)
{
	return !classes->config->all && !classes->config->cgroup;
}

static uint32_t serial_of(const struct living_classes *classes, pid_t pid)
{
	const struct watched_process *process;

	for (uint32_t i = 0; (process = watch_process_at(classes->watch, i)); i++) {
		if (process->serial && process->pid == pid && !process->ended)
			return process->serial;
	}
	return 0;
}

int living_classes_begin(struct living_classes *classes)
{
	int error = 0;

	for (uint32_t i = 0; i < classes->process_count && !error; i++) {
		struct living_process *process = &classes->processes[i];

		if (process->begun || process->ended || !process->python)
			continue;
		if (!process->serial)
			process->serial = serial_of(classes, process->pid);
		if (!process->serial)
			continue;
		process->begun = true;
		error = c_types_follow(classes, process);
		if (!error && counts_all(classes))
			census_take(classes, process, false);
	}
	return error;
}

void living_classes_end(struct living_classes *classes)
{
	for (uint32_t i = 0; i < classes->process_count && counts_all(classes); i++) {
		if (!classes->processes[i].ended && classes->processes[i].start.taken)
			census_take(classes, &classes->processes[i], true);
	}
}

static bool while_taken(const struct census_taken *taken, uint64_t time_ns)
{
	return taken->taken && time_ns >= taken->time_ns && time_ns <= taken->until_ns;
}

void living_classes_life(struct living_classes *classes, const struct living_class *class,
			 uint64_t born_ns, uint64_t died_ns)
{
	const struct living_process *process = &classes->processes[class->process];
	struct row_census *row = &classes->rows[class->row];

	row->uncertain += while_taken(&process->start, born_ns) +
			  while_taken(&process->start, died_ns) +
			  while_taken(&process->end, born_ns) + while_taken(&process->end, died_ns);
	/* Back to the start of watching: without what came since, with what has gone. */
	if (process->start.taken) {
		if (born_ns && born_ns < process->start.time_ns && died_ns > process->start.time_ns)
			row->start--;
		else if (!born_ns && !class->in_c && died_ns < process->start.time_ns)
			row->start++;
	}
	/* On to its end; what is told before that census was taken has ended before it. */
	if (process->end.taken) {
		if (born_ns > process->end.time_ns && died_ns == UINT64_MAX)
			row->end++;
		else if (born_ns <= process->end.time_ns && died_ns != UINT64_MAX &&
			 died_ns > process->end.time_ns)
			row->end--;
	}
}

/* A census of which some process that has the class was left out tells nothing of it. */
static void unknown_mark(struct living_classes *classes, const struct living_class *class)
{
	const struct living_process *process = &classes->processes[class->process];

	if (class->row == UINT32_MAX)
		return;
	classes->rows[class->row].unknown_start |= !process->start.taken;
	classes->rows[class->row].unknown_end |= !process->end.taken;
}

void living_classes_finish(struct living_classes *classes)
{
	struct lifetimes *lifetimes = classes->profile->lifetimes;
	bool start = false, end = false;

	for (uint32_t i = 0; i < classes->id_count; i++)
		unknown_mark(classes, &classes->by_id[i]);
	for (uint32_t i = 0; i < classes->c_count; i++)
		unknown_mark(classes, &classes->c_types[i]);
	for (uint32_t i = 0; i < classes->process_count; i++) {
		start |= classes->processes[i].start.taken;
		end |= classes->processes[i].end.taken;
	}
	for (uint32_t i = 0; i < lifetimes->class_count; i++) {
		const struct row_census *row = &classes->rows[i];
		struct lifetime_class *class = &lifetimes->classes[i];

		class->census_start = start && !row->unknown_start && row->start >= 0 ?
					      (uint64_t)row->start :
					      LIFETIME_UNKNOWN;
		class->census_end = end && !row->unknown_end && row->end >= 0 ? (uint64_t)row->end :
										LIFETIME_UNKNOWN;
		class->census_uncertain = row->uncertain;
		/* Told of one making: of a type of C's it is told of all, or the censuses say otherwise. */
		if (class->created)
			class->births = LIFETIME_BIRTHS_PROBED;
	}
	if (!end)
		lifetimes->census_note = profile_string(
			classes->profile,
			counts_all(classes) ?
				"no census at the end: the process had ended" :
				"no census is taken where all Pythons, or a cgroup's, are watched");
}
