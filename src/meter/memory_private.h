/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the meter keeps for each site while events come, and what of it memory_finish.c reads. All that
 * an event touches lies together.
 */
#ifndef PYBPFPROF_METER_MEMORY_PRIVATE_H
#define PYBPFPROF_METER_MEMORY_PRIVATE_H

#include "base/map64.h"
#include "meter/memory.h"
#include "meter/memory_history.h"

/* Blocks are counted in parts of 2^-fraction_bits. Negative only where something was lost. */
struct meter_amount {
	int64_t blocks;
	int64_t bytes;
};

/* First what each event needs, then what allocations need, then the rest. */
struct meter_site {
	struct meter_amount live; /* allocated - freed, as told */
	struct meter_amount peak; /* live when peak number `peak_number` was */
	uint64_t peak_number;
	bool gone; /* its process is */
	struct history history;
	struct meter_amount allocated;
	struct histogram sizes;
	struct meter_amount temporary;
	int64_t resized;
	double allocated_variance;
	uint64_t gone_ns; /* since the start */
};

/* What of a site the kernel's list has at the end, its process's or the run's. */
struct meter_alive {
	struct meter_amount live;
	struct meter_amount ages[MEMORY_AGES];
	struct meter_amount survivors;
	uint64_t oldest_ns; /* since the start; UINT64_MAX none */
	double variance;
};

/* What a site's process had when it ended, of what was allocated in one span. */
struct meter_left {
	uint32_t site;
	uint64_t born_ns; /* since the start: where the span began */
	struct meter_amount amount;
};

struct memory_meter {
	struct memory *memory;
	uint64_t start_ns;
	unsigned int fraction_bits; /* 0 where every block is recorded */
	unsigned int span_shift;    /* spans of the histories are of 2^span_shift ns */

	struct meter_site *sites; /* by the memory's sites; may be fewer */
	uint32_t site_count, site_capacity;
	struct meter_amount live; /* of all sites whose process is there */
	int64_t point_peak_bytes; /* the most that was since the last point */

	/*
	 * The peak so far. A site's part in it is meter_site.peak if that is of this number; else the
	 * site has not changed since, and its part is what it has.
	 */
	int64_t peak_bytes;
	uint64_t peak_number;
	uint64_t peak_ns; /* since the start */

	uint64_t latest_ns; /* told so far, since the start */

	struct meter_alive *alive; /* by site: of ended processes, and at the end of all */
	uint32_t alive_count, alive_capacity;
	/* What of it is from the run's first half is known when the run has ended. */
	struct meter_left *left;
	uint32_t left_count, left_capacity;
	struct map64 *left_index; /* site and span -> 1 + index; of spans of 2^left_shift ns */
	unsigned int left_shift;

	/* From memory_meter_end() on. */
	bool ended;
	uint64_t end_ns;    /* since the start */
	uint32_t half_span; /* the run's first half is what is before this span */
};

/* What a block of that size counts, and the variance that this brings into a sum of bytes. */
struct meter_amount meter_weigh(const struct memory_meter *meter, uint64_t size, double *variance);

/* Makes room for so many sites. 0 or -ENOMEM. */
int meter_sites_reach(struct memory_meter *meter, uint32_t count);

uint64_t meter_since_start(const struct memory_meter *meter, uint64_t time_ns);
/* The span of a time since the start; spans become longer until it is one of those there are. */
uint32_t meter_span(struct memory_meter *meter, uint64_t since_ns);

static inline void meter_amount_add(struct meter_amount *into, const struct meter_amount *amount)
{
	into->blocks += amount->blocks;
	into->bytes += amount->bytes;
}

#endif
