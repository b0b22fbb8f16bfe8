# SPDX-License-Identifier: GPL-2.0-only
"""Times of exact calls, against the clocks that the target itself looked at."""
import os
import subprocess

import calls
import live
from live import for_each, timing

FAMILIES = ("sleeping", "burning", "nested", "recursions", "spread", "resuming", "contention")


def few_pythons():
    return [p for p in live.one_python_per_version() if p.minor in (9, 11, 13, 15)]


def quantile_range(values, fraction, beside):
    """The smallest value that so large a part is not above, and those so many ranks beside it."""
    ordered = sorted(values)
    rank = -int(-fraction * len(ordered) // 1) - 1
    return ordered[max(rank - beside, 0)], ordered[min(rank + beside, len(ordered) - 1)]


def stolen_ns():
    """What other guests of the machine took from all of its CPUs. Python's clock of a thread leaves
    that out, the scheduler's switches do not tell it."""
    with open("/proc/stat") as stat:
        return int(stat.readline().split()[8]) * 1000000000 // os.sysconf("SC_CLK_TCK")


class TimeTest(calls.CallsTest):
    def assert_near(self, got, expected, share=0.01, ns=60000, what="", between=0):
        """`between`: what passed between two of the target's own measurements. Most of it is in its
        calls: a thread is often sent away where it comes back from a probe."""
        told = "%s: %.3f ms, not %.3f ms" % (what, got / 1e6, expected / 1e6)
        self.assertGreaterEqual(got, expected - share * expected - ns, told)
        self.assertLessEqual(got, expected + share * expected + ns + between, told)

    def assert_cpu(self, got, expected, ns=500000, what="CPU"):
        self.assert_near(got, expected, 0.03, ns + self.stolen_ns, what)

    def timed(self, *command):
        stolen_before_ns = stolen_ns()
        profile = self.calls_of_command(*command)
        self.stolen_ns = stolen_ns() - stolen_before_ns
        profile.facts = live.json.loads(profile.run.stdout[len("done "):])
        self.assert_sums(profile)
        return profile

    def assert_sums(self, profile):
        """Self times are of time that passed: never more than the threads had."""
        functions = profile.report["functions"]
        threads = [thread for target in profile.report["targets"] for thread in target["threads"]]
        self.assertLessEqual(sum(f["self_ns"] for f in functions),
                             1.001 * sum(thread["wall_ns"] for thread in threads))
        self.assertLessEqual(sum(f["cpu_self_ns"] for f in functions),
                             1.03 * sum(thread["cpu_ns"] for thread in threads) + self.stolen_ns)
        for f in functions:
            with self.subTest(function=f["name"]):
                self.assertLessEqual(f["self_ns"], f["total_ns"] if not f["recursive_calls"]
                                     else f["self_ns"])
                self.assertLessEqual(f["cpu_self_ns"], f["self_ns"])
                self.assertLessEqual(f["cpu_total_ns"], f["total_ns"])
                self.assertLessEqual(f["min_ns"], f["p50_ns"] * 1.04)
                self.assertLessEqual(f["p50_ns"], f["p90_ns"])
                self.assertLessEqual(f["p90_ns"], f["p99_ns"])
                self.assertLessEqual(f["p99_ns"], f["p999_ns"])
                self.assertLessEqual(f["p999_ns"], f["max_ns"] * 1.04)

    def assert_times(self, row, times_ns, between, ns=30000):
        """Wall time of calls that the target measured from their first to their last line."""
        count = len(times_ns)
        self.assertEqual(row["calls"] - row["resumes"] if row["resumes"] else row["calls"],
                         1 if row["resumes"] else count)
        self.assert_near(row["total_ns"], sum(times_ns), ns=ns * count, what="total",
                         between=between)
        self.assert_near(row["max_ns"], max(times_ns), ns=ns, what="max", between=between)

    def between(self, profile, family, *measured):
        facts = profile.facts
        return facts["wall_ns"][family] - sum(sum(facts[name]) for name in measured)

    @timing
    @for_each(few_pythons)
    @live.measures
    def test_times(self, python):
        """One run for all: what is not of a family does not touch its functions."""
        profile = self.timed(*python.command(self.script(python, "calls_time.py"), *FAMILIES))
        for check in (self.check_sleep_is_wall_and_no_cpu,
                      self.check_cpu_on_a_cpu_of_its_own,
                      self.check_self_and_total,
                      self.check_recursion_is_not_counted_twice,
                      self.check_quantiles,
                      self.check_generator_costs_only_while_it_runs,
                      self.check_threads_that_share_the_gil):
            with self.subTest(check.__name__):
                check(profile)

    def check_sleep_is_wall_and_no_cpu(self, profile):
        row, times_ns = profile.row("sleeper"), profile.facts["sleeper_ns"]
        between = self.between(profile, "sleeping", "sleeper_ns")
        self.assert_times(row, times_ns, between)
        self.assert_near(row["self_ns"], sum(times_ns), ns=300000, what="self", between=between)
        self.assert_near(row["min_ns"], min(times_ns), ns=50000, what="min")
        self.assertLess(row["cpu_total_ns"], 0.02 * row["total_ns"] + self.stolen_ns)
        self.assertLess(profile.row("sleeping")["cpu_total_ns"],
                        0.03 * row["total_ns"] + self.stolen_ns)

    def check_cpu_on_a_cpu_of_its_own(self, profile):
        row, times = profile.row("burner"), profile.facts["burner_ns"]
        self.assert_cpu(row["cpu_self_ns"], sum(cpu for _, cpu in times))
        self.check_burner_wall(profile)

    def check_burner_wall(self, profile):
        wall_ns = sum(wall for wall, _ in profile.facts["burner_ns"])
        self.assert_near(profile.row("burner")["self_ns"], wall_ns, what="wall",
                         between=profile.facts["wall_ns"]["burning"] - wall_ns)

    def check_self_and_total(self, profile):
        outer, inner = profile.row("outer"), profile.row("inner")
        self_ns = sum(profile.facts["outer_own_ns"])
        between = self.between(profile, "nested", "outer_ns")
        between_inner = sum(profile.facts["outer_ns"]) - sum(profile.facts["inner_ns"]) - self_ns
        self.assert_times(outer, profile.facts["outer_ns"], between)
        self.assert_times(inner, profile.facts["inner_ns"], between_inner)
        self.assert_near(outer["self_ns"], self_ns, ns=400000, what="self of outer",
                         between=between + between_inner)
        self.assert_near(inner["self_ns"], inner["total_ns"], 0.001, what="self of inner")
        self.assert_cpu(outer["cpu_total_ns"], sum(profile.facts["outer_cpu_ns"]))

    def check_recursion_is_not_counted_twice(self, profile):
        for name, inside, clock in (("recursive", "", "recursive_ns"), ("ping", "pong", "ping_ns")):
            row, ns = profile.row(name), profile.facts[clock]
            self.assert_near(row["total_ns"], ns, 0.01, 200000, name)
            if inside:
                self.assertEqual((row["calls"], row["recursive_calls"]), (10, 9))
                other = profile.row(inside)
                self.assert_near(other["total_ns"], ns - ns / 20, 0.02, 2000000, inside)
                self.assert_near(row["self_ns"] + other["self_ns"], ns, 0.01, 200000, "both")
            else:
                self.assertEqual((row["calls"], row["recursive_calls"]), (20, 19))
                self.assert_near(row["self_ns"], ns, 0.01, 200000, "self of %s" % name)

    def check_quantiles(self, profile):
        row, times_ns = profile.row("various"), profile.facts["various_ns"]
        self.assert_times(row, times_ns, self.between(profile, "spread", "various_ns"))
        self.assert_near(row["min_ns"], min(times_ns), 0.05, 20000, "min")
        # Each call that was sent away in its probe is some ranks further up.
        late_ns = max(row["total_ns"] - sum(times_ns) - 1e6, 0)
        for column, fraction in (("p50_ns", 0.5), ("p90_ns", 0.9), ("p99_ns", 0.99),
                                 ("p999_ns", 0.999)):
            low, high = quantile_range(times_ns, fraction, 1 + int(late_ns // 1e6))
            self.assertGreater(row[column], 0.95 * low - 20000, column)
            self.assertLess(row[column], 1.05 * high + 20000 + late_ns, column)

    def check_generator_costs_only_while_it_runs(self, profile):
        row, times_ns = profile.row("suspended"), profile.facts["suspended_ns"]
        self.assertEqual((row["calls"], row["resumes"]), (6, 5))
        self.assert_near(row["total_ns"], sum(times_ns), ns=300000, what="suspended",
                         between=self.between(profile, "resuming", "suspended_ns", "resuming_ns"))
        self.assertGreater(profile.row("resuming")["self_ns"], 5 * 20e6)

    def check_threads_that_share_the_gil(self, profile):
        """What one burns, the other waits."""
        cpu_ns = profile.facts["contending_ns"]
        for number in (0, 1):
            row = profile.row("contending_%d" % number)
            self.assert_cpu(row["cpu_total_ns"], cpu_ns[number], 2000000, row["name"])
        self.assertGreater(profile.row("contending_0")["total_ns"], 1.5 * cpu_ns[0])

    @timing
    @live.measures
    @for_each(lambda: few_pythons()[1:3])
    def test_cpu_beside_a_competitor(self, python):
        """Both on one CPU: half of the wall time is not the target's."""
        cpu = max(os.sched_getaffinity(0))
        competitor = subprocess.Popen(["taskset", "-c", str(cpu), "sh", "-c",
                                       "while :; do :; done"])
        self.addCleanup(competitor.wait)
        self.addCleanup(competitor.kill)
        profile = self.timed("taskset", "-c", str(cpu), *python.command(
            self.script(python, "calls_time.py"), "burning"))
        self.assertEqual(profile.total("main", file="calls_time.py"), 1)
        row, times = profile.row("burner"), profile.facts["burner_ns"]
        self.assert_cpu(row["cpu_self_ns"], sum(cpu for _, cpu in times))
        self.check_burner_wall(profile)
        self.assertGreater(row["self_ns"], 1.5 * row["cpu_self_ns"])

    @timing
    @live.measures
    def test_own_cost_is_taken_out(self):
        """What is left of the probes' cost in a call-heavy program, and what --raw shows. Of CPU
        time, of which other processes take nothing."""
        python = live.host_python()
        script = ("import time\ndef fib(n): return n if n < 2 else fib(n-1) + fib(n-2)\n"
                  "fib(18)\nstart = time.thread_time_ns()\nfib(20)\nfib(20)\nfib(20)\n"
                  "print(time.thread_time_ns() - start)")
        command = python.command("-c", script)
        plain_ns = min(int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
                       for _ in range(3)) * (1 + 2.618 ** -2 / 3)  # fib(18) is not in it
        net = self.calls_of_command(*command)
        raw = self.calls_of_command(*command, options=["--raw"])
        net_ns, raw_ns = net.row("fib")["cpu_total_ns"], raw.row("fib")["cpu_total_ns"]
        told = "plain %.1f ms, net %.1f ms, raw %.1f ms" % (plain_ns / 1e6, net_ns / 1e6,
                                                            raw_ns / 1e6)
        self.assertGreater(raw_ns, 2 * plain_ns, told)
        self.assertLess(net_ns - plain_ns, (raw_ns - plain_ns) / 2, told)
        # Never more than a gap is taken out of it: what is left of so many is not nothing.
        self.assertGreater(net_ns, plain_ns / 10, told)
        self.assertFalse(net.report["cost"]["raw"])
        self.assertTrue(raw.report["cost"]["raw"])
        self.assertGreater(net.report["cost"]["compensated_ns"], 0)
        self.assertEqual(raw.report["cost"]["compensated_ns"], 0)
        self.assertAlmostEqual(net.report["cost"]["hits"], net.report["events"],
                               delta=0.01 * net.report["events"])
