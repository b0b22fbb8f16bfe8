# SPDX-License-Identifier: GPL-2.0-only
"""What cannot be done is said in one line, with the right exit status."""
import os
import shutil
import subprocess

import live


class RefusalTest(live.LiveTest):
    def refused(self, returncode, *args, words=()):
        run = self.run_pybpfprof(*args, returncode=returncode)
        self.assert_one_line(run, *words)
        self.assertEqual(run.stdout, "")

    def test_command_line(self):
        table = [
            (["-p", "abc"], ["abc"]),
            (["-p", ""], []),
            (["-p", "-5"], []),
            (["-p", "0"], []),
            (["-p", "99999999999999999999"], ["99999999999999999999"]),
            (["-p"], ["-p"]),
            (["-p", "1", "--no-such-option"], ["--no-such-option"]),
            (["-p", "1", "-f", "nonsense"], ["nonsense"]),
            (["-p", "1", "--mode", "nonsense"], ["nonsense"]),
            (["-p", "1", "-r", "0"], ["0"]),
            (["-p", "1", "-r", "-1"], ["-1"]),
            (["-p", "1", "-r", "1e99"], ["1e99"]),
            (["-p", "1", "-r", "fast"], ["fast"]),
            (["-p", "1", "-d", "soon"], ["soon"]),
            (["-p", "1", "-d", "-3"], ["-3"]),
            (["-p", "1", "-l", "many"], ["many"]),
            (["-p", "1", "--by", "colour"], ["colour"]),
            (["-p", "1", "--sort", "colour"], ["colour"]),
            (["-p", "1", "-a"], []),
            (["-p", "1", "--", "true"], []),
            (["nonsense"], ["nonsense"]),
            (["--"], []),
            ([], []),
        ]
        for args, words in table:
            with self.subTest(args=args):
                self.refused(2, *args, words=words)

    def test_no_such_process(self):
        process = subprocess.Popen(["true"])
        process.wait()
        self.refused(3, "-p", process.pid, words=[str(process.pid), "no such process|No such"])

    def test_no_python(self):
        process = subprocess.Popen(["sleep", "30"])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.refused(3, "-p", process.pid, words=[str(process.pid), "ython"])

    def test_kernel_thread(self):
        self.refused(3, "-p", "2", words=["2", "ython"])

    def test_unsupported_python(self):
        old = os.path.expanduser("~/.pyenv/versions/3.7.16/bin/python3.7")
        if not os.path.exists(old):
            self.skipTest("no Python 3.7 at hand")
        python = live.Python("3.7", "", old, "3.7.16")
        target = self.start(python, "split.py")
        self.refused(3, "-p", target.pid, words=[r"3\.7"])
        target.finish(self)

    def test_zombie(self):
        process = subprocess.Popen(["python3", "-c", "pass"])
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        self.addCleanup(process.wait)
        self.refused(3, "-p", process.pid, words=[str(process.pid)])

    def as_nobody(self, *args):
        # The project may lie where nobody else may look.
        program = os.path.join(self.workdir, "pybpfprof")
        shutil.copy(live.PYBPFPROF, program)
        run = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                              program, *map(str, args)], stdin=subprocess.DEVNULL, cwd="/",
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        return live.Run(run.returncode, run.stdout, run.stderr)

    def test_not_root(self):
        target = self.start(live.host_python(), "split.py")
        for args in (["-p", target.pid, "-d", "1"], ["-a", "-d", "1"],
                     ["--", "python3", "-c", "print('must not run')"]):
            with self.subTest(args=args):
                run = self.as_nobody(*args)
                self.assertEqual((run.returncode, run.stdout), (4, ""), run.stderr)
                self.assert_one_line(run, "root|CAP_")
        target.finish(self)

    def test_not_root_may_ask_for_help(self):
        run = self.as_nobody("--help")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertIn("--pid", run.stdout)
        run = self.as_nobody("--version")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertRegex(run.stdout, r"\d+\.\d+\.\d+")

    def test_doctor_not_root(self):
        run = self.as_nobody("doctor")
        self.assertEqual(run.returncode, 4, run.stderr)
        self.assertIn("missing", run.stdout)
