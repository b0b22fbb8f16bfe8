# SPDX-License-Identifier: GPL-2.0-only
"""Fixed amounts of work, done on demand; for measuring what a profiler makes of their time.

Each line of standard input is `NAME COUNT`; the answer is one line of JSON with the CPU and the
wall time that COUNT rounds of that work took. `mix SECONDS` does several in turn for that long,
`deep DEPTH SECONDS` and `sweep DEPTH SECONDS` burn CPU below DEPTH frames of as many functions,
`gaps DEPTH SECONDS` tells how long the thread did not run, piece by piece. `under TRACER NAME COUNT`
does the work under a profiler inside this process, `traced TRACER NAME COUNT TIMES` under one
that looks at memory. `below DEPTH COUNT` allocates blocks in a thread of exactly DEPTH frames; below
0 in one that is none of Python's, by bench/stranger.c as a library beside this file.
"""
import _thread
import ctypes
import functools
import html.parser
import json
import mmap
import os
import pprint
import sys
import threading
import time


# ---- calls: recursion that does nothing else ----

def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def calls(count):
    for _ in range(count):
        fibonacci(16)


# ---- objects: instances, attributes, methods, properties ----

class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def moved(self, dx, dy):
        return Point(self.x + dx, self.y + dy)

    @property
    def norm(self):
        return abs(self.x) + abs(self.y)


class Path:
    def __init__(self):
        self.points = []
        self.length = 0

    def add(self, point):
        self.points.append(point)
        self.length += point.norm


def objects(count):
    for _ in range(count):
        path = Path()
        point = Point(0, 0)
        for i in range(500):
            point = point.moved(i & 3, -(i & 7))
            path.add(point)


# ---- json: C code, strings and containers ----

DOCUMENT = {"rows": [{"id": i, "name": "row %d" % i, "tags": ["a", "b", str(i)], "on": bool(i & 1),
                      "price": i / 7} for i in range(60)]}


def documents(count):
    for _ in range(count):
        json.loads(json.dumps(DOCUMENT, indent=1, sort_keys=True))


# ---- markup, pretty: parts of the standard library that are written in Python ----

PAGE = "<html><body>%s</body></html>" % "".join(
    "<div class='row' id=r%d><p>text &amp; more <b>%d</b><br/></p><!-- %d --></div>" % (i, i, i)
    for i in range(40))


def markup(count):
    for _ in range(count):
        parser = html.parser.HTMLParser()
        parser.feed(PAGE)
        parser.close()


def pretty(count):
    for _ in range(count):
        pprint.pformat(DOCUMENT["rows"][:6])


# ---- threads: four of them share the GIL ----

def threads(count):
    workers = [threading.Thread(target=objects, args=(count,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


# ---- made: code objects that come and go, each seen by the profiler to end before 3.12 ----

def made(count):
    source = "def f(a, b):\n    return a + b\nf(1, 2)\n"
    for _ in range(count):
        exec(compile(source, "<made>", "exec"), {})


# ---- memory: blocks for the C library's allocator, tables of dicts, pages ----

def nothing():
    pass


def blocks(count, done=nothing):
    for _ in range(count):
        bytes(3000)
    done()


def churn(count):
    """The smallest that CPython has not got itself, in the shortest loop there is."""
    for _ in range(count):
        bytes(600)


class Slotted:
    __slots__ = ("a", "b")


def lives(count, done=nothing):
    """Instances that end at once."""
    for _ in range(count):
        Slotted()
    done()


def tables(count):
    for _ in range(count):
        groups, merged = {}, {}
        for row in DOCUMENT["rows"]:
            groups.setdefault(row["id"] % 7, []).append(dict(row))
        for group in groups.values():
            for row in group:
                merged.update({"%s %d" % (key, row["id"]): value for key, value in row.items()})


MAPPED_PAGES = 4096


def faults(count):
    """COUNT times as many first touches, of small pages."""
    for _ in range(count):
        with mmap.mmap(-1, MAPPED_PAGES * mmap.PAGESIZE,
                       mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as pages:
            pages.madvise(mmap.MADV_NOHUGEPAGE)
            pages[::mmap.PAGESIZE] = b"x" * MAPPED_PAGES


@functools.lru_cache
def stranger():
    library = ctypes.CDLL(os.path.join(os.path.dirname(os.path.abspath(__file__)), "stranger.so"))
    library.stranger_blocks.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
    return library.stranger_blocks


def below(depth, count, work=blocks):
    """work(count) as the innermost of `depth` frames: a thread has no others than its own."""
    if not depth:
        if stranger()(count, 3000):
            raise OSError("no thread")
        return
    done = _thread.allocate_lock()
    done.acquire()
    leaf = functools.partial(work, count, done.release)
    if depth > 1:
        _thread.start_new_thread(tower_build(depth - 1), (leaf,))
    else:
        _thread.start_new_thread(work, (count, done.release))
    done.acquire()


WORKS = {"made": made, "calls": calls, "objects": objects, "json": documents, "threads": threads,
         "markup": markup, "pretty": pretty, "blocks": blocks, "churn": churn, "tables": tables,
         "faults": faults, "lives": lives}


def mix(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        calls(4)
        objects(4)
        documents(4)


# ---- a stack of known depth, each frame a function of its own ----

@functools.lru_cache
def tower_build(depth):
    """run(f): calls f() below `depth` functions level_1 .. level_<depth>."""
    names = {}
    source = "def level_1(f):\n    return f()\n"
    source += "".join("def level_%d(f):\n    return level_%d(f)\n" % (i, i - 1)
                      for i in range(2, depth + 1))
    exec(compile(source, "<tower>", "exec"), names)
    return names["level_%d" % depth]


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


SWEPT = []


def sweep(seconds):
    """Goes through more memory than the caches of a core hold, so that the stack is not in them."""
    if not SWEPT:
        SWEPT.append(bytearray(32 << 20))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        SWEPT[0].count(1)


def gaps(seconds):
    """Lengths of the moments between two looks at the clock that were far too long for a loop."""
    now, found = time.perf_counter_ns, []
    before = now()
    end = before + int(seconds * 1e9)
    while before < end:
        after = now()
        if after - before > 700:
            found.append(after - before)
        before = after
    return found


# <module>, main(), answer(), at_depth(), the lambda and the leaf; without the lambda five.
OWN_FRAMES = 6


def at_depth(depth, function, seconds):
    """function(seconds) as the innermost of `depth` frames, 5 or more than 6."""
    if depth < OWN_FRAMES:
        return function(seconds)
    return tower_build(depth - OWN_FRAMES)(lambda: function(seconds))


# ---- under a profiler inside the process ----

def nobody(_frame, _event, _arg):
    """What sys.setprofile() costs at the least."""


def under(tracer, work, count):
    if tracer == "cProfile":
        import cProfile
        profile = cProfile.Profile()
        profile.runcall(work, count)
    elif tracer == "setprofile":
        sys.setprofile(nobody)
        work(count)
        sys.setprofile(None)
    elif tracer == "yappi":
        import yappi
        yappi.set_clock_type("wall")
        yappi.start(builtins=False)
        work(count)
        yappi.stop()
        yappi.clear_stats()
    else:
        raise ValueError(tracer)


def answer(words):
    cpu, wall, found = time.process_time_ns(), time.perf_counter_ns(), None
    if words[0] == "mix":
        mix(float(words[1]))
    elif words[0] in ("deep", "sweep", "gaps"):
        function = {"deep": spin, "sweep": sweep, "gaps": gaps}[words[0]]
        found = at_depth(int(words[1]), function, float(words[2]))
    elif words[0] == "under":
        try:
            under(words[1], WORKS[words[2]], int(words[3]))
        except ImportError:
            return {"cpu_ns": None}
    elif words[0] == "traced":
        import tracers
        found = tracers.traced(words[1], WORKS[words[2]], int(words[3]), int(words[4]))
        return {"cpu_ns": found}
    elif words[0] == "below":
        below(int(words[1]), int(words[2]), WORKS[words[3]] if len(words) > 3 else blocks)
    else:
        WORKS[words[0]](int(words[1]))
    return {"cpu_ns": time.process_time_ns() - cpu, "wall_ns": time.perf_counter_ns() - wall,
            "gaps": found}


def main():
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(line.split())), flush=True)


main()
