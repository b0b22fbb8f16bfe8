# SPDX-License-Identifier: GPL-2.0-only
"""Native and kernel frames in their places between and above the Python ones."""
import subprocess

import live
from live import for_each


def with_numpy():
    found = []
    for python in live.pythons():
        tried = subprocess.run(python.command("-c", "import numpy"), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
        if tried.returncode == 0:
            found.append(python)
    return found


class NativeTest(live.LiveTest):
    def watch(self, python, what, *options):
        target = self.start(python, "native.py", what)
        profile = self.profile_cpu(target, 0.4, "-r", "1khz", *options)
        target.finish(self)
        cpu_ms = profile.report["targets"][0]["cpu_ns"] / 1e6
        self.assertGreater(profile.samples, 0.7 * cpu_ms - 10, "CPU time that was not sampled")
        self.assertGreater(profile.share(what + "_work" if what != "numpy" else "np_work", "total"),
                           0.9)
        return profile

    @for_each(live.one_python_per_version)
    def test_time_in_c_is_the_callers(self, python):
        for what in ("json", "re"):
            profile = self.watch(python, what)
            self.assertEqual({f["kind"] for s in profile.stacks for f in s["frames"]}, {"python"})

    def files_below(self, profile, name):
        """Weight by file of the native frames that the Python function led to, once a stack."""
        files = {}
        for stack in profile.stacks:
            frames = stack["frames"]
            starts = [i for i, frame in enumerate(frames)
                      if frame["kind"] == "python" and frame["name"] == name]
            below = frames[starts[0] + 1:] if starts else []
            for file in {frame["file"] for frame in below if frame["kind"] == "native"}:
                files[file] = files.get(file, 0) + stack["weight"]
        return files

    @for_each(with_numpy)
    def test_numpy(self, python):
        profile = self.watch(python, "numpy", "-n")
        files = self.files_below(profile, python.qualified("numpy.<locals>.np_work"))
        sorting = sum(weight for file, weight in files.items() if "_multiarray_umath" in file)
        self.assertGreater(sorting, 0.9 * profile.weight, files)

    @for_each(live.one_python_per_version)
    def test_callback_through_c(self, python):
        """sorted() in C calls key() in Python: the C frames lie between the two."""
        profile = self.watch(python, "sort", "-n")
        work = python.qualified("sort.<locals>.sort_work")
        between = 0
        for stack in profile.stacks:
            names = [(f["kind"], f["name"]) for f in stack["frames"]]
            if ("python", "key") in names:
                self.assertIn(("python", work), names)
                start, end = names.index(("python", work)), names.index(("python", "key"))
                self.assertLess(start, end)
                kinds = {kind for kind, _ in names[start + 1:end]}
                self.assertLessEqual(kinds, {"native"})
                between += stack["weight"] * bool(kinds)
        self.assertGreater(between, 0.05 * profile.weight)

    def test_kernel(self):
        profile = self.watch(live.host_python(), "read", "-k")
        kernel = sum(s["weight"] for s in profile.stacks if s["frames"][-1]["kind"] == "kernel")
        self.assertGreater(kernel, 0.5 * profile.weight)
        names = {f["name"] for s in profile.stacks for f in s["frames"] if f["kind"] == "kernel"}
        self.assertTrue(any("read" in name for name in names), names)
        for stack in profile.stacks:
            kinds = [f["kind"] for f in stack["frames"]]
            self.assertEqual(kinds, sorted(kinds, key=["python", "kernel"].index))

    def test_native_and_kernel(self):
        profile = self.watch(live.host_python(), "read", "-n", "-k")
        kinds = {tuple(dict.fromkeys(f["kind"] for f in s["frames"])) for s in profile.stacks}
        self.assertIn("kernel", {kind for order in kinds for kind in order})
        self.assertIn("native", {kind for order in kinds for kind in order})
