# SPDX-License-Identifier: GPL-2.0-only
"""The census: counts and sizes as the target's own interpreter has them, who holds what, and that
the target is left in peace."""
import json
import os
import signal
import subprocess
import time

import live
from live import for_each

# What a census reaches and gc.get_referents() does not: the insides of code objects, what the interpreter
# itself keeps. And what the target had while it counted.
REACHED_ELSEWHERE = {"builtins." + name for name in (
    "str", "int", "float", "bytes", "tuple", "code", "list", "dict", "moduledef", "frame", "type", "object",
    "hamt_bitmap_node")} | {"datetime.timedelta", "decimal.Context"}
# Their __sizeof__ adds a buffer of their own that is in no structure known here.
SIZED_OTHERWISE = {"_io.BufferedReader", "_io.BufferedWriter", "_struct.Struct"}


class Census:
    def __init__(self, report):
        self.report = report
        self.types = {"%s.%s" % (row["module"], row["name"]): row for row in report["types"]}

    def row(self, name):
        return self.types.get(name, {"count": 0, "tracked": 0, "bytes": 0})


class HeapTest(live.LiveTest):
    timeout_s = 90

    def census(self, target, *args):
        run = self.run_pybpfprof("heap", "-p", target.pid, "-f", "json", *args)
        self.assertEqual(run.stderr, "")
        self.assertEqual(run.json["mode"], ["heap"])
        return Census(run.json)

    # ---- truth ----

    @for_each(live.pythons)
    def test_counts_and_sizes(self, python):
        target = self.start(python, "heap_known.py")
        time.sleep(0.1)  # what it counted with is gone by then
        census = self.census(target)
        self.assertEqual(census.report["lost"]["total"], 0)
        self.assertFalse(census.report["incomplete"])
        self.assertEqual(census.report["targets"][0]["python"], python.version)
        tracked, reachable = target.facts["tracked"], target.facts["reachable"]
        ours = {name: row["tracked"] for name, row in census.types.items() if row["tracked"]}
        truth = {name: count for name, (count, _) in tracked.items()}
        self.assertEqual(ours, truth)
        for name, (count, size) in reachable.items():
            with self.subTest(type=name):
                row = census.row(name)
                if name in REACHED_ELSEWHERE:
                    self.assertGreater(row["count"], count * 0.8)
                    continue
                self.assertEqual(row["count"], count)
                if name not in SIZED_OTHERWISE:
                    self.assertEqual(row["bytes"], size)
        # Nothing is invented: no type that the target does not know, in the classes of its script.
        self.assertEqual({name for name in census.types if name.startswith("__main__.")},
                         {name for name in reachable if name.startswith("__main__.")})
        target.finish(self)

    @for_each(live.one_python_per_version)
    def test_largest(self, python):
        target = self.start(python, "heap_known.py")
        largest = self.census(target).report["largest"]
        self.assertEqual(largest[0]["type"], "str")
        self.assertEqual(largest[0]["preview"], "'%s'..." % ("x" * 48))
        self.assertGreater(largest[0]["bytes"], 10**6)
        self.assertEqual([o["bytes"] for o in largest], sorted((o["bytes"] for o in largest),
                                                               reverse=True))
        target.finish(self)

    @for_each(live.one_python_per_version)
    def test_immortal(self, python):
        target = self.start(python, "heap_known.py")
        immortal = self.census(target).report["immortal"]
        self.assertEqual(immortal > 100, python.minor >= 12, immortal)
        target.finish(self)

    def test_pools(self):
        target = self.start(live.host_python(), "heap_known.py")
        pools = self.census(target).report["pymalloc"]
        self.assertGreater(pools["arenas"], 0)
        self.assertEqual(pools["used_bytes"],
                         sum(c["used"] * c["block_bytes"] for c in pools["classes"]))
        target.finish(self)

    def test_table(self):
        target = self.start(live.host_python(), "heap_known.py")
        run = self.run_pybpfprof("heap", "-p", target.pid, "-l", "3", "--sort", "count")
        self.assertRegex(run.stdout, r"(?m)^\d+ objects \S+ .* tracked by the collector$")
        self.assertRegex(run.stdout, r"(?m)^ *\d+ +[\d.]+ .*  str$")
        self.assertRegex(run.stdout, r"more rows: --limit 0 shows all")
        self.assertRegex(run.stdout, r"(?m)^read in .* while it ran .* 0 unreadable")
        target.finish(self)

    @for_each(live.one_python_per_version)
    def test_while_it_changes(self, python):
        """Half of the machine's time goes into changing what is read: what stays is counted."""
        target = self.start(python, "heap_churn.py")
        for _ in range(5):
            census = self.census(target)
            if not census.report["incomplete"] and not census.report["collecting"]:
                self.assertEqual(census.row("__main__.Staying")["count"], 20000)
            else:
                self.assertLessEqual(census.row("__main__.Staying")["count"], 20000)
            self.assertLess(census.report["bytes"], 1 << 30)
        census = self.census(target, "--freeze", "5000")
        self.assertEqual(census.row("__main__.Staying")["count"], 20000)
        self.assertFalse(census.report["incomplete"])
        self.assertTrue(census.report["frozen"]["whole"])
        target.finish(self)

    @for_each(lambda: [p for p in live.one_python_per_version() if p.minor >= 9])
    def test_subinterpreters(self, python):
        target = self.start(python, "heap_inside.py")
        census = self.census(target)
        self.assertEqual(census.report["interpreters"], 2)
        self.assertEqual(census.row("__main__.Inside")["count"], 30)
        self.assertEqual(census.row("__main__.Outside")["count"], 20)
        target.finish(self)

    # ---- who holds it ----

    @for_each(live.one_python_per_version)
    def test_paths(self, python):
        target = self.start(python, "heap_holds.py")
        table = {
            "InDict": "'key of it'", "InList": "[2]", "InTuple": "[0]", "InSet": "{member}",
            "InAttribute": "attribute", "InSlot": "+16", "InClosure": ".cell_contents",
            "InGenerator": "local", "InClass": "attribute_of_class", "OnStack": "local on_stack",
        }
        for name, how in table.items():
            with self.subTest(type=name):
                report = self.census(target, "--path", name).report
                self.assertEqual(report["wanted_objects"], 1)
                self.assertEqual(report["unheld"], 0)
                steps = report["paths"][0]["steps"]
                self.assertRegex(steps[0]["root"], "^(module __main__|frame )")
                self.assertEqual(steps[-1]["type"], name)
                self.assertIn(how, steps[-1]["how"])
        target.finish(self)

    @for_each(live.one_python_per_version)
    def test_referrers_of_an_address(self, python):
        target = self.start(python, "heap_holds.py")
        report = self.census(target, "--referrers", hex(target.facts["address"])).report
        self.assertEqual([(row["type"], row["how"], row["references"])
                          for row in report["referrers"]], [("list", "[item]", 1)])
        target.finish(self)

    @for_each(live.one_python_per_version)
    def test_retained(self, python):
        target = self.start(python, "heap_holds.py")
        census = self.census(target, "--retained")
        retained = {name: row["retained"] for name, row in census.types.items()
                    if name.startswith("__main__.") and row["retained"]}
        self.assertEqual(retained, {"__main__.Lost": 50})
        report = self.census(target, "--path", "Lost").report
        self.assertEqual((report["unheld"], report["paths"]), (50, []))
        target.finish(self)

    def test_dot(self):
        target = self.start(live.host_python(), "heap_holds.py")
        for question in ("--path", "--referrers"):
            run = self.run_pybpfprof("heap", "-p", target.pid, question, "InDict", "-f", "dot")
            self.assertRegex(run.stdout, r"^digraph heap \{")
            self.assertIn("key of it", run.stdout)
            self.assertRegex(run.stdout, r"n\d+ -> n\d+ \[label=")
        target.finish(self)

    # ---- growth ----

    @for_each(live.one_python_per_version)
    def test_diff(self, python):
        target = self.start(python, "heap_holds.py")
        before = self.workdir + "/before.json"
        self.run_pybpfprof("heap", "-p", target.pid, "-f", "json", "-o", before)
        os.kill(target.pid, signal.SIGUSR1)
        self.assertEqual(target.process.stdout.readline(), b"grown\n")
        row = self.census(target, "--diff", before).row("__main__.Grown")
        self.assertEqual((row["count"] - row["count_before"], row["count_before"]), (500, 0))
        table = self.run_pybpfprof("heap", "-p", target.pid, "--diff", before, "-l", "3").stdout
        self.assertRegex(table, r"(?m)^ +500 +\+500 .* __main__\.Grown$")
        target.finish(self)

    def test_diff_with_something_else(self):
        target = self.start(live.host_python(), "heap_holds.py")
        for content in ("", "{}", "[1", '{"mode": ["heap"], "types": [1]}', '{"mode": ["cpu"]}'):
            path = self.workdir + "/other.json"
            with open(path, "w") as file:
                file.write(content)
            run = self.run_pybpfprof("heap", "-p", target.pid, "--diff", path, returncode=1)
            self.assert_one_line(run, "other.json")
        self.assert_one_line(self.run_pybpfprof("heap", "-p", target.pid, "--diff", "/no/such",
                                                returncode=1), "No such file")
        target.finish(self)

    # ---- stopping it ----

    def state(self, pid):
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]

    def wait_until(self, condition, what):
        deadline = time.monotonic() + 10
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.01)

    def test_freeze_says_so(self):
        target = self.start(live.host_python(), "heap_known.py")
        frozen = self.census(target, "--freeze", "10000").report["frozen"]
        self.assertIn(frozen["how"], ("SIGSTOP", "the cgroup freezer"))
        self.assertTrue(frozen["whole"])
        self.assertGreater(frozen["ns"], 0)
        self.assertIn(self.state(target.pid), "SR")
        target.finish(self)

    def test_freeze_has_an_end(self):
        target = self.start(live.host_python(), "heap_known.py")
        frozen = self.census(target, "--freeze", "1").report["frozen"]
        self.assertLess(frozen["ns"], 200 * 10**6)
        self.assertIn(self.state(target.pid), "SR")
        target.finish(self)

    def test_freeze_by_its_cgroup(self):
        root = next((r for r in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
                     if os.path.exists(r + "/cgroup.procs")), None)
        group = "%s/%s" % (root, os.path.basename(self.workdir))
        try:
            os.mkdir(group)
        except OSError:
            self.skipTest("no cgroup (v2) can be made here")
        self.addCleanup(os.rmdir, group)
        target = self.start(live.host_python(), "heap_known.py")
        with open(group + "/cgroup.procs", "w") as procs:
            procs.write(str(target.pid))
        frozen = self.census(target, "--freeze", "10000").report["frozen"]
        self.assertEqual((frozen["how"], frozen["whole"]), ("the cgroup freezer", True))
        with open(group + "/cgroup.freeze") as freeze:
            self.assertEqual(freeze.read().strip(), "0")
        target.finish(self)
        target.close()

    def test_what_was_stopped_stays_so(self):
        target = self.start(live.host_python(), "heap_known.py")
        os.kill(target.pid, signal.SIGSTOP)
        self.wait_until(lambda: self.state(target.pid) == "T", "it does not stop")
        frozen = self.census(target, "--freeze", "1000").report["frozen"]
        self.assertEqual(frozen["how"], "somebody else")
        self.assertEqual(self.state(target.pid), "T")
        os.kill(target.pid, signal.SIGCONT)
        target.finish(self)

    def test_killed_while_it_is_stopped(self):
        """Whoever kills us, and when: it runs on."""
        target = self.start(live.host_python(), "heap_churn.py")
        stopped = 0
        for attempt in range(20):
            process = self.popen("heap", "-p", target.pid, "--freeze", "60000", "--path", "list")
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline and process.poll() is None and \
                    self.state(target.pid) != "T":
                pass
            stopped += self.state(target.pid) == "T"
            process.send_signal(signal.SIGKILL)
            process.wait()
            self.wait_until(lambda: self.state(target.pid) != "T", "it stays stopped")
        self.assertGreater(stopped, 0)
        target.finish(self)

    # ---- bad input ----

    def test_refusals(self):
        sleeper = subprocess.Popen(["sleep", "30"])
        self.addCleanup(sleeper.wait)
        self.addCleanup(sleeper.kill)
        target = self.start(live.host_python(), "heap_holds.py")
        pid = target.pid
        table = [
            (2, ["heap"], "-p"),
            (2, ["heap", "-p", "1,2"], "one"),
            (2, ["heap", "-p", pid, "--sort", "colour"], "colour"),
            (2, ["heap", "-p", pid, "--sort", "growth"], "--diff"),
            (2, ["heap", "-p", pid, "-f", "folded"], "folded"),
            (2, ["heap", "-p", pid, "-f", "dot"], "--path"),
            (2, ["heap", "-p", pid, "--freeze", "0"], "milliseconds"),
            (2, ["heap", "-p", pid, "--freeze", "1h"], "milliseconds"),
            (2, ["heap", "-p", pid, "--path", "0xzz"], "0xzz"),
            (2, ["heap", "-p", pid, "--path", "a", "--referrers", "b"], "exclude"),
            (3, ["heap", "-p", sleeper.pid], "ython"),
            (3, ["heap", "-p", "2"], "ython"),
            (1, ["heap", "-p", pid, "--path", "NoSuchType"], "NoSuchType"),
            (1, ["heap", "-p", pid, "--referrers", "0x10"], "0x10"),
            (1, ["heap", "-p", pid, "-o", "/no/such/place"], "/no/such/place"),
        ]
        for status, args, word in table:
            with self.subTest(args=args):
                run = self.run_pybpfprof(*args, returncode=status)
                self.assert_one_line(run, word)
                self.assertEqual(run.stdout, "")
        target.finish(self)

    @for_each(live.one_python_per_version)
    def test_forged(self, python):
        """Sizes, links and types that are lies: no hang, no crash, no gigabytes."""
        target = self.start(python, "heap_forged.py")
        report = self.census(target).report
        self.assertLess(report["bytes"], 1 << 32)
        self.assertGreater(report["objects"], 1000)
        json.dumps(report)
        self.run_pybpfprof("heap", "-p", target.pid, "--path", "Victim")
        self.run_pybpfprof("heap", "-p", target.pid, "--retained")
        target.process.kill()

    @live.measures
    def test_a_million_objects(self):
        target = self.start(live.host_python(), "heap_million.py", 1000000)
        process = self.popen("heap", "-p", target.pid, "-f", "json")
        stdout = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        census = Census(json.loads(stdout))
        self.assertEqual(census.row("__main__.Item")["count"], 1000000)
        self.assertLess(usage.ru_utime + usage.ru_stime, 2)
        self.assertLess(usage.ru_maxrss, 200 * 1024)
        target.finish(self)
