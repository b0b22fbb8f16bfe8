/* SPDX-License-Identifier: GPL-2.0-only */
/* A profile of --mode memory small enough to add up by hand. */
#ifndef TESTS_RENDER_SAMPLE_MEMORY_H
#define TESTS_RENDER_SAMPLE_MEMORY_H

#include "model/memory.h"
#include "sample.h"

/*
 * Process 100, "python3 app.py", CPython 3.11.2, glibc, 10 s; RSS 20 MiB, then 60 MiB, at most 80 MiB.
 *
 *	thread       stack                                             allocated     peak     live
 *	main         <module>:30 > Loader.read:42                   1000, 64 MiB   40 MiB    8 MiB
 *	main         <module>:30 > Loader.read:43 > write (native)     4,  4 MiB    2 MiB        0
 *	101 worker   Worker.run:14 > Worker.keep:21                  200, 2 MiB     1 MiB    2 MiB
 *	101 worker   (no frame)                                        10, 10 KiB    0        1 KiB
 *
 * Everything else of a site is in sample_memory.c. Worker.keep grows by 512 KiB a second, surely;
 * 90 of its 100 blocks of the first half are still alive.
 */
struct profile *sample_memory_new(void);

enum { SAMPLE_READ, SAMPLE_WRITE, SAMPLE_KEEP, SAMPLE_BARE, SAMPLE_SITES };

/* A child, pid 200, killed for want of memory; two processes then. */
void sample_memory_add_child(struct profile *profile);
/* What --rss adds: Loader.read:42 touched 32 MiB, of which 16 MiB stayed. */
void sample_memory_add_resident(struct profile *profile);
/* --allocator object on a build that inlines: two size classes, at the start and at the end. */
void sample_memory_add_pools(struct profile *profile);

/* Options as `cli` gives them in this mode, for this view. */
struct render_options sample_memory_options(struct profile *profile, enum memory_view view);

#endif
