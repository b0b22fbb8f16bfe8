/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a run found out about objects: by class how many were made and ended, how long they lived, where
 * they were made. The meter fills it, renderers read it.
 *
 * A class is known by its process's name for it, module and qualified name: two classes of the same name and
 * module, made one after the other or in two processes, are one row. A site is a class and the stack of a
 * thread that made instances of it. Bytes are an instance's own, as sys.getsizeof() has it: what it
 * refers to, its __dict__ included where that is an object of its own, is not in it.
 * In a run that samples (`sample_one_in` above 1) counts and bytes of sampled classes are estimates, already
 * multiplied; ages are those of the sampled lives, which are whole.
 */
#ifndef PYBPFPROF_MODEL_LIFETIMES_H
#define PYBPFPROF_MODEL_LIFETIMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map64.h"
#include "model/histogram.h"

struct profile;

/* What of its numbers a report of stacks is about (`--show`). */
enum lifetime_view {
	LIFETIME_VIEW_CREATED, /* instances made */
	LIFETIME_VIEW_LIVE,    /* of them, alive at the end */
	LIFETIME_VIEW_BYTES,   /* bytes of those alive at the end */
	LIFETIME_VIEW_AGE, /* nanoseconds that they lived, summed: up to the end for those alive */
	LIFETIME_VIEW_COUNT
};

/* How it is known that an instance is made. */
enum lifetime_births {
	LIFETIME_BIRTHS_NONE,	/* by no probe: made = ended + change between the two censuses */
	LIFETIME_BIRTHS_PROBED, /* each, by a probe where it is allocated */
};

#define LIFETIME_UNKNOWN UINT64_MAX

/* Ages at the end of what is alive then: younger than 1 s, 10 s, 1 min, 10 min, older. */
enum { LIFETIME_AGES = 5 };
extern const uint64_t lifetime_age_limits_ns[LIFETIME_AGES - 1];

/* Spans of a class's timeline; neighbours become one when the run outgrows them. */
enum { LIFETIME_SPANS = 64 };

struct lifetime_span {
	uint32_t created;
	uint32_t destroyed; /* those from before the run included */
};

struct lifetime_class {
	uint32_t name;	 /* string: qualified name */
	uint32_t module; /* string; 0: not known */
	enum lifetime_births births;
	bool python;	    /* made by a class statement (or type()), not in C */
	bool sampled;	    /* one life in sample_one_in is told; to be set before the first is */
	uint64_t created;   /* while watched */
	uint64_t destroyed; /* of `created` */
	uint64_t destroyed_before; /* ended while watched, made before; or made unseen */
	uint64_t by_collector;	   /* of both: ended while their thread ran a collection */
	uint64_t
		again; /* ended, and once more: brought back to life by __del__, or put off a moment */
	uint64_t created_bytes, destroyed_bytes; /* of created and destroyed */
	/* Instances alive by the census when watching began and when it ended. LIFETIME_UNKNOWN: none taken. */
	uint64_t census_start, census_end;
	/* Made or ended while either was read: each may or may not have been counted. */
	uint64_t census_uncertain;
	/* Ages of `destroyed`, exact but for the histogram's steps. */
	struct histogram ages;
	uint64_t age_min_ns, age_max_ns, age_sum_ns; /* UINT64_MAX, 0, 0: none */
	/* Ages at the end of those alive then. */
	struct histogram live_ages;
	uint64_t live_by_age[LIFETIME_AGES];
	uint64_t live_age_max_ns, live_age_sum_ns;
	/* `destroyed_before` lived at least so long: from the start of watching to their end. */
	uint64_t before_age_min_ns, before_age_max_ns; /* UINT64_MAX, 0: none */
	struct lifetime_span spans[LIFETIME_SPANS];
};

struct lifetime_site {
	uint32_t class_index;
	uint32_t thread; /* of the profile */
	uint32_t
		stack; /* node of the profile: its innermost frame is where the instance was made */
	/* Node with the class below it, after lifetimes_to_stacks(); 0 before. */
	uint32_t leaf;
	uint64_t created, destroyed, by_collector;
	uint64_t created_bytes, destroyed_bytes;
	uint64_t age_sum_ns;	  /* of destroyed */
	uint64_t live_age_sum_ns; /* of those alive at the end */
};

struct lifetimes {
	struct lifetime_class *classes;
	uint32_t class_count;
	struct lifetime_site *sites;
	uint32_t site_count;
	uint64_t span_ns;    /* of each of the classes' spans; span 0 begins with the run */
	uint32_t span_count; /* in use at the end */
	uint64_t created, destroyed, destroyed_before, by_collector; /* sums */

	/* What was asked for. */
	uint64_t sample_one_in; /* 1: every life */
	enum lifetime_view view;

	/* How it was seen; strings, 0 none. */
	uint32_t births_note; /* which probes see births in this build, or why none does */
	uint32_t census_note; /* why there is no census, or how good it is */

	/* Private. */
	struct map64 *class_by_key; /* (module, name) -> index + 1 */
	struct map64 *site_by_key;
	uint32_t class_capacity, site_capacity;
};

struct lifetimes *lifetimes_new(void);		  /* NULL: out of memory */
void lifetimes_free(struct lifetimes *lifetimes); /* takes NULL */

/* The class, added when new (strings are ids of the profile). UINT32_MAX: out of memory. */
uint32_t lifetimes_class_of(struct lifetimes *lifetimes, uint32_t module, uint32_t name);
/* The site, added when new. UINT32_MAX: out of memory. Pointers do not outlive either of them. */
uint32_t lifetimes_site_of(struct lifetimes *lifetimes, uint32_t class_index, uint32_t thread,
			   uint32_t stack);

/* Made while watched, and alive at the end. */
static inline uint64_t lifetime_live(const struct lifetime_class *row)
{
	return row->created - row->destroyed;
}

/*
 * What the two censuses and the probes do not agree about: (created - all destroyed) - (census_end -
 * census_start), beyond what is uncertain anyway. 0 where a census is missing.
 */
int64_t lifetime_imbalance(const struct lifetime_class *row);

/*
 * Alive at the end less alive at the start: by the censuses, else by what the probes told. False: nothing
 * tells.
 */
bool lifetime_growth(const struct lifetime_class *row, int64_t *growth);

/*
 * Sums of ages are of all objects that an estimate stands for, and stay at UINT64_MAX once they are beyond
 * it: then the mean is a rough one. 0 where there is none.
 */
uint64_t lifetime_mean_ns(uint64_t age_sum_ns, uint64_t count, const struct histogram *ages);

/* "created", "live", ... as --show and JSON have them. */
const char *lifetime_view_name(enum lifetime_view view);

/* What a site has in a view, in the view's unit; *objects: how many it is of. */
uint64_t lifetime_site_value(const struct lifetime_site *site, enum lifetime_view view,
			     uint64_t *objects);

/*
 * Makes the profile's sums of stacks those of `view`, their samples its objects, and `unit` its unit. Below
 * the frame that makes an instance stands its class, as a function of kind FRAME_NOTE. May be called
 * again for another view. 0 or -ENOMEM.
 */
int lifetimes_to_stacks(struct lifetimes *lifetimes, struct profile *profile,
			enum lifetime_view view);

#endif
