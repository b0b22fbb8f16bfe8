# SPDX-License-Identifier: GPL-2.0-only
"""What tests of --mode memory share: its report asked by line, tracemalloc's own figures beside it."""
import collections
import os
import signal
import time

import live

SITE_SUMS = ("allocations", "allocated_bytes", "frees", "freed_bytes", "live_bytes", "live_blocks",
             "at_peak_bytes")


class Memory:
    """The JSON report of mode memory."""

    def __init__(self, report):
        self.report = report
        self.memory = report["memory"]
        self.sites = self.memory["sites"]

    def line(self, file, line):
        """Sums over the sites at that line."""
        sums = collections.Counter({key: 0 for key in SITE_SUMS})
        for site in self.sites:
            if site["line"] == line and site["file"].endswith(file):
                for key in SITE_SUMS:
                    sums[key] += site[key]
        return sums

    def marked(self, file, mark):
        [line] = live.marked_lines(file, mark)
        return self.line(file, line)

    def lines(self, file):
        return {site["line"] for site in self.sites if site["file"].endswith(file)}


class MemoryTest(live.LiveTest):
    def memory_of(self, run, may_lose=False):
        report = run.json
        self.assertEqual(report["mode"], ["memory"])
        self.assertEqual(report["unit"], "bytes")
        if not may_lose:
            self.assertEqual(report["lost"]["total"], 0, report["lost"])
        memory = Memory(report)
        self.check_sums(memory)
        return memory

    def check_sums(self, memory):
        """What must hold in every report."""
        totals = memory.memory
        for key in ("allocations", "allocated_bytes", "frees", "live_bytes", "live_blocks"):
            self.assertEqual(totals[key], sum(site[key] for site in memory.sites), key)
        self.assertEqual(totals["peak_bytes"], sum(s["at_peak_bytes"] for s in memory.sites))
        if len(memory.report["targets"]) == 1:
            self.assertGreaterEqual(totals["peak_bytes"], totals["live_bytes"])
        self.assertEqual(totals["allocations"] - totals["frees"], totals["live_blocks"])
        for site in memory.sites:
            stack = memory.report["stacks"][site["stack"]]
            if stack["frames"] and site["line"]:
                self.assertIn(site["line"], [frame["line"] for frame in stack["frames"]])

    def await_file(self, path):
        deadline = time.monotonic() + live.RUN_TIMEOUT_S
        while not os.path.exists(path):
            self.assertLess(time.monotonic(), deadline, "the target does not get there")
            time.sleep(0.02)

    def watch_known(self, python, *args, env=None):
        """What memory_known.py allocates while it is watched."""
        done = os.path.join(self.place(python), "worked")
        target = self.start(python, "memory_known.py", "watched", done, env=env)
        process = self.start_pybpfprof("--mode", "memory", "-f", "json", "--max-overhead", "none",
                                       "-p", target.pid, *args)
        os.kill(target.pid, signal.SIGUSR1)
        self.await_file(python.root + done)
        process.send_signal(signal.SIGINT)
        run = self.collect(process)
        self.assertEqual(run.returncode, 0, run.stderr)
        target.finish(self)
        return self.memory_of(run)

    def truth_of(self, python, env=None):
        """line -> [bytes, blocks, bytes of blocks over 512 bytes, these blocks], by tracemalloc."""
        target = self.start(python, "memory_known.py", "truth", env=env)
        target.expect_done(self)
        return {int(line): sums for line, sums in target.facts["lines"].items()}
