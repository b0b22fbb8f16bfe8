# SPDX-License-Identifier: GPL-2.0-only
"""Several interpreters in one process: what each of them makes, allocates and collects is counted."""
import os
import signal

import lifetime
import live
import memory
from live import for_each

TARGET = "interpreters.py"
OTHERS = 3


def pythons_with_interpreters():
    """Those whose own tests of it are not of yesterday."""
    return [python for python in live.one_python_per_version() if python.minor >= 12]


class InterpretersTest(lifetime.LifetimeTest):
    def watch_interpreters(self, python, mode, *args):
        done, done_here = self.done_file(python)
        target = self.start(python, TARGET, done)
        process = self.start_pybpfprof("--mode", mode, "-f", "json", "--max-overhead", "none",
                                       "-p", target.pid, *args)
        os.kill(target.pid, signal.SIGUSR1)
        self.await_file(done_here, target)
        process.send_signal(signal.SIGINT)
        run = self.collect(process)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(run.json["lost"]["total"], 0, run.json["lost"])
        target.finish(self)
        return run

    @for_each(pythons_with_interpreters)
    def test_lifetime(self, python):
        found = self.lifetime_of(self.watch_interpreters(python, "lifetime"))
        self.assertEqual(found.counts("First"), (50, 0, 50))
        self.assertEqual(found.counts("Other"), (90 * OTHERS, 20 * OTHERS, 70 * OTHERS))
        for name in ("First", "Other"):
            self.assertIn(found.row(name).get("imbalance"), (0, None), name)

    @for_each(pythons_with_interpreters)
    def test_gc(self, python):
        gc = self.watch_interpreters(python, "gc").json["gc"]
        [line] = live.marked_lines(TARGET, "collection")
        first = [c for c in gc["collections"]
                 if c["line"] == line and c["file"] and c["file"].endswith(TARGET)]
        others = [c for c in gc["collections"] if c["line"] == 12 and c["file"] and
                  c["file"].startswith("<")]
        self.assertEqual((len(first), len(others)), (7, 9 * OTHERS))
        self.assertTrue(all(c["asked"] for c in first + others))
        [process] = gc["processes"]
        self.assertGreaterEqual(sum(process["seen"]), 7 + 9 * OTHERS)

    @for_each(pythons_with_interpreters)
    def test_memory(self, python):
        found = memory.Memory(self.watch_interpreters(python, "memory").json)
        blocks = [site for site in found.sites if site["line"] == 14 and site["file"].startswith("<")]
        self.assertEqual(sum(site["live_blocks"] for site in blocks), 25 * OTHERS)
