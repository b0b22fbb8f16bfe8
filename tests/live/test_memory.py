# SPDX-License-Identifier: GPL-2.0-only
"""Who allocates and what lives, against tracemalloc and against programs of known behaviour."""
import os

import live
import memory
from live import for_each

KNOWN = "memory_known.py"
# Frames before 3.11 lie on a free list of the interpreter's own, or do not: lines that only call are
# left out.
MARKED = live.marked_lines(KNOWN, "")
PLAIN_MALLOC = dict(os.environ, PYTHONMALLOC="malloc")


def no_debug_builds():
    """A debug build's allocator adds its marks to each block, tracemalloc does not count them."""
    return [python for python in live.pythons() if not python.name.endswith("d")]


def calls_its_allocator():
    """Builds without link-time optimisation: they call the functions that make objects."""
    return [python for python in no_debug_builds() if not python.path.startswith("/usr/bin/")]


class MemoryKnownTest(memory.MemoryTest):
    @for_each(no_debug_builds)
    def test_large_blocks_equal_tracemalloc(self, python):
        truth = self.truth_of(python)
        found = self.watch_known(python)
        large = {line: sums[2:] for line, sums in truth.items() if sums[3] and line in MARKED}
        self.assertGreater(len(large), 8)
        for line, (size, blocks) in large.items():
            sums = found.line(KNOWN, line)
            self.assertEqual((sums["live_bytes"], sums["live_blocks"]), (size, blocks),
                             "alive at line %d" % line)
        # Whatever is alive at another line of work() is small.
        [last] = live.marked_lines(KNOWN, "kept list")
        for line in found.lines(KNOWN) - set(large) - set(range(last + 8, 1000)):
            self.assertEqual(found.line(KNOWN, line)["live_blocks"], 0, "line %d" % line)
        self.check_counts(found)

    def check_counts(self, found):
        kept = found.marked(KNOWN, "kept blocks")
        self.assertEqual((kept["allocations"], kept["frees"], kept["live_blocks"]), (300, 0, 300))
        churned = found.marked(KNOWN, "churned blocks")
        self.assertEqual((churned["allocations"], churned["frees"], churned["live_bytes"]),
                         (300, 300, 0))
        self.assertEqual(churned["allocated_bytes"] - kept["allocated_bytes"], 300 * 2000)
        half = found.marked(KNOWN, "half blocks")
        self.assertEqual((half["allocations"], half["frees"], half["live_blocks"]), (300, 150, 150))

    @for_each(live.one_python_per_version)
    def test_every_object_by_plain_malloc(self, python):
        """PYTHONMALLOC=malloc: all there is comes from the C library."""
        truth = self.truth_of(python, env=PLAIN_MALLOC)
        found = self.watch_known(python, env=PLAIN_MALLOC)
        self.assertGreaterEqual(len(set(truth) & set(MARKED)), 12)
        for line in MARKED:
            size = truth.get(line, [0])[0]
            live_bytes = found.line(KNOWN, line)["live_bytes"]
            self.assertLessEqual(abs(live_bytes - size), 0.01 * size, "line %d" % line)

    @for_each(calls_its_allocator)
    def test_objects_equal_tracemalloc(self, python):
        truth = self.truth_of(python)
        found = self.watch_known(python, "--allocator", "object")
        self.assertGreaterEqual(len(set(truth) & set(MARKED)), 12)
        for line in MARKED:
            size = truth.get(line, [0])[0]
            live_bytes = found.line(KNOWN, line)["live_bytes"]
            self.assertLessEqual(abs(live_bytes - size), 0.01 * size, "line %d" % line)

    def test_other_allocators(self):
        """Preloaded in front of the C library's."""
        for name, library in (("jemalloc", "libjemalloc.so.2"), ("mimalloc", "libmimalloc.so.2"),
                              ("tcmalloc", "libtcmalloc_minimal.so.4")):
            path = "/usr/lib/x86_64-linux-gnu/" + library
            if not os.path.exists(path):
                self.skipTest("no %s here" % library)
            found = self.check_command(live.host_python(), "env", "LD_PRELOAD=" + path)
            self.assertEqual([p["allocator"] for p in found.memory["processes"]], [name])

    @for_each(live.one_python_per_version)
    def test_a_command_from_its_first_line(self, python):
        self.check_command(python)

    def check_command(self, python, *prefix):
        script = self.script(python, KNOWN)
        run = self.run_pybpfprof("--mode", "memory", "-f", "json", "--", *prefix,
                                 *python.command("-B", script, "command"))
        found = self.memory_of(run)
        churned = found.marked(KNOWN, "churned blocks")
        self.assertEqual((churned["allocations"], churned["frees"]), (300, 300))
        kept = found.marked(KNOWN, "kept blocks")
        self.assertEqual((kept["allocations"], kept["live_blocks"]), (300, 0))
        # All that is kept is alive at once, before the end: at the peak.
        self.assertEqual(kept["at_peak_bytes"], kept["allocated_bytes"])
        return found
