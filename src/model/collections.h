/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a run found out about the cyclic collector: every collection, by generation, by the place that
 * triggered it, by process, over time. The meter fills it, renderers read it.
 *
 * A site is one stack of one thread: where a collection began. What is called a pause here is the time from
 * a collection's start to its end; the interpreter that collects runs nothing else but what the collection
 * itself calls.
 */
#ifndef PYBPFPROF_MODEL_COLLECTIONS_H
#define PYBPFPROF_MODEL_COLLECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map64.h"
#include "model/histogram.h"
#include "pybpfprof/abi.h"

struct profile;

enum {
	GC_LISTED_MAX = 1 << 18, /* collections kept one by one: the first */
	GC_WORST_MAX = 256,	 /* and those that lasted longest */
	GC_SPANS = 512,		 /* of the timeline; two become one when the run outgrows them */
};

/* Collections added up. */
struct gc_amount {
	uint64_t count;
	uint64_t asked; /* of them: not called for by the number of new objects */
	uint64_t pause_ns, min_ns, max_ns; /* min_ns 0 where count is 0 */
	uint64_t collected, uncollectable; /* objects */
};

struct gc_collection {
	uint64_t start_ns; /* since the start of the run */
	uint64_t pause_ns;
	uint64_t collected, uncollectable;
	uint32_t site;
	uint8_t generation;
	bool asked;
};

struct gc_site_sum {
	uint32_t thread; /* of the profile */
	uint32_t stack;	 /* node of the profile */
	struct gc_amount amounts[ABI_GC_GENERATIONS];
};

struct gc_generation {
	struct gc_amount amount;
	struct histogram pauses; /* ns */
};

/* What the collectors of a process counted themselves, and what of it we saw; by generation. */
struct gc_process {
	bool watched;
	bool incremental; /* 3.14.0 to 3.14.4: young, increment, full */
	bool is_read; /* its counters were read at the end; else `real` goes up to the last record */
	bool disabled;	  /* at the end, by gc.disable(): only who asks collects */
	uint32_t refusal; /* string: why its collections are not seen; 0 they are */
	uint64_t before[ABI_GC_GENERATIONS]; /* before we watched */
	uint64_t real[ABI_GC_GENERATIONS];   /* while we did */
	uint64_t seen[ABI_GC_GENERATIONS];   /* of them, start and end */
	uint64_t too_early;  /* of them, begun before their start could be seen: not timed */
	uint64_t unfinished; /* begun, and never ended: not in `real` */
	uint64_t watched_ns; /* wall time */
};

struct gc_span {
	uint64_t collections; /* that began in it */
	uint64_t pause_ns;    /* of it */
	uint64_t max_ns;      /* the longest of those that began in it */
};

struct collections {
	struct gc_generation generations[ABI_GC_GENERATIONS];
	struct gc_amount amount; /* of all */
	struct histogram pauses;

	struct gc_site_sum *sites;
	uint32_t site_count;

	struct gc_collection *listed; /* by end */
	uint32_t listed_count;
	struct gc_collection
		worst[GC_WORST_MAX]; /* longest first, once collections_sort() was called */
	uint32_t worst_count;

	struct gc_span spans[GC_SPANS];
	uint32_t span_count;
	uint64_t span_ns;

	struct gc_process *processes; /* after collections_process_of(); by profile process */
	uint32_t process_count;

	/* Private. */
	struct map64 *site_by_key; /* (thread, stack) -> index + 1 */
	uint32_t site_capacity, listed_capacity, process_capacity;
};

struct collections *collections_new(void);		/* NULL: out of memory */
void collections_free(struct collections *collections); /* takes NULL */

/* The site, added when new. UINT32_MAX: out of memory. */
uint32_t collections_site_of(struct collections *collections, uint32_t thread, uint32_t stack);
/* The process's row, added when new. NULL: out of memory. Good until the next new one. */
struct gc_process *collections_process_of(struct collections *collections, uint32_t process);

/* One collection more; its site is there. 0 or -ENOMEM. */
int collections_add(struct collections *collections, const struct gc_collection *collection);
/* No more of them: puts `worst` in order. */
void collections_sort(struct collections *collections);

/*
 * The profile's sums become pauses in nanoseconds, their samples collections, so that what reads stacks
 * reads them. 0 or -ENOMEM.
 */
int collections_to_stacks(const struct collections *collections, struct profile *profile);

void gc_amount_add(struct gc_amount *amount, const struct gc_collection *collection);
void gc_amount_merge(struct gc_amount *into, const struct gc_amount *from);

/* Wall time of all processes while they were watched. */
uint64_t collections_watched_ns(const struct collections *collections);
/* Whether any process has the incremental collector. */
bool collections_any_incremental(const struct collections *collections);
/*
 * "generation 0", or of an incremental collector "young", "increment", "full". `incremental` is a
 * process's.
 */
const char *gc_generation_name(unsigned int generation, bool incremental);

#endif
