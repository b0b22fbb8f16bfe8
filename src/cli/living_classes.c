// SPDX-License-Identifier: GPL-2.0-only
/* See living_classes.h: processes, classes and their names. */
#include "cli/living_classes_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/grow.h"
#include "base/map64.h"
#include "cli/census_of_classes.h"
#include "model/lifetimes.h"

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

struct living_classes *living_classes_new(const struct config *config, struct capture *capture,
					  struct watch *watch, struct profile *profile)
{
	struct living_classes *classes = calloc(1, sizeof(*classes));

	if (!classes)
		return NULL;
	classes->config = config;
	classes->capture = capture;
	classes->watch = watch;
	classes->profile = profile;
	classes->cache = python_cache_new();
	classes->newest = map64_new();
	classes->counted = map64_new();
	if (classes->cache && classes->newest && classes->counted)
		return classes;
	living_classes_free(classes);
	return NULL;
}

void living_classes_free(struct living_classes *classes)
{
	if (!classes)
		return;
	for (uint32_t i = 0; i < classes->process_count; i++) {
		classes_close(classes->processes[i].reader);
		free(classes->processes[i].python);
	}
	python_cache_free(classes->cache);
	map64_free(classes->newest);
	map64_free(classes->counted);
	free(classes->processes);
	free(classes->by_id);
	free(classes->c_types);
	free(classes->rows);
	free(classes);
}

/* ---- rows ---- */

uint32_t living_row_of(struct living_classes *classes, const char *module, const char *name,
		       bool python, bool makes_seen)
{
	struct lifetimes *lifetimes = classes->profile->lifetimes;
	uint32_t row = lifetimes_class_of(lifetimes, profile_string(classes->profile, module),
					  profile_string(classes->profile, name));

	while (row != UINT32_MAX && classes->row_count <= row) {
		if (GROW(classes->rows, classes->row_capacity, classes->row_count))
			return UINT32_MAX;
		classes->rows[classes->row_count++] = (struct row_census){ 0 };
	}
	if (row == UINT32_MAX)
		return row;
	lifetimes->classes[row].python = python;
	lifetimes->classes[row].births = makes_seen ? LIFETIME_BIRTHS_PROBED : LIFETIME_BIRTHS_NONE;
	lifetimes->classes[row].sampled = !python && lifetimes->sample_one_in > 1;
	return row;
}

/* ---- processes ---- */

static struct living_process *process_new(struct living_classes *classes, pid_t pid)
{
	struct living_process *process;

	if (GROW(classes->processes, classes->process_capacity, classes->process_count))
		return NULL;
	process = &classes->processes[classes->process_count++];
	*process = (struct living_process){ .pid = pid };
	return process;
}

/* The newest of that number that has not ended. */
static struct living_process *process_by_pid(struct living_classes *classes, pid_t pid)
{
	for (uint32_t i = classes->process_count; i-- > 0;) {
		if (classes->processes[i].pid == pid && !classes->processes[i].ended)
			return &classes->processes[i];
	}
	return NULL;
}

static struct living_process *process_by_serial(struct living_classes *classes, uint32_t serial)
{
	for (uint32_t i = classes->process_count; i-- > 0;) {
		if (classes->processes[i].serial == serial)
			return &classes->processes[i];
	}
	return NULL;
}

static struct living_process *process_of(struct living_classes *classes,
					 const struct record_header *header)
{
	struct living_process *process = process_by_serial(classes, header->serial);

	if (process)
		return process;
	process = process_by_pid(classes, header->pid);
	if (process && process->serial)
		process = NULL; /* another life of that number */
	if (!process)
		process = process_new(classes, header->pid);
	if (process)
		process->serial = header->serial;
	return process;
}

void living_process_open(struct living_process *process)
{
	if (!process->reader && process->python && !process->ended &&
	    classes_open(process->python, &process->reader))
		process->reader = NULL;
}

int living_classes_process(struct living_classes *classes, const struct python_process *python,
			   const struct allocator_plan *plan)
{
	struct living_process *process = process_by_pid(classes, python->pid);

	if (!process)
		process = process_new(classes, python->pid);
	if (!process)
		return -ENOMEM;
	if (!process->python)
		process->python = malloc(sizeof(*process->python));
	if (!process->python)
		return -ENOMEM;
	*process->python = *python;
	if (!process->since_ns)
		process->since_ns = now_ns();
	for (size_t i = 0; plan && i < plan->site_count; i++) {
		const struct memory_probe *probe = &plan->sites[i].probe;

		process->makes_seen |=
			probe->call == LIFETIME_MAKE || probe->call == LIFETIME_BIRTH;
		if (probe->call == LIFETIME_END && !probe->first_argument)
			process->subtype_dealloc = probe->inside_start + python->load_bias;
	}
	living_process_open(process);
	return 0;
}

int living_classes_fork(struct living_classes *classes, const struct record_process *record)
{
	const struct living_process *parent = process_by_serial(classes, record->parent_serial);
	struct living_process *process;
	uint32_t index = parent ? parent - classes->processes : 0;

	if (!parent || !record->header.serial)
		return 0;
	process = process_of(classes, &record->header);
	if (!process)
		return -ENOMEM;
	process->parent = index + 1;
	process->since_ns = record->header.time_ns;
	process->makes_seen = classes->processes[index].makes_seen;
	process->subtype_dealloc = classes->processes[index].subtype_dealloc;
	return 0;
}

void living_classes_ended(struct living_classes *classes, const struct record_header *header)
{
	struct living_process *process = process_by_serial(classes, header->serial);

	if (!process)
		return;
	process->ended = true;
	classes_close(process->reader);
	process->reader = NULL;
	free(process->python);
	process->python = NULL;
}

/* ---- classes ---- */

uint64_t living_type_key(uint32_t serial, uint64_t type)
{
	return type ^ (uint64_t)serial * 0x9e3779b97f4a7c15ull;
}

const struct living_class *living_class_at(const struct living_classes *classes, uint32_t serial,
					   uint64_t type)
{
	const struct living_class *class;
	uint64_t id;

	if (!map64_get(classes->newest, living_type_key(serial, type), &id))
		return NULL;
	class = &classes->by_id[id - 1];
	return class->type == type && class->serial == serial ? class : NULL;
}

static const char *last_part(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

/* A fork has the classes of the process it is a copy of. */
static bool class_inherit(const struct living_classes *classes,
			  const struct living_process *process, const struct record_class *record,
			  struct living_class *out)
{
	const struct lifetimes *lifetimes = classes->profile->lifetimes;

	while (process->parent) {
		const struct living_class *like;
		const char *name;

		process = &classes->processes[process->parent - 1];
		like = living_class_at(classes, process->serial, record->type);
		if (!like)
			continue;
		name = profile_text(classes->profile, lifetimes->classes[like->row].name);
		if (strncmp(last_part(name), record->name, sizeof(record->name) - 1) != 0)
			return false;
		out->row = like->row;
		out->extra_bytes = like->extra_bytes;
		return true;
	}
	return false;
}

/* What the process itself says of the type, if it is still the one that was met. */
static bool class_read(struct living_process *process, const struct record_class *record,
		       struct class_facts *facts)
{
	living_process_open(process);
	return process->reader && !classes_read(process->reader, record->type, facts) &&
	       !strncmp(last_part(facts->name), record->name, sizeof(record->name) - 1);
}

/* A fork that has ended already had the class, most likely, from the process it is a copy of. */
static bool class_read_of_family(struct living_classes *classes, struct living_process *process,
				 const struct record_class *record, struct class_facts *facts)
{
	while (!class_read(process, record, facts)) {
		if (!process->parent)
			return false;
		process = &classes->processes[process->parent - 1];
	}
	return true;
}

static bool class_counted(const struct living_classes *classes, const struct record_class *record,
			  struct living_class *out)
{
	const struct lifetimes *lifetimes = classes->profile->lifetimes;
	uint64_t row;

	if (!map64_get(classes->counted, living_type_key(record->header.serial, record->type),
		       &row))
		return false;
	out->row = row - 1;
	return !strncmp(last_part(profile_text(classes->profile, lifetimes->classes[row - 1].name)),
			record->name, sizeof(record->name) - 1);
}

/* A fork that nobody has looked at by itself. */
static void process_look_at(struct living_classes *classes, struct living_process *process)
{
	struct python_process *python;

	if (process->python || process->ended)
		return;
	python = malloc(sizeof(*python));
	if (!python)
		return;
	python_inspect(classes->cache, process->pid, python);
	if (python->verdict == PYTHON_KNOWN)
		process->python = python;
	else
		free(python);
}

int living_classes_met(struct living_classes *classes, const struct record_class *record)
{
	struct living_process *process = process_of(classes, &record->header);
	struct living_class class = { .type = record->type, .serial = record->header.serial };
	struct class_facts facts;
	char name[sizeof(record->name) + 1] = { 0 };
	uint64_t *newest;

	if (!process)
		return -ENOMEM;
	class.process = process - classes->processes;
	if (!class_inherit(classes, process, record, &class)) {
		process_look_at(classes, process);
		if (class_read_of_family(classes, process, record, &facts)) {
			class.extra_bytes = facts.extra_bytes;
			class.row = living_row_of(classes, facts.module, facts.name, true,
						  process->makes_seen);
		} else if (!class_counted(classes, record, &class)) {
			/* It is gone: its name is all that was kept of it. */
			memcpy(name, record->name, sizeof(record->name));
			class.row = living_row_of(classes, "", name, true, process->makes_seen);
		}
	}
	class.read_ns = now_ns();
	if (class.row == UINT32_MAX)
		return -ENOMEM;
	while (classes->id_count < record->class_id) {
		if (GROW(classes->by_id, classes->id_capacity, classes->id_count))
			return -ENOMEM;
		classes->by_id[classes->id_count++] = (struct living_class){ .row = UINT32_MAX };
	}
	classes->by_id[record->class_id - 1] = class;
	newest = map64_slot(classes->newest, living_type_key(class.serial, class.type), NULL);
	if (!newest)
		return -ENOMEM;
	*newest = record->class_id;
	return 0;
}

int living_classes_gone(struct living_classes *classes, const struct record_class *record)
{
	struct living_class *class;
	const struct lifetimes *lifetimes = classes->profile->lifetimes;
	char *name;

	if (record->class_id & LIFETIME_C_TYPE || !record->class_id ||
	    record->class_id > classes->id_count)
		return 0;
	class = &classes->by_id[record->class_id - 1];
	if (class->row == UINT32_MAX || class->read_ns < record->header.time_ns)
		return 0;
	/* What was read there was another class already: of this one only its name is sure. */
	name = strdup(
		last_part(profile_text(classes->profile, lifetimes->classes[class->row].name)));
	if (!name)
		return -ENOMEM;
	class->row = living_row_of(classes, "", name, true, lifetimes->classes[class->row].births);
	free(name);
	return class->row == UINT32_MAX ? -ENOMEM : 0;
}

const struct living_class *living_class_of(const struct living_classes *classes, uint32_t class_id)
{
	const struct living_class *array = classes->by_id;
	uint32_t count = classes->id_count, index = class_id;

	if (class_id & LIFETIME_C_TYPE) {
		index &= ~LIFETIME_C_TYPE;
		array = classes->c_types;
		count = classes->c_count;
	}
	if (!index || index > count || array[index - 1].row == UINT32_MAX)
		return NULL;
	return &array[index - 1];
}

uint64_t living_class_since_ns(const struct living_classes *classes,
			       const struct living_class *class)
{
	return classes->processes[class->process].since_ns;
}
