# SPDX-License-Identifier: GPL-2.0-only
"""Memory with very many functions, and the time to the first sample with very many processes."""
import re
import statistics
import time

from lab import Profiler, Target, log, memory_kib, prose, spread, table_head

FUNCTIONS = 10000
PROCESSES = 50
CLOCK_S = 1.5


def many_functions(bench):
    seconds = 4 if bench.quick else 6
    lines = table_head("Python", "functions in the report", "samples",
                       "resident while sampling, MiB", "peak, the report's making included, MiB",
                       "samples with an incomplete stack")
    for python in bench.pair_of_pythons():
        with Target(python, "many.py", FUNCTIONS, cpu=bench.last_cpu) as target, \
                Profiler("-p", target.pid, "-r", "10khz") as profiler:
            time.sleep(seconds)
            rss = memory_kib(profiler.pid)[0] / 1024
            report = profiler.stop()
            peak = profiler.memory[1] / 1024
        seen = sum(f["name"].startswith("function_") for f in report["functions"])
        lines.append("| %s | %d | %d | %.1f | %.1f | %d |" % (
            python.name, seen, report["samples"], rss, peak, report["partial"]["total"]))
        log(lines[-1])
        bench.judge("peak resident memory with %d functions sampled (%s)" % (seen, python.name),
                    "<= 40 MB, 10,000 functions", "%.1f MiB" % peak,
                    peak * 1.048576 <= 40 and seen >= 0.99 * FUNCTIONS)
    return lines


def first_sample_ms(clock):
    """From the start of pybpfprof to the earliest moment of the clock that it saw."""
    clock.tell("go")
    clock_start = int(clock.hear())
    with Profiler("--all", "-r", "1khz", "-d", CLOCK_S / 2, sees=0) as profiler:
        report = profiler.stop(by_signal=False)
    moments = [int(match.group(1)) for match in
               (re.match(r"ms_(\d+)$", f["name"]) for f in report["functions"]) if match]
    if not moments:
        return None, report
    return (clock_start - profiler.start_ns) / 1e6 + min(moments), report


def first_samples(bench):
    rounds = 3 if bench.quick else 9
    host = bench.python("host-3.11")
    idle, found, start = [], [], []
    try:
        # Half of them of one version, the others of all there are; each waits for its input.
        for i in range(PROCESSES - 1):
            python = host if i % 2 else bench.pythons[i // 2 % len(bench.pythons)]
            idle.append(Target(python, "works.py"))
        for _ in range(rounds):
            with Target(host, "clock.py", CLOCK_S, cpu=bench.last_cpu) as clock:
                first, report = first_sample_ms(clock)
            found.append(first)
            start.append(len(report["targets"]))
    finally:
        for target in idle:
            target.__exit__()
    log("first sample: %s ms" % found)
    seen = [value for value in found if value is not None]
    if len(seen) < len(found):
        bench.judge("start to the first sample", "<= 300 ms", "in %d of %d runs none came" % (
            len(found) - len(seen), len(found)), False)
        return "No first sample in some runs."
    bench.judge("start to the first sample, %d Pythons running, --all" % PROCESSES, "<= 300 ms",
                spread(seen, "%.0f ms"), statistics.median(seen) <= 300)
    return ("%d runs, %d Pythons (49 asleep, of %d versions and builds): %s from the start of the "
            "program to the earliest sampled moment of a target, named, with its stack." % (
                rounds, PROCESSES, len(bench.pythons), spread(seen, "%.0f ms")))


def measure(bench):
    lines = many_functions(bench)
    first = first_samples(bench)
    bench.sections.append("\n".join(
        ["## Memory, and the way to the first sample", "",
         *prose("""A generated program whose %d functions run 0.15 ms each in turn, sampled at 10
            kHz. VmRSS and VmHWM of pybpfprof.""" % FUNCTIONS), "", *lines, "",
         *prose("""The first sample: the one busy target is a clock that runs another function in
            each millisecond, so the earliest function of the report is the time of the first
            sample, by the target's own clock."""), "", *prose(first)]))
