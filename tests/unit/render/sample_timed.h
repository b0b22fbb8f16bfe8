/* SPDX-License-Identifier: GPL-2.0-only */
/* The calls of sample_calls.h with all that the table and JSON tell of calls. */
#ifndef TESTS_RENDER_SAMPLE_TIMED_H
#define TESTS_RENDER_SAMPLE_TIMED_H

#include "sample_calls.h"

/*
 * exchange_calls_new() in modes time and callgraph, and
 *	<module> was still running when we left; both calls of odd ended by an exception
 *	caller > callee      single calls took, ms
 *	<module> > fib       90
 *	fib > fib            10 10 10 10 35 35
 *	Worker.run > fib     2
 *	<module> > even      9 9
 *	even > odd           6 7
 *	odd > even           3 4
 * 34 hits at 500 ns each, 20 us taken out; thread 100 was watched for 1 s with 118 ms of CPU, 101
 * for 0.5 s with 2 ms; our own CPU 40 ms. Nothing lost.
 */
struct profile *timed_calls_new(void);

#endif
