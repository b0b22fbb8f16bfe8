# SPDX-License-Identifier: GPL-2.0-only
"""Lives of objects, against weakref.finalize and the clock of the target itself."""
import os

import lifetime
import live
from lifetime import KEPT, KNOWN, MADE
from live import for_each


class LifetimeKnownTest(lifetime.KnownTest):
    @for_each(live.pythons)
    def test_every_kind_of_class(self, python):
        found, truth = self.watch_known(python)
        self.check_known(python, found, truth)

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
