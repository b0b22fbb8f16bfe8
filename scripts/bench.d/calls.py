# SPDX-License-Identifier: GPL-2.0-only
"""What exact calls cost: a call on every Python beside the floor (the same instructions probed with
an empty program), programs beside profilers that run inside the process, the consumer, memory, and
what is left of it all under a limit."""
import os
import re
import statistics
import subprocess
import tempfile
import time

from lab import (PATIENCE_S, ROOT, Failure, Lines, Profiler, Python, Target, cpu_ns, log, median_between,
                 memory_kib, prose, spread, table_head)

FLOOR_SOURCES = ("bench/floor.c", "src/capture/uprobe_multi.c")
FLOOR_LIMIT = 1.30
CONSUMER_LIMIT_NS = 150
CONSUMER_EVENTS = 2e6
FUNCTIONS = 100000
FUNCTIONS_LIMIT_MB = 150
PLAIN_S = 0.01  # of work, without anything
TRACERS = ("cProfile", "setprofile", "yappi")
LIBRARY = ("calls", "objects", "json", "markup", "pretty")
SITE = re.compile(r"process \d+: (\w+) .+? at (0x[0-9a-f]+) \(")
BINARY = re.compile(r"pid \d+: CPython \S+ in (.*)")


class Floor:
    """Empty programs on the sites of a plan, in and out on demand."""

    def __init__(self, bench, target, path, offsets):
        self.process = subprocess.Popen(
            [os.path.join(bench.programs.name, "floor"), str(target.pid), path, *offsets],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.lines = Lines(self.process.stdout, "floor")
        self.expect("ready")
        self.toggle("away")

    def expect(self, word):
        if self.lines.next() != word:
            raise Failure("floor does not say " + word)

    def toggle(self, word):
        self.process.stdin.write(b"\n")
        self.expect(word)

    def __enter__(self):
        self.toggle("ready")

    def __exit__(self, *error):
        self.toggle("away")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def floor_build(bench):
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Isrc", "-Iinclude",
                    *FLOOR_SOURCES, "-o", os.path.join(bench.programs.name, "floor"), "-lbpf"],
                   cwd=ROOT, check=True, timeout=PATIENCE_S)


def plan_of(target):
    """(way, file, offsets) as pybpfprof says with -vv; Failure: its own words why there is none."""
    run = subprocess.run([Profiler.program, "-vv", "--mode", "time", "-p", str(target.pid), "-d",
                          "0.1", "-o", "/dev/null"], stderr=subprocess.PIPE, timeout=PATIENCE_S,
                         text=True, check=False)
    sites, binary = SITE.findall(run.stderr), BINARY.search(run.stderr)
    if run.returncode or not sites or not binary:
        lines = [line for line in run.stderr.splitlines() if "cannot" in line] or ["no plan"]
        raise Failure(lines[-1].rsplit(": ", 1)[-1])
    return sites[0][0], binary.group(1), [offset for _, offset in sites]


def took(target, *words, times=3):
    return statistics.median(target.do(*words)["cpu_ns"] for _ in range(times))


def exact(target, *words, times=3):
    """(CPU time of the work under exact calls, hits in it, the report)"""
    with Profiler("--mode", "time", "--max-overhead", "none", "-p", target.pid) as profiler:
        target.do(*words)  # the probes are proven by its first calls
        cpu = took(target, *words, times=times)
        report = profiler.stop()
    return cpu, report["cost"]["hits"] / (times + 1), report


class Prices:
    """Nanoseconds a call (entry and exit) of one work on one Python, in rounds."""

    def __init__(self, bench, python, work, rounds):
        self.python, self.work = python, work
        self.plain, self.floor, self.ours, self.ratio, self.times = [], [], [], [], []
        self.tracers = {}
        self.lost = 0
        with Target(python, "works.py") as target:
            self.way, path, offsets = plan_of(target)
            count = target.calibrate(work, PLAIN_S)
            floor = Floor(bench, target, path, offsets)
            try:
                for _ in range(rounds):
                    self.round(target, floor, count)
            finally:
                floor.close()

    def round(self, target, floor, count):
        plain = took(target, self.work, count)
        with floor:
            target.do(self.work, count)
            least = took(target, self.work, count)
        ours, hits, report = exact(target, self.work, count)
        calls = hits / 2
        self.plain.append(plain / calls)
        self.floor.append((least - plain) / calls)
        self.ours.append((ours - plain) / calls)
        self.ratio.append((ours - plain) / (least - plain))
        self.times.append(ours / plain)
        self.lost += report["lost"]["total"]
        for tracer in TRACERS:
            under = target.do("under", tracer, self.work, count)["cpu_ns"]
            if under is not None:
                self.tracers.setdefault(tracer, []).append(((under - plain) / calls, under / plain))

    def tracer_ns(self, name):
        values = [ns for ns, _ in self.tracers.get(name, ())]
        return "%.0f" % statistics.median(values) if values else "-"

    def tracer_times(self, name):
        values = [times for _, times in self.tracers.get(name, ())]
        return "%.1f" % statistics.median(values) if values else "-"


def calls(bench):
    """A call of a recursion that does nothing else, on each Python."""
    rounds = 2 if bench.quick else 5
    lines = table_head("Python", "seen by", "a call without anything, ns", "the floor, ns more",
                       "pybpfprof, ns more", "pybpfprof / floor", *("%s, ns more" % t
                                                                    for t in TRACERS))
    ratios, by_python = [], {}
    for python in bench.pair_of_pythons() if bench.quick else bench.pythons:
        try:
            prices = Prices(bench, python, "calls", rounds)
        except Failure as failure:
            lines.append("| %s | %s |%s" % (python.name, failure, " |" * (5 + len(TRACERS))))
            log(lines[-1])
            continue
        ratios += prices.ratio
        by_python[python.name] = statistics.median(prices.ratio)
        lines.append("| %s | %s | %.0f | %s | %s | %s | %s |" % (
            python.name, prices.way, statistics.median(prices.plain), spread(prices.floor, "%.0f"),
            spread(prices.ours, "%.0f"), spread(prices.ratio, "%.2f"),
            " | ".join(prices.tracer_ns(name) for name in TRACERS)))
        log(lines[-1])
    low, high = median_between(ratios)
    kept = None if low <= FLOOR_LIMIT < high else high <= FLOOR_LIMIT
    bench.judge("a call under exact probes, all %d pairs" % len(ratios),
                "<= %.2f x the floor" % FLOOR_LIMIT, "%s, the median is in %.2f - %.2f" % (
                    spread(ratios, "%.2f"), low, high), kept)
    worst = max(by_python, key=by_python.get)
    bench.judge("a call under exact probes, dearest Python", "<= %.2f x the floor" % FLOOR_LIMIT,
                "%.2f (%s)" % (by_python[worst], worst), by_python[worst] <= FLOOR_LIMIT)
    return lines


# ---- bcc ----

class Bcc:
    """One of bcc's tools over a process, from when it says that it traces."""

    def __init__(self, *command):
        self.output = tempfile.TemporaryFile(prefix="pybpfprof-bcc-")
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                        stdout=self.output, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + PATIENCE_S
        while b"Tracing" not in self.text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise Failure(self.text().decode("utf-8", "replace").strip().splitlines()[-1])
            time.sleep(0.1)

    def text(self):
        return os.pread(self.output.fileno(), 4096, 0)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Unrooted(Python):
    """An interpreter of a root, run from outside of it, where bcc finds it."""

    def __init__(self, python):
        super().__init__(python.name, "", python.root + python.path, python.version)
        self.home = python.root + "/usr"

    def command(self, script, *args):
        return ["env", "PYTHONHOME=" + self.home, *super().command(script, *args)]


BCC = (("ucalls (counts)", ["ucalls", "-l", "python"], [1000]),
       ("ucalls -L (times)", ["ucalls", "-l", "python", "-L"], [1000]),
       ("uflow (each call)", ["uflow", "-l", "python"], []))


def bcc_prices(target, count, rounds):
    """name -> [ns a call], by the calls that pybpfprof counts"""
    found = {}
    for _ in range(rounds):
        for name, command, more in BCC:
            plain = took(target, "calls", count)
            with Bcc(*command, target.pid, *more):
                target.do("calls", count)
                under = took(target, "calls", count)
            ours, hits, _ = exact(target, "calls", count)
            found.setdefault(name, []).append(2 * (under - plain) / hits)
            found.setdefault("pybpfprof", []).append(2 * (ours - plain) / hits)
    return found


def bcc(bench):
    python = Unrooted(bench.python("bullseye-3.9"))
    lines = table_head("Python", "tool", "a call, ns more")
    try:
        with Target(python, "works.py") as target:
            found = bcc_prices(target, target.calibrate("calls", PLAIN_S), 2 if bench.quick else 4)
    except (Failure, FileNotFoundError) as failure:
        log("bcc: %s" % failure)
        return ["Not measured beside bcc, which does not run here: %s" % failure]
    finally:
        python.clean()
    for name, values in sorted(found.items(), key=lambda item: statistics.median(item[1])):
        lines.append("| %s | %s | %s |" % (python.name, name, spread(values, "%.0f")))
        log(lines[-1])
    ours = statistics.median(found["pybpfprof"])
    for name, _, _ in BCC[:2]:
        theirs = statistics.median(found[name])
        bench.judge("a call under exact probes, beside bcc's %s (%s)" % (name, python.name),
                    "cheaper", "%.0f ns, %.0f ns" % (ours, theirs), ours < theirs)
    return lines


def programs(bench):
    """How many times longer programs take."""
    lines = table_head("Python", "work", "a call each, ns", "pybpfprof, times the CPU", *(
        "%s, times" % tracer for tracer in TRACERS))
    for python in bench.pair_of_pythons():
        for work in LIBRARY:
            try:
                prices = Prices(bench, python, work, 1 if bench.quick else 3)
            except Failure as failure:
                log("%s: %s" % (python.name, failure))
                break
            lines.append("| %s | %s | %.0f | %s | %s |" % (
                python.name, work, statistics.median(prices.plain), spread(prices.times, "%.1f"),
                " | ".join(prices.tracer_times(name) for name in TRACERS)))
            log(lines[-1])
    return lines


def consumer(bench):
    """Ten seconds of recursion: what pybpfprof itself needs, and whether anything was lost."""
    seconds = 3 if bench.quick else 10
    lines = table_head("Python", "targets", "events", "events/s", "own CPU, ns/event",
                       "a core would keep up with, events/s", "lost")
    for python, count in [(p, n) for p in bench.pair_of_pythons() for n in (1, 2)]:
        targets = [Target(python, "works.py") for _ in range(count)]
        try:
            pids = ",".join(str(target.pid) for target in targets)
            with Profiler("--mode", "time", "--max-overhead", "none", "-p", pids,
                          sees=count) as profiler:
                before = cpu_ns(profiler.pid)
                for target in targets:
                    target.tell("calls 1000000")
                time.sleep(seconds)
                own_ns = cpu_ns(profiler.pid) - before
                report = profiler.stop()
        finally:
            for target in targets:
                target.__exit__()
        events = report["cost"]["hits"]
        each_ns = own_ns / events
        lines.append("| %s | %d | %d | %.2f M | %.0f | %.1f M | %d |" % (
            python.name, count, events, events / seconds / 1e6, each_ns, 1e3 / each_ns,
            report["lost"]["total"]))
        log(lines[-1])
        if count > 1:
            continue
        bench.judge("pybpfprof's own CPU for each event (%s)" % python.name,
                    "<= %d ns" % CONSUMER_LIMIT_NS, "%.0f ns" % each_ns,
                    each_ns <= CONSUMER_LIMIT_NS)
        bench.judge("events lost in %d s of recursion (%s)" % (seconds, python.name), "0",
                    "%d of %d" % (report["lost"]["total"], events), not report["lost"]["total"])
    return lines


def memory(bench):
    lines = table_head("Python", "functions in the report", "calls",
                       "resident while following, MiB", "peak, the report's making included, MiB")
    for python in bench.pair_of_pythons():
        with Target(python, "many.py", FUNCTIONS, 0) as target, \
                Profiler("--mode", "time", "--max-overhead", "none", "-p", target.pid) as profiler:
            time.sleep(4)
            rss = memory_kib(profiler.pid)[0] / 1024
            report = profiler.stop()
            peak = profiler.memory[1] / 1024
        seen = [f for f in report["functions"] if f["name"].startswith("function_")]
        lines.append("| %s | %d | %d | %.1f | %.1f |" % (
            python.name, len(seen), sum(f["calls"] for f in seen), rss, peak))
        log(lines[-1])
        bench.judge("peak resident memory with %d functions called (%s)" % (len(seen), python.name),
                    "<= %d MB, %d functions" % (FUNCTIONS_LIMIT_MB, FUNCTIONS), "%.1f MiB" % peak,
                    peak * 1.048576 <= FUNCTIONS_LIMIT_MB and len(seen) >= 0.99 * FUNCTIONS)
    return lines


# ---- limits ----

def slices(target, seconds, count):
    """[(when it began, CPU time)] of small pieces of work, one after another."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        now = time.monotonic()
        found.append((now, target.do("calls", count)["cpu_ns"]))
    return found


def until_gone(target, usual_ns, count):
    """Seconds from the first to the last piece of work that probes made slow."""
    profiler = subprocess.Popen([Profiler.program, "-q", "--mode", "time", "-o", "/dev/null", "-d",
                                 "10", "-p", str(target.pid)])
    found = []
    while profiler.poll() is None:
        found += slices(target, 0.2, count)
    slow = [when for when, ns in found if ns > 4 * usual_ns]
    return slow[-1] - slow[0] if slow else float("nan")


def windows_of(target, percent, usual_ns, count):
    """(observed share, cost as reported, cost by the target's own CPU time)"""
    with Profiler("--mode", "time", "--duty", "--max-overhead", percent, "-p",
                  target.pid) as profiler:
        found = slices(target, 5, count)
        report = profiler.stop()
    cost = report["cost"]
    own = 1 - len(found) * usual_ns / sum(ns for _, ns in found)
    return cost["observed_share"], cost["target_share"], own


def limits(bench):
    lines = table_head("Python", "limit", "probes gone after, s", "with --duty: seen, % of the time",
                       "cost as reported, %", "cost by the target's own clock, %")
    gone = []
    for python in bench.pair_of_pythons():
        with Target(python, "works.py") as target:
            count = target.calibrate("calls", 0.002)
            usual_ns = statistics.median(ns for _, ns in slices(target, 1, count))
            for percent in (20, 5):
                seen, told, own = windows_of(target, percent, usual_ns, count)
                seconds = until_gone(target, usual_ns, count) if percent == 20 else None
                gone += [seconds] if seconds else []
                lines.append("| %s | %d %% | %s | %.1f | %.1f | %.1f |" % (
                    python.name, percent, "%.2f" % seconds if seconds else "-", 100 * seen,
                    100 * told, 100 * own))
                log(lines[-1])
    bench.judge("probes gone after the limit of 20 % was first exceeded", "<= 1 s",
                "%.2f s at most" % max(gone), max(gone) <= 1)
    return lines


def measure(bench):
    floor_build(bench)
    call_lines = calls(bench)
    bcc_lines = bcc(bench)
    program_lines = programs(bench)
    consumer_lines = consumer(bench)
    memory_lines = memory(bench)
    limit_lines = limits(bench)
    bench.sections.append("\n".join(
        ["## What exact calls cost", "",
         *prose("""**Exact calls are dear where calls are all that a program does.** Each entry and
            each exit traps into the kernel, whatever the profiler then does: a recursion whose
            calls take 50 ns runs twenty to forty times as long, and there is no way around that
            from outside. A program whose functions do some work, of a few microseconds each, is
            slowed by tens of per cent; one that waits, or computes in C, hardly. Profilers inside
            the process are cheaper for each call and need the program to be started with them. For
            a busy server: `--mode cpu`, or `--duty`."""), "",
         *prose("""A call is an entry and an exit. *The floor*: the very same instructions of the
            same process, probed with an empty BPF program: what no tool that probes them can be
            cheaper than. CPU time of the target, the median of three pieces of %d ms (without
            probes), each kind right after the other. cProfile, `sys.setprofile` with a function
            that does nothing and yappi run inside the same process; they see calls of C functions
            as well.""" % (1000 * PLAIN_S)), "", *call_lines, "",
         *prose("""bcc's tools attach to the probes that a build with dtrace has, and CPython then
            looks up names and line for every call; pybpfprof probes the branches that guard them
            instead. Counting, `ucalls` probes entries alone: half of the traps, and no times."""),
         "", *bcc_lines, "",
         *prose("""Programs: CPU time with, divided by without. *markup* (html.parser) and *pretty*
            (pprint) are parts of the standard library written in Python; *json* is mostly C."""),
         "", *program_lines, "",
         *prose("""The consumer: CPU time of pybpfprof from its start to just before the report,
            divided by events. Two targets make what two CPUs can, and it must run beside them."""),
         "", *consumer_lines, "", *memory_lines, "",
         *prose("""Limits, against a recursion without end: how long its own CPU time per piece of
            work showed the probes until `--max-overhead` had taken them away, and what `--duty`
            leaves to be seen."""), "", *limit_lines]))
