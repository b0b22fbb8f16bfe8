# SPDX-License-Identifier: GPL-2.0-only
"""Options of the exact modes: ways in, selectors, roll-ups, refusals."""
import signal

import calls
import live
from live import for_each


def two_ways():
    """Debian's builds of 3.8 to 3.10 have CPython's own probes and can do without."""
    return [p for p in live.pythons() if p.minor <= 10 and p.root]


def some_pythons():
    return [p for p in live.one_python_per_version() if p.minor in (8, 11, 15)]


class OptionsTest(calls.CallsTest):
    # ---- where calls are seen ----

    @for_each(two_ways)
    def test_each_way_is_exact(self, python):
        truth = self.truth(python, *calls.OWN_WORKLOADS)
        for way in ("usdt", "eval"):
            with self.subTest(way=way):
                profile = self.calls_of_command(*self.runner(python, "plain", *calls.OWN_WORKLOADS),
                                                mode="callgraph", options=["--probes", way])
                self.assertEqual({t["probes"] for t in profile.report["targets"]}, {way})
                self.assert_truth(profile, truth)
                self.assert_edges(profile, truth)

    @for_each(some_pythons)
    def test_a_way_that_is_not_there(self, python):
        target = self.start(python, "split.py")
        target.process.send_signal(signal.SIGSTOP)
        for way in {"usdt", "eval", "dispatch"} - set(calls.ways_of(python)):
            with self.subTest(way=way):
                run = self.run_pybpfprof("--mode", "time", "--probes", way, "-p", target.pid, "-d",
                                         "1", returncode=3)
                self.assert_one_line(run, python.version)
                self.assertEqual(run.stdout, "")
        target.process.send_signal(signal.SIGCONT)
        target.finish(self)

    def test_command_line(self):
        table = [
            ["--mode", "time", "--probes", "nonsense", "-p", "1"],
            ["--mode", "time,nonsense", "-p", "1"],
            ["--mode", "time", "-r", "99", "-p", "1"],
            ["--mode", "time", "--max-overhead", "much", "-p", "1"],
            ["--mode", "time", "--sort", "colour", "-p", "1"],
            ["--mode", "time", "--by", "colour", "-p", "1"],
            ["--mode", "cpu", "--by", "tree", "-p", "1"],
        ]
        for args in table:
            with self.subTest(args=args):
                run = self.run_pybpfprof(*args, returncode=2)
                self.assert_one_line(run)
                self.assertEqual(run.stdout, "")

    # ---- what is shown ----

    def plain(self, *options, **kwargs):
        python = live.host_python()
        return self.calls_of_command(*self.runner(python, "plain", "calls_plain"), options=options,
                                     **kwargs)

    def test_function_selector(self):
        profile = self.plain("-F", "*fib")
        self.assertEqual({f["name"] for f in profile.report["functions"]}, {"fib"})
        self.assertEqual(profile.total("fib"), 3 * 67)
        self.assertGreater(profile.report["cost"]["hits"], 10 * 2 * 3 * 67)

    def test_selector_says_that_the_probes_fire(self):
        python = live.host_python()
        run = self.run_pybpfprof("--mode", "time", "-F", "*fib", "-o", "out", "--no-color", "--",
                                 *self.runner(python, "plain", "calls_plain"), env=self.env)
        with open(self.workdir + "/out") as report:
            self.assertRegex(run.stderr + report.read(), "every call")

    def test_classes(self):
        profile = self.plain()
        classes = {c["name"]: c for c in profile.report["classes"]}
        expected = sum(f["calls"] for f in profile.report["functions"]
                       if f["name"].startswith("Operators.") and "calls_plain" in f["file"])
        self.assertGreater(expected, 1000)
        self.assertEqual(classes["Operators"]["calls"], expected)
        self.assertEqual(classes["Operators"]["module"], "calls_plain")
        self.assertEqual({f["class"] for f in profile.report["functions"]
                          if f["name"] == "Overridden.__getattribute__"}, {"Overridden"})

    def table(self, *options, mode="time"):
        python = live.host_python()
        self.run_pybpfprof("--mode", mode, "--no-color", *options, "-o", "table", "--",
                           *self.runner(python, "plain", "calls_plain"), env=self.env)
        with open(self.workdir + "/table") as report:
            text = report.read()
        self.assertRegex("\n".join(text.splitlines()[-3:]), r"\b0 lost")
        return text

    def test_roll_ups(self):
        table = [
            (["--by", "function", "--sort", "calls"], r"(?m)^.*\b720\b.*fib|fib"),
            (["--by", "class", "-l", "0"], "Operators"),
            (["--by", "module", "-l", "0"], "calls_plain"),
            (["--by", "thread"], "python3"),
            (["--by", "process"], "python3"),
            (["--by", "tree", "-l", "0"], r"(?m)^ *.*main\b"),
            (["-t"], "THREAD"),
        ]
        for options, pattern in table:
            with self.subTest(options=options):
                self.assertRegex(self.table(*options), pattern)

    def test_sorted_by_calls(self):
        text = self.table("--sort", "calls", "-l", "1")
        profile = self.plain()
        most = max(profile.rows, key=lambda f: f["calls"])
        self.assertIn(live.bare(most["name"]), text)
        self.assertIn(str(most["calls"]), text.replace(",", ""))

    # ---- ways to end ----

    def test_interrupted_command(self):
        python = live.host_python()
        process = self.popen("--mode", "time", "-f", "json", "-o", "out", "--",
                             *python.command("-c", "import time\ndef f(): pass\nf()\n"
                                             "print('ready', flush=True)\ntime.sleep(60)"))
        self.assertEqual(process.stdout.readline(), b"ready\n")
        live.os.killpg(process.pid, signal.SIGINT)
        run = self.collect(process)
        with open(self.workdir + "/out") as report:
            run.report = report.read()
        self.assertEqual(self.parse(run).total("f", file="<string>"), 1)
