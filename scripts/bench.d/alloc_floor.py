# SPDX-License-Identifier: GPL-2.0-only
"""What a block costs under --mode memory, beside the floor: empty programs on the very same places
of the same process. By how deep the Python stack is: so unwinding can be told from the rest."""
import glob
import os
import statistics
import subprocess

from calls import Floor, took
from lab import (PATIENCE_S, ROOT, Failure, Profiler, Target, log, median_between, prose, spread,
                 table_head)

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


def line_through(points):
    """(slope, value at 0) of the straight line with the least squares."""
    return statistics.linear_regression([x for x, _ in points], [y for _, y in points])


class Depths:
    """Nanoseconds a block of one Python, in rounds: `found` by (kind, depth)."""

    def __init__(self, bench, python, rounds):
        self.found = {}
        self.rest = []   # (what is left of ours at no frame at all) / floor
        self.frame = []  # ns a frame
        self.lost = 0
        with Target(python, "works.py") as target:
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
        for depth in DEPTHS:
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
                self.compare(ours, statistics.mean(least.values()))

    def compare(self, ours, least):
        slope, at_none = line_through(list(ours.items()))
        self.frame.append(slope)
        self.rest.append(at_none / least)

    def median(self, kind, depth):
        return statistics.median(self.found[kind, depth])

    def rows(self, name):
        for depth in DEPTHS:
            yield "| %s | %d | %s | %s |" % (
                name, depth, " | ".join(spread(self.found[kind, depth], "%.0f") for kind in
                                        ("plain", "floor", *(mode for mode, _ in MODES))),
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
        for line in lines[-len(DEPTHS):]:
            log(line)
        rest += depths.rest
        words.append("%s: %s ns a frame; without frames %s times the floor; %d lost." % (
            python.name, spread(depths.frame, "%.0f"), spread(depths.rest, "%.2f"), depths.lost))
    low, high = median_between(rest)
    kept = None if low <= FLOOR_LIMIT < high else high <= FLOOR_LIMIT
    bench.judge("a block allocated and freed, all %d rounds" % len(rest),
                "<= %.2f x the floor, and the unwinding" % FLOOR_LIMIT,
                "%s, the median is in %.2f - %.2f" % (spread(rest, "%.2f"), low, high), kept)
    return [*prose("""A block: `bytes(3000)`, allocated and at once freed, in a thread of so many
        Python frames: two calls of the allocator, three traps (the allocation, its return, the
        free). *The floor*: the same places of the same process with an empty BPF program.
        `--min-size 4k` records none of them, `--sample 512k` one in about 170: on Linux 6.13 and
        newer the return of one that is not recorded costs no trap, so these can be cheaper than the
        floor. CPU time of the target, the median of three pieces of %d ms (without probes), %d
        rounds of all kinds right after one another.""" % (1000 * PLAIN_S, rounds)),
            "", *lines, "",
            *prose("""What unwinding costs is how much dearer a block is with each frame, by a
                straight line through the depths of a round; what is left at no frame at all is
                the rest. """ + " ".join(words))]
