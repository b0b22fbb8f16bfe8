/* SPDX-License-Identifier: GPL-2.0-only */
/* A profile small enough to add up by hand, a hostile one, and a renderer's output as a string. */
#ifndef TESTS_RENDER_SAMPLE_H
#define TESTS_RENDER_SAMPLE_H

#include "base/buffer.h"
#include "render/render.h"

/*
 * Process 100, "python3 app.py", CPython 3.11.2, watched for 10 s at 100 Hz; 1.00 s of CPU.
 *	thread       stack                                                samples
 *	100          <module>:30 > Worker.run:12                               10
 *	100          <module>:30 > Worker.run:13 > fib:21 > fib:22             60
 *	100          <module>:30 > Worker.run:13 > fib:21                      10
 *	101 worker   Worker.run:14 > dumps:238 > write > vfs_write (kernel)    15
 *	101 worker   Worker.run:14 > dumps:238                                  4
 *	101 worker   (no frame)                                                 1
 * Cost 13 ms in the target, 40 ms of ours; 2 records lost, 1 stack cut, 3 unresolved.
 */
struct profile *sample_new(void);

/* Names that are escapes, markup, syntax of the formats, broken UTF-8; four stacks of one frame. */
struct profile *sample_hostile_new(void);
extern const char *const SAMPLE_HOSTILE_NAMES[4];

/*
 * 100,000 different stacks of 2 to 41 frames over 10,000 functions, one sample each; of every ten,
 * seven begin with package_0, the others with package_1, 2, 3.
 */
struct profile *sample_large_new(void);

/* Options as `cli` gives them by default. */
struct render_options sample_options(void);

/* Renders into `out` (released by the caller); fails the test when the renderer does. */
void sample_render(const char *format, const struct profile *profile,
		   const struct render_options *options, struct buffer *out);

/* The output is that of tests/golden/NAME. */
void sample_expect_golden(const char *name, const struct buffer *got);

#endif
