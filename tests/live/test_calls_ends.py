# SPDX-License-Identifier: GPL-2.0-only
"""Time off the CPU within one call, and more threads than have rows of their own."""
import calls
import live

NAP = """
import time
def nap():
    for _ in range(100):
        time.sleep(0.005)
nap()
"""

ROWS = """
import threading
def leaf():
    pass
def work(count):
    for _ in range(count):
        leaf()
def run(count, times):
    for _ in range(times):
        threads = [threading.Thread(target=work, args=(count,)) for _ in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
run(1, 1040)
run(20000, 1)
"""


class EndsTest(calls.CallsTest):
    def run_text(self, text, *options):
        return self.calls_of_command(live.host_python().path, "-c", text, options=options)

    def test_many_sleeps_in_one_call_are_no_cpu_time(self):
        row = self.run_text(NAP).row("nap")
        self.assertLess(row["cpu_self_ns"], 0.1 * row["self_ns"])

    def test_threads_beyond_the_rows_keep_their_stacks(self):
        profile = self.run_text(ROWS)
        self.assertEqual(profile.total("leaf"), 4 * 1040 + 4 * 20000)
        for name in ("leaf", "work"):
            self.assertEqual(profile.row(name)["unfinished"], 0)
        self.assertEqual(profile.report["resynchronised"], 0)
