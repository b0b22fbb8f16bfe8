# SPDX-License-Identifier: GPL-2.0-only
"""Which processes are Python: list, doctor, and interpreters in odd places."""
import os
import shutil
import signal
import struct
import subprocess

import live
from live import for_each

SHT_DYNSYM = 11
SYMBOL_BYTES = 24


def plan_of(python):
    """How its calls are seen: Debian 11's builds have CPython's own probes, older ones none."""
    if python.minor >= 11:
        return "dispatch"
    return "usdt" if python.root else "eval"


def symbol_empty(path, name):
    """Sets the size of an exported symbol to 0."""
    with open(path, "r+b") as elf:
        content = elf.read()
        table, entry_bytes, count = struct.unpack_from("<40xQ10xHH", content)
        sections = [struct.unpack_from("<IIQQQQII", content, table + i * entry_bytes)
                    for i in range(count)]
        _, _, _, _, at, size, link, _ = next(s for s in sections if s[1] == SHT_DYNSYM)
        strings = sections[link][4]
        for symbol in range(at, at + size, SYMBOL_BYTES):
            start = strings + struct.unpack_from("<I", content, symbol)[0]
            if content[start:start + len(name) + 1] == name + b"\0":
                elf.seek(symbol + 16)
                elf.write(bytes(8))


class InspectTest(live.LiveTest):
    timeout_s = 180

    def start_idle(self, pythons):
        """Stopped, for so many would take the CPUs from whoever looks at them."""
        targets = [self.start(python, "recursion.py", 2) for python in pythons]
        for target in targets:
            target.process.send_signal(signal.SIGSTOP)
        return targets

    def finish_idle(self, targets):
        for target in targets:
            target.process.send_signal(signal.SIGCONT)
            target.finish(self)

    def listed(self):
        run = self.run_pybpfprof("list", "-f", "json")
        return {row["pid"]: row for row in run.json}

    def test_list_knows_every_version(self):
        targets = self.start_idle(live.pythons())
        rows = self.listed()
        table = self.run_pybpfprof("list").stdout.splitlines()
        for target in targets:
            row = rows.get(target.pid)
            self.assertIsNotNone(row, "%s is not listed" % target.python.name)
            self.assertEqual((row["version"], row["supported"], row["reason"]),
                             (target.python.version, True, None))
            self.assertEqual("debug" in row["build"], target.python.name.endswith("d"), row)
            self.assertEqual("shared" in row["build"], target.python.name.startswith("pyenv"), row)
            self.assertIn("recursion.py", row["command"])
            self.assertEqual(row["user"], "root")
            self.assertEqual((row["plan"], row["plan_reason"]), (plan_of(target.python), None))
            line = next(line for line in table if line.split()[:1] == [str(target.pid)])
            self.assertEqual(line.split()[1], target.python.version)
            self.assertIn(plan_of(target.python), line.split())
        self.finish_idle(targets)

    def test_doctor(self):
        run = self.run_pybpfprof("doctor")
        self.assertEqual(run.stderr, "")
        self.assertRegex(run.stdout, r"(?m)^ok +kernel +Linux \d")
        report = self.run_pybpfprof("doctor", "-f", "json").json
        self.assertTrue(report["usable"])
        for check in report["checks"]:
            self.assertIn(check["state"], ("ok", "degraded", "missing"))
            if check["state"] != "ok":
                self.assertTrue(check["fix"], check)

    def test_doctor_tells_the_plan_of_each_python(self):
        targets = self.start_idle(2 * live.one_python_per_version())
        told = self.run_pybpfprof("doctor", "-f", "json").json["pythons"]
        table = self.run_pybpfprof("doctor").stdout
        for target in targets:
            rows = [row for row in told if row["version"] == target.python.version
                    and row["plan"] == plan_of(target.python)]
            self.assertTrue(any(row["processes"] >= 2 for row in rows), target.python.name)
            self.assertTrue(all(row["plan_reason"] is None for row in rows), rows)
            self.assertRegex(table, r"(?m)^ok +calls +CPython %s, \d+ processes, .*: %s$" % (
                target.python.version, plan_of(target.python)))
        self.finish_idle(targets)

    def test_a_python_without_a_plan_says_why(self):
        """3.9 whose evaluation function is said to have no bytes."""
        python = next((p for p in live.pythons() if p.minor == 9 and not p.root), None)
        if python is None:
            self.skipTest("no Python 3.9 with a shared library")
        home = os.path.dirname(os.path.dirname(os.path.realpath(python.path)))
        library = self.workdir + "/libpython3.9.so.1.0"
        shutil.copy(home + "/lib/libpython3.9.so.1.0", library)
        symbol_empty(library, b"_PyEval_EvalFrameDefault")
        target = self.start(python, "split.py", env=dict(os.environ, LD_LIBRARY_PATH=self.workdir))
        row = self.listed()[target.pid]
        self.assertEqual((row["supported"], row["plan"]), (True, None))
        self.assertIn("evaluation function has an impossible size", row["plan_reason"])
        self.assertIn("no exact calls: " + row["plan_reason"],
                      self.run_pybpfprof("list").stdout)
        told = next(row for row in self.run_pybpfprof("doctor", "-f", "json").json["pythons"]
                    if row["binary"] == library)
        self.assertEqual((told["plan"], told["plan_reason"]), (None, row["plan_reason"]))
        self.assertRegex(self.run_pybpfprof("doctor").stdout,
                         r"(?m)^degraded +calls +CPython 3\.9.*: none: .*\n +fix: sampled")
        target.finish(self)

    def check_profile(self, target, file="split.py"):
        row = self.listed().get(target.pid)
        self.assertIsNotNone(row)
        self.assertTrue(row["supported"], row)
        profile = self.profile_cpu(target, 0.3, "-r", "1khz")
        target.finish(self)
        self.assertGreater(profile.share("heavy"), 0.5)
        self.assertEqual(profile.report["unresolved"], 0)
        self.assert_mostly_whole(profile)
        return row

    def test_embedded(self):
        if not os.path.exists("/usr/include/python3.11/Python.h"):
            self.skipTest("libpython3.11-dev is not installed")
        program = self.workdir + "/app-server"
        subprocess.run(["gcc", "-I/usr/include/python3.11", live.TARGETS + "/embed.c", "-o",
                        program, "-lpython3.11"], check=True, timeout=60)
        script = self.script(live.host_python(), "split.py")
        target = live.Target(self, live.host_python(), [program, script])
        row = self.check_profile(target)
        self.assertIn("shared", row["build"])
        self.assertIn("libpython3.11", row["binary"])

    @for_each(live.one_python_per_version)
    def test_deleted_executable(self, python):
        if python.root or not os.path.isfile(python.path):
            inside = os.path.dirname(self.place(python)) + "/py-" + os.path.basename(self.workdir)
        else:
            inside = self.workdir + "/py"
        copy = python.root + inside
        shutil.copy(os.path.realpath(python.root + python.path) if not python.root
                    else python.root + python.path, copy)
        self.addCleanup(lambda: os.path.exists(copy) and os.unlink(copy))
        env = dict(os.environ)
        home = os.path.dirname(os.path.dirname(os.path.realpath(python.path)))
        env["PYTHONHOME"] = "/usr" if python.root or home == "/usr" else home
        env["LD_LIBRARY_PATH"] = home + "/lib" if not python.root else ""
        moved = live.Python(python.name, python.root, inside, python.version)
        target = self.start(moved, "split.py", env=env)
        os.unlink(copy)
        row = self.check_profile(target)
        self.assertEqual("deleted" in row["build"], not python.name.startswith("pyenv"), row)

    def test_deleted_library(self):
        python = next((p for p in live.pythons() if p.name.startswith("pyenv-3.12")), None)
        if python is None:
            self.skipTest("no Python 3.12 with a shared library")
        real = os.path.realpath(python.path)
        home = os.path.dirname(os.path.dirname(real))
        library = self.workdir + "/libpython3.12.so.1.0"
        shutil.copy(home + "/lib/libpython3.12.so.1.0", library)
        env = dict(os.environ, LD_LIBRARY_PATH=self.workdir)
        target = self.start(python, "split.py", env=env)
        os.unlink(library)
        self.assertIn("deleted", self.check_profile(target)["build"])

    @for_each(lambda: [p for p in live.one_python_per_version() if p.root])
    def test_other_mount_namespace(self, python):
        """Inside it the root is another one, and nothing of it is to be seen from here."""
        place = self.place(python)
        os.mkdir(python.root + place + "/mnt")
        command = ["unshare", "-m", "--propagation", "private", "sh", "-c",
                   "mount -t tmpfs none \"$0$2/mnt\" && cp \"$0$1\" \"$0$2/mnt/python\" && "
                   "exec chroot \"$0\" \"$2/mnt/python\" -B \"$2/split.py\"",
                   python.root, python.path, place]
        env = dict(os.environ, PYTHONHOME="/usr")
        target = live.Target(self, python, command, env=env, name="split.py")
        self.assertFalse(os.path.exists(python.root + place + "/mnt/python"))
        row = self.check_profile(target)
        self.assertEqual(row["version"], python.version)

    def test_other_pid_namespace(self):
        python = live.host_python()
        command = ["unshare", "-p", "-f", "--mount-proc", "--kill-child",
                   *python.command("-B", self.script(python, "split.py"))]
        target = live.Target(self, python, command, name="split.py")
        inner = next(pid for pid in live.descendants(target.pid) if pid != target.pid)
        process = self.start_pybpfprof("-p", inner, "-r", "1khz", "-f", "json")
        live.await_cpu(inner, 0.3)
        process.send_signal(signal.SIGINT)
        profile = self.collect_profile(process)
        self.assertGreater(profile.share("heavy"), 0.5)
        self.assertEqual([t["pid"] for t in profile.report["targets"]], [inner])
