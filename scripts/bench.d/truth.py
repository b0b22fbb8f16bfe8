# SPDX-License-Identifier: GPL-2.0-only
"""Is what is measured true: a known split of CPU time, and stacks that can be checked."""
import collections
import json
import re
import time

from lab import Profiler, Target, incomplete, log, prose, reasons, table_head

TREE_NAME = re.compile(r"n(\d+)_([012]*)$")
THREADS = 4


def tree_stack_is_wrong(names):
    """bench/tree.py: each function's name is its caller's and one letter more, in one thread.

    A stack that says that something is missing is incomplete, which is another thing.
    """
    if any(name.startswith("[") for name in names):
        return False
    inside = [match.groups() for match in map(TREE_NAME.match, names) if match]
    return any(thread != inside[0][0] or path != inside[-1][1][:depth]
               for depth, (thread, path) in enumerate(inside))


def tree_count(stacks):
    """(samples, in the tree, wrong) of (names root first, weight) pairs."""
    counts = collections.Counter()
    for names, weight in stacks:
        counts["all"] += weight
        counts["tree"] += weight * any(map(TREE_NAME.match, names))
        counts["wrong"] += weight * tree_stack_is_wrong(names)
    return counts["all"], counts["tree"], counts["wrong"]


def report_stacks(report):
    for stack in report["stacks"]:
        yield ([frame["name"] for frame in stack["frames"]],
               round(stack["weight"] / report["period_ns"]))


def splits_of(bench, pythons, seconds):
    """Two Pythons at a time, each with a CPU and a pybpfprof of its own."""
    targets = [Target(python, "split.py", cpu=bench.last_cpu - i)
               for i, python in enumerate(pythons)]
    try:
        # Not from the first turn on: that is when an interpreter warms up.
        time.sleep(0.2)
        profilers = [Profiler("-p", t.pid, "-r", "1khz") for t in targets]
        time.sleep(seconds)
        reports = [profiler.stop() for profiler in profilers]
        truths = []
        for target in targets:
            target.tell("end")
            truths.append(json.loads(target.hear()))
    finally:
        for target in targets:
            target.__exit__()
    for report, truth in zip(reports, truths):
        own = {f["name"]: f["self"] for f in report["functions"]}
        total = own.get("seventy", 0) + own.get("thirty", 0)
        yield (100 * own.get("seventy", 0) / max(1, total),
               100 * truth["seventy"] / (truth["seventy"] + truth["thirty"]), report["samples"])


def splits(bench):
    seconds = 4 if bench.quick else 10
    chosen = bench.pair_of_pythons() if bench.quick else bench.pythons
    step = 2 if bench.last_cpu else 1
    found = {}
    for i in range(0, len(chosen), step):
        some = chosen[i:i + step]
        for python, result in zip(some, splits_of(bench, some, seconds)):
            found[python.name] = result
            log("split: %s %.2f %%, truth %.2f %%, of %d samples" % ((python.name,) + result))
    worst = max(abs(measured - truth) for measured, truth, _ in found.values())
    bench.judge("a 70/30 split at 1 kHz over %d s, on each of %d Pythons" % (seconds, len(found)),
                "within 2 points", "at most %.2f points off" % worst, worst <= 2)
    return found, seconds


def trees(bench):
    seconds = 1 if bench.quick else 2
    chosen = bench.pair_of_pythons() if bench.quick else bench.pythons
    found, sums = {}, collections.Counter()
    for python in chosen:
        with Target(python, "tree.py", THREADS) as target, \
                Profiler("-p", target.pid, "-r", "1khz") as profiler:
            time.sleep(seconds)
            report = profiler.stop()
        count, tree, wrong = tree_count(report_stacks(report))
        found[python.name] = (count, tree, wrong, incomplete(report))
        sums.update(all=count, wrong=wrong, incomplete=incomplete(report))
        log("tree: %s: %d samples, %d in the tree, %d wrong, incomplete or lost: %s" % (
            python.name, count, tree, wrong, reasons(report)))
    shares = {name: 100 * partial / max(1, count) for name, (count, _, _, partial) in found.items()}
    worst = max(shares, key=shares.get)
    bench.judge("wrong stacks, %d threads in a hurry, %d samples" % (THREADS, sums["all"]), "0",
                "%d" % sums["wrong"], sums["wrong"] == 0)
    bench.judge("incomplete and lost stacks, the same, on the worst Python", "< 0.5 %",
                "%.3f %% (%s; all: %.3f %%)" % (
                    shares[worst], worst, 100 * sums["incomplete"] / max(1, sums["all"])),
                shares[worst] < 0.5)
    return found


def measure(bench):
    shares, seconds = splits(bench)
    stacks = trees(bench)
    lines = table_head("Python", "70 % is reported as", "is really", "samples", "tree: samples",
                       "wrong", "incomplete or lost")
    for name, (measured, truth, samples) in shares.items():
        count, _, wrong, partial = stacks[name]
        lines.append("| %s | %.2f %% | %.2f %% | %d | %d | %d | %d |" % (
            name, measured, truth, samples, count, wrong, partial))
    bench.sections.append("\n".join(
        ["## Truth", "",
         *prose("""A program that spends 70 %% of its CPU in one function and 30 %% in another, by
            the thread's own CPU clock, sampled at 1 kHz for %d s. And %d threads that call their
            way through a tree of functions whose names tell who may call whom, a call in about 0.1
            µs: each stack can be checked.""" % (seconds, THREADS)), "", *lines]))
