/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stands around the numbers of every report for people: who was profiled for how long, what it
 * cost, what was lost. One place, so that the table and the HTML say the same.
 */
#ifndef PYBPFPROF_RENDER_CLOSING_H
#define PYBPFPROF_RENDER_CLOSING_H

#include "base/buffer.h"
#include "render/render.h"

/* All calls of an exact run. */
struct closing_calls {
	uint64_t calls;
	uint64_t primitive;   /* of them: not entered while running on the same thread already */
	uint64_t self_ns;     /* wall time in Python functions, over all threads */
	uint64_t cpu_self_ns; /* of it on a CPU */
};

/* The profile has calls. */
void closing_sum_calls(const struct profile *profile, struct closing_calls *out);

/* CPU time of all processes, measured, not sampled. */
uint64_t closing_cpu_ns(const struct profile *profile);
/* 1e9 / period_ns, rounded; 0 where nothing was sampled by time. */
uint64_t closing_rate_hz(const struct profile *profile);

/* Each appends whole lines of safe text, every line ended by '\n'. */

/* "python3 app.py · pid 4242 · CPython 3.11.2", one line a process, at most `limit` (0: all). */
void closing_append_targets(struct buffer *out, const struct profile *profile, uint32_t limit);
/*
 * "cpu · 10.0 s · 990 samples at 99 Hz · 9.87 s of 9.91 s CPU sampled"; of exact calls
 * "time · 10.0 s · 1383498 calls (31 primitive) · 9.87 s wall · 9.80 s CPU"
 */
void closing_append_summary(struct buffer *out, const struct profile *profile,
			    const struct render_options *options);
/*
 * "cost: 1.3 % of the target, 0.4 % of a core for pybpfprof · 0 lost · 0 unresolved", then a line
 * for each loss and each kind of incomplete stack, and for what else the reader must know: in exact
 * modes what the probes cost and where it went, windows, stacks taken anew, an early end.
 */
void closing_append_cost(struct buffer *out, const struct profile *profile,
			 const struct render_options *options);

/*
 * Of profiles with memory, for the functions above: what stands behind a target, " · glibc · killed by
 * SIGKILL (out of memory)"; the line of the summary; and, below the cost, what is estimated, what was
 * there before, what of whom was not seen.
 */
void closing_append_memory_target(struct buffer *out, const struct profile *profile, uint32_t id);
void closing_append_memory_summary(struct buffer *out, const struct profile *profile);
void closing_append_memory_notes(struct buffer *out, const struct profile *profile);
/* The same of profiles with collections. */
void closing_append_gc_summary(struct buffer *out, const struct profile *profile);
void closing_append_gc_notes(struct buffer *out, const struct profile *profile);

/* The same of profiles with lifetimes. */
void closing_append_lifetime_summary(struct buffer *out, const struct profile *profile);
void closing_append_lifetime_notes(struct buffer *out, const struct profile *profile);

#endif
