# SPDX-License-Identifier: GPL-2.0-only
"""Usage: cgrouped.py DONE [WAIT_S]: some blocks, objects and collections, then says so by making a file.

Begins on SIGUSR1, or after WAIT_S seconds.
"""
import gc
import signal
import sys
import time

import known

BLOCKS, OBJECTS, COLLECTIONS = 40, 50, 30


class Kept:
    pass


def work():
    blocks = [None] * BLOCKS
    objects = [None] * OBJECTS
    for i in range(BLOCKS):
        blocks[i] = bytes(5000)  # block
    for i in range(OBJECTS):
        objects[i] = Kept()  # object
    for _ in range(COLLECTIONS):
        gc.collect()  # collection
    return blocks, objects


gc.disable()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
known.ready()
if len(sys.argv) > 2:
    time.sleep(float(sys.argv[2]))
else:
    signal.sigwait({signal.SIGUSR1})
kept = work()
with open(sys.argv[1], "w"):
    pass
while not known.stopping:
    time.sleep(0.02)
known.done(kept=len(kept))
