# SPDX-License-Identifier: GPL-2.0-only
"""What exact probes cost, by the clock of the program that pays; a limit, windows that keep it."""
import calls
import live
from live import for_each

PAUSE_S = 0.15  # between two windows, at least
WINDOW_S = 0.05  # but for the first, which is half of it, at least


def each_way():
    """CPython's own probes, the evaluation function, the dispatch table; old and new."""
    return [p for p in live.one_python_per_version() if p.minor in (9, 10, 11, 15)]


class CostTest(calls.CallsTest):
    def run_on(self, target, *options):
        run = self.run_pybpfprof("--mode", "time", "-f", "json", "-p", target.pid, *options)
        run.report = run.stdout
        return self.parse(run)

    @live.timing
    @live.measures
    @for_each(each_way)
    def test_probes_are_gone_within_a_second(self, python):
        target = self.start(python, "calls_pace.py")
        profile = self.run_on(target, "-d", "20")
        facts = target.finish(self)
        cost = profile.report["cost"]
        self.assertTrue(cost["stopped_early"])
        self.assertGreater(cost["target_share"], 0.2)
        self.assertLess(profile.report["duration_ns"], 15e9)
        self.assertGreater(facts["slow_groups"], 0, "the probes were never there")
        self.assertLess(facts["slow_span_s"], 1)

    def test_what_was_seen_until_then_is_exact(self):
        target = self.start(live.host_python(), "calls_pace.py")
        profile = self.run_on(target, "-d", "20")
        target.finish(self)
        self.assertGreater(profile.total("leaf"), 1000)
        self.assertLessEqual(abs(profile.total("leaf") - 100 * profile.total("turn")), 200)
        self.assertRegex(profile.run.stderr, "--max-overhead is 20 %")

    def test_a_command_has_no_limit_unless_it_is_given(self):
        python = live.host_python()
        command = self.runner(python, "plain", "calls_plain")
        free = self.calls_of_command(*command)
        self.assertFalse(free.report["cost"]["stopped_early"])
        self.assertGreater(free.report["cost"]["target_share"], 0.2)

    @live.timing
    @live.measures
    def test_a_command_goes_on_without_probes(self):
        python = live.host_python()
        command = python.command("-B", self.script(python, "calls_live.py"), "fib", "2")
        profile = self.calls_of_command(*command, options=["--max-overhead", "20"])
        self.assertTrue(profile.report["cost"]["stopped_early"])
        self.assertIn("done", profile.run.stdout)
        self.assertLess(profile.report["duration_ns"], 2e9)

    @live.timing
    @live.measures
    @for_each(each_way)
    def test_windows_keep_the_cost_under_the_limit(self, python):
        target = self.start(python, "calls_pace.py")
        profile = self.run_on(target, "--duty", "--max-overhead", "10", "-d", "3")
        facts = target.finish(self)
        report = profile.report
        self.assertFalse(report["cost"]["stopped_early"])
        self.assertGreaterEqual(report["duration_ns"], 3e9)
        # A window is paid for before it comes, at the price of the last one: it may cost more. The
        # first one is not paid for at all.
        self.assertLess(report["cost"]["target_share"], 0.15)
        # By its own clock, without what a hit is thought to cost.
        self.assertLess(facts["cost_share"], 0.25)
        self.assertGreater(facts["slow_span_s"], 1, "the probes came once and never again")

    @live.timing
    @live.measures
    def test_windows_are_exact_inside(self):
        """Unsubtracted, what was running all the time has all of the time in the windows."""
        duration_s = 3
        target = self.start(live.host_python(), "calls_pace.py")
        profile = self.run_on(target, "--duty", "--raw", "-d", duration_s)
        target.finish(self)
        observed = profile.report["cost"]["observed_share"]
        self.assertLess(observed, 0.95, "there was no pause")
        leaves, turns = profile.total("leaf"), profile.total("turn")
        self.assertGreater(leaves, 1000)
        # The turn that a window begins in and the one that it ends in are seen in part.
        windows = duration_s / (PAUSE_S + WINDOW_S) + 1
        self.assertLessEqual(abs(leaves - 100 * turns), 200 * windows)
        # Time between the windows is nobody's. Of a window that begins while the target is off its
        # CPU, the time until it is back is not known to be its functions': a slice of some ms.
        total_ns = profile.row("main")["total_ns"]
        windows_ns = observed * profile.report["duration_ns"]
        self.assertLess(total_ns, 1.02 * windows_ns)
        self.assertGreater(total_ns, 0.6 * windows_ns)
        longest_ns = max(f["max_ns"] for f in profile.report["functions"])
        self.assertLess(longest_ns, PAUSE_S * 1e9, "no call spans a pause")

    def test_what_costs_little_is_left_alone(self):
        target = self.start(live.host_python(), "split.py")
        profile = self.run_on(target, "--duty", "-d", "1.5")
        target.finish(self)
        self.assertGreater(profile.report["cost"]["observed_share"], 0.98)
        self.assertFalse(profile.report["cost"]["stopped_early"])
