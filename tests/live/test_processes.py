# SPDX-License-Identifier: GPL-2.0-only
"""Processes that fork, exec and end while they are watched."""
import signal

import live
from live import for_each, timing


def few_pythons():
    return [p for p in live.one_python_per_version() if p.minor in (9, 11, 13, 15)]


class ProcessTest(live.LiveTest):
    def watch_procs(self, python, what, *args, options=("-s",), returncode=0):
        target = self.start(python, "procs.py", what, *args)
        process = self.start_pybpfprof("-p", target.pid, "-r", "1khz", "-f", "json", *options)
        target.process.send_signal(signal.SIGUSR1)
        profile = self.collect_profile(process)
        facts = target.expect_done(self, returncode)
        return target, profile, facts

    @for_each(live.one_python_per_version)
    def test_fork_is_followed(self, python):
        target, profile, facts = self.watch_procs(python, "fork")
        self.assertEqual(facts["status"], 3)
        self.assertEqual({t["pid"] for t in profile.report["targets"]},
                         {target.pid, facts["child"]})
        self.assertEqual({t["python"] for t in profile.report["targets"]}, {python.version})
        self.assert_share(profile, "child_work", 0.5, 5, "total")
        self.assert_share(profile, "parent_work", 0.5, 5, "total")
        self.assert_mostly_whole(profile)
        self.assertNotIn(("parent_work", "child_work"), profile.edges())

    @for_each(lambda: few_pythons()[-2:])
    def test_fork_is_not_followed_unasked(self, python):
        target, profile, facts = self.watch_procs(python, "fork", options=())
        self.assertEqual([t["pid"] for t in profile.report["targets"]], [target.pid])
        self.assertEqual(profile.share("child_work", "total"), 0)
        self.assertGreater(profile.share("parent_work", "total"), 0.9)

    @for_each(few_pythons)
    def test_multiprocessing_fork(self, python):
        _, profile, facts = self.watch_procs(python, "pool", "fork")
        self.assertIn(facts["child"], {t["pid"] for t in profile.report["targets"]})
        self.assert_share(profile, "child_work", 0.5, 10, "total")

    def test_multiprocessing_spawn(self):
        _, profile, facts = self.watch_procs(live.host_python(), "pool", "spawn")
        self.assertIn(facts["child"], {t["pid"] for t in profile.report["targets"]})
        self.assertGreater(profile.share("child_work", "total"), 0.4)

    def test_exec_of_another_version(self):
        python = live.host_python()
        other = next((p for p in live.pythons() if not p.root and p.minor != python.minor), None)
        if other is None:
            self.skipTest("no second Python outside a chroot")
        _, profile, facts = self.watch_procs(python, "exec", other.path, "-S",
                                             self.script(python, "execed.py"))
        self.assertEqual(facts["status"], 5)
        child = [t for t in profile.report["targets"]
                 if t["pid"] == facts["child"] and t["python"] == other.version]
        self.assertEqual(len(child), 1, profile.report["targets"])
        self.assert_share(profile, "execed_work", 0.5, 7, "total")
        self.assertNotIn(("parent_work", "execed_work"), profile.edges())

    @timing
    @for_each(few_pythons)
    def test_short_lived_children(self, python):
        _, profile, facts = self.watch_procs(python, "short")
        pids = {t["pid"] for t in profile.report["targets"]}
        self.assertGreaterEqual(len(pids), facts["children"] * 0.9)
        expected_s = facts["children"] * 0.03
        seen_s = profile.share("child_work", "total") * profile.weight / 1e9
        self.assertAlmostEqual(seen_s / expected_s, 1, delta=0.15)

    @for_each(lambda: few_pythons()[-2:])
    def test_threads_that_leave_at_once_keep_their_cpu_time(self, python):
        target, profile, facts = self.watch_procs(python, "leave")
        seen_s = sum(t["cpu_ns"] for t in profile.report["targets"] if t["pid"] != target.pid) / 1e9
        # A thread that is forgotten has used some 10 ms.
        self.assertAlmostEqual(seen_s, facts["cpu_s"], delta=0.008)

    @for_each(few_pythons)
    def test_target_that_exits_ends_the_run(self, python):
        target, profile, _ = self.watch_procs(python, "exit", returncode=7, options=())
        self.assertEqual(profile.report["targets"][0]["exit_code"], 7)
        self.assertGreater(profile.share("parent_work", "total"), 0.9)

    def test_target_killed_ends_the_run(self):
        target = self.start(live.host_python(), "split.py")
        process = self.start_pybpfprof("-p", target.pid, "-f", "json")
        target.process.send_signal(signal.SIGKILL)
        run = self.collect(process)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(len(run.json["targets"]), 1)

    @live.alone
    def test_all(self):
        python = live.host_python()
        first = self.start(python, "split.py")
        process = self.start_pybpfprof("-a", "-r", "1khz", "-f", "json")
        later = self.start(live.one_python_per_version()[-1], "split.py")
        live.await_cpu(later.pid, 1)
        process.send_signal(signal.SIGINT)
        run = self.collect(process)
        first.finish(self)
        later.finish(self)
        self.assertEqual(run.returncode, 0, run.stderr)
        versions = {t["pid"]: t["python"] for t in run.json["targets"]}
        self.assertEqual(versions.get(first.pid), python.version)
        self.assertEqual(versions.get(later.pid), later.python.version)
        self.assertNotIn(process.pid, versions)
