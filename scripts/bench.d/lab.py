# SPDX-License-Identifier: GPL-2.0-only
"""What all measurements share: the Pythons, targets that do work on demand, a profiler that is
attached and taken away, and what the kernel says about a process's CPU time and memory."""
import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import statistics
import struct
import subprocess
import tempfile
import textwrap
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PYBPFPROF = os.environ.get("PYBPFPROF") or os.path.join(ROOT, "pybpfprof")
WORKLOADS = os.path.join(ROOT, "bench")
PATIENCE_S = 30


class Failure(Exception):
    """A measurement that could not be made; the document says why."""


# ---- numbers ----

def spread(values, form="%.3f"):
    """`median (min - max)`"""
    values = sorted(values)
    if not values:
        return "-"
    return "%s (%s - %s)" % tuple(form % v for v in (statistics.median(values), values[0],
                                                     values[-1]))


def table_head(*columns):
    return ["| %s |" % " | ".join(columns), "|---" * len(columns) + "|"]


def prose(text):
    """One paragraph, as lines."""
    return textwrap.wrap(" ".join(text.split()), 100, break_long_words=False)


def median_between(values):
    """Bounds between which the true median lies, 19 times in 20 (by the ranks of the values)."""
    values = sorted(values)
    reach = 0.98 * len(values) ** 0.5
    low, high = int((len(values) - 1) / 2 - reach), -int(-((len(values) - 1) / 2 + reach) // 1)
    return values[max(0, low)], values[min(len(values) - 1, high)]


def log(text):
    print("bench: " + text, flush=True)


# ---- what the kernel knows ----

def cpu_ns(pid):
    """CPU time of all threads a process has now and had before, to the nanosecond."""
    total = 0
    for tid in os.listdir("/proc/%d/task" % pid):
        with contextlib.suppress(OSError):
            with open("/proc/%d/task/%s/schedstat" % (pid, tid)) as file:
                total += int(file.read().split()[0])
    return total


def memory_kib(pid):
    """(VmRSS, VmHWM), or None when the process has gone."""
    fields = {}
    with contextlib.suppress(OSError):
        with open("/proc/%d/status" % pid) as file:
            for line in file:
                key, _, value = line.partition(":")
                if key in ("VmRSS", "VmHWM"):
                    fields[key] = int(value.split()[0])
    return (fields["VmRSS"], fields["VmHWM"]) if len(fields) == 2 else None


def steal_s():
    """Seconds all CPUs together were taken away by the hypervisor."""
    with open("/proc/stat") as file:
        return int(file.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


def load():
    with open("/proc/loadavg") as file:
        return float(file.read().split()[0])


class EmptyClock:
    """A perf cpu-clock event on each CPU that nobody listens to: what any sampling costs."""

    def __init__(self, rate_hz):
        libc = ctypes.CDLL(None, use_errno=True)
        # type SOFTWARE, size, config CPU_CLOCK, sample_period; the rest is zero.
        attr = struct.pack("=IIQQ", 1, 64, 0, 1000000000 // rate_hz).ljust(64, b"\0")
        self.fds = []
        for cpu in range(os.cpu_count()):
            fd = libc.syscall(298, attr, -1, cpu, -1, 8)
            if fd < 0:
                raise Failure("perf_event_open: %s" % os.strerror(ctypes.get_errno()))
            self.fds.append(fd)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for fd in self.fds:
            os.close(fd)


# ---- Pythons and targets ----

class Python:
    def __init__(self, name, root, path, version):
        self.name, self.root, self.path, self.version = name, root, path, version
        self.minor = int(version.split(".")[1])
        self.place = None

    def command(self, script, *args):
        """Runs a script of bench/, copied to where this interpreter can see it."""
        if not self.place:
            self.place = tempfile.mkdtemp(prefix="pybpfprof-bench-", dir=self.root + "/tmp")
            os.chmod(self.place, 0o755)
            for name in os.listdir(WORKLOADS):
                if name.endswith(".py"):
                    shutil.copy(os.path.join(WORKLOADS, name), self.place)
        inside = self.place[len(self.root):]
        prefix = ["chroot", self.root] if self.root else []
        return prefix + [self.path, "-B", os.path.join(inside, script), *map(str, args)]

    def clean(self):
        if self.place:
            shutil.rmtree(self.place, ignore_errors=True)
            self.place = None


def pythons_find():
    """All test Pythons but debug builds, whose speed nobody asks about; by version."""
    listing = subprocess.run([os.path.join(ROOT, "scripts", "test-pythons"), "--list"],
                             stdout=subprocess.PIPE, check=True, timeout=60, text=True).stdout
    found = [Python(*line.split("\t")) for line in listing.splitlines()]
    return sorted((python for python in found if not python.path.endswith("d")),
                  key=lambda python: (python.minor, not python.name.startswith("host")))


class Lines:
    """The lines of a pipe, each waited for, but not for ever."""

    def __init__(self, stream, what):
        self.stream, self.what, self.bytes = stream, what, b""

    def next(self):
        while b"\n" not in self.bytes:
            if not select.select([self.stream], [], [], PATIENCE_S)[0]:
                raise Failure("%s does not answer" % self.what)
            more = os.read(self.stream.fileno(), 65536)
            if not more:
                raise Failure("%s has ended. %s" % (self.what, self.bytes.decode()))
            self.bytes += more
        line, _, self.bytes = self.bytes.partition(b"\n")
        return line.decode()


class Target:
    """A running workload."""

    def __init__(self, python, script, *args, cpu=None):
        self.name = "%s on %s" % (script, python.name)
        self.process = subprocess.Popen(
            python.command(script, *args), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONHASHSEED": "0"}, bufsize=0)
        self.pid = self.process.pid
        self.lines = Lines(self.process.stdout, self.name)
        if cpu is not None:
            os.sched_setaffinity(self.pid, {cpu})
        if self.lines.next() != "ready":
            raise Failure("%s is not ready" % self.name)

    def tell(self, text):
        self.process.stdin.write(text.encode() + b"\n")

    def hear(self):
        return self.lines.next()

    def do(self, *words):
        self.tell(" ".join(map(str, words)))
        return json.loads(self.hear())

    def calibrate(self, work, seconds):
        """How many rounds of a work take about that long."""
        self.do(work, 20)
        took = self.do(work, 100)["cpu_ns"] / 1e9
        return max(1, int(100 * seconds / took))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


# ---- profilers ----

class Profiler:
    """pybpfprof; when the constructor returns it samples and has found `sees` Pythons."""

    program = PYBPFPROF

    def __init__(self, *args, sees=1):
        self.report_file = tempfile.NamedTemporaryFile(prefix="pybpfprof-bench-", suffix=".json")
        self.start_ns = time.time_ns()
        self.process = subprocess.Popen(
            [self.program, "-v", "-f", "json", "-o", self.report_file.name, *map(str, args)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, bufsize=0)
        self.pid = self.process.pid
        self.words = Lines(self.process.stderr, "pybpfprof")
        try:
            # The clocks tick before it says which Pythons it has found.
            while sees:
                sees -= "CPython" in self.words.next()
        except Failure:
            self.kill()
            raise
        self.memory = memory_kib(self.pid)

    def stop(self, by_signal=True, patience_s=PATIENCE_S):
        """The report. Memory is watched to the end: rendering counts too."""
        if by_signal:
            self.process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + patience_s
        while self.process.poll() is None:
            self.memory = memory_kib(self.pid) or self.memory
            if time.monotonic() > deadline:
                self.kill()
                raise Failure("pybpfprof does not end")
            time.sleep(0.001 if by_signal else 0.005)
        words = (self.words.bytes + self.process.stderr.read()).decode()
        self.process.stderr.close()
        if self.process.returncode:
            raise Failure("pybpfprof ended with %d: %s" % (self.process.returncode, words.strip()))
        with open(self.report_file.name) as file:
            report = json.load(file)
        self.report_file.close()
        return report

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.kill()


def kernel_ns(report):
    """Nanoseconds in our BPF programs per sample."""
    cost = report["cost"]
    return cost["target_ns"] / cost["hits"] if cost["hits"] else float("nan")


def incomplete(report):
    return report["partial"]["total"] + report["lost"]["total"]


def reasons(report):
    """`4 (frame_unreadable 4)`"""
    found = ["%s %d" % (reason, count) for key in ("lost", "partial")
             for reason, count in report[key].items() if count and reason != "total"]
    return "%d%s" % (incomplete(report), " (%s)" % ", ".join(found) if found else "")


class Bench:
    """One run: its Pythons, its size, what was found."""

    def __init__(self, quick):
        self.quick = quick
        self.pythons = pythons_find()
        self.last_cpu = max(os.sched_getaffinity(0))
        self.sections = []  # texts of the document
        self.verdicts = []  # (what, budget, measured, word)
        # Whoever builds anew meanwhile shall not change what is measured.
        self.programs = tempfile.TemporaryDirectory(prefix="pybpfprof-bench-")
        Profiler.program = shutil.copy2(PYBPFPROF, self.programs.name)

    def python(self, name):
        """Debian's own of that version, first of all."""
        for python in self.pythons:
            if python.name == name:
                return python
        raise Failure("there is no %s here: scripts/test-pythons makes it" % name)

    def pair_of_pythons(self):
        return [python for python in self.pythons if python.name in ("host-3.11", "forky-3.15")]

    def judge(self, what, budget, measured, kept):
        """kept: True, False, or None where the noise is larger than what was to be measured."""
        word = {True: "kept", False: "**missed**", None: "undecided"}[kept]
        self.verdicts.append((what, budget, measured, word))
        log("%s: %s (budget %s) %s" % (what, measured, budget, word))

    def judge_median(self, what, budget, limit, values, form):
        """Time cannot be won by being sampled: bounds below -limit are noise larger than limit."""
        low, high = median_between(values)
        kept = None
        if len(values) >= 6 and low > limit:
            kept = False
        elif len(values) >= 6 and high <= limit and low >= -limit:
            kept = True
        self.judge(what, budget, "%s, the median is in %s" % (
            spread(values, form), " - ".join((form % low, form % high))), kept)

    def close(self):
        for python in self.pythons:
            python.clean()
        self.programs.cleanup()
