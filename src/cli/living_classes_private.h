/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of living_classes share. Nobody else includes it. */
#ifndef PYBPFPROF_CLI_LIVING_CLASSES_PRIVATE_H
#define PYBPFPROF_CLI_LIVING_CLASSES_PRIVATE_H

#include "base/map64.h"
#include "cli/census_of_classes.h"
#include "cli/living_classes.h"
#include "model/lifetimes.h"

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
	uint64_t since_ns;	       /* its probes are in; 0: not known */
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

/* The model's row of a class, added when new. UINT32_MAX: out of memory. */
uint32_t living_row_of(struct living_classes *classes, const char *module, const char *name,
		       bool python, bool makes_seen);
/* Of maps: a type of a process. */
uint64_t living_type_key(uint32_t serial, uint64_t type);
/* The newest class met at that address; NULL: none. */
const struct living_class *living_class_at(const struct living_classes *classes, uint32_t serial,
					   uint64_t type);
/* Its reader is there from now on, if it can be read. */
void living_process_open(struct living_process *process);

#endif
