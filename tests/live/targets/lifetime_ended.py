# SPDX-License-Identifier: GPL-2.0-only
"""Usage: lifetime_ended.py PROCESSES AT_ONCE: very many objects, in processes that end with them.

Each child keeps 1000 of 1500 objects, the parent 2000 of 3000 all the while.
"""
import os
import signal
import sys
import time

import known

PROBES_S = 2  # until a child's probes are in


class Parents:
    __slots__ = ()


class Childs:
    __slots__ = ()


def kept_of(cls, count):
    kept = [cls() for _ in range(count)]
    del kept[::3]
    return kept


def child():
    time.sleep(PROBES_S)
    kept = kept_of(Childs, 1500)
    os._exit(len(kept) - 1000)


def main():
    processes, at_once = (int(word) for word in sys.argv[1:3])
    signal.alarm(known.LIFE_S)
    kept = kept_of(Parents, 3000)
    running = 0
    for _ in range(processes):
        if running == at_once:
            status = os.wait()[1]
            assert not status, status
            running -= 1
        if not os.fork():
            child()
        running += 1
    for _ in range(running):
        os.wait()
    os._exit(len(kept) - 2000)


main()
