# SPDX-License-Identifier: GPL-2.0-only
"""Exact calls of processes that run already, and of those that fork, thread, exec and die."""
import os
import signal
import time

import calls
import live
from live import for_each


def few_pythons():
    return [p for p in live.one_python_per_version() if p.minor in (9, 11, 13, 15)]


def other_pythons():
    return [p for p in live.one_python_per_version() if p.minor in (8, 10, 12, 14, 15)]


def two_pythons():
    return [p for p in live.one_python_per_version() if p.minor in (11, 14)]


def served(truth):
    """All but the run itself, which is called from elsewhere."""
    return lambda key: truth.covers(key) and key[2] != "main"


class AttachTest(calls.CallsTest):
    def stop(self, process, **kwargs):
        process.send_signal(signal.SIGINT)
        return self.collect_calls(process, **kwargs)

    # ---- attached while nothing happens: what happens then is known exactly ----

    @for_each(other_pythons)
    def test_attached_to_an_idle_process(self, python):
        truth = self.truth(python, *calls.OWN_WORKLOADS, what="again")
        target = self.serve(python, *calls.OWN_WORKLOADS)
        process = self.start_calls("-p", target.pid, mode="callgraph")
        self.ask(target, signal.SIGUSR1)
        profile = self.stop(process, mode="callgraph")
        target.finish(self)
        self.assert_truth(profile, truth)
        self.assert_edges(profile, truth, served(truth))
        self.assertEqual([t["pid"] for t in profile.report["targets"]], [target.pid])

    @for_each(two_pythons)
    def test_two_look_at_once(self, python):
        truth = self.truth(python, *calls.OWN_WORKLOADS, what="again")
        target = self.serve(python, *calls.OWN_WORKLOADS)
        first = self.start_calls("-p", target.pid)
        second = self.start_calls("-p", target.pid)
        self.ask(target, signal.SIGUSR1)
        profile = self.stop(first)
        self.ask(target, signal.SIGUSR1)
        later = self.stop(second)
        target.finish(self)
        self.assert_truth(profile, truth)
        for counts in (truth.calls, truth.resumes, truth.exceptions):
            counts.update((key, 2 * count) for key, count in counts.items())
        self.assert_truth(later, truth)

    @for_each(two_pythons)
    def test_other_processes_are_not_counted(self, python):
        """The probes sit in the file that both run."""
        target = self.serve(python, "calls_flow")
        other = self.serve(python, "calls_flow")
        process = self.start_calls("-p", target.pid)
        self.ask(other, signal.SIGUSR1)
        profile = self.stop(process)
        target.finish(self)
        other.finish(self)
        self.assertEqual(profile.column("calls"), {})
        self.assertEqual([t["pid"] for t in profile.report["targets"]], [target.pid])

    # ---- attached in the middle ----

    @for_each(few_pythons)
    def test_running_when_attached(self, python):
        depth = 100
        target = self.start(python, "calls_live.py", "deep", depth)
        process = self.start_calls("-p", target.pid, mode="callgraph")
        self.ask(target, signal.SIGUSR1)
        profile = self.stop(process, mode="callgraph")
        target.finish(self)
        self.assert_counts(profile, {"leaf": 2 * depth, "deep": 0})
        deep = profile.row("deep")
        self.assertEqual((deep["running"], deep["recursive_calls"]), (depth, 0))
        edges = {(caller and live.bare(caller[2]), live.bare(callee[2])): count
                 for (caller, callee), count in profile.edges().items()}
        self.assertEqual(edges.get(("deep", "leaf")), 2 * depth)
        self.assertLessEqual(deep["total_ns"], profile.report["duration_ns"] * 1.01)

    def check_steps(self, profile):
        """Each step() calls leaf() three times; the ends of the run may cut one."""
        steps, leaves = profile.total("step"), profile.total("leaf")
        self.assertGreater(steps, 100)
        self.assertLessEqual(abs(leaves - 3 * steps), 3)
        return steps

    @for_each(two_pythons)
    def test_window_in_a_running_process(self, python):
        target = self.start(python, "calls_live.py", "steps")
        run = self.run_pybpfprof("--mode", "time", "--max-overhead", "none", "-f", "json", "-p",
                                 target.pid, "-d", "0.7")
        facts = target.finish(self)
        run.report = run.stdout
        profile = self.parse(run)
        self.assertLessEqual(self.check_steps(profile), facts["steps"])
        row = profile.row("steps")
        self.assertEqual((row["calls"], row["running"]), (0, 1))
        self.assertEqual(profile.total("leaf", "recursive_calls"), 0)

    # ---- the target goes away ----

    @for_each(two_pythons)
    def test_killed_while_probed(self, python):
        target = self.start(python, "calls_live.py", "steps")
        process = self.start_calls("-p", target.pid)
        live.await_cpu(target.pid, 0.3)
        os.kill(target.pid, signal.SIGKILL)
        profile = self.collect_calls(process)
        self.check_steps(profile)
        self.assertNotIn(profile.report["targets"][0]["exit_code"], (0, None))

    @for_each(two_pythons)
    def test_exec_while_probed(self, python):
        """What runs before the exec is exact; the new program is looked at when it is there."""
        target = self.start(python, "calls_live.py", "late", python.path, "-B",
                            self.script(python, "calls_live.py"), "steps")
        process = self.start_calls("-p", target.pid)
        target.process.send_signal(signal.SIGUSR1)
        target.facts = target._read_word("ready")
        time.sleep(0.8)
        live.await_cpu(target.pid, 0.2)
        profile = self.stop(process)
        facts = target.finish(self)
        old, new = 50, profile.total("step") - 50
        self.assertGreater(new, 100, "the new program was not followed")
        self.assertLessEqual(new, facts["steps"])
        self.assertLessEqual(abs(profile.total("leaf") - 3 * (old + new)), 3)
        self.assertEqual(profile.total("late", "running"), 1)

    @live.measures
    def test_probes_are_gone_afterwards(self):
        """A uprobe left behind would cost each call a trap: the same work is as fast as before."""
        python = live.host_python()
        target = self.serve(python, "calls_plain")
        before = self.shortest_ask(target)
        process = self.start_calls("-p", target.pid)
        during = self.shortest_ask(target)
        self.stop(process)
        after = self.shortest_ask(target)
        target.finish(self)
        self.assertGreater(during, 1.5 * before, "were there any probes?")
        self.assertLess(after, (before + during) / 2, "%s before" % before)

    def shortest_ask(self, target):
        """CPU time, of which other processes take nothing."""
        clock = live.cpu_clock(target.pid)
        spans_s = []
        for _ in range(5):
            started_s = time.clock_gettime(clock)
            self.ask(target, signal.SIGUSR1)
            spans_s.append(time.clock_gettime(clock) - started_s)
        return min(spans_s)


class FamilyTest(calls.CallsTest):
    """Threads and processes of a command: calls_own.py counts itself."""

    def check(self, python, family):
        profile = self.calls_of_script(python, "calls_own.py", family)
        self.assert_counts(profile, profile.facts["counts"])
        return profile

    def by_thread(self, profile, name):
        """tid -> calls"""
        functions = profile.report["functions"]
        return {thread["tid"]: row["calls"] for thread in profile.report["threads"]
                for row in thread["functions"]
                if live.bare(functions[row["function"]]["name"]) == name}

    @for_each(other_pythons)
    def test_threads(self, python):
        profile = self.check(python, "threads")
        self.assertEqual(self.by_thread(profile, "shared"), {
            int(tid): count for tid, count in profile.facts["shared_by_tid"].items()})

    @for_each(few_pythons)
    def test_threads_that_come_and_go(self, python):
        """Among them a generator that each of them resumes once."""
        profile = self.calls_of_script(python, "calls_own.py", "churn", "passing")
        self.assert_counts(profile, profile.facts["counts"])
        self.assertEqual(profile.total("passed_on", "resumes"), 100)

    @for_each(other_pythons)
    def test_fork(self, python):
        profile = self.check(python, "fork")
        self.assertEqual({t["pid"] for t in profile.report["targets"]},
                         {profile.facts["pid"], profile.facts["child"]})
        both = self.by_thread(profile, "both")
        self.assertEqual((both[profile.facts["pid"]], both[profile.facts["child"]]), (1200, 700))

    @for_each(few_pythons)
    def test_fork_with_threads(self, python):
        self.check(python, "fork_with_threads")

    @for_each(few_pythons)
    def test_fork_in_the_middle_of_calls(self, python):
        """The child returns through ten frames that its parent entered."""
        profile = self.check(python, "deep_fork")
        self.assertEqual(profile.total("inherited", "running"), 10)
        self.assertEqual(profile.total("inherited", "exceptions"), 0)

    @for_each(two_pythons)
    def test_fork_of_a_pid(self, python):
        """Followed with -s only."""
        for options, children in ((["-s"], 30), ([], 0)):
            with self.subTest(options=options):
                target = self.start(python, "calls_live.py", "fork")
                process = self.start_calls("-p", target.pid, *options)
                target.process.send_signal(signal.SIGUSR1)
                facts = target.expect_done(self)
                profile = self.collect_calls(process)
                self.assert_counts(profile, {"leaf": children, "step": 0})
                self.assertEqual(profile.total("in_parent"), 20)
                self.assertEqual(facts["child"] in {t["pid"] for t in profile.report["targets"]},
                                 bool(children))

    def test_exec_of_another_version(self):
        python = live.host_python()
        other = next((p for p in live.pythons() if not p.root and p.minor == 9), None)
        if other is None:
            self.skipTest("no other Python outside a chroot")
        go = [os.path.join(self.workdir, name) for name in ("first", "second")]
        code = ("import os, time\ndef before(): pass\nbefore()\nprint('ready', flush=True)\n"
                "while not os.path.exists(%r): time.sleep(0.01)\n"
                "os.execv(%r, [%r, '-B', %r, 'fib_when', %r])" % (
                    go[0], other.path, other.path, self.script(python, "calls_live.py"), go[1]))
        process = self.popen("--mode", "time", "-f", "json", "-o", "calls.json", "--",
                             *python.command("-c", code))
        self.assertEqual(process.stdout.readline(), b"ready\n")
        old_probes = self.count_probes(process.pid)
        self.touch(go[0])
        self.await_probes(process, old_probes)
        self.touch(go[1])
        run = self.collect(process)
        self.assertEqual(run.returncode, 0, run.stderr)
        with open(os.path.join(self.workdir, "calls.json")) as report:
            run.report = report.read()
        profile = self.parse(run)
        told = live.json.loads(run.stdout[len("done "):])
        self.assert_counts(profile, {"before": 1, "fib": told["calls"]})
        self.assertEqual({t["python"] for t in profile.report["targets"]},
                         {python.version, other.version})

    @staticmethod
    def touch(path):
        with open(path, "w"):
            pass

    def await_probes(self, process, old_count):
        """Until there are more of them, and no others have come for a while."""
        deadline_s = time.monotonic() + live.START_TIMEOUT_S
        count, since_s = old_count, time.monotonic()
        while time.monotonic() < deadline_s and process.poll() is None:
            now = self.count_probes(process.pid)
            if now != count:
                count, since_s = now, time.monotonic()
            if count > old_count and time.monotonic() - since_s > 0.7:
                return
            time.sleep(0.02)
        self.fail("no probes for the new program: %s" % self.collect(process, 5).stderr)

    def test_multiprocessing(self):
        """Children of a pool, forked and spawned: each of the 20 items is one call somewhere."""
        python = live.host_python()
        script = os.path.join(self.workdir, "pool.py")
        with open(script, "w") as file:
            file.write("import multiprocessing, sys\n"
                       "def item(x):\n    return x\n"
                       "if __name__ == '__main__':\n"
                       "    context = multiprocessing.get_context(sys.argv[1])\n"
                       "    with context.Pool(2) as pool:\n"
                       "        assert pool.map(item, range(20)) == list(range(20))\n"
                       "        pool.close()\n        pool.join()\n")
        for method in ("fork", "spawn"):
            with self.subTest(method=method):
                profile = self.calls_of_command(*python.command(script, method))
                self.assert_counts(profile, {"item": 20})
