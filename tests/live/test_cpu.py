# SPDX-License-Identifier: GPL-2.0-only
"""Sampled CPU time: shares, names, files and lines, against programs that know their own."""
import collections
import re
import signal

import live
from live import for_each, marked_lines, timing


class CpuTest(live.LiveTest):
    @timing
    @for_each(live.pythons)
    def test_split_70_30(self, python):
        target = self.start(python, "split.py")
        profile = self.profile_cpu(target, 1, "-r", "1khz")
        target.finish(self)
        self.assertGreater(profile.samples, 700, "hardly any sample of a busy program")
        self.assert_share(profile, "heavy", 0.7, 2)
        self.assert_share(profile, "light", 0.3, 2)
        self.assert_share(profile, "turn", 1.0, 1, "total")
        self.assert_mostly_whole(profile)
        self.assertEqual(profile.report["unresolved"], 0)
        self.check_names(profile, python)

    def check_names(self, profile, python):
        """Names, files, first lines, executing lines."""
        for name in ("heavy", "light"):
            function = profile.function(name)
            self.assertEqual(function["file"], self.script(python, "split.py"))
            self.assertEqual([function["line"]], marked_lines("split.py", name + " first"))
            self.assertEqual(function["class"], None)
            # A frame that has not run an instruction yet is at its function's first line.
            lines = set(marked_lines("split.py", name + " line")) | {function["line"]}
            self.assertEqual(set(profile.lines(name)) - lines, set())
        turn = profile.function(python.qualified("Worker.turn"))
        self.assertEqual([turn["line"]], marked_lines("split.py", "turn first"))
        for stack in profile.stacks:
            for caller, callee in zip(stack["frames"], stack["frames"][1:]):
                if callee["name"] in ("heavy", "light"):
                    self.assertEqual([caller["line"]],
                                     marked_lines("split.py", "turn line " + callee["name"]))

    @timing
    @live.measures
    def test_rate_is_kept(self):
        target = self.start(live.host_python(), "split.py")
        for rate_hz, duration_s in ((99, 2), (1000, 0.7), (5000, 0.7)):
            profile = self.profile_target(target, "-r", rate_hz, "-d", duration_s)
            cpu_s = profile.report["targets"][0]["cpu_ns"] / 1e9
            expected = rate_hz * cpu_s
            self.assertGreater(expected, 20, "the target hardly ran")
            # Where it shares its CPU, whether a slice has one sample more or less is chance.
            chance = 3 * expected ** 0.5
            self.assertLessEqual(abs(profile.samples - expected), 0.05 * expected + chance)
            # Samples stand for CPU time: their sum is what the scheduler says.
            self.assertLessEqual(abs(profile.weight / 1e9 / cpu_s - 1), 0.05 + chance / expected)
        target.finish(self)

    @for_each(live.one_python_per_version)
    def test_line_mode(self, python):
        target = self.start(python, "split.py")
        process = self.start_pybpfprof("-p", target.pid, "--mode", "line", "-r", "1khz", "-f",
                                       "json")
        live.await_cpu(target.pid, 0.4)
        process.send_signal(signal.SIGINT)
        run = self.collect(process)
        target.finish(self)
        self.assertEqual(run.json["mode"], ["line"])
        lines = collections.Counter()
        for line in run.json["lines"]:
            if line["name"] == "heavy":
                lines[line["line"]] += line["self"]
        # A frame that has not run an instruction yet is at its function's first line.
        self.assertEqual(set(lines) - set(marked_lines("split.py", "heavy line")) -
                         set(marked_lines("split.py", "heavy first")), set())
        self.assertGreaterEqual(len(lines), 1)

    def test_threads_are_told_apart(self):
        target = self.start(live.host_python(), "threads.py", "busy")
        profile = self.profile_cpu(target, 0.7, "-t", "-r", "1khz")
        target.finish(self)
        threads = {t["tid"]: t for t in profile.report["targets"][0]["threads"]}
        for tid in target.facts["tids"].values():
            self.assertIn(tid, threads)
            self.assertGreater(threads[tid]["cpu_ns"], 0)

    @for_each(live.one_python_per_version)
    def test_busy_threads_share(self, python):
        target = self.start(python, "threads.py", "busy")
        profile = self.profile_cpu(target, 1, "-r", "1khz")
        target.finish(self)
        self.assert_mostly_whole(profile)
        self.assertEqual(profile.report["unresolved"], 0)
        for name in ("work_0", "work_1", "work_2"):
            # A third each; by chance somewhat less where the GIL changes hands but seldom.
            self.assertGreater(profile.share(name, "total"), 0.1)
            for other in ("work_0", "work_1", "work_2"):
                self.assertNotIn((name, other), profile.edges())

    def test_function_filter(self):
        target = self.start(live.host_python(), "split.py")
        profile = self.profile_target(target, "-F", "*heavy", "-r", "1khz", "-d", "0.5")
        target.finish(self)
        self.assertEqual({live.bare(name) for name in profile.names()}, {"heavy"})

    def test_table(self):
        target = self.start(live.host_python(), "split.py")
        run = self.run_pybpfprof("-p", target.pid, "-r", "1khz", "-d", "0.5")
        limited = self.run_pybpfprof("-p", target.pid, "-r", "1khz", "-d", "0.5", "-l", "1")
        target.finish(self)
        heavy = next(line for line in run.stdout.splitlines() if "heavy" in line)
        self.assertRegex(heavy, r"split\.py")
        self.assertRegex(run.stdout, r"(?m)^cost: .* lost .* unresolved")
        self.assertNotIn("\x1b", run.stdout)
        self.assertLess(len(limited.stdout.splitlines()), len(run.stdout.splitlines()))
        for line in run.stdout.splitlines():
            self.assertLessEqual(len(line), 100, line)

    def test_by(self):
        target = self.start(live.host_python(), "split.py")
        for by, word in (("class", "Worker"), ("module", "split|__main__"),
                         ("line", r"split\.py:\d+"), ("thread", str(target.pid)),
                         ("process", str(target.pid))):
            with self.subTest(by=by):
                run = self.run_pybpfprof("-p", target.pid, "-d", "0.3", "-r", "1khz", "--by", by)
                self.assertRegex(run.stdout, word)
        target.finish(self)

    def test_folded_sums_to_the_samples(self):
        target = self.start(live.host_python(), "split.py")
        run = self.run_pybpfprof("-p", target.pid, "-d", "0.5", "-r", "1khz", "-f", "folded")
        target.finish(self)
        total = 0
        for line in run.stdout.splitlines():
            match = re.fullmatch(r"(\S.*) (\d+)", line)
            self.assertIsNotNone(match, line)
            total += int(match.group(2))
        self.assertGreater(total, 20)
        self.assertRegex(run.stdout, r"(?m)^<module>.*;main.*;Worker\.turn.*;heavy")

    def test_several_reports_of_one_run(self):
        target = self.start(live.host_python(), "split.py")
        run = self.run_pybpfprof("-p", target.pid, "-d", "0.5", "-r", "1khz", "-f", "table",
                                 "-f", "folded", "-o", "a.folded", "-f", "flamegraph",
                                 "-o", "a.html")
        target.finish(self)
        self.assertIn("heavy", run.stdout)
        with open(self.workdir + "/a.folded") as folded:
            self.assertIn("heavy", folded.read())
        with open(self.workdir + "/a.html") as page:
            self.assertIn("</html>", page.read())

    @live.measures
    def test_duration_is_kept(self):
        target = self.start(live.host_python(), "split.py")
        profile = self.profile_target(target, "-d", "700ms")
        target.finish(self)
        self.assertGreaterEqual(profile.report["duration_ns"], 0.7e9)
        self.assertLess(profile.report["duration_ns"], 1.2e9)

    def test_two_targets(self):
        first = self.start(live.host_python(), "split.py")
        second = self.start(live.one_python_per_version()[-1], "threads.py", "churn")
        profile = self.profile("-p", "%d,%d" % (first.pid, second.pid), "-d", "1", "-r", "1khz")
        first.finish(self)
        second.finish(self)
        versions = {t["pid"]: t["python"] for t in profile.report["targets"]}
        self.assertEqual(versions, {first.pid: first.python.version,
                                    second.pid: second.python.version})
        self.assertGreater(profile.share("heavy"), 0)
        self.assertGreater(profile.share("brief", "total"), 0)

    def test_idle_target_has_no_samples(self):
        target = self.start(live.host_python(), "split.py")
        target.process.send_signal(signal.SIGSTOP)
        profile = self.profile_target(target, "-d", "0.5")
        target.process.send_signal(signal.SIGCONT)
        target.finish(self)
        self.assertEqual(profile.samples, 0)
        self.assertEqual(profile.report["functions"], [])
