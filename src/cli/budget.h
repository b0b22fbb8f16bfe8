/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What exact probes may cost: whether the limit is exceeded (--max-overhead), and when the probes
 * are to be in and when not so that it never is (--duty). Pure: the caller brings the clock and the
 * counts.
 *
 * Cost and CPU time are of all targets together; the cost is part of the CPU time.
 */
#ifndef PYBPFPROF_CLI_BUDGET_H
#define PYBPFPROF_CLI_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Times since some start; they only grow. */
struct budget_reading {
	uint64_t time_ns;
	uint64_t cost_ns; /* hits, at what one costs */
	uint64_t cpu_ns;  /* CPU time of the targets */
};

/* cost / CPU time from one reading to the next; 0 where no CPU time was used. */
double budget_share(const struct budget_reading *from, const struct budget_reading *to);

/*
 * What so many hits of probes cost, `stepped` of them on instructions that the kernel single-steps. What
 * one costs is 0 where it could not be measured: then it is a guess that is rather too high.
 */
enum { BUDGET_HIT_GUESS_NS = 1500, BUDGET_STEPPED_GUESS_NS = 15000 };

uint64_t budget_hits_ns(uint64_t hits, uint64_t stepped, uint32_t hit_ns, uint32_t stepped_ns);

/*
 * ---- the limit ----
 *
 * Exceeded is what exceeds it in two looks in a row: a burst that one look holds is not enough.
 * Where the targets hardly run, a look lasts until they have used BUDGET_CPU_NS: of less, the
 * scheduler's count is not exact enough to judge by.
 */
enum {
	BUDGET_LOOK_NS = 200000000,
	BUDGET_CPU_NS = 10000000,
};

struct budget {
	double limit;		      /* 0.2: a fifth of the CPU time */
	uint64_t look_ns;	      /* when to look next */
	struct budget_reading last;   /* where the current look begins */
	struct budget_reading before; /* where the one before it began */
	bool was_over;
};

void budget_init(struct budget *budget, double limit_percent, const struct budget_reading *start);
/* The counts, at or after look_ns. True: exceeded; budget_share(&before, now) tells by how much. */
bool budget_look(struct budget *budget, const struct budget_reading *now);

/*
 * ---- windows ----
 *
 * Every nanosecond of the targets' CPU time earns `limit` nanoseconds of cost. The probes come back
 * when what was earned pays for the next window, judged by the last one, and stay while it pays for
 * one more. Putting them in and taking them away is paid for like hits. What is earned and not
 * spent is kept up to what DUTY_SAVINGS_NS of CPU time earn: hours of calm do not pay for a minute
 * of storm.
 */
enum {
	DUTY_WINDOW_FIRST_NS = 25000000, /* what it will cost nobody knows yet */
	DUTY_WINDOW_MIN_NS = 50000000,
	DUTY_WINDOW_MAX_NS = 200000000,
	DUTY_PAUSE_MIN_NS = 150000000, /* the last events of a window come within that time */
	DUTY_LOOK_MIN_NS = 20000000,
	DUTY_LOOK_MAX_NS = 1000000000,
	DUTY_SAVINGS_NS = 1000000000,
	/* A window costs at least so many times what its probes' coming and going does. */
	DUTY_TOGGLES_PER_WINDOW = 10,
};

enum duty_step { DUTY_STAY, DUTY_IN, DUTY_OUT };

struct duty {
	double limit;
	bool in;
	uint64_t look_ns;		  /* when to look next */
	uint64_t window_ns;		  /* how long the current or next window is */
	struct budget_reading last;	  /* of the last look */
	struct budget_reading changed;	  /* when the probes came or went */
	double earned_ns;		  /* of cost, and not spent; negative: owed */
	double share;			  /* cost / CPU time in the last window */
	double cpus;			  /* CPU time / time of all targets */
	uint64_t in_cost_ns, out_cost_ns; /* of putting in, of taking away, the last time */
	uint64_t window_start_ns;	  /* of the current one */
	uint64_t windows_ns;		  /* sum of those that have ended */
	uint32_t window_count;
};

/* The probes are in. */
void duty_init(struct duty *duty, double limit_percent, const struct budget_reading *start);
/* The counts, at or after look_ns. What the caller shall do; it then says so by duty_changed(). */
enum duty_step duty_look(struct duty *duty, const struct budget_reading *now);
/*
 * The probes are in, or out. `boundary_ns`: a window begins when they were all in, and ends when
 * the first was to go. `cost_ns`: the CPU time it took.
 */
void duty_changed(struct duty *duty, bool in, uint64_t boundary_ns, uint64_t cost_ns,
		  const struct budget_reading *now);
/* The share of the time up to end_ns, since start_ns, in which the probes were in. */
double duty_observed(const struct duty *duty, uint64_t start_ns, uint64_t end_ns);

#endif
