# SPDX-License-Identifier: GPL-2.0-only
"""Usage: memory_ended.py PROCESSES AT_ONCE [DONE]: very many blocks, in processes that end with them.

Each child keeps 1500 of 2000 blocks, of the same addresses as its brothers' where it pleases the allocator.
What the parent keeps is alive all the while. Begins at once, or with DONE, the name of a file that says
that it is done, on SIGUSR1; then it waits to be told to end.
"""
import os
import signal
import sys
import time

import known

BLOCKS = 2000
PARENT_BLOCKS = 3000
PROBES_S = 2  # until a child's probes are in


def child():
    time.sleep(PROBES_S)
    kept = [None] * BLOCKS
    for i in range(BLOCKS):
        kept[i] = bytes(700)  # in child
    kept[::4] = [None] * len(kept[::4])
    os._exit(0)


def family(processes, at_once):
    kept = [None] * PARENT_BLOCKS
    for i in range(PARENT_BLOCKS):
        kept[i] = bytes(800)  # in parent
    running = set()
    for _ in range(processes):
        if len(running) == at_once:
            pid, status = os.wait()
            assert not status, status
            running.remove(pid)
        pid = os.fork()
        if not pid:
            child()
        running.add(pid)
    for pid in running:
        os.waitpid(pid, 0)
    time.sleep(0.5)
    kept[::3] = [None] * len(kept[::3])
    return kept


def main():
    processes, at_once = (int(word) for word in sys.argv[1:3])
    signal.alarm(known.LIFE_S)
    if len(sys.argv) < 4:
        kept = family(processes, at_once)
        os._exit(len(kept) - PARENT_BLOCKS)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    known.ready()
    signal.sigwait({signal.SIGUSR1})
    kept = family(processes, at_once)
    with open(sys.argv[3], "w"):
        pass
    while not known.stopping:
        time.sleep(0.02)
    known.done(kept=len(kept))


main()
