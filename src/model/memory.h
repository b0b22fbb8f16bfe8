/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a run found out about memory: who allocated (sites), what is alive, what was alive at the
 * peak, what made the resident size grow. The meter fills it, renderers read it.
 *
 * A site is one stack of one thread. Bytes are what was asked for. In a run that samples
 * (`sample_bytes` not 0) blocks and bytes are estimates; the variances tell how good.
 */
#ifndef PYBPFPROF_MODEL_MEMORY_H
#define PYBPFPROF_MODEL_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map64.h"
#include "model/histogram.h"

struct profile;

struct memory_amount {
	uint64_t blocks;
	uint64_t bytes;
};

/* What of its amounts a report is about (`--show`). */
enum memory_view {
	MEMORY_VIEW_PEAK, /* alive when most bytes were */
	MEMORY_VIEW_LIVE, /* alive at the end */
	MEMORY_VIEW_ALLOCATED,
	MEMORY_VIEW_TEMPORARY,
	MEMORY_VIEW_RESIDENT, /* --rss: made resident, and resident at the end */
	MEMORY_VIEW_FAULTED,  /* --rss: made resident, however often */
	MEMORY_VIEW_MAPPED,   /* by mmap() and its like, and not unmapped; arenas apart */
	MEMORY_VIEW_ARENAS,   /* of pymalloc, taken while watched and not given back */
	MEMORY_VIEW_COUNT
};

/* Ages at the end of what is alive then: younger than 1 s, 10 s, 1 min, 10 min, older. */
enum { MEMORY_AGES = 5 };

/* How the live bytes of a site went over the run, for --leaks; model/memory_trend.h tells how. */
struct memory_trend {
	double bytes_per_second; /* slope of the best line */
	/* How sure it is that they grow, and still do, 0..1; 0 where too little was seen. */
	double confidence;
	uint32_t points; /* how many readings this is from: of equal spans, the least in each */
};

struct memory_site {
	uint32_t thread; /* of the profile: that allocated */
	uint32_t stack;	 /* node of the profile */
	struct memory_amount amounts[MEMORY_VIEW_COUNT];
	struct memory_amount freed; /* of `allocated`; allocated - freed = live */
	uint64_t resized; /* of allocated.blocks: an earlier block's successor (realloc) */
	uint64_t failed;  /* allocations that got nothing */
	struct memory_amount ages[MEMORY_AGES]; /* of what is alive at the end */
	struct memory_amount survivors; /* alive at the end, from the first half of the run */
	/*
	 * Allocated in the first half of the run; a chain of reallocs is one block, of the site where it
	 * went last, from when it was first allocated. Never less than survivors.blocks.
	 */
	uint64_t first_half_blocks;
	uint64_t oldest_ns;	/* age of the oldest that is alive at the end */
	struct histogram sizes; /* of allocations, bytes */
	struct memory_trend trend;
	double allocated_variance; /* of the estimated bytes, square bytes; 0: exact */
	double live_variance;
};

/*
 * A reading of a moment; live bytes are of all sites, resident ones of all targets. In a long run
 * a point stands for several readings: then it is the last of them, and the resident bytes are the most
 * that any of them said.
 */
struct memory_point {
	uint64_t time_ns; /* since the start */
	uint64_t live_bytes;
	uint64_t resident_bytes;
	uint64_t peak_bytes; /* the most that was live since the point before */
};

enum { MEMORY_POINTS_MAX = 1024 };

enum { MEMORY_POOL_CLASSES = 32 };

/* CPython's own small-block allocator as it lies in memory: one size class, ((i + 1) * 16) bytes. */
struct memory_pool_class {
	uint32_t block_bytes;
	uint64_t pools;
	uint64_t used_blocks;
	uint64_t free_blocks;
};

struct memory_pools {
	bool known;	      /* false: no pymalloc in use, or it could not be read: `reason` */
	const char *reason;   /* static or NULL */
	uint64_t arena_bytes; /* of one */
	uint64_t pool_bytes;  /* of one */
	uint64_t arenas;
	uint64_t arenas_bytes;
	uint64_t free_pools; /* in arenas, of no class */
	uint64_t used_bytes; /* blocks in use, at their class's size */
	struct memory_pool_class classes[MEMORY_POOL_CLASSES];
	uint64_t torn; /* pools that changed while they were read */
};

/* How much of CPython's object allocator our probes see (`--allocator object`). */
enum memory_coverage {
	MEMORY_COVERAGE_NONE, /* only the C library's allocator is hooked: that one whole */
	MEMORY_COVERAGE_WHOLE,
	MEMORY_COVERAGE_INLINED, /* this build has it inlined: objects are not seen one by one */
	MEMORY_COVERAGE_UNKNOWN,
};

/* By the profile's process index. */
struct memory_process {
	bool watched;
	uint64_t rss_start_bytes, rss_end_bytes, rss_peak_bytes;
	uint64_t pss_end_bytes; /* its share of what it shares with others; 0: not known */
	bool pss_known;
	bool oom_killed;
	uint32_t allocator; /* string: "glibc", "jemalloc", ...: what its malloc() is; 0 unknown */
	uint32_t refusal;   /* string: why its allocations are not seen; 0 they are */
	uint32_t note;	    /* string: what is not seen, in plain words; 0 none */
	enum memory_coverage coverage;
	double coverage_share;	   /* of small blocks' change that was seen; negative: not known */
	struct memory_amount live; /* at the end of the run, or of the process */
	struct memory_amount allocated;
	uint64_t mapped_bytes; /* alive mappings made by mmap() while watched */
	struct memory_pools pools_start, pools_end;
};

struct memory {
	struct memory_site *sites;
	uint32_t site_count;
	struct memory_amount amounts[MEMORY_VIEW_COUNT]; /* sums over all sites */
	struct memory_amount freed;
	uint64_t resized;
	uint64_t failed;
	uint64_t peak_at_ns;	/* since the start */
	uint64_t unknown_frees; /* of blocks that were there before we were, or not recorded */
	struct histogram sizes;

	struct memory_point points[MEMORY_POINTS_MAX];
	uint32_t point_count;
	uint64_t point_ns; /* there is at most one for each such span of time */

	struct memory_process *processes; /* after memory_process_of(); by profile process */
	uint32_t process_count;

	/* What was asked for. */
	bool resident;		 /* --rss */
	bool objects;		 /* --allocator object */
	bool leaks;		 /* --leaks: the table is about growth */
	uint64_t sample_bytes;	 /* 0: every block is recorded */
	uint64_t min_size_bytes; /* 0: all */
	/*
	 * Temporary is what was freed, not resized, soon: with at most `temporary_distance` other
	 * recorded allocations of its thread between its own and its end (1 is what memray's
	 * --temporary-allocations means; it takes a realloc for a free, we do not), or within
	 * `temporary_ns`. 0: not by that. A free by another thread is soon by time only.
	 */
	uint64_t temporary_distance;
	uint64_t temporary_ns;
	enum memory_view view;

	/* Private. */
	struct map64 *site_by_key; /* (thread, stack) -> index + 1 */
	uint32_t site_capacity;
	uint32_t process_capacity;
};

struct memory *memory_new(void);	 /* NULL: out of memory */
void memory_free(struct memory *memory); /* takes NULL */

/* The site, added when new. UINT32_MAX: out of memory. Pointers to sites do not outlive this. */
uint32_t memory_site_of(struct memory *memory, uint32_t thread, uint32_t stack);
/* The process's row, added when new. NULL: out of memory. Good until the next new one. */
struct memory_process *memory_process_of(struct memory *memory, uint32_t process);

/*
 * A reading for the timeline, times not descending; peak_bytes at least live_bytes. When there are
 * too many, neighbours become one and point_ns twice as long.
 */
void memory_add_point(struct memory *memory, const struct memory_point *point);

/* What is a sum over sites, anew from the sites: may be called again. 0 or -ENOMEM. */
int memory_sum(struct memory *memory);
/* The same for processes, by the threads of their sites: `live` and `allocated`. 0 or -ENOMEM. */
int memory_sum_processes(struct memory *memory, const struct profile *profile);

/*
 * The profile's sums become the bytes of that view, their samples its blocks, so that what reads stacks
 * (folded, flamegraph) reads them. May be called again for another view. 0 or -ENOMEM.
 */
int memory_to_stacks(const struct memory *memory, struct profile *profile, enum memory_view view);

/* "peak", "live", ... as --show and JSON have them. */
const char *memory_view_name(enum memory_view view);

#endif
