# SPDX-License-Identifier: GPL-2.0-only
"""The flame graph in a real Chromium: clicks, keys, searches, hostile names."""
import contextlib
import time
import unittest

import chromium
import live


class FlamegraphInChromium(chromium.PageTest):
    def test_says_what_was_profiled_and_what_it_cost(self):
        self.browser.open("sample.html")
        self.assertEqual(self.browser.run("document.title"), "pybpfprof -p 100")
        self.assertEqual(self.browser.text("h1"), "pybpfprof -p 100")
        self.assertEqual(self.browser.text("#targets"), "python3 app.py · pid 100 · CPython 3.11.2")
        self.assertIn("100 samples at 100 Hz", self.browser.text("#summary"))
        self.assertIn("cost: 1.3 % of the target", self.browser.text("footer"))
        self.assertIn("lost: 2 records: the ring buffer was full", self.browser.text("footer"))

    def test_draws_every_function(self):
        self.browser.open("sample.html")
        self.assertEqual(self.browser.fact("samples"), "100")
        self.assertEqual(self.browser.fact("total"), "1000000000")
        # all, <module> > run > fib > fib, run > dumps > write > vfs_write
        self.assertEqual(self.browser.fact("boxes"), "9")
        self.expect_rows(["all", "<module> (app.py:1)", "Worker.run (app/jobs.py:10)",
                          "fib (app/jobs.py:20)", "fib (app/jobs.py:20)"])
        painted = self.browser.run(
            "(() => { const canvas = document.getElementById('graph');"
            "return new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, 80).data)"
            ".size; })()")
        self.assertGreater(painted, 10)

    def test_merges_by_line(self):
        self.browser.open("sample.html", "merge=line")
        # Worker.run is on three lines, two of them under <module>.
        self.assertEqual(self.browser.fact("boxes"), "10")
        self.expect_rows(["all", "<module> (app.py:30)", "Worker.run (app/jobs.py:13)",
                          "fib (app/jobs.py:21)", "fib (app/jobs.py:22)"])

    def test_inverted_shows_who_called_the_hottest(self):
        self.browser.open("sample.html", "invert=1")
        # fib < fib < run < <module>, fib < run < <module>; vfs < write < dumps < run;
        # run < <module>; dumps < run
        self.assertEqual(self.browser.fact("boxes"), "15")
        self.expect_rows(["all", "fib (app/jobs.py:20)", "fib (app/jobs.py:20)",
                          "Worker.run (app/jobs.py:10)", "<module> (app.py:1)"])

    def test_exact_calls_are_called_calls(self):
        for fragment, want in (("", "all: 220 ms, 15 calls, 100.0 %"),
                               ("zoom=0.0", "fib (app/jobs.py:20): 90.0 ms, 1 call, 40.9 %"),
                               ("zoom=0.0.0", "fib (app/jobs.py:20): 70.0 ms, 2 calls, 31.8 %"),
                               ("zoom=1", "Worker.run (app/jobs.py:10): 102 ms, 0 calls, 46.4 %"),
                               # Callers of the hottest: calls of fib, and those it made itself.
                               ("invert=1&zoom=1", "fib (app/jobs.py:20): 92.0 ms, 8 calls, 41.8 %"),
                               ("invert=1&zoom=1.0",
                                "fib (app/jobs.py:20): 70.0 ms, 6 calls, 31.8 %")):
            with self.subTest(fragment):
                self.browser.open("calls.html", fragment)
                self.assertEqual(self.browser.text("#status").partition(" \u2014 ")[0], want)
        self.assertNotIn("sample", self.browser.text("body > :not(script)"))
        self.assertFalse(self.browser.run("document.getElementById('merge').checkVisibility()"))

    def test_selects_threads_and_processes(self):
        self.browser.open("sample.html", "scope=t1")
        self.assertEqual(self.browser.fact("samples"), "20")
        self.expect_rows(["all", "Worker.run (app/jobs.py:10)", "dumps (json/__init__.py:183)",
                          "write (libc.so.6)", "vfs_write"])
        self.browser.open("sample.html", "scope=p0")
        self.assertEqual(self.browser.fact("samples"), "100")
        self.assertEqual(self.browser.run("[...document.querySelectorAll('#scope option')]"
                                          ".map((option) => option.textContent)"),
                         ["the whole process", "pid 100: all threads", "thread 100 python3",
                          "thread 101 worker"])

    def test_search_counts_each_sample_once(self):
        for fragment, want in (("search=fib", "matched 70.0 % (700 ms)"),
                               ("search=FIB", "matched 70.0 % (700 ms)"),
                               ("search=fib|dumps", "matched 89.0 % (890 ms)"),
                               ("search=app.jobs", "matched 99.0 % (990 ms)"),
                               ("search=fib&invert=1", "matched 70.0 % (700 ms)"),
                               ("search=run&scope=t1", "matched 95.0 % (190 ms)"),
                               ("search=nothing", "matched 0.0 % (0 ns)"),
                               ("search=[", "matched 0.0 % (0 ns)")):
            with self.subTest(fragment):
                self.browser.open("sample.html", fragment)
                self.assertEqual(self.browser.text("#matched"), want)

    def test_search_by_typing(self):
        self.browser.open("sample.html")
        self.browser.press("/", "/")
        for letter in "fib":
            self.browser.press(letter, letter)
        self.assertEqual(self.browser.text("#matched"), "matched 70.0 % (700 ms)")
        self.assertEqual(self.browser.run("location.hash"), "#search=fib")
        self.browser.press("Escape")
        self.assertEqual(self.browser.text("#matched"), "")

    def test_click_zooms_and_escape_resets(self):
        self.browser.open("sample.html")
        self.browser.click(0.9, 1)  # Worker.run of the worker thread
        self.expect_rows(["all", "Worker.run (app/jobs.py:10)", "dumps (json/__init__.py:183)",
                          "write (libc.so.6)", "vfs_write"])
        self.assertEqual(self.browser.fact("boxes"), "5")
        self.assertIn("zoomed into Worker.run", self.browser.text("#status"))
        self.browser.click(0.5, 2)
        self.assertEqual(self.browser.run("location.hash"), "#zoom=1.0")
        self.browser.press("Escape")
        self.assertEqual(self.browser.fact("boxes"), "9")

    def test_tip_tells_the_details(self):
        self.browser.open("sample.html")
        self.browser.click(0.1, 0)
        self.browser.click(0.9, 1)
        self.browser.click(0.5, 2)
        tip = self.browser.text("#tip")
        self.assertIn("dumps (json/__init__.py:183)", tip)
        self.assertIn("190 ms, 19 samples, 19.0 %", tip)
        self.assertIn("self 40.0 ms, 4.0 %", tip)
        self.assertIn("/usr/lib/python3.11/json/__init__.py", tip)
        self.assertIn("standard library", tip)

    def test_keys_walk_and_zoom(self):
        self.browser.open("sample.html")
        self.browser.run("document.getElementById('graph').focus()")
        for key, want in (("ArrowDown", "<module> (app.py:1): 800 ms, 80 samples, 80.0 %"),
                          ("ArrowRight", "Worker.run (app/jobs.py:10): 190 ms, 19 samples, 19.0 %"),
                          ("ArrowDown", "dumps (json/__init__.py:183): 190 ms"),
                          ("ArrowUp", "Worker.run (app/jobs.py:10): 190 ms"),
                          ("ArrowLeft", "<module> (app.py:1): 800 ms")):
            self.browser.press(key)
            self.assertTrue(self.browser.text("#status").startswith(want),
                            self.browser.text("#status"))
        self.browser.press("Enter")
        self.assertIn("zoomed into <module>", self.browser.text("#status"))

    def test_table_is_the_graph_in_numbers(self):
        self.browser.open("sample.html", "view=table")
        rows = self.browser.run("[...document.querySelectorAll('#rows tr')]"
                                ".map((row) => [...row.cells].map((cell) => cell.textContent))")
        self.assertEqual(rows[0], ["70.0 %", "700 ms", "70.0 %", "700 ms", "fib", "app/jobs.py:20"])
        self.assertEqual(rows[2], ["10.0 %", "100 ms", "99.0 %", "990 ms", "Worker.run",
                                   "app/jobs.py:10"])
        self.assertEqual(len(rows), 6)

    def test_hostile_names_are_text(self):
        for fragment in ("", "view=table", "search=<img", "invert=1&merge=line",
                         "search=%3Cscript%3E&zoom=9.9&scope=t77&view=x"):
            with self.subTest(fragment):
                self.browser.open("hostile.html", fragment)
                self.assertEqual(self.browser.fact("samples"), "40")
                self.assertEqual(self.browser.run("document.title"),
                                 "</script><script>document.title='pwned'</script>")
                self.assertEqual(self.browser.text("h1"),
                                 "</script><script>document.title='pwned'</script>")
                self.assertEqual(self.browser.run("document.images.length"), 0)
                self.assertEqual(self.browser.run("document.scripts.length"), 2)
        self.browser.open("hostile.html", "view=table")
        names = self.browser.run("[...document.querySelectorAll('#rows tr')]"
                                 ".map((row) => row.cells[4].textContent)")
        self.assertIn("<img src=x onerror=\"document.title='pwned'\">&amp;", names)
        self.assertIn(r"\x1b[31m;a;b\x0a\xff\xfe \xe2\x80\xae 12", names)

    def cpu_s(self):
        """CPU time of all of Chromium, of which other processes take nothing."""
        total_s = 0
        for pid in live.descendants(self.browser.process.pid):
            with contextlib.suppress(OSError):
                total_s += time.clock_gettime(live.cpu_clock(pid))
        return total_s

    def test_a_hundred_thousand_stacks_are_drawn_in_seconds(self):
        for fragment in ("", "merge=line&search=method_77", "invert=1"):
            with self.subTest(fragment):
                before_s = self.cpu_s()
                self.browser.open("large.html", fragment)
                self.assertLess(self.cpu_s() - before_s, 20)
                self.assertEqual(self.browser.fact("samples"), "100000")
                # What is too narrow is culled, and said to be there.
                self.assertLess(int(self.browser.fact("boxes")), 100000)
        self.expect_rows(["all", "500 more, too narrow to draw"])
        self.browser.click(0.001, 1)
        self.assertGreater(int(self.browser.fact("boxes")), 500)


if __name__ == "__main__":
    unittest.main()
