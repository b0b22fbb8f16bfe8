# SPDX-License-Identifier: GPL-2.0-only
"""What exact probes cost, by the clock of the program that pays: a limit and windows that keep it."""
import calls
import live
from live import for_each


class CostTest(calls.CallsTest):
    def run_on(self, target, *options, timeout_s=30):
        run = self.run_pybpfprof("--mode", "time", "-f", "json", "-p", target.pid, *options,
                                 timeout_s=timeout_s)
        run.report = run.stdout
        return self.parse(run)

    @live.timing
    @live.measures
    @for_each(live.one_python_per_version)
    def test_probes_are_gone_within_a_second(self, python):
        target = self.start(python, "calls_pace.py")
        profile = self.run_on(target, "-d", "20", timeout_s=15)
        facts = target.finish(self)
        cost = profile.report["cost"]
        self.assertTrue(cost["stopped_early"])
        self.assertGreater(cost["target_share"], 0.2)
        self.assertLess(profile.report["duration_ns"], 3e9)
        self.assertGreater(facts["slow_groups"], 20, "the probes were never there")
        self.assertLess(facts["slow_span_s"], 1)

    def test_what_was_seen_until_then_is_exact(self):
        target = self.start(live.host_python(), "calls_pace.py")
        profile = self.run_on(target, "-d", "20", timeout_s=15)
        target.finish(self)
        self.assertGreater(profile.total("leaf"), 10000)
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
        self.assertLess(profile.report["duration_ns"], 1.5e9)

    @live.timing
    @live.measures
    @for_each(live.one_python_per_version)
    def test_windows_keep_the_cost_under_the_limit(self, python):
        target = self.start(python, "calls_pace.py")
        profile = self.run_on(target, "--duty", "--max-overhead", "10", "-d", "5")
        facts = target.finish(self)
        report = profile.report
        self.assertFalse(report["cost"]["stopped_early"])
        self.assertGreater(report["duration_ns"], 4.9e9)
        self.assertLess(report["cost"]["target_share"], 0.13)
        # By its own clock; how fast it is without probes is known from a trial, and that roughly.
        self.assertLess(facts["cost_share"], 0.3)
        self.assertGreater(facts["slow_span_s"], 3, "the probes came once and never again")

    @live.timing
    @live.measures
    def test_windows_are_exact_inside(self):
        target = self.start(live.host_python(), "calls_pace.py")
        profile = self.run_on(target, "--duty", "-d", "5")
        target.finish(self)
        observed = profile.report["cost"]["observed_share"]
        self.assertGreater(observed, 0.03)
        self.assertLess(observed, 0.6)
        leaves, turns = profile.total("leaf"), profile.total("turn")
        self.assertGreater(leaves, 10000)
        windows = 5 / 0.2
        self.assertLessEqual(abs(leaves - 100 * turns), 200 * windows)
        # Time between the windows is nobody's.
        total_ns = max(f["total_ns"] for f in profile.report["functions"])
        self.assertLess(total_ns, 1.2 * observed * profile.report["duration_ns"])
        self.assertGreater(total_ns, 0.2 * observed * profile.report["duration_ns"])
        longest_ns = max(f["max_ns"] for f in profile.report["functions"])
        self.assertLess(longest_ns, 0.3e9, "no call spans a pause")

    def test_what_costs_little_is_left_alone(self):
        target = self.start(live.host_python(), "split.py")
        profile = self.run_on(target, "--duty", "-d", "1.5")
        target.finish(self)
        self.assertGreater(profile.report["cost"]["observed_share"], 0.98)
        self.assertFalse(profile.report["cost"]["stopped_early"])
