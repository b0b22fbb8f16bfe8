# SPDX-License-Identifier: GPL-2.0-only
"""Other samplers from outside, in the same run, on the same work, in the same pairs."""
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

from lab import (ROOT, Failure, Lines, Profiler, Python, Target, cpu_ns, incomplete, log,
                 spread)
from truth import THREADS, report_stacks, tree_count

PEERS_ROOT = os.path.join(ROOT, ".pythons", ".peers")
SETTLE_S = 0.6  # between a peer's start and its first samples


def folded_stacks(text, name_of):
    """(names, weight) from lines of `frame;frame;... weight`."""
    for line in text.splitlines():
        frames, _, weight = line.rpartition(" ")
        if frames and weight.isdigit():
            yield [name_of(frame) for frame in frames.split(";")], int(weight)


class Peer:
    """One run of a peer over one target: start() it, let the target work, stop() it."""

    name = ""

    def __init__(self, python, pid):
        self.python, self.pid = python, pid
        self.files = tempfile.mkdtemp(prefix="pybpfprof-peer-", dir=python.root + "/tmp")
        self.output = os.path.join(self.files, "out")
        self.process = self.popen()
        time.sleep(SETTLE_S)
        if self.process.poll() is not None:
            raise Failure("%s ended: %s" % (self.name, self.process.stderr.read().decode()[-300:]))

    def run(self, *command, inside=True):
        prefix = ["chroot", self.python.root] if inside and self.python.root else []
        return subprocess.Popen(prefix + [str(word) for word in command], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
                                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"})

    def inside(self, path):
        return path[len(self.python.root):]

    def cpu_ns(self):
        return cpu_ns(self.process.pid)

    def stop(self):
        """{"samples", "errors" (as it reports them), "all", "tree", "wrong"}"""
        self.process.send_signal(signal.SIGINT)
        try:
            out, err = self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            raise Failure("%s does not end" % self.name) from None
        finally:
            self.kill()
        return self.read((out + err).decode("utf-8", "replace"))

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def close(self):
        self.kill()
        shutil.rmtree(self.files, ignore_errors=True)

    def text(self):
        with open(self.output, errors="replace") as file:
            return file.read()

    @staticmethod
    def counts(stacks, samples=None, errors=None):
        count, tree, wrong = tree_count(stacks)
        return {"samples": count if samples is None else samples, "all": count, "tree": tree,
                "wrong": wrong, "errors": errors}


class Ours(Peer):
    name = "pybpfprof"

    def __init__(self, python, pid):
        self.profiler = Profiler("-p", pid, "-r", "1khz")
        self.process = self.profiler.process
        time.sleep(SETTLE_S)

    def stop(self):
        report = self.profiler.stop()
        share = 100 * incomplete(report) / max(1, report["samples"])
        return self.counts(report_stacks(report), report["samples"], "%.2f %% incomplete" % share)

    def close(self):
        self.profiler.__exit__()


class Tachyon(Peer):
    """profiling.sampling, CPython 3.15's own."""

    name = "profiling.sampling"
    options = ()

    def popen(self):
        # It ends by itself later than any work we give it; then it is interrupted, as by Ctrl-C.
        return self.run(self.python.path, "-m", "profiling.sampling", "attach", "-a", "-r", "1khz",
                        "-d", 60, *self.options, "--collapsed", "-o", self.inside(self.output),
                        self.pid)

    def read(self, words):
        captured = re.search(r"Captured ([\d,]+) samples", words)
        errors = re.search(r"Error rate: ([\d.]+)", words)
        # thread;file:function:line;...
        stacks = folded_stacks(self.text(), lambda frame: frame.split(":")[-2]
                               if frame.count(":") >= 2 else frame)
        return self.counts(stacks, int(captured.group(1).replace(",", "")) if captured else None,
                           "%s %% invalid" % errors.group(1) if errors else None)


class TachyonBlocking(Tachyon):
    name = "profiling.sampling --blocking"
    options = ("--blocking",)


class Austin(Peer):
    name = "austin"

    def popen(self):
        return self.run("/usr/bin/austin", "-i", "1ms", "-o", self.inside(self.output), "-p",
                        self.pid)

    def read(self, words):
        text = self.text()
        errors = re.search(r"# errors: (\d+)/(\d+)", text)
        # P1;T2:3;module:function:line;... microseconds
        stacks = [(names, 1) for names, _ in folded_stacks(
            text, lambda frame: frame.split(":")[-2] if frame.count(":") >= 2 else frame)]
        share = None
        if errors:
            share = "%.2f %% invalid" % (100 * int(errors.group(1)) / max(1, int(errors.group(2))))
        return self.counts(stacks, None, share)


class Perf(Peer):
    name = "perf (no Python names)"

    def popen(self):
        return self.run("perf", "record", "-q", "-F", 999, "-e", "cpu-clock", "-g", "-o", self.output,
                        "-p", self.pid, inside=False)

    def read(self, words):
        script = subprocess.run(["perf", "script", "-i", self.output, "-F", "time"], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
        samples = sum(":" in line for line in script.stdout.splitlines())
        return {"samples": samples, "all": 0, "tree": 0, "wrong": 0, "errors": None}


def competitions(bench):
    """(Python, peers on it), and words about those that are missing."""
    plan, missing = [], []
    by_name = {python.name: python for python in bench.pythons}
    if "forky-3.15" in by_name:
        plan.append((by_name["forky-3.15"], [Ours, Tachyon, TachyonBlocking]))
    else:
        missing.append("profiling.sampling is missing: scripts/test-pythons makes CPython 3.15")
    if os.path.exists(PEERS_ROOT + "/usr/bin/austin"):
        version = "3.13.5"
        plan.append((Python("trixie-3.13", PEERS_ROOT, "/usr/bin/python3.13", version),
                     [Ours, Austin]))
    else:
        missing.append("austin is missing: scripts/bench.d/make-peers unpacks it")
    if shutil.which("perf"):
        plan.append((bench.python("host-3.11"), [Ours, Perf]))
    else:
        missing.append("perf is missing: apt-get install linux-perf")
    return plan, missing


def run_once(peer_class, python, target, work):
    """work() while the peer looks on: (its CPU time, samples per second of it, what it says)"""
    peer = peer_class(python, target.pid)
    try:
        own, start = peer.cpu_ns(), time.monotonic_ns()
        result = work()
        own, wall = peer.cpu_ns() - own, time.monotonic_ns() - start
        counts = peer.stop()
    finally:
        peer.close()
    return result, own, wall, counts


def ratios_and_cost(bench, python, peers, rounds):
    """Fixed work with and without each peer, in turns."""
    found = {peer: {"ratio": [], "own": [], "wall": []} for peer in peers}
    with Target(python, "works.py", cpu=bench.last_cpu) as target:
        count = target.calibrate("objects", 0.8)
        before = target.do("objects", count)["cpu_ns"]
        for _ in range(rounds):
            for peer in peers:
                result, own, wall, _ = run_once(peer, python, target,
                                                lambda: target.do("objects", count))
                after = target.do("objects", count)["cpu_ns"]
                found[peer]["ratio"].append(2 * result["cpu_ns"] / (before + after))
                found[peer]["own"].append(100 * own / wall)
                before = after
    return found


def stacks_of_threads(bench, python, peer, seconds):
    with Target(python, "tree.py", THREADS) as target:
        _, own, _, counts = run_once(peer, python, target, lambda: time.sleep(seconds))
    return own, counts


def measure(bench):
    rounds, seconds = (1, 1) if bench.quick else (3, 2)
    plan, missing = competitions(bench)
    lines = ["| on | sampler, 1 kHz | target's CPU, ratio | own CPU, % of a core | own CPU, "
             "µs/sample (threads) | samples (threads) | wrong stacks (threads) | as it says itself |",
             "|---|---|---|---|---|---|---|---|"]
    for python, peers in plan:
        try:
            found = ratios_and_cost(bench, python, peers, rounds)
            for peer in peers:
                own, counts = stacks_of_threads(bench, python, peer, seconds)
                wrong = "-"
                if counts["tree"]:
                    wrong = "%.2f %%" % (100 * counts["wrong"] / counts["all"])
                per_sample = own / 1000 / counts["samples"] if counts["samples"] else float("nan")
                lines.append("| %s | %s | %s | %.2f | %.1f | %d | %s | %s |" % (
                    python.name, peer.name, spread(found[peer]["ratio"]),
                    statistics.median(found[peer]["own"]), per_sample, counts["samples"], wrong,
                    counts["errors"] or "-"))
                log(lines[-1])
        except Failure as failure:
            missing.append("on %s: %s" % (python.name, failure))
            log(missing[-1])
        finally:
            python.clean()
    bench.sections.append("\n".join(
        ["## Beside others", "",
         "The same target, the same pairs, in turns: fixed work on objects for the ratio and the own "
         "CPU; then %d threads in a hurry (see Truth), whose stacks are checked by the same rule for "
         "everyone. What pybpfprof does in the kernel is charged to the target and so in the ratio; "
         "its own CPU is that of its process alone. austin's and profiling.sampling's samples on "
         "threads are per thread, the waiting ones included." % THREADS, "",
         *lines, *["\n" + words for words in missing]]))
