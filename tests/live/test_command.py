# SPDX-License-Identifier: GPL-2.0-only
"""`-- COMMAND`, signals, and outputs that go away: how a run begins and ends."""
import os
import shutil
import signal
import subprocess
import time

import live
from live import for_each, timing


class CommandTest(live.LiveTest):
    def check_first(self, run, report_path, file="first.py"):
        self.assertEqual(run.returncode, 9, run.stderr)
        self.assertEqual(run.stdout, "out a b\n")
        with open(os.path.join(self.workdir, report_path)) as report:
            profile = live.Profile(live.json.load(report))
        # 300 ms are burnt from the script's first line on; the rest is the interpreter's start.
        own_ns = sum(f["self"] for f in profile.report["functions"]
                     if f["file"].endswith(file) and f["name"] == "<module>")
        self.assertGreater(own_ns, 0.25e9)
        self.assertLess(own_ns, 0.36e9)
        self.assertEqual(profile.report["targets"][0]["exit_code"], 9)
        return profile

    @timing
    @for_each(live.one_python_per_version)
    def test_profiled_from_the_first_bytecode(self, python):
        run = self.run_pybpfprof("-r", "1khz", "-f", "json", "-o", "out.json", "--",
                                 *python.command(self.script(python, "first.py"), "a", "b"),
                                 returncode=None)
        profile = self.check_first(run, "out.json")
        self.assertIn(python.version, {t["python"] for t in profile.report["targets"]})

    @timing
    def test_script_by_its_shebang(self):
        script = self.script(live.host_python(), "first.py")
        os.chmod(script, 0o755)
        run = self.run_pybpfprof("-r", "1khz", "-f", "json", "-o", "out.json", "--", script, "a",
                                 "b", returncode=None)
        self.check_first(run, "out.json")

    def test_below_a_shell(self):
        script = self.script(live.host_python(), "first.py")
        run = self.run_pybpfprof("-r", "1khz", "-f", "json", "-o", "out.json", "--", "sh", "-c",
                                 "python3 %s a b; exit $?" % script, returncode=None)
        self.assertEqual(run.returncode, 9, run.stderr)
        self.assertEqual(run.stdout, "out a b\n")
        with open(self.workdir + "/out.json") as report:
            profile = live.Profile(live.json.load(report))
        self.assertGreater(profile.share("<module>"), 0.5)

    def test_killed_command(self):
        run = self.run_pybpfprof("-o", "out", "--", live.host_python().path, "-c",
                                 "import os, time; time.sleep(0.7); os.kill(os.getpid(), 9)",
                                 returncode=None)
        self.assertEqual(run.returncode, 128 + signal.SIGKILL, run.stderr)

    def test_duration_ends_the_profile_not_the_command(self):
        run = self.run_pybpfprof("-d", "0.7", "-o", "out", "--", live.host_python().path, "-c",
                                 "import time; time.sleep(2); print('whole'); exit(4)",
                                 returncode=None)
        self.assertEqual((run.returncode, run.stdout), (4, "whole\n"), run.stderr)

    def test_command_that_is_no_python(self):
        run = self.run_pybpfprof("--", "sh", "-c", "exit 6", returncode=None)
        self.assertIn(run.returncode, (3, 6))
        self.assertIn("ython", run.stderr)

    def test_command_that_does_not_exist(self):
        run = self.run_pybpfprof("--", "/no/such/program", returncode=127)
        self.assert_one_line(run, "/no/such/program", "No such file")

    # ---- signals ----

    def check_signal(self, number):
        target = self.start(live.host_python(), "split.py")
        process = self.start_pybpfprof("-p", target.pid, "-r", "1khz", "-f", "json")
        live.await_cpu(target.pid, 0.3)
        process.send_signal(number)
        run = self.collect(process)
        target.finish(self)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertGreater(run.json["samples"], 100)

    def test_interrupt_makes_the_report(self):
        self.check_signal(signal.SIGINT)

    def test_termination_makes_the_report(self):
        self.check_signal(signal.SIGTERM)

    def test_second_interrupt_ends_at_once(self):
        target = self.start(live.host_python(), "split.py")
        process = self.start_pybpfprof("-p", target.pid, "-r", "10khz", "-f", "flamegraph")
        live.await_cpu(target.pid, 0.3)
        started_s = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        self.collect(process)
        self.assertLess(time.monotonic() - started_s, 10)
        target.finish(self)

    def test_interrupt_reaches_the_command_once(self):
        """As on a terminal: the whole foreground group gets it, and the command handles it."""
        script = ("import signal, sys, time\n"
                  "hits = []\n"
                  "signal.signal(signal.SIGINT, lambda *_: hits.append(1))\n"
                  "print('ready', flush=True)\n"
                  "end = time.monotonic() + 0.7\n"
                  "while time.monotonic() < end: pass\n"
                  "print(len(hits), flush=True)\n"
                  "sys.exit(3)\n")
        process = self.popen("-o", "out", "--", live.host_python().path, "-c", script)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        os.killpg(process.pid, signal.SIGINT)
        run = self.collect(process)
        self.assertEqual((run.stdout, run.returncode), ("1\n", 3), run.stderr)
        self.assertTrue(os.path.exists(self.workdir + "/out"))

    # ---- outputs ----

    def test_closed_pipe(self):
        target = self.start(live.host_python(), "split.py")
        reader, writer = os.pipe()
        process = self.popen("-p", target.pid, "-d", "0.5", "-f", "json", stdout=writer)
        os.close(writer)
        os.close(reader)
        run = self.collect(process)
        target.finish(self)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assert_one_line(run, "ipe")

    def test_head_is_content(self):
        target = self.start(live.host_python(), "split.py")
        pipeline = "%s -p %d -d 0.5 -f json 2>err | head -c 1; echo ${PIPESTATUS[0]}"
        run = subprocess.run(["bash", "-c", pipeline % (live.PYBPFPROF, target.pid)],
                             stdout=subprocess.PIPE, cwd=self.workdir, timeout=60, text=True)
        target.finish(self)
        self.assertIn(run.stdout[1:].strip(), ("0", "1"))  # a short report fits into the pipe
        with open(self.workdir + "/err") as errors:
            self.assertLessEqual(len(errors.readlines()), 1)

    def test_full_disk(self):
        target = self.start(live.host_python(), "split.py")
        with open("/dev/full", "w") as full:
            run = self.run_pybpfprof("-p", target.pid, "-d", "0.5", stdout=full, returncode=1)
        self.assert_one_line(run, "No space left")
        os.mkdir(self.workdir + "/small")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", self.workdir + "/small"],
                       check=True)
        self.addCleanup(subprocess.run, ["umount", self.workdir + "/small"])
        with open(self.workdir + "/small/report", "w") as old:
            old.write("old")
        run = self.run_pybpfprof("-p", target.pid, "-d", "0.5", "-f", "flamegraph", "-o",
                                 "small/report", returncode=1)
        target.finish(self)
        self.assert_one_line(run, "small/report", "No space left")
        with open(self.workdir + "/small/report") as old:
            self.assertEqual(old.read(), "old", "a failed report replaced the old one")
        self.assertEqual(os.listdir(self.workdir + "/small"), ["report"])

    def test_output_replaces_whole(self):
        target = self.start(live.host_python(), "split.py")
        with open(self.workdir + "/report.json", "w") as old:
            old.write("old")
        process = self.start_pybpfprof("-p", target.pid, "-d", "1", "-f", "json", "-o",
                                       "report.json")
        with open(self.workdir + "/report.json") as old:
            self.assertEqual(old.read(), "old", "touched before the report was made")
        run = self.collect(process)
        target.finish(self)
        self.assertEqual((run.returncode, run.stdout), (0, ""), run.stderr)
        with open(self.workdir + "/report.json") as report:
            self.assertIn("functions", live.json.load(report))
        self.assertEqual(os.listdir(self.workdir), ["report.json"])

    def test_output_that_cannot_be_written(self):
        target = self.start(live.host_python(), "split.py")
        run = self.run_pybpfprof("-p", target.pid, "-d", "100", "-o", "/no/such/dir/report",
                                 returncode=1)
        target.finish(self)
        self.assert_one_line(run, "/no/such/dir/report", "No such file")

    def test_quiet_is_quiet(self):
        target = self.start(live.host_python(), "split.py")
        run = self.run_pybpfprof("-q", "-p", target.pid, "-d", "0.3")
        target.finish(self)
        self.assertEqual(run.stderr, "")

    def test_live_line_on_a_terminal(self):
        if not shutil.which("script"):
            self.skipTest("no script(1) to make a terminal")
        target = self.start(live.host_python(), "split.py")
        run = subprocess.run(["script", "-qec", "%s -p %d -d 1 -r 1khz -o out"
                              % (live.PYBPFPROF, target.pid), "/dev/null"],
                             stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=self.workdir,
                             timeout=60)
        target.finish(self)
        self.assertEqual(run.returncode, 0, run.stdout)
        self.assertRegex(run.stdout.decode(), r"0\.\d s of 1\.0 s\b.*lost")
