# SPDX-License-Identifier: GPL-2.0-only
"""pprof files of real runs, read by a reader that knows the format from its specification: what is in
them is what the JSON of the same run says, whose truth other tests are about."""
import json
import os
import subprocess
import sys

import live

READER = os.path.join(live.ROOT, "tests", "unit", "render", "pprof_read.py")
TARGET = "memory_known.py"


class PprofTest(live.LiveTest):
    def run_both(self, python, *args):
        """The run's JSON; what the reader prints of its pprof, all of it and only the sums."""
        paths = [os.path.join(self.workdir, name) for name in ("report.json", "report.pb.gz")]
        self.run_pybpfprof(*args, "-f", "json", "-o", paths[0], "-f", "pprof", "-o", paths[1], "--",
                           *python.command("-B", self.script(python, TARGET), "command"))
        with open(paths[0]) as file:
            report = json.load(file)
        return (report, *(subprocess.run([sys.executable, "-B", READER, paths[1], *how], check=True,
                                         stdout=subprocess.PIPE, timeout=60).stdout.decode()
                          for how in ([], ["sums"])))

    def expect(self, got, types, sums):
        text, last = got
        self.assertEqual(text.splitlines()[0], "types " + types)
        self.assertEqual([int(number) for number in last.rpartition(" places ")[2].split()], sums)

    def test_memory(self):
        python = live.pythons()[0]
        report, *got = self.run_both(python, "--mode", "memory")
        memory = report["memory"]
        self.assertGreater(memory["allocated_bytes"], 300 * 2000)
        self.expect(got, "alloc_objects/count alloc_space/bytes inuse_objects/count "
                    "inuse_space/bytes", [memory["allocations"], memory["allocated_bytes"],
                                          memory["live_blocks"], memory["live_bytes"]])
        [line] = live.marked_lines(TARGET, "churned blocks")
        self.assertIn("(%s:%d from " % (self.script(python, TARGET), line), got[0])

    def test_samples(self):
        report, *got = self.run_both(live.pythons()[0], "-r", "499")
        self.assertGreater(report["samples"], 0)
        self.expect(got, "samples/count cpu/nanoseconds",
                    [report["samples"], sum(stack["weight"] for stack in report["stacks"])])
        self.assertIn("\ncomment cost: ", got[0])

    def test_calls(self):
        report, *got = self.run_both(live.pythons()[0], "--mode", "time")
        self.assertGreater(report["calls"], 0)
        self.expect(got, "calls/count wall/nanoseconds", [report["calls"], report["self_ns"]])
