# SPDX-License-Identifier: GPL-2.0-only
"""Exact calls: every count is CPython's own."""
import json
import os
import subprocess

import calls
import live
from live import for_each

LONG_S = 60 if os.environ.get("LONG") else 3


def few_pythons():
    return [p for p in live.one_python_per_version() if p.minor in (9, 11, 13, 15)]


def by_hand(python):
    """Exceptions that leave functions of calls_flow, in one round; sys.setprofile does not tell
    those of generators before 3.12."""
    old = python.minor <= 11  # close() runs what never began, to raise in it
    return {"down": 11 + 3 + 4 + 3 + 2, "down_finally": 6, "raised_again": 7, "chained": 5,
            "generating": 2, "stopping": 1, "never": 3 if old else 1, "patient": 0, "value": 2,
            "echo": 2, "cleaning": 3, "count": 3 if python.minor <= 12 else 0, "chain": 5 + 4,
            "leaf": 4 if old else 3, "managed": 1, "__await__": 3 if python.minor <= 12 else 2,
            "__anext__": 1, "async_count": 1, "tree": 0, "returning": 0, "everything": 0}


class ExactTest(calls.CallsTest):
    timeout_s = LONG_S + 120

    @for_each(live.pythons)
    def test_counts(self, python):
        truth = self.truth(python, *calls.WORKLOADS)
        profile = self.calls_of_command(*self.runner(python, "plain", *calls.WORKLOADS),
                                        mode="time,callgraph")
        self.assertEqual(profile.run.stdout, "")
        self.assertIn(python.version, {t["python"] for t in profile.report["targets"]})
        for target in profile.report["targets"]:
            self.assertIn(target["probes"], calls.ways_of(python))
        self.assert_truth(profile, truth)
        with self.subTest("callers"):
            self.assert_edges(profile, truth)
        with self.subTest("exceptions"):
            expected = {name: 40 * count for name, count in by_hand(python).items()}
            self.assertEqual({name: profile.total(name, "exceptions", "calls_flow.py")
                              for name in expected}, expected)
        for name, each_calls in (("fib", 67), ("even", 11), ("odd", 10), ("deep", 501)):
            with self.subTest("recursion of %s" % name):  # three rounds
                row = profile.row(name)
                self.assertEqual((row["calls"], row["recursive_calls"]),
                                 (each_calls * 3, (each_calls - 1) * 3))

    def check_own_counts(self, python, *families, **kwargs):
        """Families that count themselves; each name is of functions of that file only."""
        profile = self.calls_of_script(python, "calls_own.py", *families, **kwargs)
        self.assert_counts(profile, profile.facts["counts"])
        return profile

    @for_each(few_pythons)
    def test_out_of_stack(self, python):
        profile = self.check_own_counts(python, "recursion_error")
        for name in ("forever", "forever_through_c"):
            row = profile.row(name)
            self.assertEqual(row["exceptions"], row["calls"], name)
            self.assertEqual(row["recursive_calls"], row["calls"] - {"forever": 2}.get(name, 1))

    @for_each(lambda: [p for p in live.one_python_per_version() if p.minor >= 10])
    def test_traced_meanwhile(self, python):
        """failing() always raises, generator() never; each traced() resumes it three times."""
        families = ["settrace", "setprofile"] + ["monitoring"] * (python.minor >= 12)
        profile = self.check_own_counts(python, *families)
        traced = profile.total("traced")
        self.assertEqual(profile.total("failing", "exceptions"), traced)
        self.assertEqual(profile.total("generator", "exceptions"), 0)
        self.assertEqual(profile.total("generator", "resumes"), 3 * traced)

    @for_each(few_pythons)
    def test_called_by_the_interpreter(self, python):
        """Signal handlers, the end of what is dropped, the end of the interpreter."""
        profile = self.check_own_counts(python, "raise_signals", "drops", "ends")
        self.assertEqual(profile.total("dropped", "exceptions"), 50)

    @for_each(few_pythons)
    def test_subinterpreters(self, python):
        self.check_own_counts(python, "subinterpreters")

    @for_each(lambda: [p for p in live.one_python_per_version() if p.minor >= 14])
    def test_compiled_meanwhile(self, python):
        """Machine code that the JIT compiler made passes by the interpreter: exact or refused."""
        env = dict(self.env, PYTHON_JIT="1")
        enabled = subprocess.run(python.command("-c", "import sys; print(sys._jit.is_enabled())"),
                                 stdout=subprocess.PIPE, env=env, check=True).stdout
        if enabled.strip() != b"True":
            self.skipTest("a build without the JIT compiler")
        run = self.run_pybpfprof("--mode", "time", "-f", "json", "-o", "calls.json", "--",
                                 *python.command(self.script(python, "calls_live.py"), "fib", "1"),
                                 returncode=None, env=env)
        facts = json.loads(run.stdout[len("done "):])
        if run.returncode:
            self.assertEqual(run.returncode, 3, run.stderr)
            self.assert_one_line(run, "JIT")
            return
        with open(os.path.join(self.workdir, "calls.json")) as report:
            self.assertEqual(calls.Calls(json.load(report)).total("fib"), facts["calls"])

    def test_same_output_and_status(self):
        python = live.host_python()
        script = ("import sys, atexit; atexit.register(print, 'last');"
                  "print('out', sys.argv[1:]); print('err', file=sys.stderr); {}['missing']")
        command = python.command("-c", script, "a", "b")
        plain = subprocess.run(command, stdout=subprocess.PIPE, check=False,
                                    stderr=subprocess.PIPE, env=self.env)
        run = self.run_pybpfprof("-q", "--mode", "time", "-o", "out", "--", *command, returncode=1,
                                 env=self.env)
        self.assertEqual((run.stdout_bytes, run.stderr), (plain.stdout, plain.stderr.decode()))

    def test_killed_command(self):
        python = live.host_python()
        self.calls_of_command(*python.command("-c", "import os; os.kill(os.getpid(), 9)"),
                              returncode=137)

    @live.alone
    @for_each(few_pythons)
    def test_nothing_lost_at_full_speed(self, python):
        """LONG=1 makes it a minute."""
        profile = self.calls_of_script(python, "calls_live.py", "fib", LONG_S if python.minor == 11
                                       else 1, timeout_s=LONG_S + 60)
        self.assertEqual(profile.total("fib"), profile.facts["calls"])
        row = profile.row("fib")
        self.assertEqual(row["calls"] - row["recursive_calls"], profile.facts["runs"])
