// SPDX-License-Identifier: GPL-2.0-only
/*
 * See living_classes.h. A census counts what is there at its moment, the probes what comes and goes: a life
 * tells for each census whether it was in it, so that both speak of the same two moments, the start of
 * watching and its end.
 */
#include "cli/living_classes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/grow.h"
#include "base/log.h"
#include "base/map64.h"
#include "cli/census_of_classes.h"
#include "cli/types_wanted.h"
#include "model/lifetimes.h"

enum { TYPE_FLAG_HEAP = 1 << 9 };

/* Of one census: what it counted, by row of the model. */
struct census_taken {
	bool taken;
	uint64_t time_ns, until_ns;
};

struct living_process {
	pid_t pid;
	uint32_t serial; /* 0: not known yet */
	uint32_t parent; /* index + 1 of the process it was forked from; 0 none */
	bool ended, begun, makes_seen;
	struct python_process *python; /* owned; NULL: only known as another's fork */
	struct classes *reader;	       /* NULL: it cannot be read (any more) */
	uint64_t subtype_dealloc;
	struct census_taken start, end;
};

/* What is known of a row besides the model's. */
struct row_census {
	int64_t start, end;
	uint64_t uncertain;
	bool unknown_start, unknown_end; /* some process that has the class was not counted */
};

struct living_classes {
	const struct config *config;
	struct capture *capture;
	struct watch *watch;
	struct profile *profile;
	struct python_cache *cache;
	struct living_process *processes;
	uint32_t process_count, process_capacity;
	struct living_class *by_id; /* of Python's: class_id - 1 */
	uint32_t id_count, id_capacity;
	struct living_class *c_types; /* class_id less LIFETIME_C_TYPE, - 1 */
	uint32_t c_count, c_capacity;
	struct map64 *newest;  /* type_key() -> newest class_id of Python's there */
	struct map64 *counted; /* type_key() -> 1 + row, as the first census met it */
	struct row_census *rows;
	uint32_t row_count, row_capacity;
};

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

/* UINT32_MAX: out of memory. */
static uint32_t row_of(struct living_classes *classes, const char *module, const char *name,
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

static void process_open(struct living_process *process)
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
	for (size_t i = 0; plan && i < plan->site_count; i++) {
		const struct memory_probe *probe = &plan->sites[i].probe;

		process->makes_seen |= probe->call == LIFETIME_MAKE;
		if (probe->call == LIFETIME_END && !probe->first_argument)
			process->subtype_dealloc = probe->inside_start + python->load_bias;
	}
	process_open(process);
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

static uint64_t type_key(uint32_t serial, uint64_t type)
{
	return type ^ (uint64_t)serial * 0x9e3779b97f4a7c15ull;
}

static const struct living_class *class_at(const struct living_classes *classes, uint32_t serial,
					   uint64_t type)
{
	const struct living_class *class;
	uint64_t id;

	if (!map64_get(classes->newest, type_key(serial, type), &id))
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
		like = class_at(classes, process->serial, record->type);
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
	process_open(process);
	return process->reader && !classes_read(process->reader, record->type, facts) &&
	       !strncmp(last_part(facts->name), record->name, sizeof(record->name) - 1);
}

static bool class_counted(const struct living_classes *classes, const struct record_class *record,
			  struct living_class *out)
{
	const struct lifetimes *lifetimes = classes->profile->lifetimes;
	uint64_t row;

	if (!map64_get(classes->counted, type_key(record->header.serial, record->type), &row))
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
		if (class_read(process, record, &facts)) {
			class.extra_bytes = facts.extra_bytes;
			class.row = row_of(classes, facts.module, facts.name, true,
					   process->makes_seen);
		} else if (!class_counted(classes, record, &class)) {
			/* It is gone: its name is all that was kept of it. */
			memcpy(name, record->name, sizeof(record->name));
			class.row = row_of(classes, "", name, true, process->makes_seen);
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
	newest = map64_slot(classes->newest, type_key(class.serial, class.type), NULL);
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
	class->row = row_of(classes, "", name, true, lifetimes->classes[class->row].births);
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
	uint32_t row = row_of(classes, facts->module, facts->name, false, false);

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
	const struct living_class *known = class_at(classes, process->serial, type);
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
	row = row_of(classes, facts.module, facts.name, true, process->makes_seen);
	slot = map64_slot(classes->counted, type_key(process->serial, type), NULL);
	if (slot && row != UINT32_MAX)
		*slot = (uint64_t)row + 1;
	return row;
}

static void census_take(struct living_classes *classes, struct living_process *process, bool end)
{
	struct census_taken *taken = end ? &process->end : &process->start;
	struct class_counts counts = { 0 };
	int error;

	process_open(process);
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
