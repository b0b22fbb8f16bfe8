# SPDX-License-Identifier: GPL-2.0-only
"""What a block costs under --mode memory, beside the floor: empty programs on the very same places
of the same process. By how deep the Python stack is, and in a thread that has none: so unwinding
can be told from the rest."""
import glob
import os
import shutil
import statistics
import subprocess

from calls import Floor, took
from lab import (PATIENCE_S, ROOT, WORKLOADS, Failure, Profiler, Target, log, median_between,
                 prose, spread, table_head)

NOBODYS = 0  # a thread that Python knows nothing of: there is nothing to unwind
DEPTHS = (1, 10, 25)
PLAIN_S = 0.002  # of work, without anything
FLOOR_LIMIT = 1.40
# What is recorded of blocks of 3000 bytes: each; one in about 170; none.
MODES = (("all", ()), ("--sample 512k", ("--sample", "512k")),
         ("--min-size 4k", ("--min-size", "4k")))


def sites_build(bench):
    """The program that tells our own plan, of what `make` has compiled anyway."""
    objects = [path for room in ("python", "proc", "base")
               for path in glob.glob(os.path.join(ROOT, "build/obj/src", room, "*.o"))]
    if not objects:
        raise Failure("build/obj is not there: make")
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Isrc", "-Iinclude",
                    "bench/sites.c", *objects, "-o", os.path.join(bench.programs.name, "sites"),
                    "-lZydis", "-lelf", "-lz"], cwd=ROOT, check=True, timeout=PATIENCE_S)


def sites_of(bench, target, *what):
    """(file, offsets) as bench/floor.c wants them."""
    run = subprocess.run([os.path.join(bench.programs.name, "sites"), str(target.pid), *what],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                         timeout=PATIENCE_S)
    if run.returncode:
        raise Failure(run.stderr.strip())
    path, *offsets = run.stdout.split()
    return path, offsets


def stranger_build(bench):
    library = os.path.join(bench.programs.name, "stranger.so")
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-shared", "-fPIC",
                    os.path.join(WORKLOADS, "stranger.c"), "-o", library], check=True, cwd=ROOT,
                   timeout=PATIENCE_S)
    return library


def line_through(points):
    """(slope, value at 0) of the straight line with the least squares."""
    return statistics.linear_regression([x for x, _ in points], [y for _, y in points])


class Depths:
    """Nanoseconds a block of one Python, in rounds: `found` by (kind, depth)."""

    def __init__(self, bench, python, rounds):
        self.found = {}
        self.rest = []   # ours / floor where there is nothing to unwind
        self.frame = []  # ns a frame
        self.first = []  # ns of unwinding before the first frame
        self.lost = 0
        with Target(python, "works.py") as target:
            shutil.copy(stranger_build(bench), python.place)
            path, offsets = sites_of(bench, target)
            self.count = target.calibrate("blocks", PLAIN_S)
            floor = Floor(bench, target, path, offsets)
            try:
                for _ in range(rounds):
                    self.round(target, floor)
            finally:
                floor.close()

    def take(self, kind, target, plain=None):
        """Keeps and returns what a block costs more than `plain`, by depth."""
        costs = {}
        for depth in (NOBODYS, *DEPTHS):
            target.do("below", depth, self.count)
            cost = took(target, "below", depth, self.count) / self.count
            costs[depth] = cost - (plain[depth] if plain else 0)
            self.found.setdefault((kind, depth), []).append(costs[depth])
        return costs

    def round(self, target, floor):
        plain = self.take("plain", target)
        with floor:
            least = self.take("floor", target, plain)
        for name, options in MODES:
            with Profiler("--mode", "memory", "--max-overhead", "none", *options, "-p",
                          target.pid) as profiler:
                ours = self.take(name, target, plain)
                self.lost += profiler.stop()["lost"]["total"]
            if not options:
                self.compare(ours, least)

    def compare(self, ours, least):
        slope, at_none = line_through([(depth, ours[depth]) for depth in DEPTHS])
        self.frame.append(slope)
        self.first.append(at_none - ours[NOBODYS])
        self.rest.append(ours[NOBODYS] / least[NOBODYS])

    def median(self, kind, depth):
        return statistics.median(self.found[kind, depth])

    def rows(self, name):
        for depth in (NOBODYS, *DEPTHS):
            kinds = ("plain", "floor", *(mode for mode, _ in MODES))
            yield "| %s | %s | %s | %s |" % (
                name, depth or "none of Python's",
                " | ".join(spread(self.found[kind, depth], "%.0f") for kind in kinds),
                "%.2f" % (self.median("all", depth) / self.median("floor", depth)))


def measure(bench):
    """(table, a sentence for each Python)"""
    rounds = 2 if bench.quick else 8
    lines = table_head("Python", "frames", "a block without anything, ns", "the floor, ns more",
                       *("pybpfprof, ns more" if not options else name + ", ns more"
                         for name, options in MODES), "pybpfprof / floor")
    rest, words = [], []
    for python in bench.pair_of_pythons():
        depths = Depths(bench, python, rounds)
        lines += depths.rows(python.name)
        for line in lines[-len(DEPTHS) - 1:]:
            log(line)
        rest += depths.rest
        words.append("%s: %s ns, and %s ns a frame; the rest %s times the floor; %d lost." % (
            python.name, spread(depths.first, "%.0f"), spread(depths.frame, "%.0f"),
            spread(depths.rest, "%.2f"), depths.lost))
    low, high = median_between(rest)
    kept = None if low <= FLOOR_LIMIT < high else high <= FLOOR_LIMIT
    bench.judge("a block allocated and freed, all %d rounds" % len(rest),
                "<= %.2f x the floor, and the unwinding" % FLOOR_LIMIT,
                "%s, the median is in %.2f - %.2f" % (spread(rest, "%.2f"), low, high), kept)
    return [*prose("""A block of 3000 bytes, allocated and at once freed: two calls of the
        allocator, three traps (the allocation, its return, the free). By `bytes(3000)` in a thread
        of so many Python frames; and by a C library in a thread that Python knows nothing of, where
        there is no stack to unwind. *The floor*: the same places of the same process with an empty BPF
        program. `--min-size 4k` records none of them, `--sample 512k` one in about 170: on Linux
        6.13 and newer the return of one that is not recorded costs no trap, so these can be cheaper
        than the floor. CPU time of the target, the median of three pieces of %d ms (without
        probes), %d rounds of all kinds right after one another.""" % (1000 * PLAIN_S, rounds)),
            "", *lines, "",
            *prose("""What unwinding costs: finding the thread's frames, which is what a straight
                line through the depths of a round leaves at no frame, less what a block of the
                thread without Python costs; and then each frame. """ + " ".join(words))]
