# SPDX-License-Identifier: GPL-2.0-only
"""turn() calls leaf() a hundred times, again and again until SIGTERM, and knows how fast it is.

Turns are slow when GROUP in a row take several times the CPU time of the fastest before `ready`:
an interrupt makes one turn slow, probes make all of them so. Says in the end how many turns there
were, how many slow groups, how long from the first of these to the last (`slow_span_s`), and how
much of the CPU time was more than so many turns take that are not slow (`cost_share`).
"""
import time

import known

LEAVES = 100
TRIAL_TURNS = 3000
SLOW = 4
GROUP = 16


def leaf():
    pass


def turn(leaf=leaf, turns=range(LEAVES)):
    for _ in turns:
        leaf()


def timed(clock=time.thread_time_ns):
    start_ns = clock()
    turn()
    return clock() - start_ns


def main():
    trial = sorted(timed() for _ in range(TRIAL_TURNS))
    slow_ns = SLOW * trial[TRIAL_TURNS // 10]
    turns = fast_turns = slow_groups = slow_turns = total_ns = fast_ns = 0
    first_s = last_s = None
    known.ready()
    while not known.stopping:
        took_ns = timed()
        turns += 1
        total_ns += took_ns
        if took_ns <= slow_ns:
            slow_turns = 0
            fast_turns += 1
            fast_ns += took_ns
            continue
        slow_turns += 1
        if slow_turns == GROUP:
            last_s = time.monotonic()
            first_s = first_s or last_s
            slow_groups += 1
            slow_turns = 0
    known.done(turns=turns, slow_groups=slow_groups, slow_span_s=last_s - first_s if last_s else 0,
               cost_share=1 - turns * fast_ns / max(fast_turns, 1) / total_ns)


main()
