# SPDX-License-Identifier: GPL-2.0-only
"""Who makes the resident size grow, against what the kernel says of the same process; and what is told of
a process that the OOM killer has ended."""
import json
import os
import signal

import live
import memory
from live import for_each

TOUCH = "memory_resident.py"
HOARD = "memory_hoard.py"
MIB = 1 << 20
SIZE = 24 * MIB
# A page of a table, a frame of the interpreter's stack: what a line touches besides.
SLACK = MIB // 4
ROOM = 64 * MIB


def resident_bytes(pid):
    with open("/proc/%d/smaps_rollup" % pid) as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Rss:"))


class MemoryGroup:
    """A memory cgroup with `limit` bytes of room; skips where there can be none."""

    def __init__(self, test, limit):
        parent, names = self.find(test)
        self.path = os.path.join(parent, "pybpfprof-live-%d" % os.getpid())
        try:
            if names[0] == "memory.max":
                self.write(os.path.join(parent, "cgroup.subtree_control"), "+memory")
            os.mkdir(self.path)
            test.addCleanup(os.rmdir, self.path)
            self.write(os.path.join(self.path, names[0]), limit)
        except OSError as error:
            test.skipTest("no memory cgroup may be made here: %s" % error)
        for name in names[1:]:  # no swap in its stead, where that is counted
            path = os.path.join(self.path, name)
            if os.path.exists(path):
                self.write(path, 0 if name == "memory.swap.max" else limit)

    @staticmethod
    def write(path, value):
        with open(path, "w") as file:
            file.write(str(value))

    @staticmethod
    def find(test):
        with open("/proc/self/mounts") as mounts:
            fields = [line.split() for line in mounts]
        for _, place, kind, options, *_ in fields:
            if kind == "cgroup" and "memory" in options.split(","):
                return place, ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        for _, place, kind, *_ in fields:
            controllers = os.path.join(place, "cgroup.controllers")
            if kind == "cgroup2" and os.path.exists(controllers):
                with open(controllers) as file:
                    if "memory" in file.read().split():
                        return place, ("memory.max", "memory.swap.max")
        return test.skipTest("no memory cgroups here")

    def take(self, pid):
        self.write(os.path.join(self.path, "cgroup.procs"), pid)


class MemoryRssTest(memory.MemoryTest):
    def sums(self, found, file, mark):
        """faulted, resident at the marked line."""
        [line] = live.marked_lines(file, mark)
        sites = [site for site in found.sites
                 if site["line"] == line and site["file"].endswith(file)]
        return (sum(site["faulted_bytes"] for site in sites),
                sum(site["resident_bytes"] for site in sites))

    def watch(self, python, what, *args):
        """The report; by how much the kernel says that the target has grown; what the target told."""
        told = os.path.join(self.place(python), "told")
        target = self.start(python, TOUCH, what, told)
        process = self.start_pybpfprof("--mode", "memory", "--rss", "-f", "json",
                                       "--max-overhead", "none", "-p", target.pid, *args)
        before = resident_bytes(target.pid)
        os.kill(target.pid, signal.SIGUSR1)
        self.await_file(python.root + told)
        grown = resident_bytes(target.pid) - before
        process.send_signal(signal.SIGINT)
        run = self.collect(process)
        self.assertEqual(run.returncode, 0, run.stderr)
        with open(python.root + told) as file:
            facts = json.load(file)
        target.finish(self)
        return self.memory_of(run), grown, dict(facts, pid=target.pid)

    def assert_near(self, value, expected, what, slack=SLACK):
        self.assertLessEqual(abs(value - expected), slack,
                             "%s: %d, not %d" % (what, value, expected))

    @for_each(live.one_python_per_version)
    def test_lines_that_touch_memory(self, python):
        found, grown, _ = self.watch(python, "touch")
        expected = {
            "array": (1, 1), "native": (1, 1), "touched": (1, 1), "read": (1, 1),
            "populated": (1, 1), "half": (1, 0.5), "twice": (2, 1), "freed": (1, 0),
            "moved": (1, 1),
        }
        for mark, (faulted, resident) in expected.items():
            found_bytes = self.sums(found, TOUCH, mark)
            self.assert_near(found_bytes[0], faulted * SIZE, mark + " faulted")
            self.assert_near(found_bytes[1], resident * SIZE, mark + " resident")
        # It has room for an eighth more now and then, and moves: what is touched stays. Huge pages are
        # touched as a whole.
        faulted, resident = self.sums(found, TOUCH, "grown")
        self.assertGreaterEqual(faulted, SIZE)
        self.assert_near(resident, SIZE, "grown resident", slack=SIZE // 8 + 4 * MIB)
        self.check_whole(found, grown)

    def check_whole(self, found, grown):
        totals = found.memory
        for key in ("faulted_bytes", "resident_bytes", "faults"):
            self.assertEqual(totals[key], sum(site[key] for site in found.sites), key)
        self.assert_near(totals["resident_bytes"], grown, "all that is resident",
                         slack=0.02 * grown)
        self.assert_near(totals["rss_end"] - totals["rss_start"], grown, "RSS",
                         slack=0.05 * grown)
        self.assertGreaterEqual(totals["rss_peak"], totals["rss_end"])
        timeline = totals["timeline"]
        self.assertGreater(max(point["rss_bytes"] for point in timeline), totals["rss_start"])

    def test_a_child_has_what_it_touches_itself(self):
        found, grown, facts = self.watch(live.host_python(), "fork", "-s")
        by_pid = {process["pid"]: process for process in found.memory["processes"]}
        self.assertEqual(set(by_pid), {facts["pid"], facts["child"]})
        self.assertLess(grown, SIZE // 4)
        self.assertGreater(by_pid[facts["child"]]["rss_end"], 3 * SIZE)
        [line] = live.marked_lines(TOUCH, "array")
        touched = {site["tid"]: site["resident_bytes"] for site in found.sites
                   if site["line"] == line and site["resident_bytes"]}
        self.assertEqual(list(touched), [facts["child"]])
        self.assert_near(touched[facts["child"]], SIZE, "the child's array")

    def test_what_processes_share_is_counted_once(self):
        found, _, facts = self.watch(live.host_python(), "shared", "-s")
        by_pid = {process["pid"]: process for process in found.memory["processes"]}
        child, parent = by_pid[facts["child"]], by_pid[facts["pid"]]
        both = child["rss_end"] + parent["rss_end"]
        # Two processes with the same 48 MiB: one of them is too many.
        self.assertGreater(both, 4 * SIZE)
        self.assertLess(child["pss_end"] + parent["pss_end"], both - 2 * SIZE + MIB)
        self.assertEqual(found.memory["pss_end"], child["pss_end"] + parent["pss_end"])

    def hoard(self, *args):
        """A process that takes all there is, watched until the OOM killer has ended it."""
        python = live.host_python()
        group = MemoryGroup(self, ROOM)
        target = self.start(python, HOARD)
        group.take(target.pid)
        process = self.start_pybpfprof("--mode", "memory", "-f", "json", "--max-overhead", "none",
                                       "-p", target.pid, *args)
        os.kill(target.pid, signal.SIGUSR1)
        self.assertEqual(target.process.wait(timeout=live.RUN_TIMEOUT_S), -signal.SIGKILL)
        run = self.collect(process)
        self.assertEqual(run.returncode, 0, run.stderr)
        return self.memory_of(run)

    def check_hoard(self, found):
        [process] = found.memory["processes"]
        self.assertTrue(process["oom_killed"], process)
        self.assertIn("SIGKILL", process["ended"])
        self.assertIn("out of memory", process["ended"])
        much = found.marked(HOARD, "much")["live_bytes"]
        little = found.marked(HOARD, "little")["live_bytes"]
        # One of the two came last, and may be told or not: it never came back.
        self.assert_near(much, 3 * little, "the larger line", slack=3 * MIB + 4096)
        self.assertGreater(much + little, ROOM // 2)
        self.assertLess(much + little, ROOM + 4 * MIB)
        return process

    def test_the_report_survives_an_oom_kill(self):
        self.check_hoard(self.hoard())

    def test_an_oom_kill_by_the_page(self):
        found = self.hoard("--rss")
        process = self.check_hoard(found)
        much, little = (self.sums(found, HOARD, mark)[0] for mark in ("much", "little"))
        self.assert_near(much, 3 * little, "the larger line", slack=4 * MIB)
        self.assertGreater(much + little, ROOM // 2)
        # Not all of it is growth: the kernel took back what it could of the interpreter's file.
        self.assertGreater(process["rss_peak"], much + little)
        self.assertLess(process["rss_peak"], process["rss_start"] + much + little + MIB)
        # Nobody could look once more: it had what it had.
        self.assert_near(found.memory["resident_bytes"], much + little, "what it had at its end",
                         slack=MIB)
