/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A census: what objects a process had at one moment, by type and by module, who held some of them,
 * and how this differs from another time. Names are raw bytes of the target: whoever prints them makes
 * them safe. Not thread-safe.
 */
#ifndef PYBPFPROF_MODEL_CENSUS_H
#define PYBPFPROF_MODEL_CENSUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/intern.h"

struct census_type {
	uint32_t name, module; /* string ids */
	uint64_t count;
	uint64_t tracked;  /* of them, in the collector's three generations */
	uint64_t bytes;	   /* as sys.getsizeof() has it, what an object refers to not included */
	uint64_t retained; /* tracked ones that no root we know leads to */
	uint64_t retained_bytes;
	uint64_t count_before, bytes_before; /* of the earlier census, with --diff */
};

struct census_object {
	uint32_t type; /* index */
	uint32_t preview;
	uint64_t address;
	uint64_t bytes;
};

/* Who refers to the objects asked for: so many references of one kind from objects of one type. */
struct census_referrer {
	uint32_t type; /* index; CENSUS_NO_TYPE: a root, which `label` names */
	uint32_t label;
	uint64_t count;
	uint64_t example; /* address of one */
	uint32_t preview; /* of that one */
};

/* A chain from a root down to an object asked for; many objects may have one of the same shape. */
struct census_step {
	uint32_t type;	  /* index; CENSUS_NO_TYPE: the root */
	uint32_t text;	  /* the root's name, or a preview */
	uint32_t label;	  /* how the step before holds this one; "" of the first */
	uint64_t address; /* 0: the root is no object */
};

struct census_path {
	uint32_t first_step, step_count; /* the root first; of one object, as an example */
	uint64_t count;			 /* objects held so */
};

enum { CENSUS_NO_TYPE = UINT32_MAX, CENSUS_POOL_CLASSES = 32 };

struct census_pool_class {
	uint32_t block_bytes;
	uint64_t pools, used_blocks, free_blocks;
};

struct census_pools {
	bool known;
	uint32_t reason; /* string: why not */
	uint64_t arena_bytes, pool_bytes, arenas, free_pools, used_bytes, torn;
	struct census_pool_class classes[CENSUS_POOL_CLASSES];
};

enum census_sort { CENSUS_SORT_BYTES, CENSUS_SORT_COUNT, CENSUS_SORT_GROWTH, CENSUS_SORT_NAME };

struct map64;

struct census {
	struct intern *strings;
	struct map64 *type_rows; /* module and name -> index + 1 */

	/* Whose, and when. */
	int32_t pid;
	uint32_t command, python; /* strings */
	uint64_t taken_s;	  /* seconds since 1970 */
	uint64_t duration_ns;
	uint64_t frozen_ns;  /* how long the process was stopped for us; 0: it was not */
	uint32_t frozen_how; /* string: "the cgroup freezer", "SIGSTOP" */
	bool frozen_whole;   /* until the end of the reading */
	bool collecting;     /* a collection ran all the while: the lists were half done */

	struct census_type *types;
	uint32_t type_count, type_capacity;
	struct census_object *largest; /* the largest first */
	uint32_t largest_count, largest_capacity;
	uint64_t objects, bytes;
	uint64_t tracked;
	uint64_t permanent; /* in the collector's permanent generation */
	uint64_t immortal;  /* 3.12+: never freed */
	uint32_t interpreters;
	uint64_t garbage; /* in gc.garbage */

	/* How well it could be read. */
	uint64_t torn, retried, restarted, unreadable, waited_ns;
	bool swept;	 /* lists could not be followed; pymalloc's pools were gone through */
	bool incomplete; /* some list could not be followed, and nothing made up for it */
	bool cut;	 /* there was no room for more: memory, or a forged heap */

	bool has_retained, has_before;
	uint32_t roots;	    /* with --retained, --path: how many there were */
	uint32_t before_at; /* string: where the earlier census came from */
	uint64_t before_taken_s;
	uint64_t before_objects, before_bytes;

	bool has_referrers, has_paths;
	uint32_t wanted;       /* string: what --referrers or --path asked for */
	uint64_t wanted_count; /* objects that are it */
	uint64_t unheld_count; /* of them, those that no root leads to */
	struct census_referrer *referrers;
	uint32_t referrer_count, referrer_capacity;
	struct census_path *paths;
	uint32_t path_count, path_capacity;
	struct census_step *steps;
	uint32_t step_count, step_capacity;

	struct census_pools pools;
};

int census_init(struct census *census); /* 0 or -ENOMEM */
void census_release(struct census *census);

/* "module.name"; of built-ins, "name". Borrowed strings go in, the id comes out; UINT32_MAX: no memory. */
uint32_t census_string(struct census *census, const char *string);
const char *census_text(const struct census *census, uint32_t id);

/* The type, added when new; types of the same name and module are one. UINT32_MAX: out of memory. */
uint32_t census_type_add(struct census *census, const char *module, const char *name);

/* Modules, summed: an array of its own, to be freed. 0 or -ENOMEM. */
int census_modules(const struct census *census, struct census_type **modules, uint32_t *count);

/* Sums and orders what is in it: to be called once, when all is. */
void census_finish(struct census *census);
/* An array of type (or module) rows in the order asked for. */
void census_sort(const struct census *census, struct census_type *rows, uint32_t count,
		 enum census_sort sort);

#endif
