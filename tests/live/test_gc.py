# SPDX-License-Identifier: GPL-2.0-only
"""Every collection, against what gc.get_stats() and gc.callbacks say of the same in the target itself."""
import collections
import json
import os
import signal
import time

import live
from live import for_each

KNOWN = "gc_known.py"


class GcTest(live.LiveTest):
    timeout_s = 240

    def await_file(self, path):
        deadline = time.monotonic() + live.RUN_TIMEOUT_S
        while not os.path.exists(path):
            self.assertLess(time.monotonic(), deadline, "the target does not get there")
            time.sleep(0.02)

    def facts_of(self, path):
        self.await_file(path)
        with open(path) as file:
            return json.load(file)

    def check(self, report, may_lose=False):
        """What must hold in every report. Returns its gc part."""
        self.assertEqual(report["mode"], ["gc"])
        if not may_lose:
            self.assertEqual(report["lost"]["total"], 0, report["lost"])
        gc = report["gc"]
        self.assertEqual(gc["collections_omitted"], 0)
        listed = gc["collections"]
        for generation in gc["generations"]:
            own = [c for c in listed if c["generation"] == generation["generation"]]
            self.assertEqual(generation["count"], len(own))
            self.assertEqual(generation["total_ns"], sum(c["duration_ns"] for c in own))
            self.assertEqual(generation["collected"], sum(c["collected"] for c in own))
            if own:
                self.assertEqual(generation["max_ns"], max(c["duration_ns"] for c in own))
                self.assertLessEqual(generation["p50_ns"], generation["p99_ns"])
        pauses = sorted((c["duration_ns"] for c in listed), reverse=True)
        self.assertEqual([c["duration_ns"] for c in gc["worst"]], pauses[:256])
        self.assertEqual(sum(span["collections"] for span in gc["timeline"]), len(listed))
        self.assertEqual(sum(span["pause_ns"] for span in gc["timeline"]), sum(pauses))
        self.assertEqual(sum(line["count"] for line in gc["lines"]), len(listed))
        self.assertEqual(sum(stack["weight"] for stack in report["stacks"]), sum(pauses))
        return gc

    def watch(self, python, case, *args, facts=True):
        """(the gc part, what the target says of it, the run)"""
        path = os.path.join(self.place(python), "told")
        target = self.start(python, KNOWN, case, path)
        process = self.start_pybpfprof("--mode", "gc", "-f", "json", "-p", target.pid, *args)
        os.kill(target.pid, signal.SIGUSR1)
        told = self.facts_of(python.root + path) if facts else None
        if facts:
            process.send_signal(signal.SIGINT)
        run = self.collect(process)
        self.assertEqual(run.returncode, 0, run.stderr)
        if facts:
            target.finish(self)
        return self.check(run.json), told, run

    def assert_counts(self, gc, grown, key="count"):
        self.assertEqual([[g["count"], g["collected"], g["uncollectable"]]
                          for g in gc["generations"]], grown)

    def at_mark(self, gc, mark):
        lines = live.marked_lines(KNOWN, mark)
        return [c for c in gc["collections"]
                if c["line"] in lines and c["file"] and c["file"].endswith(KNOWN)]


class GcCountsTest(GcTest):
    @for_each(live.pythons)
    def test_equal_the_collectors_own(self, python):
        gc, told, run = self.watch(python, "mixed")
        self.assert_counts(gc, told["grown"])
        [process] = gc["processes"]
        self.assertEqual(process["before"], told["before"])
        self.assertEqual(process["counted"], [row[0] for row in told["grown"]])
        self.assertEqual(process["seen"], process["counted"])
        self.assertTrue(process["counted_at_end"])
        self.assertTrue(process["disabled"])
        self.assertGreater(gc["generations"][0]["count"], 20)
        # Only those that asked are told to have asked; by allocating nobody asks.
        asked = collections.Counter(c["generation"] for c in self.at_mark(gc, "asks"))
        self.assertEqual(asked, {0: 3, 1: 2, 2: 1})
        self.assertTrue(all(c["asked"] for c in self.at_mark(gc, "asks")))
        [saved] = self.at_mark(gc, "saves")
        self.assertGreaterEqual(saved["collected"], 70)
        kept = [c["uncollectable"] for c in self.at_mark(gc, "keeps")]
        self.assertEqual(kept, [told["told"]] if told["told"] else [])
        self.assertEqual(self.at_mark(gc, "asked inside"), [], "a collection inside of another one")
        by_allocating = [c for c in gc["collections"] if not c["asked"]]
        self.assertGreater(len(by_allocating), 20)
        # Where it ran when its number of objects was looked at, which 3.12 does at the end of a round.
        names = collections.Counter(live.bare(c["name"] or "") for c in by_allocating)
        self.assertGreater(names["by_allocating"] + names["__init__"], 0.95 * len(by_allocating),
                           names)
        self.assertEqual(run.json["unresolved"], 0)

    @for_each(live.one_python_per_version)
    def test_a_command_from_its_first_collection(self, python):
        path = os.path.join(self.place(python), "told")
        run = self.run_pybpfprof("--mode", "gc", "-f", "json", "--", *python.command(
            "-B", self.script(python, KNOWN), "command", path))
        gc = self.check(run.json)
        told = self.facts_of(python.root + path)
        self.assert_counts(gc, told["grown"])
        [process] = gc["processes"]
        self.assertEqual(process["before"], [0, 0, 0])
        self.assertEqual(process["counted"], [row[0] for row in told["grown"]])

    @for_each(live.one_python_per_version)
    def test_of_threads(self, python):
        gc, told, _ = self.watch(python, "from_threads")
        self.assert_counts(gc, told["grown"])
        # The one that tried got nothing: there was one already.
        self.assertEqual(self.at_mark(gc, "tries"), [])
        self.assertEqual(len(self.at_mark(gc, "releases")), 1)

    @for_each(live.pythons)
    def test_often(self, python):
        gc, told, _ = self.watch(python, "often", "--max-overhead", "none")
        self.assert_counts(gc, told["grown"])
        self.assertEqual(len(self.at_mark(gc, "often")), 4000)

    @for_each(live.one_python_per_version)
    def test_nothing(self, python):
        gc, told, _ = self.watch(python, "nothing")
        self.assert_counts(gc, [[0, 0, 0]] * 3)
        [process] = gc["processes"]
        self.assertEqual((process["before"], process["disabled"]), (told["before"], True))


class GcPauseTest(GcTest):
    @for_each(live.one_python_per_version)
    @live.measures
    def test_are_what_callbacks_measure(self, python):
        gc, told, _ = self.watch(python, "timed")
        listed = [c for c in gc["collections"] if c["generation"] == 2]
        pauses = [c["duration_ns"] for c in listed[-6:]]
        self.assertEqual(len(told["told"]), 6)
        # Between the two looks at the clock another thread of the machine may run.
        near = [abs(ours - theirs) < 0.05 * theirs + 300000
                for ours, theirs in zip(pauses, told["told"])]
        self.assertGreaterEqual(sum(near), 4, (pauses, told["told"]))


class GcProcessesTest(GcTest):
    def process(self, gc, pid):
        [found] = [p for p in gc["processes"] if p["pid"] == pid]
        return found

    def children(self, gc, pid):
        return [c for c in gc["collections"] if c["pid"] == pid]

    @for_each(live.one_python_per_version)
    def test_a_childs_are_its_own(self, python):
        gc, told, run = self.watch(python, "forks", "-s")
        [parent, child] = [t["pid"] for t in run.json["targets"]]
        self.assertEqual(self.process(gc, parent)["counted"], [row[0] for row in told["grown"]])
        self.assertEqual(self.process(gc, child)["counted"], [0, 0, 3])
        self.assertEqual(self.process(gc, child)["before"][2], told["before"][2])
        self.assertEqual(len(self.children(gc, child)), 3)
        self.assertTrue(all(c["collected"] for c in self.children(gc, child)))

    @for_each(live.one_python_per_version)
    def test_a_fork_inside_a_collection(self, python):
        """The child's began before it was a process; it ends in both."""
        gc, told, run = self.watch(python, "forks_inside", "-s")
        [parent, child] = [t["pid"] for t in run.json["targets"]]
        self.assertEqual(self.process(gc, parent)["counted"], [row[0] for row in told["grown"]])
        self.assertEqual(self.process(gc, parent)["seen"], self.process(gc, parent)["counted"])
        self.assertEqual(self.process(gc, child)["counted"], [1, 0, 1])
        self.assertEqual(self.process(gc, child)["seen"], [1, 0, 0])
        self.assertEqual(run.json["partial"]["gc_too_early"], 1)

    @for_each(live.one_python_per_version)
    def test_a_process_that_ends_inside_a_collection(self, python):
        for case, exit_code in (("killed", None), ("left", 3)):
            with self.subTest(case):
                gc, _, run = self.watch(python, case, facts=False)
                [process] = gc["processes"]
                self.assertEqual((process["counted"], process["unfinished"]), ([0, 0, 0], 1))
                self.assertEqual(run.json["partial"]["gc_unfinished"], 1)
                if exit_code:
                    self.assertEqual(run.json["targets"][0]["exit_code"], exit_code)


class GcReportTest(GcTest):
    def report(self, *args, case="mixed"):
        python = live.host_python()
        path = os.path.join(self.place(python), "told")
        target = self.start(python, KNOWN, case, path)
        process = self.start_pybpfprof("--mode", "gc", "-p", target.pid, *args)
        os.kill(target.pid, signal.SIGUSR1)
        self.facts_of(path)
        process.send_signal(signal.SIGINT)
        run = self.collect(process)
        self.assertEqual(run.returncode, 0, run.stderr)
        target.finish(self)
        return run.stdout

    def test_the_table(self):
        text = self.report()
        for words in (r"(?m)^generation 0 +\d", r"(?m)^all +\d", "by_allocating +gc_known.py:",
                      "the longest pauses", r"every one\s+was seen", "0 lost"):
            self.assertRegex(text, words)

    def test_nothing_is_said_in_words(self):
        self.assertRegex(self.report(case="nothing"), "0 collections: the collector did not run")

    def test_a_function(self):
        text = self.report("-F", "*by_asking", "-f", "json")
        gc = json.loads(text)["gc"]
        self.assertEqual({c["name"] for c in gc["collections"]}, {"by_asking"})
        self.assertEqual(len(gc["collections"]), 6)

    def test_folded(self):
        lines = self.report("-f", "folded").splitlines()
        self.assertTrue(any("by_asking" in line for line in lines), lines)
