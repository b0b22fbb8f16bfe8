# SPDX-License-Identifier: GPL-2.0-only
"""Usage: calls_time.py FAMILY...

Functions that take known times, each measured by itself with the clocks of Python; what they
measured is told in the `done` line, `wall_ns` being what each family took in all. What measures
calls no Python function.
"""
import sys
import threading
from time import perf_counter_ns, sleep, thread_time_ns

import known

MS = 1000000


def sleeper(ns, times):
    start = perf_counter_ns()
    sleep(ns / 1e9)
    times.append(perf_counter_ns() - start)


def sleeping():
    times = []
    for _ in range(10):
        sleeper(15 * MS, times)
    return {"sleeper_ns": times}


def burner(cpu_ns, times):
    wall, start = perf_counter_ns(), thread_time_ns()
    end = start + cpu_ns
    while thread_time_ns() < end:
        pass
    times.append((perf_counter_ns() - wall, thread_time_ns() - start))


def burning():
    times = []
    for _ in range(4):
        burner(100 * MS, times)
    return {"burner_ns": times}


def inner(times):
    start = perf_counter_ns()
    end = start + 30 * MS
    while perf_counter_ns() < end:
        pass
    times.append(perf_counter_ns() - start)


def outer(times, inner_times):
    start, cpu = perf_counter_ns(), thread_time_ns()
    end = start + 20 * MS
    while perf_counter_ns() < end:
        pass
    first = perf_counter_ns()
    inner(inner_times)
    second = perf_counter_ns()
    sleep(0.01)
    third = perf_counter_ns()
    inner(inner_times)
    times.append((perf_counter_ns() - start, thread_time_ns() - cpu,
                  first - start + third - second))


def nested():
    times, inner_times = [], []
    for _ in range(4):
        outer(times, inner_times)
    return {"outer_ns": [wall for wall, _, _ in times],
            "outer_cpu_ns": [cpu for _, cpu, _ in times],
            "outer_own_ns": [own for _, _, own in times], "inner_ns": inner_times}


def recursive(depth):
    sleep(0.003)
    if depth:
        recursive(depth - 1)


def ping(depth):
    sleep(0.003)
    if depth:
        pong(depth - 1)


def pong(depth):
    sleep(0.003)
    if depth:
        ping(depth - 1)


def recursions():
    start = perf_counter_ns()
    recursive(19)
    middle = perf_counter_ns()
    ping(19)
    return {"recursive_ns": middle - start, "ping_ns": perf_counter_ns() - middle}


def various(ns, times):
    start = perf_counter_ns()
    end = start + ns
    while perf_counter_ns() < end:
        pass
    times.append(perf_counter_ns() - start)


def spread():
    """Distinct lengths, so that each quantile is a value of its own."""
    times = []
    for number in range(1, 201):
        various(number * 20000, times)
    return {"various_ns": times}


def suspended(times):
    """A generator's time is what passes between resume and yield, not while it waits."""
    for _ in range(5):
        start = perf_counter_ns()
        end = start + 10 * MS
        while perf_counter_ns() < end:
            pass
        times.append(perf_counter_ns() - start)
        yield


def resuming():
    times, sleeps = [], []
    for _ in suspended(times):
        start = perf_counter_ns()
        sleep(0.02)
        sleeps.append(perf_counter_ns() - start)
    return {"suspended_ns": times, "resuming_ns": sleeps}


def contending(number, cpu_ns):
    start = thread_time_ns()
    end = start + cpu_ns
    while thread_time_ns() < end:
        pass
    contended[number] = thread_time_ns() - start


def contending_0():
    contending(0, 200 * MS)


def contending_1():
    contending(1, 300 * MS)


contended = {}


def contention():
    """Two threads that share the GIL."""
    threads = [threading.Thread(target=function) for function in (contending_0, contending_1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"contending_ns": [contended[0], contended[1]]}


def main():
    facts, wall_ns = {}, {}
    for name in sys.argv[1:]:
        start = perf_counter_ns()
        facts.update(globals()[name]())
        wall_ns[name] = perf_counter_ns() - start
    known.done(wall_ns=wall_ns, **facts)


main()
