# SPDX-License-Identifier: GPL-2.0-only
"""Other samplers from outside, in the same run, on the same work, in the same pairs."""
import contextlib
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

from lab import (ROOT, Failure, Profiler, Python, Target, cpu_ns, incomplete, log, prose, spread,
                 table_head)
from truth import THREADS, report_stacks, tree_count

PEERS_ROOT = os.path.join(ROOT, ".pythons", ".peers")
SETTLE_S = 0.6  # between a peer's start and its first samples
COLOUR = re.compile("\x1b\\[[0-9;]*m")


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
        self.wait_ready()
        time.sleep(SETTLE_S)
        if self.process.poll() is not None:
            raise Failure("%s ended: %s" % (self.name, self.process.stderr.read().decode()[-300:]))

    def wait_ready(self):
        """Until it samples, where that can be seen."""

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
        """{"stacks", "in_tree", "wrong", "errors" (as it reports them)}"""
        self.process.send_signal(signal.SIGINT)
        try:
            out, err = self.process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            raise Failure("%s does not end" % self.name) from None
        finally:
            self.kill()
        return self.read(COLOUR.sub("", (out + err).decode("utf-8", "replace")))

    def quit(self):
        """Ends it where nobody asks what it saw."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.communicate(timeout=4)
        except subprocess.TimeoutExpired:
            self.kill()

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
    def counts(stacks, errors):
        count, tree, wrong = tree_count(stacks)
        return {"stacks": count, "in_tree": tree, "wrong": wrong, "errors": errors}


def frame_function(frame):
    """The function in `file:function:line`; other words stay as they are."""
    return frame.split(":")[-2] if frame.count(":") >= 2 else frame


class Ours(Peer):
    name = "pybpfprof"

    def __init__(self, python, pid):
        self.profiler = Profiler("-p", pid, "-r", "1khz")
        self.process = self.profiler.process
        time.sleep(SETTLE_S)

    def stop(self):
        report = self.profiler.stop()
        share = 100 * incomplete(report) / max(1, report["samples"])
        return self.counts(report_stacks(report), "%.2f %% incomplete" % share)

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
        errors = re.search(r"Error rate: ([\d.]+)", words)
        return self.counts(folded_stacks(self.text(), frame_function),
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
        errors = re.search(r"Error rate : (\d+)/(\d+)", words)
        # A line for each sample, with its microseconds.
        stacks = [(names, 1) for names, _ in folded_stacks(self.text(), frame_function)]
        share = None
        if errors:
            share = "%.2f %% invalid" % (100 * int(errors.group(1)) / max(1, int(errors.group(2))))
        return self.counts(stacks, share)


class Perf(Peer):
    name = "perf"

    def popen(self):
        return self.run("perf", "record", "-q", "-F", 999, "-e", "cpu-clock", "-g", "-p", self.pid,
                        "-o", self.output, inside=False)

    def wait_ready(self):
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                for fd in os.listdir("/proc/%d/fd" % self.process.pid):
                    if "perf_event" in os.readlink("/proc/%d/fd/%s" % (self.process.pid, fd)):
                        return
            time.sleep(0.02)

    def read(self, words):
        script = subprocess.run(["perf", "script", "-i", self.output, "-F", "time"], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
        samples = sum(":" in line for line in script.stdout.splitlines())
        return {"stacks": samples, "in_tree": 0, "wrong": 0, "errors": None}


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


def run_once(peer_class, python, target, work, listen=True):
    """work() while the peer looks on: (its result, the peer's CPU ns, wall ns, what it saw)"""
    peer = peer_class(python, target.pid)
    try:
        own, start = peer.cpu_ns(), time.monotonic_ns()
        result = work()
        own, wall = peer.cpu_ns() - own, time.monotonic_ns() - start
        counts = peer.stop() if listen else peer.quit()
    finally:
        peer.close()
    return result, own, wall, counts


def ratio_and_cost(bench, python, peer, rounds):
    """Fixed work with and without the peer, in turns: ratios, and its own CPU in % of a core."""
    ratios, own_shares = [], []
    with Target(python, "works.py", cpu=bench.last_cpu) as target:
        count = target.calibrate("objects", 0.6)
        before = target.do("objects", count)["cpu_ns"]
        for _ in range(rounds):
            result, own, wall, _ = run_once(peer, python, target,
                                            lambda: target.do("objects", count), False)
            after = target.do("objects", count)["cpu_ns"]
            ratios.append(2 * result["cpu_ns"] / (before + after))
            own_shares.append(100 * own / wall)
            before = after
    return ratios, own_shares


def row(bench, python, peer, rounds, seconds):
    ratios, own_shares = ratio_and_cost(bench, python, peer, rounds)
    with Target(python, "tree.py", THREADS) as target:
        _, own, wall, counts = run_once(peer, python, target, lambda: time.sleep(seconds))
    wrong = "-"
    if counts["in_tree"]:
        wrong = "%d of %d (%.2f %%)" % (counts["wrong"], counts["in_tree"],
                                        100 * counts["wrong"] / counts["in_tree"])
    return "| %s | %s | %s | %.2f | %.2f | %d | %.1f | %s | %s |" % (
        python.name, peer.name, spread(ratios), statistics.median(own_shares), 100 * own / wall,
        counts["stacks"], own / 1000 / max(1, counts["stacks"]), wrong, counts["errors"] or "-")


def measure(bench):
    rounds, seconds = (1, 1) if bench.quick else (4, 2)
    plan, missing = competitions(bench)
    lines = table_head("on", "sampler, 1 kHz", "target's CPU, ratio", "own CPU, % of a core",
                       "threads: own CPU, % of a core", "stacks", "own CPU, µs/stack",
                       "wrong stacks", "as it says itself")
    for python, peers in plan:
        for peer in peers:
            try:
                lines.append(row(bench, python, peer, rounds, seconds))
                log(lines[-1])
            except Failure as failure:
                missing.append("%s on %s: %s" % (peer.name, python.name, failure))
                log(missing[-1])
        python.clean()
    bench.sections.append("\n".join(
        ["## Beside others", "",
         *prose("""The same target in the same pairs: fixed work on objects for the ratio and the
            own CPU; then %d threads in a hurry (see Truth) for %d s, whose stacks are checked by
            the same rule for everyone. What pybpfprof and perf do in the kernel is charged to the
            target and so in the ratio; own CPU is that of the sampler's process alone. austin and
            profiling.sampling take the stacks of all threads each time, waiting or not; pybpfprof
            and perf that of the thread on the CPU. perf knows no
            Python names, and reads its samples later, which is not counted."""
                % (THREADS, seconds)),
         "", *lines, *["\n" + words for words in missing]]))
