# SPDX-License-Identifier: GPL-2.0-only
"""What --mode memory costs: programs beside memory profilers that run inside the process, a block
beside the floor, a program that allocates as fast as it can, room for very many live blocks, and
page faults."""
import glob
import os
import statistics
import subprocess
import time

import alloc_floor
from calls import floor_build, took
from lab import (PATIENCE_S, ROOT, WORKLOADS, Failure, Profiler, Python, Target, cpu_ns, log,
                 median_between, memory_kib, prose, spread, table_head)
from peers import PEERS_ROOT

MEMORY = ("--mode", "memory", "--max-overhead", "none")
# Work, seconds of it without anything.
PROGRAMS = {"calls": 0.03, "objects": 0.02, "json": 0.02, "tables": 0.02, "blocks": 0.004}
OURS = (("pybpfprof", ()), ("--sample 512k", ("--sample", "512k")))
# Inside the process; how much less work they get: memory_profiler asks /proc for each line.
TRACERS = {"tracemalloc": 1, "memray": 1, "memory_profiler": 20}
CALLS_LIMIT = 1.10
PIECES = 3
CHURN_S = 30
HOARD = 10000000
HOARD_STEP = 500000
HOARD_BYTES = 32
FAULTS = 4  # times 4096 pages
TREE_FUNCTIONS = {"calls": "calls", "objects": "objects", "documents": "json",
                  "tables": "tables", "blocks": "blocks"}


def pythons(bench):
    """The usual two, and the one that memray and memory_profiler are unpacked for."""
    found = bench.pair_of_pythons()
    if os.path.isdir(PEERS_ROOT + "/usr/lib/python3/dist-packages/memray"):
        found.insert(1, Python("trixie-3.13", PEERS_ROOT, "/usr/bin/python3.13", "3.13.5"))
    return found


# ---- programs ----

class Programs:
    """Times the CPU of each work under each profiler, on one Python, in rounds."""

    def __init__(self, python, rounds):
        self.times = {}   # (work, profiler): [ratio]
        self.events = {}  # work: calls of the allocator in each millisecond
        with Target(python, "works.py") as target:
            self.counts = {work: target.calibrate(work, seconds)
                           for work, seconds in PROGRAMS.items()}
            for _ in range(rounds):
                self.round(target)

    def pieces(self, target):
        return {work: took(target, work, count, times=PIECES)
                for work, count in self.counts.items()}

    def keep(self, name, before, under, after):
        for work, cpu in under.items():
            ratio = 2 * cpu / (before[work] + after[work])
            self.times.setdefault((work, name), []).append(ratio)

    def ours(self, target, options):
        with Profiler(*MEMORY, *options, "-p", target.pid) as profiler:
            for work, count in self.counts.items():
                target.do(work, count)
            return self.pieces(target), profiler.stop()

    def round(self, target):
        before = self.pieces(target)
        for name, options in OURS:
            under, report = self.ours(target, options)
            after = self.pieces(target)
            self.keep(name, before, under, after)
            if not options:
                self.count(report, after)
            before = after
        for tracer, less in TRACERS.items():
            under = {work: self.traced(target, tracer, work, count, less)
                     for work, count in self.counts.items()}
            if None in under.values():
                continue
            after = self.pieces(target)
            self.keep(tracer, before, under, after)
            before = after

    @staticmethod
    def traced(target, tracer, work, count, less):
        rounds = max(1, count // less)
        cpu = target.do("traced", tracer, work, rounds, PIECES)["cpu_ns"]
        return None if cpu is None else cpu * count / rounds

    def count(self, report, plain):
        """By the function below which a block was allocated: they are the report's own."""
        events = dict.fromkeys(PROGRAMS, 0)
        for site in report["memory"]["sites"]:
            for frame in report["stacks"][site["stack"]]["frames"]:
                if frame["name"] in TREE_FUNCTIONS:
                    events[TREE_FUNCTIONS[frame["name"]]] += site["allocations"] + site["frees"]
                    break
        for work, cpu in plain.items():
            self.events[work] = events[work] / (PIECES + 1) / (cpu / 1e6)

    def row(self, python, work):
        names = [name for name, _ in OURS] + list(TRACERS)
        return "| %s | %s | %.1f | %s |" % (python.name, work, self.events[work], " | ".join(
            spread(self.times.get((work, name), []), "%.2f") for name in names))


def programs(bench):
    rounds = 1 if bench.quick else 4
    lines = table_head("Python", "work", "calls of the allocator/ms",
                       *("%s, times the CPU" % name for name, _ in OURS),
                       *("%s, times" % tracer for tracer in TRACERS))
    ratios, beside = [], []
    for python in pythons(bench):
        try:
            found = Programs(python, rounds)
        finally:
            python.clean()
        for work in PROGRAMS:
            lines.append(found.row(python, work))
            log(lines[-1])
        ratios += found.times["calls", "pybpfprof"]
        if ("calls", "memray") in found.times:
            beside.append((python.name, *(statistics.median(found.times["calls", name])
                                          for name in ("pybpfprof", "memray"))))
    low, high = median_between(ratios)
    kept = None if low <= CALLS_LIMIT < high else high <= CALLS_LIMIT
    bench.judge("a program of calls that hardly allocates, all %d rounds" % len(ratios),
                "<= %.1f times the CPU" % CALLS_LIMIT, "%s, the median is in %.2f - %.2f" % (
                    spread(ratios, "%.2f"), low, high), kept)
    for name, ours, theirs in beside:
        bench.judge("the same, beside memray (%s)" % name, "cheaper",
                    "%.2f, %.2f" % (ours, theirs), ours < theirs)
    return lines


# ---- as fast as it can ----

def churned(python, count, seconds):
    """(report, own CPU) of targets that allocate and free for so long."""
    targets = [Target(python, "works.py") for _ in range(count)]
    try:
        with Profiler(*MEMORY, "-p", ",".join(str(target.pid) for target in targets),
                      sees=count) as profiler:
            before = cpu_ns(profiler.pid)
            for target in targets:
                target.tell("churn 1000000000")
            time.sleep(seconds)
            own_ns = cpu_ns(profiler.pid) - before
            return profiler.stop(), own_ns
    finally:
        for target in targets:
            target.__exit__()


def churn(bench):
    seconds = 3 if bench.quick else CHURN_S
    lines = table_head("Python", "targets", "seconds", "allocations and frees", "events/s",
                       "own CPU, ns/event", "a core would keep up with, events/s", "lost")
    host, newest = bench.pair_of_pythons()
    for python, count, length in ((host, 1, seconds), (host, 2, seconds), (newest, 1, seconds / 3)):
        report, own_ns = churned(python, count, length)
        events = report["memory"]["allocations"] + report["memory"]["frees"]
        lost = report["lost"]["total"]
        lines.append("| %s | %d | %.0f | %d | %.2f M | %.0f | %.1f M | %d |" % (
            python.name, count, length, events, events / length / 1e6, own_ns / events,
            1e3 * events / own_ns, lost))
        log(lines[-1])
        bench.judge("events lost in %.0f s of %d allocating as fast as they can (%s)" % (
            length, count, python.name), "0", "%d of %d" % (lost, events), not lost)
    return lines


# ---- very many live blocks ----

def maps_bytes(pid):
    """Kernel memory of the BPF maps that a process holds, as the kernel counts it."""
    found = {}
    for path in glob.glob("/proc/%d/fdinfo/*" % pid):
        with open(path) as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
        if "map_id" in fields:
            found[int(fields["map_id"])] = int(fields["memlock"])
    return sum(found.values())


def hoard_build(bench):
    library = os.path.join(bench.programs.name, "hoard.so")
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-shared", "-fPIC",
                    os.path.join(WORKLOADS, "hoard.c"), "-o", library], check=True, cwd=ROOT,
                   timeout=PATIENCE_S)
    return library


def hoard(bench, library, blocks, *options):
    """A row; what it costs to keep `blocks` of them apart."""
    with Target(bench.python("host-3.11"), "hoard.py", library) as target, \
            Profiler(*MEMORY, *options, "-p", target.pid) as profiler:
        empty = maps_bytes(profiler.pid)
        before = cpu_ns(target.pid)
        for _ in range(max(1, blocks // HOARD_STEP)):
            target.tell("%d %d" % (min(blocks, HOARD_STEP), HOARD_BYTES))
            target.hear()
        each_ns = (cpu_ns(target.pid) - before) / max(1, blocks)
        time.sleep(0.3)
        rss, held = memory_kib(profiler.pid)[0] / 1024, maps_bytes(profiler.pid)
        start = time.monotonic()
        report = profiler.stop(patience_s=4 * PATIENCE_S)
        took_s, peak = time.monotonic() - start, profiler.memory[1] / 1024
    memory = report["memory"]
    row = "| %d | %s | %d | %.0f | %.1f | %.0f | %.0f | %s | %s | %.1f | %d |" % (
        blocks, " ".join(options) or "-", memory["live_blocks"], rss, peak, empty / 2**20,
        held / 2**20, "%.0f" % ((held - empty) / blocks) if blocks else "-",
        "%.0f" % each_ns if blocks else "-", took_s, report["lost"]["total"])
    log(row)
    kept = memory["live_blocks"] >= blocks and not report["lost"]["total"]
    return row, kept, held / 2**20 + peak


def hoards(bench):
    library = hoard_build(bench)
    lines = table_head("blocks", "options", "alive in the report", "resident while following, MiB",
                       "peak, the report's making included, MiB",
                       "maps in the kernel at first, MiB",
                       "with the blocks, MiB", "bytes a block",
                       "CPU of the target, ns a block", "the report took, s", "lost")
    many = HOARD // 10 if bench.quick else HOARD
    room = "%dk" % (many * 16 // 10 // 1000)
    for blocks, options in ((0, ()), (many // 10, ()), (many, ("--max-blocks", room))):
        row, kept, total = hoard(bench, library, blocks, *options)
        lines.append(row)
    bench.judge("%d live blocks, all in the report, none lost" % many, "exact",
                "%.0f MiB in all" % total, kept)
    return lines


# ---- page faults ----

FAULT_KINDS = (("without anything", None, False), ("--mode memory", MEMORY, False),
               ("--mode memory --rss", (*MEMORY, "--rss"), False),
               ("nobody looks at this one, but at another with --rss", (*MEMORY, "--rss"), True))


def fault_ns(target, other, options, elsewhere):
    """Nanoseconds a fault; (faults seen, faults made) where they are looked at."""
    made = FAULTS * 4096
    if not options:
        target.do("faults", FAULTS)
        return took(target, "faults", FAULTS) / made, None
    with Profiler(*options, "-p", other.pid if elsewhere else target.pid) as profiler:
        target.do("faults", FAULTS)
        cost = took(target, "faults", FAULTS) / made
        report = profiler.stop()
    return cost, (report["memory"].get("faults"), 4 * made)


def faults(bench):
    rounds = 2 if bench.quick else 5
    lines = table_head("a page fault, ns of CPU", *(p.name for p in bench.pair_of_pythons()))
    found, seen = {}, {}
    for python in bench.pair_of_pythons():
        with Target(python, "works.py") as target, Target(python, "works.py") as other:
            for _ in range(rounds):
                for name, options, elsewhere in FAULT_KINDS:
                    cost, counted = fault_ns(target, other, options, elsewhere)
                    found.setdefault((name, python.name), []).append(cost)
                    if options and "--rss" in options and not elsewhere:
                        seen.setdefault(python.name, []).append(counted)
    for name, _, _ in FAULT_KINDS:
        lines.append("| %s | %s |" % (name, " | ".join(
            spread(found[name, python.name], "%.0f") for python in bench.pair_of_pythons())))
        log(lines[-1])
    for name, counts in seen.items():
        worst = min(counts, key=lambda pair: pair[0] or 0)
        bench.judge("faults in the report with --rss (%s)" % name, ">= %d" % worst[1],
                    "%s at least" % worst[0], (worst[0] or 0) >= worst[1])
    return lines


def measure(bench):
    floor_build(bench)
    alloc_floor.sites_build(bench)
    program_lines = programs(bench)
    floor_lines = alloc_floor.measure(bench)
    churn_lines = churn(bench)
    hoard_lines = hoards(bench)
    fault_lines = faults(bench)
    bench.sections.append("\n".join(
        ["## What looking at memory costs", "",
         *prose("""**A call of the allocator is what costs, not a call of a function.** Each
            allocation traps twice and each free once. What CPython allocates from its own arenas,
            objects up to 512 bytes, is no call of the C library's, so that most programs pay
            little; one that does nothing but allocate large blocks pays most, and there `--sample`
            or `--min-size` help."""), "",
         *prose("""Programs: CPU time with, divided by without, the runs without on both sides of
            it. *calls* is a recursion, *objects* makes instances, *json* writes and reads a
            document, *tables* groups and merges dicts, *blocks* is `bytes(3000)` in a loop.
            tracemalloc, memray and memory_profiler run inside the same process and are measured
            after they have started; tracemalloc sees every object, small ones too;
            memory_profiler sees the lines of the outermost function alone, and the resident size
            instead of allocations."""), "", *program_lines, "", *floor_lines, "",
         *prose("""As fast as it can: `bytes(600)` in a loop. Own CPU: of pybpfprof from its start
            to just before the report, divided by allocations and frees."""), "", *churn_lines, "",
         *prose("""Room: blocks of %d bytes, allocated by a small C library in one loop and kept.
            Resident is pybpfprof's own; the maps, where the live blocks are, lie in the kernel and
            are as it counts them.""" % HOARD_BYTES), "", *hoard_lines, "",
         *prose("""Page faults: the first touch of each small page of an anonymous mapping, CPU time
            of the target, with the mapping's making and unmaking."""), "", *fault_lines]))
