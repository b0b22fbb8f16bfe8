# SPDX-License-Identifier: GPL-2.0-only
"""What live tests share: test Pythons, targets started under them, runs of pybpfprof.

A target is a script of tests/live/targets, copied to where its interpreter can see it. It says
`ready` when it does what the test wants to look at, goes on until it gets SIGTERM, and then says
`done` and exits with 0: so every test also sees that the target was left in peace.
"""
import collections
import contextlib
import ctypes
import fcntl
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PYBPFPROF = os.environ.get("PYBPFPROF") or os.path.join(ROOT, "pybpfprof")
TARGETS = os.path.join(ROOT, "tests", "live", "targets")
# Bounds for what hangs, not for what is slow; an emulated machine may ask for so many times as much.
PATIENCE = int(os.environ.get("LIVE_PATIENCE", "1"))
START_TIMEOUT_S = 60 * PATIENCE
RUN_TIMEOUT_S = 100 * PATIENCE
PR_SET_CHILD_SUBREAPER = 36
POLL_NUMBERS = ("7", "271", "73")  # poll and ppoll of x86-64, ppoll of the others


class Python(collections.namedtuple("Python", "name root path version")):
    """One test interpreter; `root` is the directory to chroot to, or empty."""

    @property
    def minor(self):
        return int(self.version.split(".")[1])

    def command(self, *args):
        prefix = ["chroot", self.root] if self.root else []
        return prefix + [self.path, *args]

    def qualified(self, name):
        """How this version names a function: 3.11 brought co_qualname."""
        return name if self.minor >= 11 else name.rsplit(".", 1)[-1]


@functools.lru_cache(maxsize=None)
def pythons():
    listing = subprocess.run([os.path.join(ROOT, "scripts", "test-pythons"), "--list"],
                             stdout=subprocess.PIPE, check=True, timeout=60, text=True).stdout
    return [Python(*line.split("\t")) for line in listing.splitlines()]


@functools.lru_cache(maxsize=None)
def one_python_per_version():
    """Debian's build of each version where there is one: static, stripped, as most people have."""
    chosen = {}
    for python in pythons():
        if not python.name.endswith("d"):
            chosen.setdefault(python.minor, python)
    return [chosen[minor] for minor in sorted(chosen)]


def host_python():
    for python in pythons():
        if not python.root and python.path.startswith("/usr/bin/"):
            return python
    raise unittest.SkipTest("no Debian python3 on this host")


def for_each(choose):
    """Makes one test of the method for every Python that choose() gives: test_x__forky_3_15."""
    def mark(method):
        method.for_each = choose
        return method
    return mark


# ---- marks: what is not marked runs beside other tests ----
#
# A share of the target's own CPU time is the same on a busy machine. What is compared with the wall
# clock, or with another run's CPU time, is not.


def alone(method):
    """Marks a test that needs the machine for itself, and then passes whatever the machine."""
    method.alone = True
    return method


def measures(method):
    """Marks a test that other load on the machine can spoil: alone, and with a second try."""
    method.measures = True
    return method


def timing(method):
    """Marks a test whose numbers make no sense on an emulated machine (run --no-timing). It gets a
    second try as well, alone."""
    method.timing = True
    return method


def _method_for(method, python):
    @functools.wraps(method)
    def test(self):
        method(self, python)
    del test.__wrapped__
    return test


class Target:
    """A running target script. `facts` is what it said in its ready line."""

    def __init__(self, test, python, command, env=None, name=""):
        self.python = python
        self.name = name
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.errors, start_new_session=True, env=env,
                                        cwd="/")
        self.pid = self.process.pid
        test.addCleanup(self.close)
        self.facts = self._read_word("ready")

    def _read_word(self, word):
        line = self.process.stdout.readline().decode("utf-8", "replace")
        if not line.startswith(word):
            raise AssertionError("target %s said %r instead of %r; its stderr: %r"
                                 % (self.name, line, word, self.stderr()))
        return json.loads(line[len(word):] or "{}")

    def stderr(self):
        self.errors.seek(0)
        return self.errors.read().decode("utf-8", "replace")

    def finish(self, test):
        """Ends the target and sees that it ended as it would have without us."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        return self.expect_done(test)

    def expect_done(self, test, returncode=0):
        facts = self._read_word("done")
        rest = self.process.stdout.read()
        test.assertEqual(self.process.wait(timeout=RUN_TIMEOUT_S), returncode, "the target's exit status")
        test.assertEqual(rest, b"", "the target's output")
        test.assertEqual(self.stderr(), "", "the target's stderr")
        return facts

    def close(self):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


class Run:
    """A finished run of pybpfprof."""

    def __init__(self, returncode, stdout, stderr):
        self.returncode = returncode
        self.stdout_bytes = stdout
        self.stdout = stdout.decode("utf-8", "surrogateescape")
        self.stderr = stderr.decode("utf-8", "surrogateescape")

    @functools.cached_property
    def json(self):
        return json.loads(self.stdout)


def bare(name):
    """`Child.run.<locals>.inner` is `inner`: what every version agrees on."""
    return name.rsplit(".", 1)[-1]


class Profile:
    """The JSON report of mode cpu, asked the questions tests have."""

    def __init__(self, report):
        self.report = report
        self.stacks = report["stacks"]
        self.weight = sum(stack["weight"] for stack in self.stacks)
        self.samples = report["samples"]

    def function(self, name, file=None):
        found = [f for f in self.report["functions"]
                 if f["name"] == name and (file is None or f["file"].endswith(file))]
        if len(found) != 1:
            raise AssertionError("%d functions called %s in %s" % (
                len(found), name, sorted(f["name"] for f in self.report["functions"])))
        return found[0]

    def names(self):
        return {f["name"] for f in self.report["functions"]}

    def share(self, name, column="self"):
        """Of everything sampled, by the last part of the function's name."""
        return sum(f[column] for f in self.report["functions"] if bare(f["name"]) == name) / max(
            self.weight, 1)

    def lines(self, name):
        """Executing line -> weight where the function was innermost."""
        lines = collections.Counter()
        for line in self.report["lines"]:
            if bare(line["name"]) == name and line["self"]:
                lines[line["line"]] += line["self"]
        return lines

    def edges(self):
        """(caller, callee) -> weight, by bare names, over all stacks; None called the roots."""
        edges = collections.Counter()
        for stack in self.stacks:
            names = [None] + [bare(frame["name"]) for frame in stack["frames"]]
            for edge in set(zip(names, names[1:])):
                edges[edge] += stack["weight"]
        return edges

    def partial(self):
        """Samples with an incomplete stack, whatever the reason."""
        return sum(n for reason, n in self.report.get("partial", {}).items() if reason != "total")


def waits_for_records(pid):
    """Whether pybpfprof is in its loop: it sleeps in poll() of two files, a signal's and a ring's,
    and nowhere else as long as there is no COMMAND."""
    with contextlib.suppress(OSError):
        with open("/proc/%d/syscall" % pid) as file:
            number, *arguments = file.read().split()
        return number in POLL_NUMBERS and int(arguments[1], 16) == 2
    return False


def cpu_clock(pid):
    """The clock of a process's CPU time, see clock_getcpuclockid(3)."""
    return ~pid << 3 | 2


def await_cpu(pid, cpu_s):
    end_s = time.clock_gettime(cpu_clock(pid)) + cpu_s
    deadline_s = time.monotonic() + RUN_TIMEOUT_S
    while time.clock_gettime(cpu_clock(pid)) < end_s:
        if time.monotonic() > deadline_s:
            raise AssertionError("pid %d hardly runs" % pid)
        time.sleep(0.02)


def build(program):
    """Has a program of the unit tests built where it is not, by one process at a time."""
    with open(os.path.join(ROOT, "Makefile")) as makefile:
        fcntl.flock(makefile, fcntl.LOCK_EX)
        if not os.access(os.path.join(ROOT, program), os.X_OK):
            subprocess.run(["make", "-s", "-C", ROOT, program], check=True, timeout=400,
                           stdout=subprocess.DEVNULL)


class LiveTest(unittest.TestCase):
    """One test class per file; every test may use self.workdir, which vanishes after it. Tests of
    one class run `together`, in one process, where they share what is dear to make."""

    together = False

    maxDiff = 4000
    timeout_s = 120

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name, method in list(vars(cls).items()):
            if hasattr(method, "for_each"):
                delattr(cls, name)
                for python in method.for_each():
                    suffix = re.sub(r"\W", "_", python.name)
                    setattr(cls, "%s__%s" % (name, suffix), _method_for(method, python))

    def setUp(self):
        self.workdir = tempfile.mkdtemp(prefix="pybpfprof-live-")
        os.chmod(self.workdir, 0o755)
        self.addCleanup(shutil.rmtree, self.workdir, ignore_errors=True)

    # ---- targets ----

    def place(self, python):
        """A directory with all targets, as `python` sees it."""
        place = getattr(self, "_places", {}).get(python.root)
        if place:
            return place
        host = tempfile.mkdtemp(prefix="pybpfprof-live-", dir=python.root + "/tmp")
        self.addCleanup(shutil.rmtree, host, ignore_errors=True)
        os.chmod(host, 0o755)
        for name in os.listdir(TARGETS):
            if name.endswith(".py"):
                shutil.copy(os.path.join(TARGETS, name), host)
        self._places = dict(getattr(self, "_places", {}), **{python.root: host[len(python.root):]})
        return self._places[python.root]

    def script(self, python, name):
        return os.path.join(self.place(python), name)

    def start(self, python, name, *args, env=None):
        command = python.command("-B", self.script(python, name), *map(str, args))
        return Target(self, python, command, env=env, name=name)

    # ---- pybpfprof ----

    def popen(self, *args, **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("stdout", subprocess.PIPE)
        kwargs.setdefault("stderr", subprocess.PIPE)
        kwargs.setdefault("cwd", self.workdir)
        process = subprocess.Popen([PYBPFPROF, *map(str, args)], start_new_session=True, **kwargs)
        self.addCleanup(self._reap, process)
        return process

    @staticmethod
    def _reap(process):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()

    def collect(self, process, timeout_s=RUN_TIMEOUT_S):
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.fail("pybpfprof hangs: %r" % (process.args,))
        return Run(process.returncode, stdout or b"", stderr or b"")

    def run_pybpfprof(self, *args, returncode=0, timeout_s=RUN_TIMEOUT_S, **kwargs):
        run = self.collect(self.popen(*args, **kwargs), timeout_s)
        if returncode is not None:
            self.assertEqual(run.returncode, returncode,
                             "exit status of %r; stderr: %s" % (args, run.stderr))
        return run

    def profile(self, *args, may_lose=False, **kwargs):
        """A cpu profile as JSON, with what must hold in every one."""
        return self.profile_of(self.run_pybpfprof("-f", "json", *args, **kwargs), may_lose)

    def collect_profile(self, process, may_lose=False):
        run = self.collect(process)
        self.assertEqual(run.returncode, 0, run.stderr)
        return self.profile_of(run, may_lose)

    def profile_of(self, run, may_lose=False):
        report = run.json
        self.assertEqual(report["mode"], ["cpu"])
        if not may_lose:
            self.assertEqual(report["lost"]["total"], 0, report["lost"])
        profile = Profile(report)
        profile.run = run
        return profile

    def profile_target(self, target, *args, **kwargs):
        return self.profile("-p", target.pid, *args, **kwargs)

    def profile_cpu(self, target, cpu_s, *args, may_lose=False):
        """A profile for as long as the target takes to use so much CPU time, be the machine busy or
        not: so the samples are many enough, and no more than that."""
        process = self.start_pybpfprof("-p", target.pid, "-f", "json", *args)
        await_cpu(target.pid, cpu_s)
        process.send_signal(signal.SIGINT)
        return self.collect_profile(process, may_lose)

    def start_pybpfprof(self, *args, **kwargs):
        """Started, and all it attaches to targets that are there is in place: it waits for records.
        Not for a COMMAND. The caller collects it."""
        process = self.popen(*args, **kwargs)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and process.poll() is None:
            if waits_for_records(process.pid):
                return process
            time.sleep(0.01)
        self.fail("pybpfprof does not start: %s" % self.collect(process, 5).stderr)

    # ---- what must hold ----

    def assert_one_line(self, run, *words):
        lines = run.stderr.splitlines()
        self.assertEqual(len(lines), 1, run.stderr)
        self.assertTrue(lines[0].startswith("pybpfprof: "), lines[0])
        for word in words:
            self.assertRegex(lines[0], word)

    def assert_share(self, profile, name, expected, points, column="self"):
        share = profile.share(name, column)
        self.assertLessEqual(abs(share - expected) * 100, points, "%s of %s: %.2f %%, not %.2f %%"
                             % (column, name, share * 100, expected * 100))

    def assert_edges(self, profile, known):
        """No stack shows a call that the program cannot make."""
        impossible = {edge: weight for edge, weight in profile.edges().items()
                      if edge not in known}
        self.assertEqual(impossible, {})

    def assert_mostly_whole(self, profile, share=0.005):
        """What is above the share must be more than chance."""
        expected = share * profile.samples
        self.assertLessEqual(profile.partial(), expected + 3 * expected ** 0.5 + 1,
                             profile.report.get("partial"))


def marked_lines(target_name, mark):
    """Numbers of the lines of a target that end in `# mark`."""
    with open(os.path.join(TARGETS, target_name)) as file:
        return [number for number, line in enumerate(file, 1)
                if re.search(r"#.*\b%s\b" % re.escape(mark), line)]


# ---- children ----

def adopt_orphans():
    """Whatever a test leaves behind becomes our child, however it was started."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children(parent):
    found = []
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            with contextlib.suppress(OSError):
                with open("/proc/%s/stat" % pid) as stat:
                    if stat.read().rsplit(")", 1)[1].split()[1] == str(parent):
                        found.append(int(pid))
    return found


def descendants(pid):
    found = [pid]
    for child in children(pid):
        found += descendants(child)
    return found


kept_pids = set()  # of children that the next test of the class uses again


def kill_children(spare=()):
    """Kills until none is left: a killed child's own children become ours in their turn."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        pids = [pid for pid in children(os.getpid()) if pid not in spare]
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for pid in pids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
