# SPDX-License-Identifier: GPL-2.0-only
"""Lives of objects, against weakref.finalize and the clock of the target itself."""
import os
import signal

import lifetime
import live
from live import for_each

KNOWN = "lifetime_known.py"
MADE, KEPT = 50, 20
# The innermost line of Python that makes them is in a module of the library.
ELSEWHERE = {"Copied", "Pickled"}


class LifetimeKnownTest(lifetime.LifetimeTest):
    def watch_known(self, python):
        done, done_here = self.done_file(python)
        target = self.start(python, KNOWN, "watched", done)
        process = self.watch(target)
        os.kill(target.pid, signal.SIGUSR1)
        self.await_file(done_here, target)
        found = self.stop(process)
        return found, target.finish(self)

    @for_each(live.pythons)
    def test_every_kind_of_class(self, python):
        found, truth = self.watch_known(python)
        self.assertGreater(len(truth["names"]), 30)
        for name in truth["names"]:
            with self.subTest(name=name):
                # typing's own __new__ makes it there.
                elsewhere = name in ELSEWHERE or (name == "Box" and python.minor == 8)
                row = found.row(name, "__main__")
                self.assertEqual((row["births"], row["python"]), ("probed", True))
                self.assertEqual((row["created"], row["destroyed"], row["live"]),
                                 (MADE, MADE - KEPT, KEPT))
                self.assertEqual((row["again"], row["by_collector"]), (0, 0))
                self.assertEqual(row["imbalance"], 0)
                # copied and pickled were there before, or are not any more.
                self.assertEqual(row["destroyed_before"], 0)
                if not elsewhere:
                    self.check_sites(found, name)
                size = truth["sizes"][name]
                if size is not None:
                    self.assertEqual((row["created_bytes"], row["bytes"]),
                                     (MADE * size, KEPT * size))
        self.assertGreater(len(truth["finalized"]), 20)
        for name, count in truth["finalized"].items():
            self.assertEqual(found.row(name)["destroyed"], count, name)
            self.assertEqual(found.row(name)["created"], truth["seen"][name], name)

    def check_sites(self, found, name):
        [line] = live.marked_lines(KNOWN, "birth " + name)
        sums = found.lines(name, KNOWN)
        self.assertEqual(set(sums), {line})
        self.assertEqual((sums[line]["created"], sums[line]["live"]), (MADE, KEPT))

    @for_each(live.pythons)
    def test_ages(self, python):
        found, truth = self.watch_known(python)
        row = found.row("Aged")
        least = sorted(low for low, _ in truth["ages"])
        most = sorted(high for _, high in truth["ages"])
        self.assertEqual(row["destroyed"], len(least))
        self.assertLessEqual(least[0], row["min_ns"])
        self.assertLessEqual(row["min_ns"], most[0])
        self.assertLessEqual(least[-1], row["max_ns"])
        self.assertLessEqual(row["max_ns"], most[-1])
        self.assertLessEqual(sum(least) // len(least), row["mean_ns"])
        self.assertLessEqual(row["mean_ns"], sum(most) // len(most))
        # A histogram's step is at most an eighth of the value.
        middle = len(least) // 2
        self.assertLessEqual(least[middle] * 0.87, row["p50_ns"])
        self.assertLessEqual(row["p50_ns"], most[middle] * 1.13)

    @for_each(live.one_python_per_version)
    def test_a_command(self, python):
        run = self.run_pybpfprof("--mode", "lifetime", "-f", "json", "-o", "lifetime.json", "--",
                                 *python.command("-B", self.script(python, KNOWN), "command"))
        with open(os.path.join(self.workdir, "lifetime.json"), "rb") as file:
            run.stdout = file.read().decode()
        found = self.lifetime_of(run)
        for name in ("Plain", "Init", "New", "Failure", "Integer", "Pair", "Frozen", "Mapped"):
            with self.subTest(name=name):
                # Of a class that ended before it was looked at only the name is known.
                row = found.row(name)
                self.assertIn(row["module"], ("__main__", None))
                self.assertEqual(row["created"], MADE)
                self.assertGreaterEqual(row["destroyed"], MADE - KEPT)
                [line] = live.marked_lines(KNOWN, "birth " + name)
                self.assertEqual(found.lines(name, KNOWN)[line]["created"], MADE)
