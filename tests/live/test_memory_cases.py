# SPDX-License-Identifier: GPL-2.0-only
"""--mode memory on programs of known behaviour: each of the allocator's functions, forks, threads, ends."""
import os
import signal
import subprocess
import time

import live
import memory
from live import for_each

CASES = "memory_cases.py"


class MemoryCasesTest(memory.MemoryTest):
    def command(self, python, case, *args, options=(), returncode=0):
        run = self.run_pybpfprof("--mode", "memory", "-f", "json", *options, "-o", "memory.json", "--",
                                 *python.command("-B", self.script(python, CASES), case, *args),
                                 returncode=returncode)
        output = run.stdout
        with open(os.path.join(self.workdir, "memory.json"), "rb") as file:
            run.stdout = file.read().decode()
        found = self.memory_of(run)
        found.output = output
        return found

    def blocks(self, found, mark, key="allocations"):
        return found.marked(CASES, mark)[key]

    @staticmethod
    def sites(found, mark):
        lines = live.marked_lines(CASES, mark)
        return [site for site in found.sites
                if site["line"] in lines and site["file"].endswith(CASES)]

    @for_each(live.one_python_per_version)
    def test_every_function_of_the_c_library(self, python):
        found = self.command(python, "native")
        for mark, size in (("malloc", 10001), ("calloc", 10030), ("aligned_alloc", 10048),
                           ("memalign", 10005), ("posix_memalign", 10006), ("reallocarray", 10070)):
            sums = found.marked(CASES, mark)
            self.assertEqual((sums["live_blocks"], sums["live_bytes"]), (1, size), mark)
        # A chain of reallocs is one block, at the line that asked last.
        self.assertEqual(self.blocks(found, "first", "live_blocks"), 0)
        self.assertEqual(self.blocks(found, "second", "live_blocks"), 0)
        self.assertEqual(self.blocks(found, "third", "live_bytes"), 900000)
        for mark in ("freed", "to nothing"):
            self.assertEqual((self.blocks(found, mark, "frees"), self.blocks(found, mark, "live_bytes")),
                             (self.blocks(found, mark), 0), mark)
        self.assertEqual(self.blocks(found, "refused", "live_blocks"), 0)
        [refused] = [site for site in self.sites(found, "refused") if site["failed"]]
        self.assertEqual(refused["failed"], 1)

    def test_a_fork_between_malloc_and_free(self):
        found = self.command(live.host_python(), "fork", returncode=10 % 7)
        inherited = found.marked(CASES, "inherited")
        self.assertEqual((inherited["allocations"], inherited["frees"]), (50, 0),
                         "what the child frees is its own copy")
        self.assertEqual(self.blocks(found, "in child", "live_blocks"), 40)
        self.assertEqual(self.blocks(found, "in parent", "live_blocks"), 10)
        self.assertGreaterEqual(found.memory["unknown_frees"], 25)
        by_pid = {p["pid"]: p for p in found.memory["processes"]}
        self.assertEqual(len(by_pid), 2)

    def test_very_many_blocks(self):
        found = self.command(live.host_python(), "many", options=("--max-overhead", "none"))
        for mark, made, alive in (("many", 200000, 100000), ("again", 50000, 50000),
                                  ("between", 20000, 0)):
            sums = found.marked(CASES, mark)
            self.assertEqual((sums["allocations"], sums["live_blocks"]), (made, alive), mark)

    def test_an_exec_of_another_python(self):
        found = self.command(live.host_python(), "execs")
        self.assertEqual(self.blocks(found, "in another", "live_blocks"), 30)

    def test_threads_that_free_each_others_blocks(self):
        found = self.command(live.host_python(), "threads")
        given = found.marked(CASES, "given")
        self.assertEqual((given["allocations"], given["frees"], given["live_blocks"]),
                         (400, 200, 200))
        self.assertEqual(len({site["tid"] for site in self.sites(found, "given")}), 1)

    def test_mappings_are_told_apart(self):
        found = self.command(live.host_python(), "mappings")
        mapped = {mark: sum(site["mapped_bytes"] for site in self.sites(found, mark))
                  for mark in ("whole", "parts", "huge")}
        self.assertEqual(mapped, {"whole": 1 << 24, "parts": 6 << 20, "huge": 1 << 40})
        self.assertLess(found.memory["live_bytes"], 1 << 24, "nobody allocated a terabyte")

    def test_temporaries(self):
        found = self.command(live.host_python(), "temporary")
        sites = {mark: self.sites(found, mark) for mark in ("short", "long")}
        self.assertEqual(sum(site["temporary_allocations"] for site in sites["short"]), 200)
        # The list that keeps them grows.
        self.assertLess(sum(site["temporary_allocations"] for site in sites["long"]), 20)
        found = self.command(live.host_python(), "temporary", options=["--temporary=10s"])
        self.assertGreaterEqual(sum(site["temporary_allocations"]
                                    for site in self.sites(found, "long")), 200)

    def test_signals_in_between(self):
        found = self.command(live.host_python(), "signals")
        handled = int(found.output)
        self.assertGreater(handled, 20)
        self.assertEqual(self.blocks(found, "handler", "live_bytes") // 7033, handled)
        self.assertEqual(self.blocks(found, "interrupted", "live_blocks"), 0)

    def test_a_target_that_is_killed(self):
        started = os.path.join(self.place(live.host_python()), "started")
        target = live.host_python().command("-B", self.script(live.host_python(), CASES), "grow",
                                            started)
        process = self.popen("--mode", "memory", "-f", "json", "--", *target)
        self.await_file(started)
        [pid] = [pid for pid in live.children(process.pid)]
        time.sleep(0.5)
        os.kill(pid, signal.SIGKILL)
        run = self.collect(process)
        self.assertEqual(run.returncode, 128 + signal.SIGKILL)
        found = self.memory_of(run)
        growing = found.marked(CASES, "growing")
        self.assertGreater(growing["live_blocks"], 100)
        self.assertEqual(growing["frees"], growing["allocations"] - growing["live_blocks"])

    @live.alone
    def test_nothing_is_lost_at_full_speed(self):
        for python in (live.host_python(), live.one_python_per_version()[-1]):
            found = self.command(python, "fast", 5)
            pairs = int(found.output)
            self.assertGreater(pairs, 10000)
            fast = found.marked(CASES, "fast")
            self.assertEqual((fast["allocations"], fast["frees"]), (pairs, pairs))

    def test_a_leak_is_told_from_a_cache(self):
        started = os.path.join(self.place(live.host_python()), "started")
        found = self.command(live.host_python(), "leak", started, 6, options=["--leaks"])
        sites = {mark: self.sites(found, mark) for mark in ("leaked", "cached", "churned")}
        [leaked] = [site for site in sites["leaked"] if site["live_blocks"] > 100]
        self.assertGreater(leaked["growth_confidence"], 0.95)
        self.assertGreater(leaked["growth_bytes_per_hour"], 0)
        self.assertGreater(leaked["survivors"], 0.9 * leaked["first_half_blocks"])
        for site in sites["cached"] + sites["churned"]:
            self.assertLess(site["growth_confidence"], 0.95)

    def test_samples_estimate(self):
        found = self.command(live.host_python(), "fast", 2, options=["--sample", "100k"])
        fast = found.marked(CASES, "fast")
        expected = int(found.output) * 3033
        samples = int(found.output) * 3033 / 100e3
        self.assertGreater(samples, 100)
        # Five standard deviations.
        self.assertLess(abs(fast["allocated_bytes"] / expected - 1), 5 / samples ** 0.5)

    def test_small_blocks_are_left_out(self):
        found = self.command(live.host_python(), "temporary", options=["--min-size", "5000"])
        self.assertEqual(self.blocks(found, "short"), 0)
        self.assertGreaterEqual(self.blocks(found, "long"), 200)

    def watch_paced(self, library):
        """A busy program that calls calloc() at a moderate pace, and a limit in between of two costs."""
        python = live.host_python()
        target = subprocess.Popen(python.command("-B", self.script(python, CASES), "paced", "60"),
                                  env=dict(os.environ, LD_PRELOAD=library))
        self.addCleanup(target.wait)
        self.addCleanup(target.kill)
        time.sleep(0.5)
        return self.run_pybpfprof("--mode", "memory", "-f", "json", "--max-overhead", "16", "-d", "2",
                                  "-p", target.pid).json["cost"]

    def test_a_stepped_probe_counts_as_what_it_costs(self):
        """mimalloc's calloc() begins with an instruction that the kernel single-steps, glibc's does not."""
        cost = self.watch_paced("libmimalloc.so.2")
        self.assertGreater(cost["stepped_hits"], 1000)
        self.assertGreater(cost["stepped_hit_ns"], 2000)
        self.assertGreater(cost["stepped_hits"], 0.3 * cost["hits"])
        self.assertTrue(cost["stopped_early"], cost)
        cost = self.watch_paced("")
        self.assertLess(cost.get("stepped_hits", 0), 0.01 * cost["hits"])
        self.assertFalse(cost["stopped_early"], cost)

    def test_the_limit_takes_the_probes_away(self):
        python = live.host_python()
        target = subprocess.Popen(python.command("-B", self.script(python, CASES), "fast", "60"),
                                  stdout=subprocess.DEVNULL)
        self.addCleanup(target.wait)
        self.addCleanup(target.kill)
        time.sleep(0.5)
        run = self.run_pybpfprof("--mode", "memory", "-f", "json", "-p", target.pid)
        found = self.memory_of(run)
        self.assertTrue(found.report["cost"]["stopped_early"])
        fast = found.marked(CASES, "fast")
        self.assertGreater(fast["allocations"], 100)
        self.assertLessEqual(fast["live_blocks"], 1)
