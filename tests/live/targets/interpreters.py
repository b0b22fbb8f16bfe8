# SPDX-License-Identifier: GPL-2.0-only
"""Usage: interpreters.py DONE: objects, blocks and collections of the first interpreter and of three others.

Each of the others keeps 70 of 90 objects. Begins on SIGUSR1, says that it is done by making a file, and ends them when told to.
"""
import gc
import signal
import sys
import time

import known

try:
    import _interpreters as interpreters  # 3.13
except ImportError:
    import _xxsubinterpreters as interpreters

OTHERS = 3
CODE = """
import gc
gc.disable()
class Other:
    pass
kept, blocks = [None] * 70, [None] * 25
for i in range(70):
    kept[i] = Other()
for i in range(20):
    Other()
for i in range(9):
    gc.collect()
for i in range(25):
    blocks[i] = bytes(6000)
"""


class First:
    pass


def work():
    others = [interpreters.create() for _ in range(OTHERS)]
    for other in others:
        interpreters.run_string(other, CODE)
    kept = [First() for _ in range(50)]  # object
    for _ in range(7):
        gc.collect()  # collection
    return others, kept


gc.disable()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
known.ready()
signal.sigwait({signal.SIGUSR1})
others, kept = work()
with open(sys.argv[1], "w"):
    pass
while not known.stopping:
    time.sleep(0.02)
for other in others:
    interpreters.destroy(other)
known.done(kept=len(kept))
