# SPDX-License-Identifier: GPL-2.0-only
"""What --mode lifetime costs: a life beside the floor, a program that makes and ends instances as fast
as it can, and a census of a million objects."""
import json
import os
import statistics
import subprocess
import tempfile
import time

from alloc_floor import sites_build, sites_of
from calls import Floor, floor_build, took
from lab import (PATIENCE_S, Failure, Profiler, Target, cpu_ns, log, median_between, prose, spread,
                 table_head)

LIFETIME = ("--mode", "lifetime", "--max-overhead", "none")
DEPTHS = (1, 25)
PLAIN_S = 0.002
FLOOR_LIMIT = 1.40
FAST_S = 30
CENSUS_OBJECTS = 1000000
CENSUS_LIMIT_S = 2
CENSUS_LIMIT_MIB = 200


def life_ns(target, depth, count):
    target.do("below", depth, count, "lives")
    return took(target, "below", depth, count, "lives") / count


class Floors:
    """Empty programs: on the functions that make and end objects, on the very places of ours."""

    KINDS = (("floor", "makers"), ("places", "lives"))

    def __init__(self, bench, target):
        self.floors = {kind: Floor(bench, target, *sites_of(bench, target, what))
                       for kind, what in self.KINDS}

    def costs(self, target, count, plain):
        """By kind and depth, what a life takes more than `plain`."""
        found = {}
        for kind, floor in self.floors.items():
            with floor:
                for depth in DEPTHS:
                    found[kind, depth] = life_ns(target, depth, count) - plain[depth]
        return found

    def close(self):
        for floor in self.floors.values():
            floor.close()


def floor_rounds(bench, python, rounds):
    """(rows, ratios to the floor, ratios to our places, lost)"""
    found, ratios, places, lost = {}, [], [], 0
    with Target(python, "works.py") as target:
        count = target.calibrate("lives", PLAIN_S)
        floors = Floors(bench, target)
        try:
            for _ in range(rounds):
                plain = {depth: life_ns(target, depth, count) for depth in DEPTHS}
                costs = floors.costs(target, count, plain)
                with Profiler(*LIFETIME, "-p", target.pid) as profiler:
                    for depth in DEPTHS:
                        costs["ours", depth] = life_ns(target, depth, count) - plain[depth]
                    lost += profiler.stop()["lost"]["total"]
                for depth in DEPTHS:
                    costs["plain", depth] = plain[depth]
                    ratios.append(costs["ours", depth] / costs["floor", depth])
                    places.append(costs["ours", depth] / costs["places", depth])
                for key, cost in costs.items():
                    found.setdefault(key, []).append(cost)
        finally:
            floors.close()
    rows = ["| %s | %d | %s | %.2f | %.2f |" % (
        python.name, depth, " | ".join(spread(found[kind, depth], "%.0f")
                                       for kind in ("plain", "floor", "places", "ours")),
        *(statistics.median(found["ours", depth]) / statistics.median(found[kind, depth])
          for kind in ("floor", "places")))
            for depth in DEPTHS]
    for row in rows:
        log(row)
    return rows, ratios, places, lost


def fast(bench, python):
    """A row: the fastest loop for FAST_S; (made by its own count, in the report, lost)."""
    seconds = 3 if bench.quick else FAST_S
    with Target(python, "works.py") as target:
        with Profiler(*LIFETIME, "-p", target.pid) as profiler:
            count = 100000
            target.do("lives", count)
            own, before, made = cpu_ns(profiler.pid), time.monotonic(), count
            while time.monotonic() - before < seconds:
                target.do("lives", count)
                made += count
            elapsed, own = time.monotonic() - before, cpu_ns(profiler.pid) - own
            report = profiler.stop(patience_s=4 * PATIENCE_S)
    seen = sum(row["created"] for row in report["lifetime"]["classes"]
               if row["name"] == "Slotted")
    ended = sum(row["destroyed"] for row in report["lifetime"]["classes"]
                if row["name"] == "Slotted")
    row = "| %s | %.0f | %.0f | %d | %d | %d | %d |" % (
        python.name, made / elapsed, own / made, made, seen, ended, report["lost"]["total"])
    log(row)
    return row, (made, seen, ended, report["lost"]["total"])


CENSUS_PROGRAM = ("class C:\n  __slots__ = ('a',)\n"
                  "kept = [C() for _ in range(%d)]\nfor c in kept: c.a = c\n"
                  "print('ready', flush=True)\nimport time\ntime.sleep(600)\n")


def census(bench, python):
    """A row: `pybpfprof heap` of a million instances and what else there is."""
    objects = CENSUS_OBJECTS // 10 if bench.quick else CENSUS_OBJECTS
    command = python.command("works.py")[:-1]
    target = subprocess.Popen([*command, "-c", CENSUS_PROGRAM % objects], stdout=subprocess.PIPE,
                              text=True)
    walls, cpus, sizes, found = [], [], [], None
    try:
        target.stdout.readline()
        for _ in range(3):
            start = time.monotonic()
            with tempfile.TemporaryFile() as report:
                run = subprocess.Popen([Profiler.program, "heap", "-p", str(target.pid), "-f", "json"],
                                       stdout=report)
                _, status, usage = os.wait4(run.pid, 0)
                walls.append(time.monotonic() - start)
                run.returncode = os.waitstatus_to_exitcode(status)
                if run.returncode:
                    raise Failure("heap: exit status %d" % run.returncode)
                report.seek(0)
                found = json.load(report)
            cpus.append(usage.ru_utime + usage.ru_stime)
            sizes.append(usage.ru_maxrss / 1024)
    finally:
        target.kill()
        target.wait()
        target.stdout.close()
    counted = [row["count"] for row in found["types"] if row["name"] == "C"]
    row = "| %s | %d | %s | %s | %s | %s |" % (python.name, objects, counted and counted[0],
                                               spread(walls, "%.2f"), spread(cpus, "%.2f"),
                                               spread(sizes, "%.0f"))
    log(row)
    return row, statistics.median(walls), max(sizes), bool(counted) and counted[0] == objects


def measure(bench):
    floor_build(bench)
    sites_build(bench)
    rounds = 2 if bench.quick else 8
    lines = table_head("Python", "frames", "a life without anything, ns", "the floor, ns more",
                       "our places, empty, ns more", "pybpfprof, ns more", "pybpfprof / floor",
                       "pybpfprof / our places")
    ratios, places, lost = [], [], 0
    for python in bench.pair_of_pythons():
        rows, to_floor, to_places, missed = floor_rounds(bench, python, rounds)
        lines += rows
        ratios += to_floor
        places += to_places
        lost += missed
    low, high = median_between(ratios)
    kept = None if low <= FLOOR_LIMIT < high else high <= FLOOR_LIMIT
    bench.judge("an instance made and ended, all %d rounds" % len(ratios),
                "<= %.2f x the floor" % FLOOR_LIMIT,
                "%s, the median is in %.2f - %.2f (%.2f x empty programs on our own, fewer places)" % (
                    spread(ratios, "%.2f"), low, high, statistics.median(places)), kept)
    fast_lines = table_head("Python", "lives a second", "own CPU, ns a life", "made", "made, in the report",
                            "ended, in the report", "lost")
    for python in bench.pair_of_pythons():
        row, (made, seen, ended, missed) = fast(bench, python)
        fast_lines.append(row)
        bench.judge("lives of the fastest loop (%s)" % python.name, "all, none lost",
                    "%d of %d, %d lost" % (min(seen, ended), made, missed),
                    seen == made and ended == made and not missed)
    census_lines = table_head("Python", "instances", "counted", "wall, s", "CPU, s", "peak, MiB")
    for python in bench.pair_of_pythons():
        row, wall, size, right = census(bench, python)
        census_lines.append(row)
        bench.judge("a census of a million objects (%s)" % python.name,
                    "<= %d s, <= %d MB" % (CENSUS_LIMIT_S, CENSUS_LIMIT_MIB),
                    "%.2f s, %.0f MiB" % (wall, size),
                    right and wall <= CENSUS_LIMIT_S and size * 2**20 <= CENSUS_LIMIT_MIB * 10**6)
    bench.sections.append("\n".join(
        ["## What following objects costs", "",
         *prose("""A life: an instance of a class with `__slots__`, made and at once ended, in a thread of
            so many Python frames. *The floor*: an empty BPF program on the functions that make and
            end it, which is three traps: the maker's entry, its return, where it has the instance,
            and the end's entry. pybpfprof has two: it meets a birth inside the maker, where the
            instance is given its type. *Our places*: an empty program on these two. CPU time of the target, the
            median of three pieces of %d ms (without probes), %d rounds of all kinds right after one
            another. The table and JSON need the line that makes an instance, not the stack above
            it: formats of stacks cost the walk besides (see overhead-memory.md). %d lost.""" % (
                1000 * PLAIN_S, rounds, lost)), "", *lines, "",
         *prose("""As fast as it can: the same in a loop for %d s. Own CPU is pybpfprof's.""" % (
             3 if bench.quick else FAST_S)), "", *fast_lines, "",
         *prose("""`pybpfprof heap -p PID -f json` of a process that keeps so many instances, without
            stopping it, three times."""), "", *census_lines]))
