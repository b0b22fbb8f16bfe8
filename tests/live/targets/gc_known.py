# SPDX-License-Identifier: GPL-2.0-only
"""Usage: gc_known.py CASE FILE

Collects in a way that CASE names when SIGUSR1 comes, and no sooner or later; writes to FILE what gc.get_stats()
says of it, and waits for SIGTERM. `command` begins at once and ends without another collection.
"""
import gc
import json
import os
import signal
import sys
import threading
import time

import known


class Node:
    def __init__(self):
        self.self = self


class Asker:
    """Collects while it is collected."""

    def __init__(self):
        self.self = self

    def __del__(self):
        gc.collect()  # asked inside


class Releaser:
    """Lets another thread run while it is collected."""

    def __init__(self, running, tried):
        self.self = self
        self.running, self.tried = running, tried

    def __del__(self):
        self.running.set()
        self.tried.wait()


class Killer:
    def __init__(self):
        self.self = self

    def __del__(self):
        os.kill(os.getpid(), signal.SIGKILL)


class Leaver:
    def __init__(self):
        self.self = self

    def __del__(self):
        os._exit(3)


def by_allocating():
    kept = []
    for _ in range(60000):
        kept.append(Node())  # allocates
        if len(kept) > 500:
            kept.clear()


def by_asking():
    for generation in (0, 0, 0, 1, 1, 2):
        gc.collect(generation)  # asks


def saved():
    gc.set_debug(gc.DEBUG_SAVEALL)
    for _ in range(70):
        Node()
    gc.collect()  # saves
    gc.set_debug(0)


def uncollectable():
    """What only C code can make; how many objects that came to."""
    try:
        from _testcapi import with_tp_del
    except ImportError:
        return 0

    @with_tp_del
    class Stubborn(Node):
        def __tp_del__(self):
            pass

    before = counts()[2][2]
    for _ in range(9):
        Stubborn()
    gc.collect()  # keeps
    gc.garbage.clear()
    return counts()[2][2] - before


def mixed():
    gc.enable()
    by_allocating()
    gc.disable()
    by_asking()
    saved()
    Asker()
    gc.collect()
    return uncollectable()


def from_threads():
    running, tried = threading.Event(), threading.Event()

    def try_it():
        running.wait()
        gc.collect()  # tries
        tried.set()

    thread = threading.Thread(target=try_it)
    thread.start()
    Releaser(running, tried)
    gc.collect()  # releases
    thread.join()
    gc.enable()
    threads = [threading.Thread(target=by_allocating) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.disable()


def often():
    for _ in range(4000):
        gc.collect(0)  # often


def timed():
    """Large enough for what is around a collection not to matter."""
    pauses, begun = [], []

    def callback(phase, _info):
        if phase == "start":
            begun.append(time.perf_counter_ns())
        else:
            pauses.append(time.perf_counter_ns() - begun.pop())

    heap = [[Node()] for _ in range(150000)]
    gc.callbacks.append(callback)
    for _ in range(6):
        gc.collect()
    gc.callbacks.remove(callback)
    del heap
    return pauses


def forks():
    pid = os.fork()
    if not pid:
        for _ in range(3):
            Node()
            gc.collect()  # child
        os._exit(0)
    os.waitpid(pid, 0)
    gc.collect(1)
    return pid


class Forker:
    def __init__(self, children):
        self.self = self
        self.children = children

    def __del__(self):
        self.children.append(os.fork())


def forks_inside():
    children = []
    parent = os.getpid()
    Forker(children)
    gc.collect()
    if os.getpid() != parent:
        gc.collect(0)
        os._exit(0)
    os.waitpid(children[0], 0)
    return children[0]


def killed():
    Killer()
    gc.collect()


def left():
    Leaver()
    gc.collect()


def nothing():
    pass


def counts():
    return [[stats[key] for key in ("collections", "collected", "uncollectable")]
            for stats in gc.get_stats()]


def watched(case, path):
    gc.collect()
    gc.disable()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    known.ready()
    signal.sigwait({signal.SIGUSR1})
    before = counts()
    told = globals()[case]()
    after = counts()
    grown = [[b - a for a, b in zip(*rows)] for rows in zip(before, after)]
    with open(path + ".part", "w") as file:
        json.dump({"grown": grown, "before": [row[0] for row in before], "told": told}, file)
    os.rename(path + ".part", path)
    while not known.stopping:
        time.sleep(0.01)
    known.done()
    os._exit(0)


def command(path):
    mixed()
    with open(path, "w") as file:
        json.dump({"grown": counts()}, file)
    os._exit(0)


if sys.argv[1] == "command":
    command(sys.argv[2])
else:
    watched(*sys.argv[1:])
