/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory small enough to add up by hand, for the page and for pprof. */
#ifndef TESTS_RENDER_SAMPLE_BLOCKS_H
#define TESTS_RENDER_SAMPLE_BLOCKS_H

#include "sample.h"

/*
 * Process 100, "python3 app.py", watched for 10 s; blocks and KiB.
 *	thread, stack                                    allocated      peak    live  temporary
 *	100  <module>:30 > load:21                         100 400    50 200    0   0     50 200
 *	100  <module>:30 > load:22 > Cache.put:12           64 1024   60 960   48 768     0   0
 *	101  Worker.run:14 > dumps:238                    1000 500    10   5    0   0   1000 500
 *	101  Worker.run:14 > dumps:238 > realloc (libc)      3 300     1 100    1 100     0   0
 *	101  (no frame)                                      1   3     1   3    1   3     0   0
 *	all                                               1168 2227  122 1268  50 871   1050 700
 * A reading each second from 0 on: live KiB 0 100 200 300 500 1000 1268 1200 1100 1000 871, resident
 * 12 MiB and what is live; between 3 and 4 s 900 KiB were live for a moment. The peak is at 6 s.
 * Temporary is what is freed before its thread's next allocation.
 */
struct profile *sample_blocks_new(void);

/*
 * The same with page faults, as samples of one byte in 4096, in a process of 200 MiB:
 *	100  <module>:30 > load:21         faulted 40 160 KiB, resident 30 120 KiB; live +- 0
 *	all estimates have a standard deviation of 10 KiB a site that is not 0
 */
struct profile *sample_blocks_sampled_new(void);

/* A run in which nobody allocated and no reading was taken. */
struct profile *sample_blocks_none_new(void);

#endif
