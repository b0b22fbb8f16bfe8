# SPDX-License-Identifier: GPL-2.0-only
"""What tests of exact calls share: reports asked by name, CPython's own counts beside them.

Functions are known by (file, first line, name), as a code object is; rows of the same key are
summed.
"""
import collections
import contextlib
import json
import os
import re
import subprocess
import time

import live

OWN_WORKLOADS = ("calls_plain", "calls_flow")
WORKLOADS = OWN_WORKLOADS + ("calls_library", "calls_async")


def ways_of(python):
    """The exact ways to see its calls. 3.15's own probes see more than the calls of generators."""
    if python.minor >= 11:
        return ["dispatch"]
    return ["usdt", "eval"] if python.root else ["eval"]


class Calls:
    """The JSON report of modes time and callgraph."""

    def __init__(self, report):
        self.report = report
        self.rows = [f for f in report["functions"] if f["calls"]]

    @staticmethod
    def key(function):
        return function["file"], function["line"], function["name"]

    def column(self, column):
        """key -> sum"""
        sums = collections.Counter()
        for row in self.rows:
            sums[self.key(row)] += row[column]
        return sums

    def edges(self):
        """(caller key or None, callee key) -> calls"""
        keys = [self.key(f) for f in self.report["functions"]]
        edges = collections.Counter()
        for edge in self.report["edges"]:
            if edge["calls"]:
                caller = None if edge["caller"] < 0 else keys[edge["caller"]]
                edges[caller, keys[edge["callee"]]] += edge["calls"]
        return edges

    def total(self, name, column="calls", file=""):
        """Of all functions so named, by the last part of the name."""
        return sum(f[column] for f in self.report["functions"]
                   if live.bare(f["name"]) == name and f["file"].endswith(file))

    def row(self, name):
        found = [f for f in self.report["functions"] if live.bare(f["name"]) == name]
        if len(found) != 1:
            raise AssertionError("%d functions called %s" % (len(found), name))
        return found[0]

    def by_name(self, names, column="calls"):
        return {name: self.total(name, column) for name in names}


class Truth:
    """What calls_run.py truth said."""

    def __init__(self, told, python):
        self.minor = python.minor
        self.calls, self.resumes, self.exceptions = {}, {}, {}
        for key, calls, resumes, exceptions in told["functions"]:
            key = tuple(key)
            self.calls[key] = calls
            if resumes is not None:
                self.resumes[key] = resumes
            if exceptions is not None:
                self.exceptions[key] = exceptions
        self.edges = {(caller and tuple(caller), tuple(callee)): calls
                      for caller, callee, calls in told["edges"]}
        self.loaded = set(told["loaded"])

    def covers(self, key):
        """Files that were loaded before the truth began have calls that it could not see. Up to
        3.10 a profile function makes locals live longer: what asyncio drops dies inside of it."""
        if self.minor <= 10 and key[0].endswith("_weakrefset.py"):
            return False
        return not (key[0] in self.loaded or key[0].startswith("<frozen")
                    or key[0].endswith("calls_run.py"))


def differences(expected, got, covers):
    """'file:line name: got, not expected' for each key in question."""
    keys = sorted((key for key in set(expected) | set(got) if covers(key)), key=repr)
    return ["%s: %d, not %d" % (" ".join(map(str, key)), got.get(key, 0), expected.get(key, 0))
            for key in keys if got.get(key, 0) != expected.get(key, 0)]


class CallsTest(live.LiveTest):
    env = dict(os.environ, PYTHONHASHSEED="0", PYTHONDONTWRITEBYTECODE="1")

    # ---- targets ----

    def runner(self, python, what, *modules):
        return python.command("-S", "-s", self.script(python, "calls_run.py"), what, *modules)

    def truth(self, python, *modules, what="truth"):
        run = subprocess.run(self.runner(python, what, *modules), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env, cwd="/",
                             timeout=live.RUN_TIMEOUT_S, check=False, text=True)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        return Truth(json.loads(run.stdout), python)

    def serve(self, python, *modules):
        return live.Target(self, python, self.runner(python, "serve", *modules), env=self.env)

    def ask(self, target, signal_number):
        """Has a target do its work; it says when that is done."""
        target.process.send_signal(signal_number)
        line = target.process.stdout.readline()
        self.assertEqual(line, b"ran\n", target.stderr())

    # ---- pybpfprof ----

    def parse(self, run, mode="time", may_lose=False):
        calls = Calls(json.loads(run.report))
        calls.run = run
        self.assertEqual(calls.report["mode"], mode.split(","))
        if not may_lose:
            self.assertEqual(calls.report["lost"]["total"], 0, calls.report["lost"])
        return calls

    def collect_calls(self, process, mode="time", may_lose=False):
        run = self.collect(process)
        self.assertEqual(run.returncode, 0, run.stderr)
        run.report = run.stdout
        return self.parse(run, mode, may_lose)

    def calls_of_command(self, *command, mode="time", options=(), returncode=0, may_lose=False,
                         timeout_s=live.RUN_TIMEOUT_S, name="calls.json"):
        """The report goes to a file; the command's output is its own."""
        run = self.run_pybpfprof("--mode", mode, "-f", "json", "-o", name, *options, "--", *command,
                                 returncode=returncode, env=self.env, timeout_s=timeout_s)
        with open(os.path.join(self.workdir, name)) as report:
            run.report = report.read()
        return self.parse(run, mode, may_lose)

    def calls_of_script(self, python, script, *args, **kwargs):
        calls = self.calls_of_command(*python.command(self.script(python, script), *args), **kwargs)
        last = calls.run.stdout.splitlines()[-1]
        self.assertTrue(last.startswith("done "), calls.run.stdout)
        calls.facts = json.loads(last[len("done "):])
        return calls

    def start_calls(self, *args, mode="time", budget="none"):
        return self.start_pybpfprof("--mode", mode, "--max-overhead", budget, "-f", "json", *args)

    @staticmethod
    def count_probes(pid):
        count = 0
        with contextlib.suppress(OSError):
            for fd in os.listdir("/proc/%d/fd" % pid):
                with contextlib.suppress(OSError):
                    count += bool(re.search("perf_event|bpf_link",
                                            os.readlink("/proc/%d/fd/%s" % (pid, fd))))
        return count

    # ---- what must hold ----

    def assert_truth(self, calls, truth, covers=None):
        """Counts function by function; resumes and exceptions where CPython tells them."""
        covers = covers or truth.covers
        told = []
        for column in ("calls", "resumes", "exceptions"):
            expected = getattr(truth, column)
            told += ["%s of %s" % (column, line) for line in differences(
                expected, calls.column(column),
                lambda key: covers(key) and (column == "calls" or key in expected))]
        self.assert_none(told)

    def assert_edges(self, calls, truth, covers=None):
        covers = covers or truth.covers
        self.assert_none(differences(truth.edges, calls.edges(), lambda edge: covers(edge[1])))

    def assert_none(self, told, most=40):
        if told:
            self.fail("%d differences\n%s" % (len(told), "\n".join(told[:most])))

    def assert_counts(self, calls, expected):
        self.assertEqual(calls.by_name(expected), expected)
