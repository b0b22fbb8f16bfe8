# SPDX-License-Identifier: GPL-2.0-only
"""A process that forges the interpreter's structures can neither harm nor deceive us."""
import contextlib
import json
import re
import signal
import threading
import time

import live
from live import for_each

# What no terminal and no page may get from a stranger: C0 but the line feed, DEL, C1, bidi.
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f]")
RESIDENT_LIMIT_KB = 100_000


class PeakMemory(threading.Thread):
    """The highest resident size of a process, as seen until it ends."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid = pid
        self.peak_kb = 0
        self.start()

    def run(self):
        with contextlib.suppress(OSError, ValueError):
            while True:
                with open("/proc/%d/status" % self.pid) as status:
                    peak = re.search(r"VmHWM:\s+(\d+)", status.read())
                if not peak:
                    return
                self.peak_kb = int(peak.group(1))
                time.sleep(0.05)


class HostileTest(live.LiveTest):
    timeout_s = 180

    def read(self, name):
        with open("%s/%s" % (self.workdir, name), "rb") as report:
            raw = report.read()
        self.assertLess(len(raw), 10_000_000)
        return raw.decode("utf-8", "strict")

    def watch(self, target, *options):
        process = self.start_pybpfprof("-p", target.pid, "-r", "2khz", *options,
                                       "-f", "table", "-o", "table", "-f", "folded", "-o", "folded",
                                       "-f", "flamegraph", "-o", "page", "-f", "json", "-o", "json")
        memory = PeakMemory(process.pid)
        live.await_cpu(target.pid, 1)
        process.send_signal(signal.SIGINT)
        run = self.collect(process)
        self.assertEqual((run.returncode, run.stdout), (0, ""), run.stderr)
        self.assertIsNone(RAW.search(run.stderr), run.stderr)
        self.assertGreater(memory.peak_kb, 1000)
        self.assertLess(memory.peak_kb, RESIDENT_LIMIT_KB)

    def check_reports(self):
        for name in ("table", "folded"):
            text = self.read(name)
            found = RAW.search(text)
            self.assertIsNone(found, "%r in the %s" % (found and text[found.start() - 40:
                                                                      found.end() + 40], name))
        for line in self.read("folded").splitlines():
            self.assertRegex(line, r"^\S.* \d+$")
        for line in self.read("table").splitlines():
            self.assertLessEqual(len(line), 160)
        page = self.read("page")
        self.assertIsNone(re.search("<script>alert|<img", page))
        self.assertIsNone(re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", page))
        return page

    @for_each(live.one_python_per_version)
    def test_forged_frames_and_names(self, python):
        target = self.start(python, "hostile.py", "frames")
        self.watch(target)
        target.finish(self)
        page = self.check_reports()
        honest = self.start(python, "split.py")
        plain = self.run_pybpfprof("-p", honest.pid, "-d", "0.1", "-f", "flamegraph").stdout
        honest.finish(self)
        # No name opened or closed an element of the page.
        for tag in ("<script", "</script", "<style", "<!--", "-->", "<svg", "<div"):
            self.assertEqual(page.lower().count(tag), plain.lower().count(tag), tag)
        profile = live.Profile(json.loads(self.read("json")))
        self.assertGreater(profile.samples, 300)
        self.assertGreater(profile.share("honest_work"), 0.01)
        for caller, callee in profile.edges():
            if callee == "honest_work":
                self.assertEqual(caller, "frames")
        for function in profile.report["functions"]:
            self.assertLess(len(function["name"]), 5000)

    def test_forged_frames_with_native_frames(self):
        target = self.start(live.host_python(), "hostile.py", "frames")
        self.watch(target, "-n", "-k")
        target.finish(self)
        self.check_reports()

    @for_each(live.one_python_per_version)
    def test_forged_list_of_threads(self, python):
        target = self.start(python, "hostile.py", "threads")
        listed = self.run_pybpfprof("list")
        self.assertIn(str(target.pid), listed.stdout)
        run = self.run_pybpfprof("-p", target.pid, "-d", "0.5", "-f", "json", returncode=None)
        target.finish(self)
        self.assertIn(run.returncode, (0, 3))
        if run.returncode:
            self.assert_one_line(run, str(target.pid))

    def test_forged_command_line(self):
        """Arguments reach the table of processes, and the name of a thread its table."""
        target = self.start(live.host_python(), "hostile.py", "title",
                            "\x1b[31m\n<script>alert(1)</script>\u202e")
        for args in (["list"], ["-p", target.pid, "-d", "0.3", "--by", "process"],
                     ["-p", target.pid, "-d", "0.3", "--by", "thread", "-t"],
                     ["-p", target.pid, "-d", "0.3", "-t", "-f", "folded"]):
            with self.subTest(args=args):
                self.assertIsNone(RAW.search(self.run_pybpfprof(*args).stdout))
        json.loads(self.run_pybpfprof("list", "-f", "json").stdout)
        page = self.run_pybpfprof("-p", target.pid, "-d", "0.3", "-t", "-f", "flamegraph").stdout
        self.assertNotIn("<script>alert", page)
        self.assertNotIn("<img", page)
        target.finish(self)
