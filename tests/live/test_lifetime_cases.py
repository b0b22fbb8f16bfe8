# SPDX-License-Identifier: GPL-2.0-only
"""Lives of objects in programs that end, loop, fork, recurse and resurrect, by what these are known to
do."""
import os
import signal

import lifetime
import live
from live import for_each

CASES = "lifetime_cases.py"


class LifetimeCasesTest(lifetime.LifetimeTest):
    def assert_counts(self, found, name, created, destroyed, module="__main__"):
        self.assertEqual(found.counts(name, module), (created, destroyed, created - destroyed))

    # ---- ends ----

    @for_each(live.pythons)
    def test_a_list_of_100000_ends_in_one_go(self, python):
        found = self.watch_case(python, "trashcan", 100000)
        self.assert_counts(found, "Node", 100000, 100000)
        self.assertEqual(found.row("Node")["imbalance"], 0)
        [line] = live.marked_lines(CASES, "birth")[:1]
        self.assertEqual(found.lines("Node", CASES)[line]["created"], 100000)

    @for_each(live.one_python_per_version)
    def test_what_ends_through_containers_of_c(self, python):
        found = self.watch_case(python, "tree", 20000)
        self.assert_counts(found, "Node", 20000, 20000)
        self.assert_counts(found, "Thing", 1, 1)

    @for_each(live.one_python_per_version)
    def test_resurrection(self, python):
        found = self.watch_case(python, "resurrection", 500)
        row = found.row("Phoenix")
        self.assert_counts(found, "Phoenix", 500, 500)
        self.assertEqual((row["again"], row["imbalance"]), (500, 0))

    @for_each(live.pythons)
    def test_cycles_end_by_the_collector(self, python):
        found = self.watch_case(python, "cycles", 3000)
        self.assert_counts(found, "Ring", 3000, 3000)
        self.assertEqual(found.row("Ring")["by_collector"], 3000)

    @for_each(live.one_python_per_version)
    def test_reference_counts_are_not_the_collector(self, python):
        found = self.watch_case(python, "trashcan", 1000)
        self.assertEqual(found.row("Node")["by_collector"], 0)

    @for_each(live.one_python_per_version)
    def test_what_was_there_before(self, python):
        """No list of the collector has these; the census finds them all the same."""
        found = self.watch_case(python, "before", 400)
        row = found.row("Slim")
        self.assert_counts(found, "Slim", 100, 0)
        self.assertEqual((row["destroyed_before"], row["census_start"], row["census_end"]),
                         (200, 400, 300))
        self.assertEqual((row["growth"], row["imbalance"]), (-100, 0))
        self.assertLessEqual(row["before_at_least_max_ns"], found.report["duration_ns"])

    @for_each(live.one_python_per_version)
    def test_the_balance_while_all_changes(self, python):
        target = self.start(python, CASES, "churning", 500,
                            env=dict(os.environ, LIFETIME_AT_ONCE="1"))
        run = self.run_pybpfprof("--mode", "lifetime", "-f", "json", "--max-overhead", "none",
                                 "-p", target.pid, "-d", 2)
        row = self.lifetime_of(run).row("Thing")
        self.assertGreater(row["destroyed"], 10000)
        # Ends are seen a little earlier than makings.
        self.assertLessEqual(row["destroyed_before"], 1000)
        self.assertLessEqual(row["live"], 500)
        self.assertEqual(row["imbalance"], 0)
        target.finish(self)

    # ---- classes ----

    @for_each(live.one_python_per_version)
    def test_classes_that_come_and_go(self, python):
        found = self.watch_case(python, "exec_classes", 200)
        rows = found.rows("Fleeting")
        self.assertEqual(sum(row["created"] for row in rows), 1000)
        self.assertEqual(sum(row["destroyed"] for row in rows), 1000)
        # What a class is called can be read as long as it is there.
        self.assertLessEqual({row["module"] for row in rows}, {"made", None})

    @for_each(live.one_python_per_version)
    def test_one_name_in_two_modules(self, python):
        found = self.watch_case(python, "two_modules", 50)
        self.assert_counts(found, "Twin", 50, 10, "one")
        self.assert_counts(found, "Twin", 100, 0, "two")

    @for_each(live.one_python_per_version)
    def test_10000_classes(self, python):
        found = self.watch_case(python, "classes", 10000)
        rows = {row["name"]: row for row in found.classes if row["name"].startswith("Class0")}
        self.assertEqual(len(rows), 10000)
        for row in rows.values():
            self.assertEqual((row["created"], row["destroyed"], row["live"], row["module"],
                              row["imbalance"]), (2, 1, 1, "__main__", 0), row["name"])

    # ---- threads and processes ----

    @for_each(live.one_python_per_version)
    def test_threads(self, python):
        found = self.watch_case(python, "threads", 20000)
        self.assert_counts(found, "Local", 80000, 80000)
        [line] = [line for line in live.marked_lines(CASES, "birth")
                  if line in found.lines("Local", CASES)]
        self.assertEqual(found.lines("Local", CASES)[line]["created"], 80000)
        self.assertEqual([site["created"] for site in found.row("Local")["sites"]], [20000] * 4)

    @for_each(live.one_python_per_version)
    def test_a_fork_with_live_objects(self, python):
        """Only the parent is watched: what the child does with its copies is the child's."""
        found = self.watch_case(python, "forked", 1)
        self.assert_counts(found, "Thing", 100, 5)
        self.assertEqual(found.row("Thing")["imbalance"], 0)

    @for_each(live.one_python_per_version)
    def test_a_fork_that_is_followed(self, python):
        found = self.watch_case(python, "forked", 1, "-s")
        lines = found.lines("Thing", CASES)
        [parent], [child] = (live.marked_lines(CASES, mark) for mark in ("in parent", "in child"))
        self.assertEqual((lines[child]["created"], lines[child]["destroyed"]), (30, 10))
        self.assertEqual((lines[parent]["created"], lines[parent]["destroyed"]), (100, 5))
        # The child's copies were made by nobody, and it ended 40 of them.
        row = found.row("Thing")
        self.assertEqual((row["created"], row["destroyed"], row["destroyed_before"]), (130, 15, 40))
        self.assertLessEqual(row["before_at_least_max_ns"], found.result,
                             "older than what was made while watched can be")

    # ---- how it is watched ----

    @live.alone
    @for_each(live.one_python_per_version)
    def test_the_fastest_loop_loses_nothing(self, python):
        found = self.watch_case(python, "fastest", 5)
        self.assertGreater(found.result, 50000)
        self.assert_counts(found, "Thing", found.result, found.result)

    @for_each(live.one_python_per_version)
    def test_the_target_ends(self, python):
        target = self.start(python, "lifetime_cases.py", "ends", 1000)
        process = self.watch(target)
        target.process.send_signal(signal.SIGUSR1)
        target.expect_done(self)
        run = self.collect(process)
        self.assertEqual(run.returncode, 0, run.stderr)
        created, destroyed, _ = self.lifetime_of(run).counts("Thing")
        self.assertEqual(created, 1000)
        self.assertGreaterEqual(destroyed, 500)

    @for_each(live.one_python_per_version)
    def test_the_target_is_killed(self, python):
        target = self.start(python, "lifetime_cases.py", "dies", 1000)
        process = self.watch(target)
        target.process.send_signal(signal.SIGUSR1)
        run = self.collect(process)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(target.process.wait(), -signal.SIGKILL)
        self.assertEqual(self.lifetime_of(run).counts("Thing"), (1000, 500, 500))

    @for_each(live.one_python_per_version)
    def test_a_command_from_its_first_line(self, python):
        found = self.command_case(python, "trashcan", 5000)
        rows = found.rows("Node")
        self.assertEqual([(row["created"], row["destroyed"]) for row in rows], [(5000, 5000)])

    def test_the_commands_exit_status(self):
        found = self.command_case(live.host_python(), "dies", 100, returncode=128 + signal.SIGKILL)
        self.assertEqual(found.report["targets"][0]["exit_code"], 128 + signal.SIGKILL)

    @live.measures
    @for_each(live.one_python_per_version)
    def test_a_census_of_a_million(self, python):
        """Two of them, each of at most a second, and all else there is."""
        found = self.watch_case(python, "crowd", 1000000)
        row = found.row("Thing")
        self.assertEqual((row["census_start"], row["census_end"], row["imbalance"]),
                         (1000000, 999993, 0))
        self.assertLess(found.report["cost"]["profiler_cpu_ns"], 2.5 * 10**9)

    # ---- types of C ----

    @for_each(live.pythons)
    def test_types_of_c(self, python):
        found = self.watch_case(python, "built_in", 1000, "--types", "list", "--types", "dict",
                                "--types", "collections.deque")
        expected = {"list": (1000, 500), "dict": (1000, 250), "deque": (1000, 1000)}
        for name, (made, ended) in expected.items():
            with self.subTest(name=name):
                row = found.row(name)
                self.assertFalse(row["python"])
                self.assertEqual(row["module"], "collections" if name == "deque" else "builtins")
                # The interpreter makes and drops some of its own.
                gone = row["destroyed"] + row["destroyed_before"]
                self.assertLessEqual(abs(gone - ended), 0 if name == "deque" else 60)
                if row["growth"] is not None:
                    self.assertLessEqual(abs(row["growth"] - (made - ended)),
                                         0 if name == "deque" else 60)

    @for_each(live.one_python_per_version)
    def test_one_life_in_eight(self, python):
        found = self.watch_case(python, "built_in", 40000, "--types", "collections.deque",
                                "--types", "list", "--sample", "1/8")
        self.assertEqual(found.lifetime["sample_one_in"], 8)
        for name, ended in (("deque", 40000), ("list", 20000)):
            row = found.row(name)
            self.assertTrue(row["estimate"])
            gone = row["destroyed"] + row["destroyed_before"]
            self.assertLessEqual(abs(gone - ended), 0.25 * ended, name)

    # ---- bad input ----

    def test_refusals(self):
        target = self.start(live.host_python(), CASES, "cycles", 1)
        table = [
            (["--types", ""], "types"),
            (["--sample", "512k"], "sample"),
            (["--sample", "1/0"], "sample"),
            (["--show", "colour"], "colour"),
        ]
        for args, word in table:
            with self.subTest(args=args):
                run = self.run_pybpfprof("--mode", "lifetime", "-p", target.pid, "-d", 1, *args,
                                         returncode=2)
                self.assert_one_line(run, word)
        target.process.kill()
