# SPDX-License-Identifier: GPL-2.0-only
"""What one sample costs: in the kernel by depth and Python, in user space, and what pybpfprof burns
in all while it watches."""
import statistics
import time

from lab import (Profiler, Target, cpu_ns, kernel_ns, log, memory_kib, prose, reasons,
                 table_head)

DEPTHS = (5, 25, 100, 250)
KERNEL_BUDGET_US = 5
BOTH_BUDGET_US = 10


def one_depth(target, what, depth, seconds):
    """(kernel µs per sample, what was wrong with the stacks)"""
    with Profiler("-p", target.pid, "-r", 1000) as profiler:
        target.do(what, depth, seconds)
        report = profiler.stop()
    right = sum(stack["weight"] for stack in report["stacks"] if len(stack["frames"]) == depth)
    share = right / max(1, report["samples"] * report["period_ns"])
    words = "" if share > 0.9 else " (%d %% of the stacks have that depth; incomplete: %s)" % (
        100 * share, reasons(report))
    return kernel_ns(report) / 1000, words


def depths(bench):
    seconds = 0.4 if bench.quick else 0.7
    chosen = bench.pair_of_pythons() if bench.quick else bench.pythons
    lines = table_head("Python", *("%d frames" % depth for depth in DEPTHS),
                       "25 frames, caches swept")
    at_25 = {}
    for python in chosen:
        cells = []
        with Target(python, "works.py", cpu=bench.last_cpu) as target:
            for what, depth in [("deep", d) for d in DEPTHS] + [("sweep", 25)]:
                price, words = one_depth(target, what, depth, seconds)
                cells.append("%.2f%s" % (price, words))
                if depth == 25:
                    at_25.setdefault(what, {})[python.name] = price
        lines.append("| %s | %s |" % (python.name, " | ".join(cells)))
        log(lines[-1])
    for what, words in (("deep", "in caches"), ("sweep", "caches swept")):
        worst = max(at_25[what], key=at_25[what].get)
        bench.judge("kernel time of a 25-frame sample at 1 kHz, %s, dearest Python" % words,
                    "<= %d µs" % KERNEL_BUDGET_US, "%.2f µs (%s)" % (at_25[what][worst], worst),
                    at_25[what][worst] <= KERNEL_BUDGET_US)
    return lines


class Window:
    """pybpfprof's own CPU, start-up left out, and what it took to start and to end."""

    def __init__(self, bench, python, rate, work, seconds):
        self.key = (python.name, rate, work)
        with Target(python, "works.py", cpu=bench.last_cpu) as target:
            total = seconds + 2
            if work != "idle":
                words = ["mix", total] if work == "mix" else ["deep", 25, total]
                target.tell(" ".join(map(str, words)))
            with Profiler("-p", target.pid, "-r", rate) as profiler:
                time.sleep(1)
                cpu, target_cpu = cpu_ns(profiler.pid), cpu_ns(target.pid)
                start = time.monotonic_ns()
                time.sleep(seconds)
                self.wall_ns = time.monotonic_ns() - start
                self.cpu_ns = cpu_ns(profiler.pid) - cpu
                self.start_ns = cpu
                self.samples = (cpu_ns(target.pid) - target_cpu) * rate / 1e9
                rss = memory_kib(profiler.pid)
                self.report = profiler.stop()
                self.rss, self.peak = rss[0], profiler.memory[1]

    @property
    def core(self):
        return 100 * self.cpu_ns / self.wall_ns

    @property
    def user_us(self):
        return self.cpu_ns / self.samples / 1000 if self.samples > 1 else float("nan")


def windows(bench):
    seconds = 3 if bench.quick else 10
    host, newest = bench.pair_of_pythons()
    plan = [(host, 99, "idle"), (host, 99, "mix"), (host, 1000, "deep"), (host, 10000, "deep"),
            (host, 10000, "mix")]
    if not bench.quick:
        plan.insert(4, (newest, 10000, "deep"))
    lines = table_head("Python", "rate, Hz", "target", "pybpfprof, % of a core",
                       "user side, µs/sample", "kernel, µs/sample", "both",
                       "start-up and first second, ms", "resident, MiB (peak)",
                       "lost, incomplete")
    done = []
    for python, rate, work in plan:
        window = Window(bench, python, rate, work, seconds)
        kernel_us = kernel_ns(window.report) / 1000
        lines.append("| %s | %d | %s | %.3f | %.2f | %.2f | %.2f | %.1f | %.1f (%.1f) | %s |" % (
            python.name, rate, work, window.core, window.user_us, kernel_us,
            window.user_us + kernel_us, window.start_ns / 1e6, window.rss / 1024,
            window.peak / 1024, reasons(window.report)))
        log(lines[-1])
        done.append((window, kernel_us))
    judge_windows(bench, done)
    return lines, seconds


def judge_windows(bench, done):
    for window, kernel_us in done:
        _, rate, work = window.key
        where = "%s, %s" % (window.key[0], work)
        if rate == 99:
            budget = 0.1 if work == "idle" else 0.5
            bench.judge("pybpfprof's own CPU at 99 Hz on %s process"
                        % ("an idle" if work == "idle" else "one busy"),
                        "<= %.1f %% of a core" % budget, "%.3f %%" % window.core,
                        window.core <= budget)
        if rate == 10000:
            bench.judge("pybpfprof's own CPU at 10 kHz (%s)" % where, "<= 10 % of a core",
                        "%.2f %%" % window.core, window.core <= 10)
        if rate == 1000:
            both = window.user_us + kernel_us
            bench.judge("kernel and user time of a 25-frame sample at 1 kHz (%s)" % where,
                        "<= %d µs" % BOTH_BUDGET_US, "%.2f µs" % both, both <= BOTH_BUDGET_US)
    peak = statistics.median(window.peak for window, _ in done) / 1024
    bench.judge("peak resident memory on an ordinary target", "<= 20 MB", "%.1f MiB" % peak,
                peak * 1.048576 <= 20)


def measure(bench):
    depth_lines = depths(bench)
    window_lines, seconds = windows(bench)
    bench.sections.append("\n".join(
        ["## What one sample costs", "",
         *prose("""Kernel: time in our program per sample at 1 kHz, in µs (`cost.target_ns /
            cost.hits` of the JSON report), by depth of the stack, every frame a function of its
            own. *Caches swept*: the target goes through 32 MiB between two samples, so that its
            stack is in no cache. The interrupt itself is not in it, see above. Up to 3.10 frames
            are objects on several pages of the heap, and each page takes a read of its own; what a
            read costs whatever is read, and what else a sample is made of, see
            docs/decisions/0022-window-reads.md. Compare builds in pairs only
            (`PYBPFPROF=PATH scripts/bench quick --only samples`, by turns): what else runs on the
            machine changes these numbers by half."""), "",
         *depth_lines, "",
         *prose("""User side: CPU time of pybpfprof over %d s, from the scheduler's count, beginning
            a second after it started. *mix*: calls, objects and JSON; *deep*: 25 frames."""
                % seconds), "", *window_lines]))
