# SPDX-License-Identifier: GPL-2.0-only
"""Work under memory profilers that run inside the process: what it costs while they look on, not
what it takes to start them or to write their report."""
import contextlib
import os
import shutil
import statistics
import tempfile
import time


@contextlib.contextmanager
def tracemalloc_on(work):
    import tracemalloc
    tracemalloc.start()
    try:
        yield work
    finally:
        tracemalloc.stop()


@contextlib.contextmanager
def memray_on(work):
    import memray
    place = tempfile.mkdtemp(prefix="pybpfprof-bench-")
    try:
        with memray.Tracker(os.path.join(place, "memray.bin")):
            yield work
    finally:
        shutil.rmtree(place)


@contextlib.contextmanager
def memory_profiler_on(work):
    """As users do it: one function is decorated, and of that one it sees the lines."""
    import memory_profiler
    yield memory_profiler.LineProfiler()(work)


TRACERS = {"tracemalloc": tracemalloc_on, "memray": memray_on,
           "memory_profiler": memory_profiler_on}


def traced(tracer, work, count, times):
    """CPU nanoseconds of work(count), the median of some; None: that profiler is not here."""
    found = []
    try:
        with TRACERS[tracer](work) as watched:
            watched(count)
            for _ in range(times):
                start = time.process_time_ns()
                watched(count)
                found.append(time.process_time_ns() - start)
    except ImportError:
        return None
    return statistics.median(found)
