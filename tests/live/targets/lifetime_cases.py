# SPDX-License-Identifier: GPL-2.0-only
"""Usage: lifetime_cases.py CASE [NUMBER]

One program of known lives per case. It does nothing before SIGUSR1, unless it is run as a COMMAND (then
LIFETIME_AT_ONCE is set), says how it went in its last line, and waits for SIGTERM where the case does
not end it.
"""
import collections
import gc
import os
import signal
import sys
import threading
import time

import known


class Node:
    def __init__(self, following):
        self.following = following


class Phoenix:
    def __init__(self):
        self.risen = False

    def __del__(self):
        if not self.risen:
            self.risen = True
            saved.append(self)


class Ring:
    def __init__(self):
        self.me = self


class Thing:
    pass


class Slim:
    __slots__ = ()


class Local:
    pass


saved = []


def trashcan():
    chain = None
    for _ in range(number):
        chain = Node(chain)  # birth
    del chain


def tree():
    """Deep as well, and wide, in containers of C."""
    chain = Thing()
    for _ in range(number):
        node = Node(None)
        node.following = ({"next": [chain]},)
        chain = node
    del chain, node


def resurrection():
    for _ in range(number):
        Phoenix()
    assert len(saved) == number
    saved.clear()


def cycles():
    for _ in range(number):
        Ring()  # birth
    gc.collect()


def exec_classes():
    for _ in range(number):
        scope = {"__name__": "made"}
        exec("class Fleeting:\n    pass\nfor _ in range(5):\n    Fleeting()\n", scope)
        del scope
        gc.collect(0)
    gc.collect()


def two_modules():
    kinds = [type("Twin", (), {"__module__": name}) for name in ("one", "two")]
    saved.extend(kinds[0]() for _ in range(number))
    saved.extend(kinds[1]() for _ in range(2 * number))
    del saved[:10]
    saved.append(kinds)


def threads():
    def churn():
        for _ in range(number):
            Local()  # birth
    running = [threading.Thread(target=churn) for _ in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def fastest():
    """As fast as a Python can make and drop them, for so many seconds."""
    made, end = 0, time.monotonic() + number
    while time.monotonic() < end:
        for _ in range(10000):
            Thing()  # birth
        made += 10000
    return made


def classes():
    kinds = [type("Class%05d" % n, (), {}) for n in range(number)]
    for kind in kinds:
        saved.append(kind())
        kind()


def forked():
    time.sleep(0.3)  # all that follows is younger than the run
    began_ns = time.monotonic_ns()
    saved.extend(Thing() for _ in range(100))  # in parent
    pid = os.fork()
    if pid == 0:
        time.sleep(1)  # its probes come in meanwhile
        del saved[:40]
        saved.extend(Thing() for _ in range(30))  # in child
        del saved[-10:]
        time.sleep(0.2)
        os._exit(0)
    os.waitpid(pid, 0)
    del saved[:5]
    return time.monotonic_ns() - began_ns


def dies():
    saved.extend(Thing() for _ in range(number))
    del saved[:number // 2]
    os.kill(os.getpid(), signal.SIGKILL)


def ends():
    saved.extend(Thing() for _ in range(number))
    del saved[:number // 2]


def built_in():
    saved.extend([n] for n in range(number))  # lists
    saved.extend({n: n} for n in range(number))
    saved.extend(collections.deque() for _ in range(number))
    del saved[:number // 2], saved[number:number + number // 4], saved[-number:]


def before():
    """What was there before it was watched ends."""
    del saved[:number // 2]
    saved.extend(Slim() for _ in range(number // 4))


def crowd():
    """Few come and go where many stay."""
    del saved[:10]
    saved.extend(Thing() for _ in range(3))


def churning():
    """Until it is told to stop: both censuses meet it in the middle of something."""
    saved.extend(Ring() for _ in range(number))
    while not known.stopping:
        things = [Thing() for _ in range(number)]
        del things


def started():
    return "LIFETIME_AT_ONCE" in os.environ or signalled


def on_start(_signal, _frame):
    global signalled
    signalled = True


case = sys.argv[1]
number = int(sys.argv[2])
signalled = False
signal.signal(signal.SIGUSR1, on_start)
gc.collect()
gc.disable()
if case in ("before", "crowd"):
    saved.extend((Slim if case == "before" else Thing)() for _ in range(number))
known.ready()
while not started():
    time.sleep(0.01)
result = globals()[case]()
if len(sys.argv) > 3:
    open(sys.argv[3], "w").close()
    while not known.stopping:
        time.sleep(0.02)
known.done(result=result)
