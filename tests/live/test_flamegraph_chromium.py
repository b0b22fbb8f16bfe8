# SPDX-License-Identifier: GPL-2.0-only
"""The flame graph in a real Chromium: clicks, keys, searches, hostile names.

The pages are written by the unit tests of `render`, so what they must show is known; Chromium is
driven over its remote-debugging pipe. Needs no BPF and no root.
"""
import functools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RENDER_TESTS = os.path.join(ROOT, "build", "unit", "render")
CHROMIUM = shutil.which("chromium")
ANSWER_TIMEOUT_S = 40
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--remote-debugging-pipe", "--window-size=1000,700"]


@functools.lru_cache(maxsize=None)
def pages():
    """A directory with the pages; it lives as long as this process."""
    if not os.access(RENDER_TESTS, os.X_OK):
        subprocess.run(["make", "-s", "-C", ROOT, "build/unit/render"], check=True, timeout=400,
                       stdout=subprocess.DEVNULL)
    directory = tempfile.TemporaryDirectory(prefix="pybpfprof-pages-")
    subprocess.run([RENDER_TESTS, "--filter", "flamegraph/pages*"], check=True, timeout=60,
                   cwd=ROOT, env=dict(os.environ, PYBPFPROF_TEST_PAGES=directory.name),
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return directory


class Browser:
    """One Chromium with one page. Messages are JSON, ended by a NUL, on its fds 3 and 4."""

    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="pybpfprof-chromium-")
        to_read, self.to_write = os.pipe()
        self.from_read, from_write = os.pipe()
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$0" "$@" 3<&%d 4>&%d' % (to_read, from_write), CHROMIUM,
             *FLAGS, "--user-data-dir=" + self.profile, "about:blank"],
            pass_fds=[to_read, from_write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        self.buffered = b""
        self.events = []
        self.last_id = 0
        self.session = None
        target = next(target for target in self.call("Target.getTargets")["targetInfos"]
                      if target["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"],
                                 flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.to_write)
        os.close(self.from_read)
        shutil.rmtree(self.profile, ignore_errors=True)

    def receive(self, deadline_s):
        while b"\0" not in self.buffered:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not select.select([self.from_read], [], [], left_s)[0]:
                raise TimeoutError("Chromium does not answer")
            some = os.read(self.from_read, 1 << 16)
            if not some:
                raise EOFError("Chromium has ended")
            self.buffered += some
        message, _, self.buffered = self.buffered.partition(b"\0")
        return json.loads(message)

    def call(self, method, **params):
        deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
        self.last_id += 1
        request = {"id": self.last_id, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.to_write, json.dumps(request).encode() + b"\0")
        while True:
            message = self.receive(deadline_s)
            if message.get("id") == self.last_id:
                if "error" in message:
                    raise RuntimeError("%s: %s" % (method, message["error"]["message"]))
                return message["result"]
            self.events.append(message)

    def run(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError("%s: %s" % (expression, answer["exceptionDetails"]))
        return answer["result"].get("value")

    def open(self, name, fragment=""):
        # By way of an empty page, or a mere change of the fragment would load nothing.
        for url in ("about:blank", "file://%s/%s#%s" % (pages().name, name, fragment)):
            self.call("Page.navigate", url=url)
            deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
            while not self.run("location.href.startsWith(%s) && document.readyState === 'complete'"
                               % json.dumps(url.partition("#")[0])):
                if time.monotonic() > deadline_s:
                    raise TimeoutError("%s does not load" % url)
                time.sleep(0.02)

    def text(self, selector):
        return self.run("document.querySelector(%s).textContent" % json.dumps(selector))

    def fact(self, name):
        return self.run("document.documentElement.dataset[%s]" % json.dumps(name))

    def click(self, x, y):
        """On the graph, x a share of its width, y a row from its top."""
        at = self.run("(() => { const box = document.getElementById('graph')"
                      ".getBoundingClientRect(); return [box.left + box.width * %f,"
                      " box.top + 19 * %d + 9]; })()" % (x, y))
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left",
                      clickCount=0 if kind == "mouseMoved" else 1)

    def press(self, key, text=None):
        params = {"key": key, "code": key}
        if text:
            params["text"] = text
        self.call("Input.dispatchKeyEvent", type="keyDown", **params)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)


@unittest.skipUnless(CHROMIUM, "chromium is not installed")
class FlamegraphInChromium(unittest.TestCase):
    timeout_s = 500

    def setUp(self):
        self.browser = Browser()
        self.addCleanup(self.browser.close)

    def tearDown(self):
        """Whatever a test did, the page met no error, opened no dialog, asked for nothing."""
        for event in self.browser.events:
            method, params = event.get("method"), event.get("params", {})
            self.assertNotIn(method, ("Runtime.exceptionThrown", "Page.javascriptDialogOpening",
                                      "Runtime.consoleAPICalled", "Log.entryAdded"), params)
            if method == "Network.requestWillBeSent":
                self.assertRegex(params["request"]["url"], "^(file:///|about:blank)")

    def expect_rows(self, want):
        self.assertEqual(self.browser.fact("widest").split(" > "), want)

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

    def test_a_hundred_thousand_stacks_are_drawn_in_seconds(self):
        for fragment in ("", "invert=1", "merge=line&search=method_77"):
            with self.subTest(fragment):
                started_s = time.monotonic()
                self.browser.open("large.html", fragment)
                self.assertLess(time.monotonic() - started_s, 20)
                self.assertEqual(self.browser.fact("samples"), "100000")
                # What is too narrow is culled, and said to be there.
                self.assertLess(int(self.browser.fact("boxes")), 100000)
        self.browser.open("large.html", "invert=1")
        self.expect_rows(["all", "500 more, too narrow to draw"])
        self.browser.click(0.001, 1)
        self.assertGreater(int(self.browser.fact("boxes")), 500)


if __name__ == "__main__":
    unittest.main()
