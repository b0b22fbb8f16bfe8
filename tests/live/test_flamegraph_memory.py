# SPDX-License-Identifier: GPL-2.0-only
"""The page of a memory run in a real Chromium: its views, its timeline.

tests/unit/render/sample_blocks.h tells the numbers.
"""
import unittest

import chromium

# View: what its button says, what the page says of everything, boxes (the root is one).
VIEWS = {
    "peak": ("Peak 1.24 MiB", "all: 1.24 MiB, 122 blocks, 100.0 %", 7),
    "live": ("Live 871 KiB", "all: 871 KiB, 50 blocks, 100.0 %", 7),
    "allocated": ("Allocated 2.17 MiB", "all: 2.17 MiB, 1,168 allocations, 100.0 %", 7),
    "temporary": ("Temporary 700 KiB", "all: 700 KiB, 1,050 allocations, 100.0 %", 5),
}


class MemoryInChromium(chromium.PageTest):
    def choose(self, view):
        self.browser.run("document.getElementById('show-%s').click()" % view)

    def status(self):
        return self.browser.text("#status").partition(" \u2014 ")[0]

    def table(self):
        return self.browser.run("[...document.querySelectorAll('#rows tr')]"
                                ".map((row) => [...row.cells].map((cell) => cell.textContent))")

    def point(self, share):
        """The mouse on the timeline, `share` of the run from its start."""
        at = self.browser.run(
            "(() => { const box = document.querySelector('#timeline line.axis')"
            ".getBoundingClientRect(); return [box.left + box.width * %f, box.top - 20]; })()"
            % share)
        self.browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=at[0], y=at[1])

    def tip(self):
        if self.browser.run("document.getElementById('tip').hidden"):
            return None
        return self.browser.text("#tip b"), self.browser.run(
            "document.getElementById('tip').lastChild.textContent").split("\n")

    def test_every_view_is_a_graph_of_its_own(self):
        self.browser.open("memory.html")
        self.assertEqual(self.browser.fact("show"), "peak")
        for view, (button, status, boxes) in VIEWS.items():
            with self.subTest(view):
                self.choose(view)
                self.assertEqual(self.browser.text("#show-" + view), button)
                self.assertEqual(self.status(), status)
                self.assertEqual(self.browser.fact("boxes"), str(boxes))
                self.assertEqual(self.browser.run(
                    "[...document.querySelectorAll('#views [aria-pressed=true]')]"
                    ".map((button) => button.id)"), ["show-" + view])

    def test_views_that_were_not_asked_for_are_not_there(self):
        for page, want in (("memory.html", list(VIEWS)),
                           ("sampled.html", [*VIEWS, "resident", "faulted"])):
            self.browser.open(page)
            self.assertEqual(self.browser.run("[...document.querySelectorAll('#views button')]"
                                              ".map((button) => button.id.slice(5))"), want)
        self.browser.open("sample.html")
        self.assertFalse(self.browser.run("document.getElementById('memory').checkVisibility()"))

    def test_a_view_is_in_the_address(self):
        self.browser.open("memory.html", "show=allocated")
        self.assertEqual(self.browser.fact("total"), str(2227 * 1024))
        self.choose("live")
        self.assertEqual(self.browser.run("location.hash"), "#show=live")
        self.choose("peak")
        self.assertEqual(self.browser.run("location.hash"), "")
        self.browser.open("memory.html", "show=nonsense")
        self.assertEqual(self.browser.fact("show"), "peak")

    def test_what_is_zoomed_into_stays_in_sight(self):
        """In the peak load() has more than dumps(), in what is temporary dumps() has."""
        self.browser.open("memory.html", "zoom=0.0")
        self.assertEqual(self.status(), "load (app/jobs.py:20): 1.13 MiB, 110 blocks, 91.5 %")
        self.choose("temporary")
        self.assertEqual(self.status(), "load (app/jobs.py:20): 200 KiB, 50 allocations, 28.6 %")
        # Nothing temporary in Cache.put: as far as it goes.
        self.browser.open("memory.html", "zoom=0.0.0")
        self.assertEqual(self.status(), "Cache.put (app/jobs.py:10): 960 KiB, 60 blocks, 75.7 %")
        self.choose("temporary")
        self.assertEqual(self.status(), "load (app/jobs.py:20): 200 KiB, 50 allocations, 28.6 %")

    def test_threads_have_views_of_their_own(self):
        self.browser.open("memory.html", "scope=t1&show=allocated")
        self.assertEqual(self.status(), "all: 803 KiB, 1,004 allocations, 100.0 %")
        self.assertEqual(self.browser.text("#show-live"), "Live 103 KiB")
        self.expect_rows(["all", "Worker.run (app/jobs.py:40)", "dumps (json/__init__.py:183)",
                          "realloc (libc.so.6)"])

    def test_inverted_and_searched(self):
        self.browser.open("memory.html", "show=live&invert=1")
        self.expect_rows(["all", "Cache.put (app/jobs.py:10)", "load (app/jobs.py:20)",
                          "<module> (app.py:1)"])
        self.browser.open("memory.html", "search=load")
        self.assertEqual(self.browser.text("#matched"), "matched 91.5 % (1.13 MiB)")
        self.choose("temporary")
        self.assertEqual(self.browser.text("#matched"), "matched 28.6 % (200 KiB)")

    def test_the_table_gives_memory_to_the_python_code_that_asked_for_it(self):
        self.browser.open("memory.html", "view=table&show=allocated")
        self.assertEqual(self.table()[:3], [
            ["46.0 %", "1.00 MiB", "64", "46.0 %", "1.00 MiB", "Cache.put", "app/jobs.py:10"],
            # 300 KiB of it by way of realloc()
            ["35.9 %", "800 KiB", "1,003", "35.9 %", "800 KiB", "dumps", "json/__init__.py:183"],
            ["18.0 %", "400 KiB", "100", "63.9 %", "1.39 MiB", "load", "app/jobs.py:20"]])
        self.assertEqual(self.browser.text("#counts"), "Allocations")
        self.browser.open("memory.html", "view=table&merge=line&show=live")
        self.assertEqual(self.table()[0][5:], ["Cache.put", "app/jobs.py:12"])

    def test_notes_say_what_a_view_is(self):
        for page, view, want in (
                ("memory.html", "peak", "1.24 MiB in 122 blocks: alive when most was, 6.00 s after "
                 "the start"),
                ("memory.html", "live", "871 KiB in 50 blocks: alive at the end"),
                ("memory.html", "temporary", "700 KiB in 1,050 allocations: freed within 1 "
                 "allocation"),
                # Three sites of 10 KiB standard deviation: 1.96 * 10 * sqrt(3) = 33.9
                ("sampled.html", "live", "871 KiB \u00b1 33.9 KiB in 50 blocks: alive at the end; "
                 "estimated"),
                ("sampled.html", "faulted", "160 KiB in 40 page faults: made resident, however "
                 "often")):
            with self.subTest(page + " " + view):
                self.browser.open(page, "show=" + view)
                self.assertEqual(self.browser.text("#view-note"), want)

    def test_the_timeline_tells_what_was_when(self):
        self.browser.open("memory.html")
        self.assertIn("peak 1.24 MiB at 6.00 s", self.browser.text("#timeline"))
        for share, want in ((0.4, ("4.00 s", ["live 500 KiB", "up to 900 KiB since 3.00 s",
                                              "resident 12.5 MiB"])),
                            (0.599, ("6.00 s", ["live 1.24 MiB", "resident 13.2 MiB"])),
                            (0.999, ("10.0 s", ["live 871 KiB", "up to 1000 KiB since 9.00 s",
                                                "resident 12.9 MiB"]))):
            self.point(share)
            self.assertEqual(self.tip(), want)
        self.point(-0.05)
        self.assertIsNone(self.tip())

    def test_the_timeline_is_there_for_the_keyboard(self):
        self.browser.open("memory.html")
        self.browser.run("document.getElementById('timeline').focus()")
        for key, want in (("ArrowRight", "0"), ("ArrowRight", "1"), ("End", "10"),
                          ("ArrowRight", "10"), ("ArrowLeft", "9"), ("Home", "0")):
            self.browser.press(key)
            self.assertEqual(self.browser.run("document.getElementById('timeline')"
                                              ".getAttribute('aria-valuenow')"), want)
        self.assertEqual(self.browser.run("document.getElementById('timeline')"
                                          ".getAttribute('aria-valuetext')"),
                         "0 ms, live 0 B, resident 12.0 MiB")

    def test_the_curves_go_through_the_readings(self):
        """Read off the drawing: the highest of the live bytes is at the peak, and the ticks are
        where their amounts are."""
        for page in ("memory.html", "sampled.html"):
            self.browser.open(page)
            path = self.browser.run("document.querySelector('path.live').getAttribute('d')")
            points = [tuple(map(float, point.split(" "))) for point in path[1:].split("L")]
            self.assertEqual(len(points), 11)
            self.assertEqual(min(points, key=lambda point: point[1]), points[6])
            ticks = self.browser.run(
                "[...document.querySelectorAll('#timeline text.y')]"
                ".map((text) => [text.textContent, Number(text.getAttribute('y')) - 4])")
            at = dict(map(tuple, ticks))
            px_per_kib = (at["0"] - at["1 MiB"]) / 1024
            self.assertAlmostEqual(at["0"] - points[5][1], 1000 * px_per_kib, delta=0.5)
            self.assertAlmostEqual(at["0"] - points[10][1], 871 * px_per_kib, delta=0.5)
            # Far above the live bytes: resident ones have a panel of their own, below.
            resident = self.browser.run("document.querySelector('path.resident').getAttribute('d')")
            self.assertTrue(all(float(point.split(" ")[1]) > at["0"]
                                for point in resident[1:].split("L")))

    def test_nothing_allocated_is_a_page_too(self):
        self.browser.open("nothing.html", "view=table")
        self.assertEqual(self.status(), "all: 0 B, 0 blocks, 0.0 %")
        self.assertEqual(self.browser.text("#show-allocated"), "Allocated 0 B")
        self.assertFalse(self.browser.run("document.getElementById('timeline').checkVisibility()"))
        self.choose("live")
        self.assertEqual(self.browser.text("#view-note"), "0 B in 0 blocks: alive at the end")

    def test_closing_the_timeline_leaves_its_room_to_the_graph(self):
        self.browser.open("memory.html")
        height = "document.getElementById('scroll').clientHeight"
        self.browser.run("document.querySelector('main').style.minHeight = '0'")
        self.browser.run("window.dispatchEvent(new Event('resize'))")
        before = self.browser.run(height)
        self.browser.run("document.querySelector('#timeline-box summary').click()")
        self.assertGreater(self.browser.run(height), before + 100)
        self.assertEqual(self.status(), VIEWS["peak"][1])


if __name__ == "__main__":
    unittest.main()
