# SPDX-License-Identifier: GPL-2.0-only
"""Several modes in one run: each counts what it counts alone, in every report."""
import json
import os
import re
import signal

import live
from live import for_each
from memory import Memory

TARGET = "combined.py"
CALLS, BYTES, COLLECTIONS, OBJECTS = 300, 200000, 7, 500


def chosen():
    return [python for python in live.one_python_per_version() if python.minor in (11, 13, 15)]


class CombinedTest(live.LiveTest):
    timeout_s = 240

    def watch(self, python, modes, *args, formats=("-f", "json")):
        target = self.start(python, TARGET)
        process = self.start_pybpfprof("--mode", modes, *formats, "--max-overhead", "none",
                                       "-p", target.pid, *args)
        os.kill(target.pid, signal.SIGUSR1)
        run = self.collect(process)
        self.assertEqual(run.returncode, 0, run.stderr)
        target.expect_done(self)
        return run

    def check_calls(self, report):
        calls = {function["name"]: function["calls"] for function in report["functions"]
                 if function["file"].endswith(TARGET)}
        self.assertEqual((calls["take"], calls["make"], calls["run"]), (CALLS, 1, 1))
        [made] = [name for name in calls if name.endswith("__init__")]
        self.assertEqual(calls[made], OBJECTS)

    def check_memory(self, report):
        block = Memory(report).marked(TARGET, "block")
        self.assertEqual(block["allocations"], CALLS)
        # One byte more for the null behind it; from 3.15 on a bytes object holds the bytes.
        header = 33 if report["targets"][0]["python"].startswith("3.15") else 1
        self.assertEqual(block["allocated_bytes"], CALLS * (BYTES + header))
        stacks = report["memory"]["stacks"]
        for site in report["memory"]["sites"]:
            if site["allocations"]:
                self.assertLess(site["stack"], len(stacks))

    def check_gc(self, report):
        # It collects once before it is ready, and at its end.
        asked = [c for c in report["gc"]["collections"] if c["name"] == "run"]
        self.assertEqual(len(asked), COLLECTIONS)
        self.assertEqual(sum(c["collected"] for c in asked) // OBJECTS, 1 if asked else 0)

    def check_lives(self, report):
        [made] = [c for c in report["lifetime"]["classes"] if c["name"] == "Made"]
        self.assertEqual((made["created"], made["destroyed"]), (OBJECTS, OBJECTS))

    def check_samples(self, profile, modes):
        self.assertEqual(profile["mode"], modes)
        self.assertEqual(profile["lost"]["total"], 0, profile["lost"])

    @for_each(chosen)
    def test_time_memory_and_gc_count_what_each_counts_alone(self, python):
        report = self.watch(python, "time,memory,gc").json
        self.check_samples(report, ["time", "memory", "gc"])
        self.check_calls(report)
        self.check_memory(report)
        self.check_gc(report)
        self.assertNotIn("stacks", report)

    @for_each(chosen)
    def test_memory_and_lifetime_have_probes_of_their_own(self, python):
        report = self.watch(python, "memory,lifetime,gc").json
        self.check_samples(report, ["memory", "lifetime", "gc"])
        self.check_memory(report)
        self.check_lives(report)
        self.check_gc(report)

    @for_each(lambda: [live.host_python()])
    def test_samples_are_apart_from_calls_and_at_the_top_without(self, python):
        report = self.watch(python, "cpu,time").json
        self.check_calls(report)
        self.assertEqual(report["cpu"]["unit"], "ns")
        report = self.watch(python, "cpu,memory").json
        self.check_memory(report)
        self.assertEqual(report["unit"], "ns")
        self.assertEqual(sum(stack["weight"] for stack in report["stacks"]),
                         report["samples"] * report["period_ns"])

    @for_each(lambda: [live.host_python()])
    def test_table_has_a_section_for_each_and_one_footer(self, python):
        text = self.watch(python, "time,memory,gc", formats=()).stdout
        places = [re.search("^%s · " % mode, text, re.M).start() for mode in ("time", "memory", "gc")]
        self.assertEqual(places, sorted(places))
        self.assertEqual(len(re.findall("^cost: ", text, re.M)), 1)
        self.assertGreater(text.index("\ncost: "), places[-1])

    @for_each(lambda: [live.host_python()])
    def test_flame_graph_offers_the_views_of_each(self, python):
        page = self.watch(python, "cpu,memory,gc", formats=("-f", "flamegraph")).stdout
        data = json.loads(re.search('<script[^>]*id="profile"[^>]*>(.*?)</script>', page, re.S)[1])
        names = [view["name"] for view in data["views"]]
        self.assertEqual(names[0], "cpu")
        self.assertEqual(data["show"], "cpu")
        for name in ("memory peak", "memory live", "gc pause", "gc collections"):
            self.assertIn(name, names)
        units = {view["name"]: view["unit"] for view in data["views"]}
        self.assertEqual((units["cpu"], units["memory peak"], units["gc pause"]), ("ns", "bytes", "ns"))

    @for_each(lambda: [live.host_python()])
    def test_a_command_has_every_probe_before_it_runs(self, python):
        run = self.run_pybpfprof("--mode", "time,memory,gc", "-f", "json", "-o", "report", "--",
                                 *python.command("-B", self.script(python, TARGET), "now"))
        with open(os.path.join(self.workdir, "report")) as file:
            report = json.load(file)
        self.assertIn("done", run.stdout)
        self.check_calls(report)
        self.check_memory(report)
        self.check_gc(report)

    @for_each(lambda: [live.host_python()])
    def test_formats_with_room_for_one_mode_say_so(self, python):
        for name in ("folded", "pprof", "callgrind", "pstats", "dot"):
            run = self.run_pybpfprof("--mode", "time,gc", "-f", name, "-o", "x", "-p", os.getpid(),
                                     returncode=2)
            self.assert_one_line(run, "--mode time", "--mode gc")
