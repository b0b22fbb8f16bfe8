# SPDX-License-Identifier: GPL-2.0-only
"""What tests of --mode lifetime share: its report asked by class and line."""
import collections
import os
import signal
import time

import live

KNOWN = "lifetime_known.py"
MADE, KEPT = 50, 20  # by it, of each class
# The innermost line of Python that makes them is in a module of the library.
ELSEWHERE = {"Copied", "Pickled"}

SITE_SUMS = ("created", "destroyed", "live", "by_collector", "created_bytes", "live_bytes")


class Lifetime:
    """The JSON report of mode lifetime."""

    def __init__(self, report):
        self.report = report
        self.lifetime = report["lifetime"]
        self.classes = self.lifetime["classes"]

    def rows(self, name, module=None):
        return [row for row in self.classes
                if row["name"] == name and module in (None, row["module"])]

    def row(self, name, module=None):
        found = self.rows(name, module)
        if len(found) != 1:
            raise AssertionError("%d classes called %s among %s" % (
                len(found), name, sorted(row["name"] for row in self.classes)[:100]))
        return found[0]

    def counts(self, name, module=None):
        row = self.row(name, module)
        return row["created"], row["destroyed"], row["live"]

    def lines(self, name, file):
        """Line -> sums over the class's sites there."""
        lines = collections.defaultdict(lambda: collections.Counter())
        for site in self.row(name)["sites"]:
            if site["file"].endswith(file):
                lines[site["line"]].update({key: site[key] for key in SITE_SUMS})
        return lines


class LifetimeTest(live.LiveTest):
    def lifetime_of(self, run, may_lose=False):
        report = run.json
        self.assertEqual(report["mode"], ["lifetime"])
        if not may_lose:
            self.assertEqual(report["lost"]["total"], 0, report["lost"])
        found = Lifetime(report)
        found.run = run
        self.check_sums(found)
        return found

    def check_sums(self, found):
        """What must hold in every report."""
        for key in ("created", "destroyed", "live", "destroyed_before", "by_collector"):
            self.assertEqual(found.lifetime[key] or 0,
                             sum(row[key] or 0 for row in found.classes), key)
        for row in found.classes:
            with self.subTest(name=row["name"]):
                self.check_class(found, row)

    def check_class(self, found, row):
        if row["births"] == "probed" and not row["estimate"]:
            self.assertEqual(row["created"], row["destroyed"] + row["live"])
            for key in ("created", "live"):
                self.assertEqual(row[key], sum(site[key] for site in row["sites"]), key)
        if row["min_ns"] is not None:
            ages = [row[key] for key in ("min_ns", "p50_ns", "p90_ns", "p99_ns", "max_ns")]
            self.assertEqual(ages, sorted(ages))
            self.assertLessEqual(row["min_ns"], row["mean_ns"])
            self.assertLessEqual(row["mean_ns"], row["max_ns"])
            self.assertLessEqual(row["max_ns"], found.report["duration_ns"] + 10**9)
        # What only the censuses tell of was made at no moment.
        self.assertEqual(sum(span["created"] for span in row["timeline"]),
                         row["created"] if row["births"] == "probed" else 0)
        self.assertEqual(sum(span["destroyed"] for span in row["timeline"]),
                         row["destroyed"] + row["destroyed_before"])
        for site in row["sites"]:
            stack = found.report["stacks"][site["stack"]]
            if stack["frames"] and site["line"]:
                self.assertIn(site["line"], [frame["line"] for frame in stack["frames"]])

    def await_file(self, path, target):
        deadline = time.monotonic() + live.RUN_TIMEOUT_S
        while not os.path.exists(path):
            self.assertIsNone(target.process.poll(), target.stderr())
            self.assertLess(time.monotonic(), deadline, "the target does not get there")
            time.sleep(0.02)

    def done_file(self, python):
        """Its name as the target sees it, and as we do."""
        name = os.path.join(self.place(python), "worked")
        return name, python.root + name

    def watch(self, target, *args, **kwargs):
        return self.start_pybpfprof("--mode", "lifetime", "-f", "json", "--max-overhead", "none",
                                    "-p", target.pid, *args, **kwargs)

    def stop(self, process, may_lose=False):
        process.send_signal(signal.SIGINT)
        run = self.collect(process)
        self.assertEqual(run.returncode, 0, run.stderr)
        return self.lifetime_of(run, may_lose)

    def watch_case(self, python, case, number, *args, may_lose=False):
        """What a case of lifetime_cases.py does while it is watched, and then waits."""
        done, done_here = self.done_file(python)
        target = self.start(python, "lifetime_cases.py", case, number, done)
        process = self.watch(target, *args)
        os.kill(target.pid, signal.SIGUSR1)
        self.await_file(done_here, target)
        found = self.stop(process, may_lose)
        found.result = target.finish(self)["result"]
        return found

    def command_case(self, python, case, number, *args, returncode=0, may_lose=False):
        """A case as a COMMAND, seen from its first instruction to its end."""
        run = self.run_pybpfprof("--mode", "lifetime", "-f", "json", "-o", "lifetime.json", *args,
                                 "--", *python.command("-B", self.script(python, "lifetime_cases.py"),
                                                       case, str(number)),
                                 returncode=returncode, env=dict(os.environ, LIFETIME_AT_ONCE="1"))
        with open(os.path.join(self.workdir, "lifetime.json"), "rb") as file:
            run.stdout = file.read().decode()
        return self.lifetime_of(run, may_lose)


class KnownTest(LifetimeTest):
    """What lifetime_known.py does is what is to be found."""

    def watch_known(self, python, target_env=None, **kwargs):
        """What has no name here is for pybpfprof."""
        done, done_here = self.done_file(python)
        target = self.start(python, KNOWN, "watched", done, env=target_env)
        process = self.watch(target, **kwargs)
        self.see_watching(process)
        os.kill(target.pid, signal.SIGUSR1)
        self.await_file(done_here, target)
        found = self.stop(process)
        os.unlink(done_here)
        return found, target.finish(self)

    def see_watching(self, process):
        """All probes are in, and nothing has happened yet."""

    def check_known(self, python, found, truth):
        self.assertGreater(len(truth["names"]), 30)
        for name in truth["names"]:
            with self.subTest(name=name):
                self.check_known_class(python, found, name, truth["sizes"][name])
        self.assertGreater(len(truth["finalized"]), 20)
        for name, count in truth["finalized"].items():
            self.assertEqual(found.row(name)["destroyed"], count, name)
            self.assertEqual(found.row(name)["created"], truth["seen"][name], name)

    def check_known_class(self, python, found, name, size):
        row = found.row(name, "__main__")
        self.assertEqual((row["births"], row["python"]), ("probed", True))
        self.assertEqual((row["created"], row["destroyed"], row["live"]),
                         (MADE, MADE - KEPT, KEPT))
        self.assertEqual((row["again"], row["by_collector"]), (0, 0))
        self.assertEqual(row["imbalance"], 0)
        # copied and pickled were there before, or are not any more.
        self.assertEqual(row["destroyed_before"], 0)
        # typing's own __new__ makes it there.
        if name not in ELSEWHERE and not (name == "Box" and python.minor == 8):
            self.check_known_sites(found, name)
        if size is not None:
            self.assertEqual((row["created_bytes"], row["bytes"]), (MADE * size, KEPT * size))

    def check_known_sites(self, found, name):
        [line] = live.marked_lines(KNOWN, "birth " + name)
        sums = found.lines(name, KNOWN)
        self.assertEqual(set(sums), {line})
        self.assertEqual((sums[line]["created"], sums[line]["live"]), (MADE, KEPT))
