# SPDX-License-Identifier: GPL-2.0-only
"""Stacks are true: no call that the program cannot make, no name that belongs to another."""
import collections
import re

import live
from live import for_each, marked_lines, timing

KEPT_FRAMES = 256


def few_pythons():
    return [p for p in live.one_python_per_version() if p.minor in (9, 11, 13, 15)]


class StackTest(live.LiveTest):
    timeout_s = 180

    def check_shapes(self, python, threads, rate):
        target = self.start(python, "shapes.py", threads)
        profile = self.profile_cpu(target, 0.8, "-r", rate)
        target.finish(self)
        known = {tuple(edge) for edge in target.facts["edges"]}
        impossible = collections.Counter()
        place = self.place(python)
        noted = 0
        for stack in profile.stacks:
            names = [None]
            if stack["frames"][0]["kind"] == "note":
                noted += stack["weight"]  # said to be incomplete, which is counted, not wrong
                continue
            for frame in stack["frames"]:
                own = frame["file"].startswith((place, "<made>"))
                names.append(live.bare(frame["name"]) if own else "lib:" + live.bare(frame["name"]))
            for caller, callee in zip(names, names[1:]):
                if (caller, callee) in known or ("*", callee) in known:
                    continue
                if caller and caller.startswith("lib:") and callee.startswith("lib:"):
                    continue
                impossible[caller, callee] += stack["weight"]
        self.assertEqual(dict(impossible), {})
        self.assert_mostly_whole(profile)
        self.assertLess(noted, 0.005 * profile.weight)
        self.assertEqual(profile.report["unresolved"], 0)
        for shape in target.facts["shapes"]:
            self.assertGreater(profile.share(shape, "total"), 0, "%s was never seen" % shape)

    @for_each(live.pythons)
    def test_shapes_in_one_thread(self, python):
        self.check_shapes(python, 1, "3khz")

    @for_each(live.one_python_per_version)
    def test_shapes_in_four_threads(self, python):
        self.check_shapes(python, 4, "5khz")

    def check_recursion(self, python, depth):
        target = self.start(python, "recursion.py", depth)
        profile = self.profile_cpu(target, 0.3, "-r", "1khz")
        target.finish(self)
        self.assertGreater(profile.samples, 20)
        for stack in profile.stacks:
            frames = [f for f in stack["frames"] if f["kind"] == "python"]
            names = [f["name"] for f in frames]
            self.assertEqual(names[-1], "bottom")
            if depth + 3 <= KEPT_FRAMES:
                self.assertEqual(names, ["<module>", "main"] + ["down"] * depth + ["bottom"])
            else:
                self.assertEqual(names, ["down"] * (KEPT_FRAMES - 1) + ["bottom"])
            self.assertEqual([f["line"] for f in frames][-2:-1],
                             marked_lines("recursion.py", "last line"))
            lines = {f["line"] for f in frames if f["name"] == "down"}
            self.assertEqual(lines, set(marked_lines("recursion.py", "last line") +
                                        marked_lines("recursion.py", "down line")))
        return profile

    @for_each(live.one_python_per_version)
    def test_recursion_200_is_whole(self, python):
        profile = self.check_recursion(python, 200)
        self.assertEqual(profile.partial(), 0)

    @for_each(live.one_python_per_version)
    def test_recursion_300_keeps_the_innermost(self, python):
        profile = self.check_recursion(python, 300)
        self.assertEqual(profile.report["partial"]["stack_cut"], profile.samples)

    @for_each(few_pythons)
    def test_recursion_1000_keeps_the_innermost(self, python):
        profile = self.check_recursion(python, 1000)
        self.assertEqual(profile.report["partial"]["stack_cut"], profile.samples)

    @for_each(live.one_python_per_version)
    def test_made_functions_keep_their_names(self, python):
        target = self.start(python, "made.py", "functions")
        profile = self.profile_cpu(target, 1, "-r", "2khz")
        target.finish(self)
        selves = collections.Counter()
        for function in profile.report["functions"]:
            match = re.fullmatch(r"f_(\d{4})", function["name"])
            if match:
                number = int(match.group(1))
                self.assertIn(number, range(1, target.facts["count"] + 1))
                self.assertEqual(function["file"], "gen_%04d.py" % number, function)
                self.assertEqual(function["line"], number, function)
                selves[number] += function["self"]
        self.assertEqual(set(selves), set(range(1, target.facts["count"] + 1)))
        for line in profile.report["lines"]:
            match = re.fullmatch(r"f_(\d{4})", line["name"])
            if match:
                self.assertIn(line["line"] - int(match.group(1)), (0, 1, 2, 3), line)
        self.check_weights(selves)

    def check_weights(self, selves):
        """f_i burns 1 + i % 5 ms: nobody's time went to another's name."""
        whole = sum(selves.values())
        by_weight = collections.Counter()
        for number, value in selves.items():
            by_weight[1 + number % 5] += value
        for weight in range(1, 6):
            self.assertAlmostEqual(by_weight[weight] / whole, weight / 15, delta=0.03)

    @for_each(live.one_python_per_version)
    def test_made_lambdas_keep_their_names(self, python):
        # Thousands of new names a second: a busy machine may lose some, but mix up none.
        target = self.start(python, "made.py", "lambdas")
        profile = self.profile_cpu(target, 0.8, "-r", "1khz", may_lose=True)
        target.finish(self)
        files = set()
        for function in profile.report["functions"]:
            match = re.fullmatch(r"lambda_(\d{4})\.py", function["file"])
            if match:
                files.add(function["file"])
                number = int(match.group(1))
                name = live.bare(function["name"])
                self.assertIn(name, ("<lambda>", "<listcomp>", "<module>"))
                # A module's first line is 1; before 3.11, that of its first statement.
                lines = (1, number) if name == "<module>" else (number,)
                self.assertIn(function["line"], lines, function)
        self.assertGreater(len(files), target.facts["count"] / 2)
        for stack in profile.stacks:
            made = {f["file"] for f in stack["frames"] if f["file"].startswith("lambda_")}
            self.assertLessEqual(len(made), 1, "one call, code of two lambdas: %s" % stack)

    @timing
    @for_each(live.one_python_per_version)
    def test_made_twins_keep_their_lines(self, python):
        target = self.start(python, "made.py", "twins")
        profile = self.profile_cpu(target, 0.8, "-r", "3khz")
        target.finish(self)
        lines = profile.lines("twin")
        near = sum(weight for line, weight in lines.items() if 1 <= line <= 4)
        far = sum(weight for line, weight in lines.items() if 41 <= line <= 44)
        self.assertEqual(near + far, sum(lines.values()), lines)
        self.assertAlmostEqual(far / (near + far), 0.75, delta=0.05)

    @for_each(live.one_python_per_version)
    def test_threads_that_come_and_go(self, python):
        target = self.start(python, "threads.py", "churn")
        profile = self.profile_cpu(target, 0.6, "-r", "2khz")
        facts = target.finish(self)
        self.assertGreater(facts["count"], 10)
        self.assertGreater(profile.share("brief", "total"), 0.5)
        self.assert_mostly_whole(profile)
        edges = profile.edges()
        for caller, callee in edges:
            if callee == "brief":
                self.assertEqual(caller, "run")
            if callee == "spin":
                self.assertEqual(caller, "brief")
