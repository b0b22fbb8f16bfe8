# SPDX-License-Identifier: GPL-2.0-only
"""Usage: calls_live.py steps|deep|fib|fib_when|late|fork [ARG...]

steps: step() calls leaf() three times, as fast as it goes, until SIGTERM.
deep ARG: waits for SIGUSR1 below ARG calls of deep(), each of which then calls leaf() twice.
fib ARG: fib(16) again and again for ARG seconds, from the start.
fib_when ARG: the same for 0.2 s, when there is a file ARG.
late ARG...: becomes the program ARG... at SIGUSR1.
fork: at SIGUSR1 has a child that calls leaf() 30 times, calls in_parent() 20 times, and ends.
"""
import os
import sys
import time

import _signal
import known

FIB = 16
FIB_CALLS = 3193  # of fib(16)


def leaf():
    pass


def step():
    leaf()
    leaf()
    leaf()


def steps():
    known.ready()
    count = 0
    while not known.stopping:
        step()
        count += 1
    known.done(steps=count)


def wait():
    _signal.sigwait({_signal.SIGUSR1, _signal.SIGTERM})


def deep(n):
    if n > 1:
        deep(n - 1)
    else:
        wait()
    leaf()
    leaf()


def deep_wait(depth):
    sys.setrecursionlimit(int(depth) + 100)
    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGUSR1, _signal.SIGTERM})
    known.ready()
    deep(int(depth))
    sys.stdout.write("ran\n")
    sys.stdout.flush()
    wait()
    known.done()


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def fib_for(seconds):
    end = time.monotonic() + float(seconds)
    runs = 0
    while time.monotonic() < end:
        fib(FIB)
        runs += 1
    known.done(calls=runs * FIB_CALLS, runs=runs)


def fib_when(path):
    while not os.path.exists(path):
        time.sleep(0.01)
    fib_for(0.2)


def late(*command):
    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGUSR1})
    known.ready()
    for _ in range(100):
        leaf()
    wait()
    for _ in range(50):
        step()
    os.execv(command[0], command)


def in_parent():
    pass


def fork():
    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGUSR1})
    known.ready()
    wait()
    child = os.fork()
    if child == 0:
        for _ in range(30):
            leaf()
        os._exit(0)
    for _ in range(20):
        in_parent()
    os.waitpid(child, 0)
    known.done(child=child)


def main():
    functions = {"steps": steps, "deep": deep_wait, "fib": fib_for, "fib_when": fib_when,
                 "late": late, "fork": fork}
    functions[sys.argv[1]](*sys.argv[2:])


main()
