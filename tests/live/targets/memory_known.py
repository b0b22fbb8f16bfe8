# SPDX-License-Identifier: GPL-2.0-only
"""Usage: memory_known.py watched FILE|truth|command

work() allocates in many ways, each at a marked line of its own, and keeps some of it. `watched` does it
when SIGUSR1 comes, says so by making FILE, and waits for SIGTERM; `truth` does it under tracemalloc and
tells what is alive by line then; `command` does it and ends. The first two have done it once before, so
that the interpreter's own free lists are filled alike.
"""
import signal
import sys
import threading
import time

import known

BLOCKS = 300
SMALL = 2000


class Plain:
    pass


class Slotted:
    __slots__ = ("a", "b")


def keep_blocks(kept):
    for i in range(BLOCKS):
        kept[i] = bytes(1000 + i)  # kept blocks


def churn_blocks():
    for i in range(BLOCKS):
        bytes(3000 + i)  # churned blocks


def keep_half():
    blocks = [None] * BLOCKS  # half list
    for i in range(BLOCKS):
        blocks[i] = bytes(2000)  # half blocks
    for i in range(0, BLOCKS, 2):
        blocks[i] = None
    return blocks


def grow_list():
    grown = []
    for i in range(SMALL):
        grown.append(None)  # grown list
    return grown


def grow_buffer():
    buffer = bytearray()
    for _ in range(200):
        buffer += b"x" * 100  # grown buffer
    return buffer


def make_text():
    return "ü" * 5000, "€" * 5000, "a" * 5000  # texts


def make_dict():
    return {"key %d" % i: None for i in range(500)}  # dict


def make_small():
    return [Plain() for _ in range(SMALL)], [Slotted() for _ in range(SMALL)]  # small


def make_numbers():
    return [float(i) for i in range(SMALL)]  # numbers


def deep(n):
    if n:
        return deep(n - 1)
    return bytes(8000000)  # deep blocks


def by_thread(kept):
    def run():
        kept.append(bytes(40000))  # thread blocks

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def work():
    kept = [None] * BLOCKS  # kept list
    keep_blocks(kept)
    churn_blocks()
    threaded = []
    by_thread(threaded)
    return (kept, keep_half(), grow_list(), grow_buffer(), make_text(), make_dict(), make_small(),
            make_numbers(), deep(20), threaded)


def watched():
    work()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    known.ready()
    signal.sigwait({signal.SIGUSR1})
    kept = work()
    # A file, not a word: whoever reads those waits for the end.
    with open(sys.argv[2], "w"):
        pass
    while not known.stopping:
        time.sleep(0.02)
    known.done(kept=len(kept))


def truth():
    import tracemalloc

    work()
    tracemalloc.start(1)
    kept = work()
    snapshot = tracemalloc.take_snapshot()
    tracemalloc.stop()
    lines = {}
    for trace in snapshot.traces:
        frame = trace.traceback[0]
        if frame.filename != __file__:
            continue
        line = lines.setdefault(str(frame.lineno), [0, 0, 0, 0])
        large = trace.size > 512
        line[0] += trace.size
        line[1] += 1
        line[2] += trace.size if large else 0
        line[3] += large
    known.ready(lines=lines)
    known.done(kept=len(kept))


def command():
    kept = work()
    del kept


{"watched": watched, "truth": truth, "command": command}[sys.argv[1]]()
