# SPDX-License-Identifier: GPL-2.0-only
"""--mode memory where many processes end with many blocks: the kernel's room is for those that are alive."""
import collections
import os
import signal

import live
import memory

ENDED = "memory_ended.py"
PROCESSES, AT_ONCE = 150, 15
KEPT_BY_CHILD, KEPT_BY_PARENT = 1500, 2000
# Besides 131072 slots: two thirds of what all of them keep.
ROOM = "16k"


class MemoryEndedTest(memory.MemoryTest):
    OPTIONS = ("--mode", "memory", "-f", "json", "--max-overhead", "none", "--min-size", "600",
               "--max-blocks", ROOM)

    def check_family(self, run):
        found = self.memory_of(run)
        self.assertEqual(found.report["lost"]["total"], 0, found.report["lost"])
        parent, child = found.marked(ENDED, "in parent"), found.marked(ENDED, "in child")
        self.assertEqual((parent["allocations"], parent["live_blocks"]), (3000, KEPT_BY_PARENT))
        self.assertEqual((child["allocations"], child["frees"], child["live_blocks"]),
                         (2000 * PROCESSES, 500 * PROCESSES, KEPT_BY_CHILD * PROCESSES))
        self.assertEqual(child["live_bytes"], 733 * KEPT_BY_CHILD * PROCESSES)
        # By thread: each process has one.
        [line] = live.marked_lines(ENDED, "in child")
        kept = collections.Counter()
        for site in found.sites:
            if site["line"] == line and site["file"].endswith(ENDED):
                kept[site["tid"]] += site["live_blocks"]
        self.assertEqual(set(kept.values()), {KEPT_BY_CHILD})
        self.assertEqual(len(kept), PROCESSES)
        return found

    @live.alone
    def test_of_a_command(self):
        script = self.script(live.host_python(), ENDED)
        self.check_family(self.run_pybpfprof(
            *self.OPTIONS, "--", *live.host_python().command("-B", script, PROCESSES, AT_ONCE)))

    @live.alone
    def test_of_a_process_and_its_children(self):
        python = live.host_python()
        done = os.path.join(self.place(python), "done")
        target = self.start(python, ENDED, PROCESSES, AT_ONCE, done)
        process = self.start_pybpfprof(*self.OPTIONS, "-s", "-p", target.pid)
        os.kill(target.pid, signal.SIGUSR1)
        self.await_file(done)
        process.send_signal(signal.SIGINT)
        run = self.collect(process)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.check_family(run)
        target.finish(self)
