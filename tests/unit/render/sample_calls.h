/* SPDX-License-Identifier: GPL-2.0-only */
/* Exact calls small enough to add up by hand, and hostile ones, for the formats of other tools. */
#ifndef TESTS_RENDER_SAMPLE_CALLS_H
#define TESTS_RENDER_SAMPLE_CALLS_H

#include "sample.h"

/*
 * Process 100, "python3 app.py", threads 100 and 101; wall and CPU time in ms.
 *	thread, path                                     calls   self  CPU
 *	100  <module>                                        1     10    9
 *	100  <module> > fib                                  1     20   20
 *	100  <module> > fib > fib                            2     30   30
 *	100  <module> > fib > fib > fib                      4     40   40
 *	100  <module> > even                                 2      5    5
 *	100  <module> > even > odd                           2      6    6
 *	100  <module> > even > odd > even                    2      7    7
 *	101  Worker.run (running when we came)               0    100    1
 *	101  Worker.run > fib                                1      2    2
 * By hand, calls/primitive, self, total, wall:
 *	<module> 1 10 118 · fib 8/2 92 92 · even 4/2 12 18 · odd 2 6 13 · Worker.run 0 100 102
 *	220 ms in all, of them 120 on a CPU
 */
struct profile *exchange_calls_new(void);

/*
 * Thread 100 calls each of the names once, 1 ms; each in a file of that name. Then the same name
 * thrice in one file, at lines 1, 2 and again 2 in another class; and twice in two modules.
 */
struct profile *exchange_hostile_new(void);
enum { EXCHANGE_HOSTILE_NAMES = 16, EXCHANGE_HOSTILE_FUNCTIONS = EXCHANGE_HOSTILE_NAMES + 5 };
extern const char *const EXCHANGE_HOSTILE[EXCHANGE_HOSTILE_NAMES];

#endif
