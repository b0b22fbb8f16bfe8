/* SPDX-License-Identifier: GPL-2.0-only */
/* A profile of --mode lifetime small enough to add up by hand. */
#ifndef TESTS_RENDER_SAMPLE_LIFETIMES_H
#define TESTS_RENDER_SAMPLE_LIFETIMES_H

#include "model/lifetimes.h"
#include "sample.h"

/*
 * Process 100, "python3 app.py", CPython 3.11.2, 10 s, threads 100 and 101 worker.
 *
 *	class        births  created  ended  before  census    ages of those that ended
 *	app.Session  probed      120    100       5  10 -> 25  99 of 1 ms, one of 2 s; before >= 3, 4 s
 *	app.Row      none         30     20       0   4 -> 14  not known
 *	lib.Item     probed     6400   6400       0  none      1 us; one in 64 is followed
 *	app.Leak     probed       10      0       0   0 -> 12  (two more than were seen made)
 *	app.Old      probed        0      0       7   7 ->  0  before >= 3.2 s, 6 s
 *	app.Idle     probed        0      0       0   3 ->  3
 *
 * Session: 100 (90 ended, 20 of them by the collector) at <module>:30 > make:42 by 100, 20 (10 ended, 5) at
 * run:14 by the worker; Item and Leak at make:43. An instance of Session has 64 bytes, of Leak 1 MiB.
 */
struct profile *sample_lifetimes_new(void);

enum { SAMPLE_SESSION, SAMPLE_ROW, SAMPLE_ITEM, SAMPLE_LEAK, SAMPLE_OLD, SAMPLE_IDLE };

/* A profile of that mode without anything. */
struct profile *sample_lifetimes_empty_new(void);
/* A class with `created` instances made at `stack` by thread 0. Its index. */
uint32_t sample_lifetimes_add(struct profile *profile, const char *module, const char *name,
			      uint64_t created, uint32_t stack);

/* Options as `cli` gives them in this mode, for this view; makes its stacks. */
struct render_options sample_lifetimes_options(struct profile *profile, enum lifetime_view view);

#endif
