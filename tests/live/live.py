# SPDX-License-Identifier: GPL-2.0-only
"""What live tests share: test Pythons, targets started under them, runs of pybpfprof.

A target is a script of tests/live/targets, copied to where its interpreter can see it. It says
`ready` when it does what the test wants to look at, goes on until it gets SIGTERM, and then says
`done` and exits with 0: so every test also sees that the target was left in peace.
"""
import collections
import contextlib
import ctypes
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
READY_TIMEOUT_S = 20
PR_SET_CHILD_SUBREAPER = 36


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


def measures(method):
    """Marks a test of shares and rates, which other load on the machine can spoil: a second try."""
    method.measures = True
    return method


def timing(method):
    """Marks a test whose numbers make no sense on an emulated machine (run --no-timing)."""
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
        test.assertEqual(self.process.wait(timeout=20), returncode, "the target's exit status")
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


class LiveTest(unittest.TestCase):
    """One test class per file; every test may use self.workdir, which vanishes after it."""

    maxDiff = 4000
    timeout_s = 60

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

    def collect(self, process, timeout_s=40):
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.fail("pybpfprof hangs: %r" % (process.args,))
        return Run(process.returncode, stdout or b"", stderr or b"")

    def run_pybpfprof(self, *args, returncode=0, timeout_s=40, **kwargs):
        run = self.collect(self.popen(*args, **kwargs), timeout_s)
        if returncode is not None:
            self.assertEqual(run.returncode, returncode,
                             "exit status of %r; stderr: %s" % (args, run.stderr))
        return run

    def profile(self, *args, may_lose=False, **kwargs):
        """A cpu profile as JSON, with what must hold in every one."""
        run = self.run_pybpfprof("-f", "json", *args, **kwargs)
        report = run.json
        self.assertEqual(report["mode"], ["cpu"])
        if not may_lose:
            self.assertEqual(report["lost"]["total"], 0, report["lost"])
        profile = Profile(report)
        profile.run = run
        return profile

    def profile_target(self, target, *args, **kwargs):
        return self.profile("-p", target.pid, *args, **kwargs)

    def start_pybpfprof(self, *args, **kwargs):
        """Started and sampling, as far as can be told from outside; the caller collects it."""
        process = self.popen(*args, **kwargs)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError):
                for fd in os.listdir("/proc/%d/fd" % process.pid):
                    if "perf_event" in os.readlink("/proc/%d/fd/%s" % (process.pid, fd)):
                        time.sleep(0.2)  # the last CPU's event follows the first at once
                        return process
            time.sleep(0.02)
        self.fail("pybpfprof does not start sampling: %s" % self.collect(process, 5).stderr)

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
        partial = profile.partial()
        self.assertLessEqual(partial, max(share * profile.samples, 1),
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


def kill_children():
    """Kills until none is left: a killed child's own children become ours in their turn."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        pids = children(os.getpid())
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for pid in pids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
