# SPDX-License-Identifier: GPL-2.0-only
"""Usage: family.py PYTHON SCRIPT. Forks and execs when told to, however slow the machine is.

Burns in parent_work() until SIGUSR1, then has two children, one that burns 1 s in child_work() and
one that becomes PYTHON SCRIPT, and ends.
"""
import os
import signal
import sys
import time

import known


def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def child_work():
    spin(1)


def parent_work(going):
    while not going:
        spin(0.01)


def fork_child(function, *args):
    pid = os.fork()
    if pid == 0:
        function(*args)
        os._exit(3)
    return pid


def wait_child(pid):
    _, status = os.waitpid(pid, 0)
    return os.WEXITSTATUS(status)


def main():
    going = []
    signal.signal(signal.SIGUSR1, lambda *_: going.append(True))
    known.ready()
    parent_work(going)
    command = sys.argv[1:]
    forked = fork_child(child_work)
    execed = fork_child(os.execv, command[0], command)
    statuses = [wait_child(forked), wait_child(execed)]
    known.done(forked=forked, execed=execed, statuses=statuses)


main()
