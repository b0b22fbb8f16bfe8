#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What runs in a guest: live tests that need no timing, and some of its own.

An emulated machine on a busy host loses clock interrupts, so nothing here counts on a rate above
99 Hz, and nothing on how soon a run begins. On a kernel that is too old the only question is
whether that is said.

GUEST_TESTS=WORD[,WORD...] in the environment runs those whose names hold one of the words
instead, of all tests without timing.
"""
import importlib.machinery
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
LIVE = os.path.join(os.path.dirname(os.path.dirname(HERE)), "tests", "live")
sys.dont_write_bytecode = True
# The host may leave a guest little of its CPUs.
os.environ.setdefault("LIVE_PATIENCE", "4")
sys.path.insert(0, LIVE)

import calls  # noqa: E402
import live  # noqa: E402
import memory  # noqa: E402
from live import for_each, marked_lines  # noqa: E402

RATE_HZ = 99
KERNEL_MIN = (5, 15)
# Where a kernel can differ: programs and maps, clock interrupts, uprobes, reading memory, stacks of
# all three kinds, the life of processes, what they map and touch, namespaces, rights. Pythons differ
# in user space, so three stand for all: one before frames were structs, one with a _PyCFrame, one
# with _Py_DebugOffsets.
LIVE_TESTS = """
    test_a_child_has_what_it_touches_itself
    test_a_target_that_is_killed
    test_all
    test_an_exec_of_another_python
    test_an_oom_kill_by_the_page
    test_counts_and_sizes__bullseye_3_9
    test_counts_and_sizes__forky_3_15
    test_counts_and_sizes__host_3_11
    test_every_function_of_the_c_library__bullseye_3_9
    test_every_function_of_the_c_library__forky_3_15
    test_every_function_of_the_c_library__host_3_11
    test_every_object_by_plain_malloc__forky_3_15
    test_forged_frames_and_names__forky_3_15
    test_fork_in_the_middle_of_calls__bullseye_3_9
    test_fork_in_the_middle_of_calls__forky_3_15
    test_freeze_by_its_cgroup
    test_killed_command
    test_large_blocks_equal_tracemalloc__bullseye_3_9
    test_large_blocks_equal_tracemalloc__host_3_11
    test_lines_that_touch_memory__bullseye_3_9
    test_lines_that_touch_memory__forky_3_15
    test_lines_that_touch_memory__host_3_11
    test_mappings_are_told_apart
    test_not_root
    test_other_mount_namespace__bullseye_3_9
    test_other_pid_namespace
    test_recursion_300_keeps_the_innermost__forky_3_15
    test_samples_estimate
    test_shapes_in_one_thread__bullseye_3_9
    test_shapes_in_one_thread__host_3_11
    test_target_killed_ends_the_run
    test_temporaries
    test_threads_are_told_apart
    test_threads_that_free_each_others_blocks
    test_what_processes_share_is_counted_once
    test_window_in_a_running_process__host_3_11
""".split()
PYTHON_MINORS = (9, 11, 15)


def kernel_version():
    return tuple(int(part) for part in os.uname().release.split(".")[:2])


def guest_pythons():
    return [p for p in live.one_python_per_version() if p.minor in PYTHON_MINORS]


class GuestLoadTest(live.LiveTest):
    """Every program, as every option makes it, before the verifier of this kernel."""
    timeout_s = 600
    WITHOUT_NATIVE = ("time", "callgraph", "lifetime")
    OPTIONS = (["cpu", "-k"], ["memory", "--rss"], ["memory", "--allocator", "object"],
               ["memory", "--sample", "100k"], ["memory", "--min-size", "600"])

    def modes(self):
        """All that are built: a new one is loaded here without being named here."""
        run = self.run_pybpfprof("--mode", "nothing", "-p", os.getpid(), returncode=2)
        modes = re.search(r"known: (.*)", run.stderr).group(1).split(", ")
        self.assertIn("cpu", modes)
        return modes

    def load(self, mode, *options):
        """With an idle target of its own: none of them lives for long."""
        target = self.start(live.host_python(), "memory_known.py", "watched", os.devnull)
        whom = [] if "-a" in options else ["-p", target.pid]
        started_s = time.monotonic()
        with self.subTest(mode=mode, options=options):
            run = self.run_pybpfprof("--mode", mode, *whom, *options, "-d", "0.5", "-f", "json",
                                     "-vv", returncode=None)
            # The verifier's last words, when it had something against us.
            said = "\n".join(line[:200] for line in run.stderr.splitlines()[-12:])
            self.assertEqual(run.returncode, 0, said)
            self.assertEqual(run.json["lost"]["total"], 0, run.json["lost"])
        # A test of many says nothing for minutes, and what takes long is worth knowing.
        print("     %-40s %6.1f s" % (" ".join((mode, *options)), time.monotonic() - started_s),
              flush=True)
        target.close()

    def test_every_program_loads(self):
        for mode, *options in [[mode] for mode in self.modes()] + list(self.OPTIONS):
            self.load(mode, *options)

    def test_every_program_loads_for_all_processes_and_native_frames(self):
        for mode in self.modes():
            self.load(mode, "-a", *([] if mode in self.WITHOUT_NATIVE else ["-n"]))
        self.load("memory", "-a", "-n", "--rss")


class GuestTest(live.LiveTest):
    timeout_s = 120

    def test_doctor(self):
        report = self.run_pybpfprof("doctor", "-f", "json").json
        self.assertTrue(report["usable"])
        missing = [check for check in report["checks"] if check["state"] == "missing"]
        self.assertEqual(missing, [])

    def test_list(self):
        targets = [self.start(python, "split.py") for python in guest_pythons()]
        for target in targets:
            target.process.send_signal(signal.SIGSTOP)  # they would take the CPUs from the list
        rows = {row["pid"]: row for row in self.run_pybpfprof("list", "-f", "json").json}
        for target in targets:
            target.process.send_signal(signal.SIGCONT)
            self.assertEqual(rows[target.pid]["version"], target.python.version)
            self.assertEqual(rows[target.pid]["supported"], True)
            target.finish(self)

    @for_each(guest_pythons)
    def test_chain(self, python):
        """Names, files, first and executing lines, and the share of samples that came."""
        target = self.start(python, "split.py")
        profile = self.profile_target(target, "-r", RATE_HZ, "-d", "3")
        target.finish(self)
        cpu_s = profile.report["targets"][0]["cpu_ns"] / 1e9
        self.assertGreater(cpu_s, 0.5, "the target hardly ran")
        self.assertGreaterEqual(profile.samples, 0.7 * RATE_HZ * cpu_s)
        self.assertEqual(profile.report["unresolved"], 0)
        self.assert_mostly_whole(profile)
        for name in ("heavy", "light"):
            function = profile.function(name)
            self.assertEqual(function["file"], self.script(python, "split.py"))
            self.assertEqual([function["line"]], marked_lines("split.py", name + " first"))
            # Before its first instruction a function stands at its `def`, as CPython has it too.
            self.assertEqual(set(profile.lines(name)) - {function["line"]} -
                             set(marked_lines("split.py", name + " line")), set())
        self.assertEqual([profile.function(python.qualified("Worker.turn"))["line"]],
                         marked_lines("split.py", "turn first"))
        self.assert_edges(profile, {(None, "<module>"), ("<module>", "main"), ("main", "turn"),
                                    ("main", "uniform"), ("turn", "heavy"), ("turn", "light")})
        self.assertGreater(profile.share("heavy"), profile.share("light"))

    @for_each(guest_pythons)
    def test_made_code_keeps_its_names(self, python):
        """f_0007 is in gen_0007.py, from line 7 on, wherever its code object lay."""
        target = self.start(python, "made.py", "functions")
        profile = self.profile_target(target, "-r", "1khz", "-d", "2")
        target.finish(self)
        made = [f for f in profile.report["functions"] if f["name"].startswith("f_")]
        self.assertGreater(len(made), target.facts["count"] / 2)
        for function in made:
            number = int(function["name"][2:])
            self.assertEqual((function["file"], function["line"]),
                             ("gen_%04d.py" % number, number))
        for line in profile.report["lines"]:
            if line["name"].startswith("f_"):
                self.assertIn(line["line"] - int(line["name"][2:]), range(4), line)

    def watch_native(self, python, what, *options):
        target = self.start(python, "native.py", what)
        profile = self.profile_target(target, "-r", RATE_HZ, "-d", "2", *options)
        target.finish(self)
        self.assertGreater(profile.samples, 0)
        return profile

    @for_each(guest_pythons)
    def test_native_frames(self, python):
        """sorted() in C calls key() in Python: nothing but C lies between the two."""
        profile = self.watch_native(python, "sort", "-n")
        between = 0
        for stack in profile.stacks:
            frames = [(f["kind"], live.bare(f["name"])) for f in stack["frames"]]
            if ("python", "key") in frames:
                start, end = frames.index(("python", "sort_work")), frames.index(("python", "key"))
                kinds = {kind for kind, _ in frames[start + 1:end]}
                self.assertLessEqual(kinds, {"native"})
                between += stack["weight"] * bool(kinds)
        self.assertGreater(between, 0)

    def test_kernel_frames(self):
        profile = self.watch_native(live.host_python(), "read", "-k")
        kernel = 0
        for stack in profile.stacks:
            kinds = [frame["kind"] for frame in stack["frames"]]
            self.assertEqual(kinds, sorted(kinds, key=["python", "kernel"].index))
            kernel += stack["weight"] * (kinds[-1] == "kernel")
        self.assertGreater(kernel, 0.3 * profile.weight)
        names = {f["name"] for s in profile.stacks for f in s["frames"] if f["kind"] == "kernel"}
        self.assertTrue(any("read" in name for name in names), names)

    def test_native_and_kernel_frames(self):
        profile = self.watch_native(live.host_python(), "read", "-n", "-k")
        kinds = {frame["kind"] for stack in profile.stacks for frame in stack["frames"]}
        self.assertEqual(kinds, {"python", "native", "kernel"})

    def watch_family(self, *options):
        python = live.host_python()
        command = python.command("-B", os.path.join(HERE, "family.py"), python.path,
                                 self.script(python, "execed.py"))
        env = dict(os.environ, PYTHONPATH=live.TARGETS)
        target = live.Target(self, python, command, env=env, name="family.py")
        process = self.start_pybpfprof("-p", target.pid, "-r", RATE_HZ, "-f", "json", *options)
        # The first perf event may still be the one that is only tried; a target is found later.
        time.sleep(4)
        target.process.send_signal(signal.SIGUSR1)
        facts = target.expect_done(self)
        self.assertEqual(facts["statuses"], [3, 5])
        run = self.collect(process)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(run.json["lost"]["total"], 0, run.json["lost"])
        return target, live.Profile(run.json), facts

    def test_fork_and_exec_are_followed(self):
        target, profile, facts = self.watch_family("-s")
        self.assertEqual({t["pid"] for t in profile.report["targets"]},
                         {target.pid, facts["forked"], facts["execed"]})
        for name in ("parent_work", "child_work", "execed_work"):
            self.assertGreater(profile.share(name, "total"), 0.1)
        self.assert_mostly_whole(profile)
        for impossible in (("parent_work", "child_work"), ("parent_work", "execed_work"),
                           ("main", "execed_work"), ("child_work", "execed_work")):
            self.assertNotIn(impossible, profile.edges())

    def test_fork_and_exec_are_not_followed_unasked(self):
        target, profile, _ = self.watch_family()
        self.assertEqual([t["pid"] for t in profile.report["targets"]], [target.pid])
        self.assertEqual(profile.names() & {"child_work", "execed_work"}, set())
        self.assertGreater(profile.share("parent_work", "total"), 0.5)

    def test_command(self):
        script = self.script(live.host_python(), "first.py")
        run = self.run_pybpfprof("-r", RATE_HZ, "-f", "json", "-o", "out.json", "--", "python3",
                                 script, "a", "b", returncode=None)
        self.assertEqual((run.returncode, run.stdout), (9, "out a b\n"), run.stderr)
        with open(os.path.join(self.workdir, "out.json")) as report:
            profile = live.Profile(json.load(report))
        self.assertEqual(profile.report["targets"][0]["exit_code"], 9)
        self.assertEqual(profile.report["lost"]["total"], 0)
        self.assertGreater(profile.share("<module>", "total"), 0.3)

    def test_interrupt_makes_a_report(self):
        target = self.start(live.host_python(), "split.py")
        process = self.start_pybpfprof("-p", target.pid, "-r", RATE_HZ, "-f", "json")
        time.sleep(4)
        process.send_signal(signal.SIGINT)
        run = self.collect(process)
        target.finish(self)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertGreater(run.json["samples"], 0)

    def test_cgroup(self):
        cgroup = "/sys/fs/cgroup/pybpfprof-test"
        os.mkdir(cgroup)
        self.addCleanup(os.rmdir, cgroup)
        inside = self.start(live.host_python(), "split.py")
        outside = self.start(live.host_python(), "split.py")
        with open(cgroup + "/cgroup.procs", "w") as procs:
            procs.write(str(inside.pid))
        self.addCleanup(inside.close)
        profile = self.profile("--cgroup", cgroup, "-r", RATE_HZ, "-d", "2")
        self.assertEqual([t["pid"] for t in profile.report["targets"]], [inside.pid])
        self.assertGreater(profile.samples, 0)
        inside.finish(self)
        outside.finish(self)

    def test_no_btf_is_refused(self):
        refuse_without_btf(self)


class Text:
    """The interpreter's code in a process, beside that in its file: where they differ, a probe is."""

    PAGE_BYTES = 4096

    def __init__(self, target):
        self.pid = target.pid
        with open("/proc/%d/maps" % self.pid) as maps:
            found = re.search(r"(?m)^(\w+)-(\w+) r-xp (\w+) .*/python3\.\d+$", maps.read())
        self.start, end, offset = (int(number, 16) for number in found.groups())
        with open("/proc/%d/exe" % self.pid, "rb") as binary:
            binary.seek(offset)
            self.code = binary.read(end - self.start)

    def probes(self):
        """Pages with a probe in them, and what they hold."""
        with open("/proc/%d/mem" % self.pid, "rb") as memory:
            memory.seek(self.start)
            code = memory.read(len(self.code))
        return {at: code[at:at + self.PAGE_BYTES] for at in range(0, len(code), self.PAGE_BYTES)
                if code[at:at + self.PAGE_BYTES] != self.code[at:at + self.PAGE_BYTES]}


class GuestCallsTest(calls.CallsTest):
    """Exact calls, of the workloads that a slow machine can do twice."""
    timeout_s = 150

    def serve_and_know(self, python):
        truth = self.truth(python, *calls.OWN_WORKLOADS, what="again")
        return truth, self.serve(python, *calls.OWN_WORKLOADS)

    def start_probing(self, target, text):
        """Started, and all its probes in the target: no more have come for two seconds."""
        process = self.popen("--mode", "time,callgraph", "--max-overhead", "none", "-f", "json",
                             "-p", target.pid)
        deadline_s = time.monotonic() + 60
        probes, since_s = {}, 0
        while process.poll() is None and time.monotonic() < deadline_s:
            now = text.probes()
            if now != probes:
                probes, since_s = now, time.monotonic()
            if probes and time.monotonic() - since_s > 2:
                return process
            time.sleep(0.1)
        self.fail("no probes: %s" % self.collect(process, 5).stderr)

    @for_each(guest_pythons)
    def test_calls_of_a_command(self, python):
        truth = self.truth(python, *calls.OWN_WORKLOADS)
        profile = self.calls_of_command(*self.runner(python, "plain", *calls.OWN_WORKLOADS),
                                        mode="time,callgraph", timeout_s=60)
        self.assert_truth(profile, truth)
        self.assert_edges(profile, truth)

    @for_each(guest_pythons)
    def test_calls_of_a_process(self, python):
        """The probes come, see all there is, and go: its code is what the file has again."""
        truth, target = self.serve_and_know(python)
        text = Text(target)
        self.assertEqual(text.probes(), {})
        process = self.start_probing(target, text)
        self.ask(target, signal.SIGUSR1)
        process.send_signal(signal.SIGINT)
        profile = self.collect_calls(process, mode="time,callgraph")
        self.assertEqual(text.probes(), {})
        target.finish(self)
        self.assert_truth(profile, truth)

    def test_doctor_tells_of_calls(self):
        def state():
            checks = self.run_pybpfprof("doctor", "-f", "json").json["checks"]
            return next(check for check in checks if check["name"] == "exact calls")
        self.assertEqual(state()["state"], "ok")
        if kernel_version() >= (6, 10):
            return
        # As in a kernel without CONFIG_UPROBE_EVENTS.
        subprocess.run(["mount", "-t", "tmpfs", "none", "/sys/bus/event_source/devices"],
                       check=True)
        self.addCleanup(subprocess.run, ["umount", "/sys/bus/event_source/devices"], check=True)
        told = state()
        self.assertEqual(told["state"], "degraded")
        self.assertIn("uprobe", told["finding"])
        self.assertIn("CONFIG_UPROBE_EVENTS", told["fix"])


class GuestMemoryTest(memory.MemoryTest):
    """What the live tests ask of Pythons that guests do not have, or of a machine that is quick."""
    timeout_s = 150

    def test_objects_of_a_debug_build(self):
        """Its allocator adds marks to each block: counts are tracemalloc's, sizes are not."""
        [python] = [p for p in live.pythons() if p.name.endswith("d")]
        truth = self.truth_of(python)
        found = self.watch_known(python, "--allocator", "object")
        for mark in ("kept blocks", "small", "numbers", "dict", "deep blocks", "thread blocks"):
            [line] = live.marked_lines("memory_known.py", mark)
            self.assertGreater(truth[line][1], 0)
            self.assertEqual(found.line("memory_known.py", line)["live_blocks"], truth[line][1],
                             mark)

    def test_a_fork_between_malloc_and_free(self):
        script = os.path.join(HERE, "memory_fork.py")
        run = self.run_pybpfprof("--mode", "memory", "--rss", "-f", "json", "--",
                                 *live.host_python().command("-B", script))
        found = self.memory_of(run)
        inherited = found.marked(script, "inherited")
        self.assertEqual((inherited["allocations"], inherited["frees"]), (50, 0),
                         "what the child frees is its own copy")
        self.assertEqual(found.marked(script, "in child")["live_blocks"], 40)
        self.assertEqual(found.marked(script, "in parent")["live_blocks"], 10)
        self.assertGreaterEqual(found.memory["unknown_frees"], 25)
        self.assertEqual(len(found.memory["processes"]), 2)

    def test_a_heap_that_is_stopped(self):
        target = self.start(live.host_python(), "heap_known.py")
        report = self.run_pybpfprof("heap", "-p", target.pid, "-f", "json", "--freeze",
                                    "10000").json
        self.assertTrue(report["frozen"]["whole"])
        tracked = target.facts["tracked"]
        self.assertEqual({"%s.%s" % (row["module"], row["name"]): row["tracked"]
                          for row in report["types"] if row["tracked"]},
                         {name: count for name, (count, _) in tracked.items()})
        target.finish(self)


class OldKernelTest(live.LiveTest):
    def test_profile_is_refused(self):
        target = self.start(live.host_python(), "split.py")
        for args in (["-p", target.pid, "-d", "1"], ["-a", "-d", "1"],
                     ["--", "python3", "-c", "print('must not run')"]):
            with self.subTest(args=args):
                run = self.run_pybpfprof(*args, returncode=4)
                self.assert_one_line(run, r"Linux %d\.%d\." % kernel_version(), r"5\.15")
                self.assertEqual(run.stdout, "")
        target.finish(self)

    def test_doctor_says_so(self):
        run = self.run_pybpfprof("doctor", returncode=4)
        self.assertRegex(run.stdout, r"(?m)^missing +kernel .*5\.15")

    def test_list_works_all_the_same(self):
        """It only reads /proc and memory."""
        target = self.start(live.host_python(), "split.py")
        rows = {row["pid"]: row for row in self.run_pybpfprof("list", "-f", "json").json}
        target.finish(self)
        self.assertEqual(rows[target.pid]["version"], target.python.version)


OWN_TESTS = (GuestLoadTest, GuestTest, GuestCallsTest, GuestMemoryTest)


def refuse_without_btf(test):
    """As in a kernel built without: the directory is empty."""
    subprocess.run(["mount", "-t", "tmpfs", "none", "/sys/kernel/btf"], check=True)
    test.addCleanup(subprocess.run, ["umount", "/sys/kernel/btf"], check=True)
    target = test.start(live.host_python(), "split.py")
    run = test.run_pybpfprof("-p", target.pid, "-d", "1", returncode=4)
    test.assert_one_line(run, "BTF")
    run = test.run_pybpfprof("doctor", returncode=4)
    test.assertRegex(run.stdout, r"(?m)^missing +BTF ")
    target.finish(test)


def load_runner():
    """tests/live/run: how a test is run and told of is the same here."""
    loader = importlib.machinery.SourceFileLoader("run", os.path.join(LIVE, "run"))
    spec = importlib.util.spec_from_loader("run", loader)
    runner = importlib.util.module_from_spec(spec)
    loader.exec_module(runner)
    return runner


def is_chosen(test, words):
    name = test._testMethodName
    if getattr(getattr(test, name, None), "timing", False):
        return False
    if words:
        return any(word in test.id() for word in words)
    return isinstance(test, OWN_TESTS) or name in LIVE_TESTS


def chosen_tests(runner):
    loader = unittest.defaultTestLoader
    if kernel_version() < KERNEL_MIN:
        return list(runner.flatten(loader.loadTestsFromTestCase(OldKernelTest)))
    own = [loader.loadTestsFromTestCase(case) for case in OWN_TESTS]
    words = os.environ.get("GUEST_TESTS", "").replace(",", " ").split()
    return [test for suite in (*own, loader.discover(LIVE, "test_*.py", LIVE))
            for test in runner.flatten(suite) if is_chosen(test, words)]


def main():
    runner = load_runner()
    live.adopt_orphans()
    signal.signal(signal.SIGALRM, runner.on_alarm)
    result = runner.LineResult(sys.stdout)
    started_s = time.monotonic()
    for test in chosen_tests(runner):
        runner.run_test(test, result)
    live.kill_children()
    print("Linux %s: guest tests took %.0f s" % (os.uname().release, time.monotonic() - started_s))
    print("%d passed, %d failed, %d skipped" % (result.passed, result.failed(),
                                                len(result.skipped)), flush=True)
    return 1 if result.failed() or not result.passed else 0


if __name__ == "__main__":
    sys.exit(main())
