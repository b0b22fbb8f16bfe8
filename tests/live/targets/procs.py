# SPDX-License-Identifier: GPL-2.0-only
"""Usage: procs.py fork|pool|exec|short|leave|exit [ARG...]. Begins at SIGUSR1.

fork: a child forked after 0.3 s burns in child_work(), the parent in parent_work(), 0.6 s each.
pool: the same by multiprocessing, start method ARG, and 1 s each.
exec: the child forked after half a second becomes another Python, ARG..., that burns on its own.
short: a child after the other for 1.2 s, each burning 30 ms in child_work().
leave: children with eight threads that all burn outside the GIL when the process is ended.
exit: burns for half a second, then exits with status 7.
"""
import hashlib
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time

import known


def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def child_work(seconds):
    spin(seconds)


def parent_work(seconds):
    spin(seconds)


def fork_child(function, *args):
    pid = os.fork()
    if pid == 0:
        function(*args)
        os._exit(3)
    return pid


def wait_child(pid):
    _, status = os.waitpid(pid, 0)
    return os.WEXITSTATUS(status)


def fork():
    parent_work(0.3)
    child = fork_child(child_work, 0.6)
    parent_work(0.3)
    return {"child": child, "status": wait_child(child)}


def pool(method):
    parent_work(0.5)
    context = multiprocessing.get_context(method)
    child = context.Process(target=child_work, args=(1,))
    child.start()
    parent_work(0.5)
    child.join()
    return {"child": child.pid, "status": child.exitcode}


def exec_(*command):
    parent_work(0.5)
    child = fork_child(os.execv, command[0], command)
    parent_work(0.5)
    return {"child": child, "status": wait_child(child)}


def short():
    end = time.monotonic() + 1.2
    children = 0
    while time.monotonic() < end:
        wait_child(fork_child(child_work, 0.03))
        children += 1
    return {"children": children}


def burn():
    while True:
        hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 5000)


def leave_child():
    for _ in range(8):
        threading.Thread(target=burn, daemon=True).start()
    time.sleep(0.03)


def leave():
    for _ in range(20):
        wait_child(fork_child(leave_child))
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"cpu_s": usage.ru_utime + usage.ru_stime}


def exit_():
    parent_work(0.5)
    known.done()
    sys.exit(7)


def main():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    known.ready()
    signal.sigwait({signal.SIGUSR1})
    function = {"fork": fork, "pool": pool, "exec": exec_, "short": short, "leave": leave,
                "exit": exit_}
    known.done(**function[sys.argv[1]](*sys.argv[2:]))


if __name__ == "__main__":
    main()
