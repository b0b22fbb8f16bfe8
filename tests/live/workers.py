# SPDX-License-Identifier: GPL-2.0-only
"""Processes that run tests, some at a time. What a test left behind dies with it, and no test sees
another's: each worker kills its own children, and a worker that dies or hangs fails its tests only.

Owns the processes and how they tell; what a test is and what is printed is `run`'s.
"""
import atexit
import collections
import ctypes
import json
import os
import selectors
import signal
import sys
import time
import traceback

import live

PR_SET_PDEATHSIG = 1
# What a test may take beyond its own time limit, which it keeps by itself.
PATIENCE_S = 30


class Outcome(collections.namedtuple("Outcome", "name word text")):
    """Of one test: `word` is ok, skip or FAIL, `text` what is to be printed, newlines included."""


class Worker:
    """A process that runs `tests`, one after the other, by run_one(test) -> (word, text). It closes
    the `inherited` files first."""

    def __init__(self, tests, run_one, inherited):
        self.left = collections.deque(tests)
        self.deadline_s = time.monotonic() + sum(
            getattr(test, "timeout_s", 60) + PATIENCE_S for test in tests)
        self.buffered = b""
        sys.stdout.flush()
        self.fd, told = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            for fd in (self.fd, *inherited):
                os.close(fd)
            _run_in_child(tests, run_one, told)
        os.close(told)

    def receive(self):
        """Outcomes that came, and whether more can come."""
        some = os.read(self.fd, 1 << 16)
        self.buffered += some
        *lines, self.buffered = self.buffered.split(b"\n")
        outcomes = []
        for line in lines:
            test = self.left.popleft()
            outcomes.append((test, Outcome(test.id(), *json.loads(line))))
        return outcomes, bool(some)

    def end(self):
        """Outcomes of the tests that it did not come to tell of: it died."""
        os.close(self.fd)
        _, status = os.waitpid(self.pid, 0)
        reason = "its process ended with status %d before it was done" % (
            os.waitstatus_to_exitcode(status))
        return [(test, Outcome(test.id(), "FAIL", "FAIL %s: %s\n" % (test.id(), reason)))
                for test in self.left]

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)


def _run_in_child(tests, run_one, told):
    """Never returns: the stack above is the parent's."""
    status = 1
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        live.adopt_orphans()
        with os.fdopen(told, "wb") as pipe:
            for test in tests:
                pipe.write(json.dumps(run_one(test)).encode() + b"\n")
                pipe.flush()
        status = 0
    except KeyboardInterrupt:
        status = 130
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            live.kill_children()
            atexit._run_exitfuncs()  # directories that tests of one class share
            sys.stdout.flush()
        finally:
            os._exit(status)


def run_all(units, jobs, run_one, on_outcome):
    """Runs lists of tests, `jobs` lists at a time, each in a process of its own. on_outcome(test,
    outcome) is called as they end, and says whether to go on. False: it said no."""
    waiting, running, go_on = collections.deque(units), set(), True
    with selectors.DefaultSelector() as selector:
        try:
            while go_on and (waiting or running):
                while waiting and len(running) < jobs:
                    others = [selector.fileno()] + [other.fd for other in running]
                    worker = Worker(waiting.popleft(), run_one, others)
                    selector.register(worker.fd, selectors.EVENT_READ, worker)
                    running.add(worker)
                for key, _ in selector.select(1):
                    worker = key.data
                    outcomes, lives = worker.receive()
                    if not lives:
                        selector.unregister(worker.fd)
                        running.discard(worker)
                        outcomes += worker.end()
                        # What a killed worker could not end has become ours.
                        live.kill_children({other.pid for other in running})
                    go_on = all([on_outcome(*outcome) for outcome in outcomes]) and go_on
                for worker in running:
                    if time.monotonic() > worker.deadline_s:
                        worker.kill()
        finally:
            for worker in running:
                worker.kill()
                worker.end()
    return go_on
