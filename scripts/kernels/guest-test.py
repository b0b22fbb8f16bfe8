#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What runs in a guest: the live tests that need no timing, and some of its own.

An emulated machine on a busy host loses clock interrupts, so nothing here counts on a rate above
99 Hz. On a kernel that is too old the only question is whether that is said.

GUEST_TESTS=WORD[,WORD...] in the environment runs only those whose names hold one of the words.
"""
import importlib.machinery
import importlib.util
import os
import signal
import subprocess
import sys
import time
import unittest

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIVE = os.path.join(PROJECT, "tests", "live")
sys.dont_write_bytecode = True
sys.path.insert(0, LIVE)

import live  # noqa: E402
from live import for_each, marked_lines  # noqa: E402

RATE_HZ = 99
KERNEL_MIN = (5, 15)
# Nothing in these depends on the kernel; they would only be slow here.
NOT_THE_KERNELS = ("test_flamegraph_chromium.",)


def kernel_version():
    return tuple(int(part) for part in os.uname().release.split(".")[:2])


class GuestTest(live.LiveTest):
    timeout_s = 120

    def test_doctor(self):
        report = self.run_pybpfprof("doctor", "-f", "json").json
        self.assertTrue(report["usable"])
        missing = [check for check in report["checks"] if check["state"] == "missing"]
        self.assertEqual(missing, [])

    @for_each(live.one_python_per_version)
    def test_chain(self, python):
        """Names, files, first and executing lines, and the share of samples that came."""
        target = self.start(python, "split.py")
        profile = self.profile_target(target, "-r", RATE_HZ, "-d", "4")
        target.finish(self)
        cpu_s = profile.report["targets"][0]["cpu_ns"] / 1e9
        self.assertGreater(cpu_s, 1, "the target hardly ran")
        self.assertGreaterEqual(profile.samples, 0.7 * RATE_HZ * cpu_s)
        self.assertEqual(profile.report["unresolved"], 0)
        self.assert_mostly_whole(profile)
        for name in ("heavy", "light"):
            function = profile.function(name)
            self.assertEqual(function["file"], self.script(python, "split.py"))
            self.assertEqual([function["line"]], marked_lines("split.py", name + " first"))
            self.assertEqual(set(profile.lines(name)) -
                             set(marked_lines("split.py", name + " line")), set())
        self.assertEqual([profile.function(python.qualified("Worker.turn"))["line"]],
                         marked_lines("split.py", "turn first"))
        self.assert_edges(profile, {(None, "<module>"), ("<module>", "main"), ("main", "turn"),
                                    ("main", "uniform"), ("turn", "heavy"), ("turn", "light")})
        self.assertGreater(profile.share("heavy"), profile.share("light"))

    def test_cgroup(self):
        cgroup = "/sys/fs/cgroup/pybpfprof-test"
        os.mkdir(cgroup)
        self.addCleanup(os.rmdir, cgroup)
        inside = self.start(live.host_python(), "split.py")
        outside = self.start(live.host_python(), "split.py")
        with open(cgroup + "/cgroup.procs", "w") as procs:
            procs.write(str(inside.pid))
        self.addCleanup(inside.close)
        profile = self.profile("--cgroup", cgroup, "-r", RATE_HZ, "-d", "2")
        self.assertEqual([t["pid"] for t in profile.report["targets"]], [inside.pid])
        self.assertGreater(profile.samples, 0)
        inside.finish(self)
        outside.finish(self)

    def test_no_btf_is_refused(self):
        refuse_without_btf(self)


class OldKernelTest(live.LiveTest):
    def test_profile_is_refused(self):
        target = self.start(live.host_python(), "split.py")
        for args in (["-p", target.pid, "-d", "1"], ["-a", "-d", "1"],
                     ["--", "python3", "-c", "print('must not run')"]):
            with self.subTest(args=args):
                run = self.run_pybpfprof(*args, returncode=4)
                self.assert_one_line(run, r"Linux %d\.%d\." % kernel_version(), r"5\.15")
                self.assertEqual(run.stdout, "")
        target.finish(self)

    def test_doctor_says_so(self):
        run = self.run_pybpfprof("doctor", returncode=4)
        self.assertRegex(run.stdout, r"(?m)^missing +kernel .*5\.15")

    def test_list_works_all_the_same(self):
        """It only reads /proc and memory."""
        target = self.start(live.host_python(), "split.py")
        rows = {row["pid"]: row for row in self.run_pybpfprof("list", "-f", "json").json}
        target.finish(self)
        self.assertEqual(rows[target.pid]["version"], target.python.version)


def refuse_without_btf(test):
    """As in a kernel built without: the directory is empty."""
    subprocess.run(["mount", "-t", "tmpfs", "none", "/sys/kernel/btf"], check=True)
    test.addCleanup(subprocess.run, ["umount", "/sys/kernel/btf"], check=True)
    target = test.start(live.host_python(), "split.py")
    run = test.run_pybpfprof("-p", target.pid, "-d", "1", returncode=4)
    test.assert_one_line(run, "BTF")
    run = test.run_pybpfprof("doctor", returncode=4)
    test.assertRegex(run.stdout, r"(?m)^missing +BTF ")
    target.finish(test)


def load_runner():
    """tests/live/run: how a test is run and told of is the same here."""
    loader = importlib.machinery.SourceFileLoader("run", os.path.join(LIVE, "run"))
    spec = importlib.util.spec_from_loader("run", loader)
    runner = importlib.util.module_from_spec(spec)
    loader.exec_module(runner)
    return runner


def chosen_tests(runner):
    loader = unittest.defaultTestLoader
    if kernel_version() < KERNEL_MIN:
        return list(runner.flatten(loader.loadTestsFromTestCase(OldKernelTest)))
    tests = list(runner.flatten(loader.loadTestsFromTestCase(GuestTest)))
    for test in runner.flatten(loader.discover(LIVE, "test_*.py", LIVE)):
        method = getattr(test, test._testMethodName, None)
        if getattr(method, "timing", False):
            continue
        if test.id().startswith(NOT_THE_KERNELS):
            continue
        tests.append(test)
    words = os.environ.get("GUEST_TESTS")
    return [t for t in tests if not words or any(word in t.id() for word in words.split(","))]


def main():
    runner = load_runner()
    live.adopt_orphans()
    signal.signal(signal.SIGALRM, runner.on_alarm)
    result = runner.LineResult(sys.stdout)
    started_s = time.monotonic()
    for test in chosen_tests(runner):
        runner.run_test(test, result)
    live.kill_children()
    print("Linux %s: guest tests took %.0f s" % (os.uname().release, time.monotonic() - started_s))
    print("%d passed, %d failed, %d skipped" % (result.passed, result.failed(),
                                                len(result.skipped)), flush=True)
    return 1 if result.failed() or not result.passed else 0


if __name__ == "__main__":
    sys.exit(main())
