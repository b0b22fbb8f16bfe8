# SPDX-License-Identifier: GPL-2.0-only
"""Formats for other programs, read by those programs: callgrind_annotate, pstats, Graphviz.

Most of the reports are written by the unit tests of `render`, so what they say is known by hand
(see tests/unit/render/sample_calls.h); the last test compares a live run with cProfile's.
"""
import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import live

RENDER_TESTS = os.path.join(live.ROOT, "build", "unit", "render")

# Function: calls, primitive calls, self and total in ms, as sample_calls.h adds them up.
CALLS = {
    "<module>": (1, 1, 10, 118),
    "Worker.run": (0, 0, 100, 102),
    "fib": (8, 2, 92, 92),
    "even": (4, 2, 12, 18),
    "odd": (2, 2, 6, 13),
}
HOSTILE = ["</script><script>document.title='pwned'</script>", "<<b>bold</b>>",
           "\\x1b[31m;a;b\\x0a\\xff\\xfe \\xe2\\x80\\xae 12", "(3) x", "(7)", "events: Ir",
           "calls=3 4\\x0a1 2 3", "fn=(1)", "\\", '"];\\x0a}\\x0adigraph x {',
           "&lt;&amp;\\N\\G\\l", "caf\u00e9 \u6f22\u5b57", "<lambda>", "main"]

# What pstats makes of a file, in words of JSON.
READ_PSTATS = r"""
import io, json, pstats, sys
text = io.StringIO()
stats = pstats.Stats(sys.argv[1], stream=text)
stats.sort_stats("tottime").print_stats().print_callers().print_callees()
stats.strip_dirs().sort_stats("name").print_stats()
pstats.Stats(sys.argv[1], stream=text).add(sys.argv[1])
rows = [[list(key), list(row[:4]), [[list(caller), list(v)] for caller, v in row[4].items()]]
        for key, row in pstats.Stats(sys.argv[1]).stats.items()]
print(json.dumps({"rows": rows, "text": text.getvalue()}))
"""


@functools.lru_cache(maxsize=None)
def reports():
    """A directory with the reports; it lives as long as this process."""
    live.build("build/unit/render")
    directory = tempfile.TemporaryDirectory(prefix="pybpfprof-reports-")
    subprocess.run([RENDER_TESTS, "--filter", "exchange/reports*"], check=True, timeout=120,
                   cwd=live.ROOT, env=dict(os.environ, PYBPFPROF_TEST_REPORTS=directory.name),
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return directory


def report(name):
    return os.path.join(reports().name, name)


def few_pythons():
    """The formats are the same; what is called differs by version."""
    return [p for p in live.one_python_per_version() if p.minor in (9, 11, 13, 15)]


def needs(program):
    return unittest.skipUnless(shutil.which(program), "%s is not installed" % program)


def by_way_of_c(rows, place):
    """Whether any of the functions at (file, line) was called by something without a file."""
    return any(caller[0] == "~" for key, (_, callers) in rows.items() if key[:2] == place
               for caller in callers)


class ExchangeTest(live.LiveTest):
    timeout_s = 180
    together = True

    def tool(self, *command, **kwargs):
        """Runs a program that must have nothing to complain about; what it prints."""
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                             cwd=self.workdir, **kwargs)
        self.assertEqual((run.returncode, run.stderr.decode()), (0, ""), command)
        return run.stdout.decode()

    # ---- callgrind ----

    def annotate(self, path, *options):
        """{function: (first event, second)}; PROGRAM TOTALS is one of them."""
        text = self.tool("callgrind_annotate", "--threshold=100", "--auto=no", *options, path)
        rows = re.findall(r"^ *([\d,]+) \([ \d.]+%\) +([\d,]+) \([ \d.]+%\) +"
                          r"(?:(?:[^:\n]|:(?=\w*_events:))*:)?(.*?)(?: \[.*\])?$", text, re.M)
        return {name: tuple(int(n.replace(",", "")) for n in (one, other))
                for one, other, name in rows}, text

    @needs("callgrind_annotate")
    def test_callgrind_self_times(self):
        rows, _ = self.annotate(report("calls.callgrind"))
        self.assertEqual(rows["PROGRAM TOTALS"], (220000000, 120000000))
        for name, (_, _, self_ms, _) in CALLS.items():
            self.assertEqual(rows[name][0], self_ms * 1000000, name)
        self.assertEqual(rows["Worker.run"][1], 1000000)

    @needs("callgrind_annotate")
    def test_callgrind_total_times(self):
        """Of recursive functions, too: they are what the calls to a function add up to."""
        rows, _ = self.annotate(report("calls.callgrind"), "--inclusive=yes")
        for name, (_, _, _, total_ms) in CALLS.items():
            self.assertEqual(rows[name][0], total_ms * 1000000, name)

    @needs("callgrind_annotate")
    def test_callgrind_calls(self):
        _, text = self.annotate(report("calls.callgrind"), "--inclusive=yes", "--tree=calling")
        called = re.findall(r"> +(?:/srv/app/\w+\.py):(.*?) \((\d+)x\)", text)
        self.assertEqual(sorted(called), sorted([
            ("<module>", "1"), ("Worker.run", "1"), ("fib", "1"), ("even", "2"), ("fib", "6"),
            ("odd", "2"), ("even", "2"), ("fib", "1")]))

    @needs("callgrind_annotate")
    def test_callgrind_of_samples(self):
        rows, _ = self.annotate(report("samples.callgrind"))
        self.assertEqual(rows["PROGRAM TOTALS"], (1000000000, 100))
        self.assertEqual(rows["fib"], (700000000, 70))
        rows, text = self.annotate(report("samples.callgrind"), "--inclusive=yes")
        self.assertEqual(rows["fib"], (700000000, 70))
        self.assertEqual(rows["Worker.run"], (990000000, 99))
        self.assertIn("counts of calls are counts of samples", text)

    @needs("callgrind_annotate")
    def test_callgrind_of_hostile_names(self):
        text = self.annotate(report("hostile_calls.callgrind"))[1]
        self.assertIn("21,000,000 (100.0%) 21,000,000 (100.0%)  PROGRAM TOTALS", text)
        # 21 functions, each of them by itself.
        self.assertEqual(len(re.findall(r"1,000,000 \( 4\.76%\) +1,000,000 \( 4\.76%\)", text)), 21)
        text = self.annotate(report("hostile_samples.callgrind"))[1]
        self.assertIn("400,000,000 (100.0%) 40 (100.0%)  PROGRAM TOTALS", text)

    # ---- pstats ----

    def pstats(self, python, path):
        """{(file, line, name): ((primitive, calls, self, total), {caller: (...)})}, and the text"""
        inside = os.path.join(self.place(python), "report.pstats")
        shutil.copy(path, python.root + inside)
        told = json.loads(self.tool(*python.command("-B", "-c", READ_PSTATS, inside)))
        return {tuple(key): (tuple(row), {tuple(caller): tuple(values)
                                          for caller, values in callers})
                for key, row, callers in told["rows"]}, told["text"]

    @live.for_each(live.one_python_per_version)
    def test_pstats(self, python):
        rows, text = self.pstats(python, report("calls.pstats"))
        self.assertEqual({key[2]: (row[1], row[0], round(row[2] * 1000), round(row[3] * 1000))
                          for key, (row, _) in rows.items()}, CALLS)
        self.assertIn("15 function calls (7 primitive calls) in 0.220 seconds", text)
        self.assertRegex(text, r"8/2    0\.092    0\.011    0\.092    0\.046 "
                               r"/srv/app/jobs.py:20\(fib\)")
        rows, text = self.pstats(python, report("samples.pstats"))
        self.assertIn("0 function calls in 1.000 seconds", text)
        # No calls, so no time per call.
        self.assertRegex(text, r"\n +0    0\.700 {13}0\.700 {10}/srv/app/jobs.py:20\(fib\)")

    @live.for_each(live.one_python_per_version)
    def test_pstats_of_hostile_names(self, python):
        rows, text = self.pstats(python, report("hostile_calls.pstats"))
        self.assertEqual(sum(row[1] for row, _ in rows.values()), 21)
        self.assertEqual(set(HOSTILE) - {key[2] for key in rows}, set())
        self.assertTrue(text.replace("\n", "").isprintable())
        self.pstats(python, report("hostile_samples.pstats"))

    def test_pstats_browser(self):
        python = live.host_python()
        text = self.tool(python.path, "-m", "pstats", report("calls.pstats"),
                         input=b"sort tottime\nstats 2\ncallers fib\nquit\n")
        self.assertRegex(text, r"(?s)Worker\.run.*fib.*List reduced from 5 to 2|List reduced"
                               r" from 5 to 2.*Worker\.run.*fib")
        self.assertIn("6/2    0.070    0.070  /srv/app/jobs.py:20(fib)", text)

    # ---- dot ----

    def drawn(self, path):
        """Texts of the picture's nodes, and how many edges there are."""
        svg = xml.etree.ElementTree.fromstring(self.tool("dot", "-Tsvg", path))
        groups = [group for group in svg.iter() if group.tag.endswith("}g")]
        nodes = [[text.text for text in group.iter() if text.tag.endswith("}text")]
                 for group in groups if group.get("class") == "node"]
        return nodes, sum(group.get("class") == "edge" for group in groups)

    @needs("dot")
    def test_dot(self):
        nodes, edge_count = self.drawn(report("calls.dot"))
        self.assertEqual({texts[0]: texts[1:] for texts in nodes}["fib"],
                         ["app/jobs.py:20", "41.8 % (92.0 ms)", "self 41.8 % (92.0 ms)",
                          "8/2 calls"])
        self.assertEqual({texts[0] for texts in nodes}, set(CALLS))
        self.assertEqual(edge_count, 6)
        nodes, _ = self.drawn(report("samples.dot"))
        self.assertEqual(len(nodes), 6)

    @needs("dot")
    def test_dot_of_hostile_names(self):
        nodes, edge_count = self.drawn(report("hostile_calls.dot"))
        self.assertEqual((len(nodes), edge_count), (21, 0))
        self.assertEqual(set(HOSTILE) - {texts[0].replace("\u00a0", " ") for texts in nodes}, set())
        nodes, _ = self.drawn(report("hostile_samples.dot"))
        self.assertEqual(len(nodes), 4)

    # ---- a live run ----

    def cprofile(self, python, script):
        """As pstats() gives it, from cProfile in a run of its own."""
        path = os.path.join(self.place(python), "truth.pstats")
        self.tool(*python.command("-B", "-m", "cProfile", "-o", path, script))
        return self.pstats(python, python.root + path)[0]

    @staticmethod
    def of_file(rows, name, truth=None):
        """{line: (calls, primitive calls, {line of a caller: (calls, primitive calls)})}, without
        callers where the truth has called them by way of C, which only cProfile sees."""
        return {key[1]: (row[1], row[0], {caller[1]: values[:2]
                                          for caller, values in callers.items()
                                          if not by_way_of_c(truth or rows, key[:2])})
                for key, (row, callers) in rows.items() if key[0].endswith(name)}

    @live.for_each(few_pythons)
    def test_calls_as_cprofile_counts_them(self, python):
        script = self.script(python, "exchange_calls.py")
        truth = self.cprofile(python, script)
        paths = {name: os.path.join(self.workdir, name)
                 for name in ("json", "callgrind", "pstats", "dot")}
        wanted = [word for name, path in paths.items() for word in ("-f", name, "-o", path)]
        run = self.run_pybpfprof("--mode", "callgraph", *wanted, "--",
                                 *python.command("-B", script), returncode=None)
        # Whether its calls can be followed is another test's question.
        if run.returncode == 3:
            self.skipTest(run.stderr.strip())
        self.assertEqual(run.returncode, 0, run.stderr)
        with open(paths["json"]) as file:
            told = json.load(file)
        self.assertEqual(told["lost"]["total"], 0)
        rows = self.pstats(python, paths["pstats"])[0]
        self.assertEqual(self.of_file(rows, "exchange_calls.py", truth),
                         self.of_file(truth, "exchange_calls.py"))
        # The formats agree on the times.
        for function in told["functions"]:
            if function["file"].endswith("exchange_calls.py"):
                row = rows[function["file"], function["line"], function["name"]][0]
                self.assertAlmostEqual(row[2] * 1e9, function["self_ns"], delta=1)
                self.assertAlmostEqual(row[3] * 1e9, function["total_ns"], delta=1)
        if shutil.which("callgrind_annotate"):
            annotated = self.annotate(paths["callgrind"])[0]
            self.assertEqual(annotated["PROGRAM TOTALS"],
                             (sum(f["self_ns"] for f in told["functions"]),
                              sum(f["cpu_self_ns"] for f in told["functions"])))
            total = self.annotate(paths["callgrind"], "--inclusive=yes")[0]
            for name in ("fib", "even", "odd", "work"):
                function = next(f for f in told["functions"] if f["name"] == name)
                self.assertEqual(total[name],
                                 (function["total_ns"], function["cpu_total_ns"]), name)
        if shutil.which("dot"):
            self.assertTrue(self.drawn(paths["dot"])[0])
