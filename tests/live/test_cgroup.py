# SPDX-License-Identifier: GPL-2.0-only
"""--cgroup in the modes that count: who was in it, who starts in it or below it, and nobody else."""
import os
import signal

import lifetime
import live
import memory

TARGET = "cgrouped.py"
BLOCKS, OBJECTS, COLLECTIONS = 40, 50, 30
# An exec is told at once; then its interpreter has to come up, and its probes to be put in.
START_S = 4


class CgroupTest(lifetime.LifetimeTest):
    def make_cgroup(self):
        root = next((r for r in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
                     if os.path.exists(r + "/cgroup.procs")), None)
        path = "%s/pybpfprof-cgroup-%d" % (root, os.getpid())
        try:
            for directory in (path, path + "/below"):
                os.mkdir(directory)
                self.addCleanup(os.rmdir, directory)
        except OSError as error:
            self.skipTest("no cgroup (v2) can be made here: %s" % error)
        return path

    def join(self, path, pid):
        with open(path + "/cgroup.procs", "w") as procs:
            procs.write(str(pid))

    def start_in(self, path, python, name, *args):
        """A shell that goes there, and then is the target."""
        words = python.command("-B", self.script(python, TARGET), os.path.join(self.workdir, name),
                               *map(str, args))
        return live.Target(self, python,
                           ["sh", "-c", 'echo $$ >"$0/cgroup.procs"; exec "$@"', path, *words],
                           name=TARGET)

    def watch_cgroup(self, mode, *args):
        """The report, and who is to be in it."""
        python = live.host_python()
        path = self.make_cgroup()
        inside = self.start_in(path, python, "inside")
        below = self.start_in(path + "/below", python, "below")
        outside = self.start(python, TARGET, os.path.join(self.workdir, "outside"))
        process = self.start_pybpfprof("--mode", mode, "-f", "json", "--max-overhead", "none",
                                       "--cgroup", path, *args)
        later = self.start_in(path + "/below", python, "later", START_S)
        for target in (inside, below, outside):
            os.kill(target.pid, signal.SIGUSR1)
        targets = {"inside": inside, "below": below, "outside": outside, "later": later}
        for name, target in targets.items():
            self.await_file(os.path.join(self.workdir, name), target)
        process.send_signal(signal.SIGINT)
        run = self.collect(process)
        self.assertEqual(run.returncode, 0, run.stderr)
        for target in targets.values():
            target.finish(self)
        self.assertEqual(run.json["lost"]["total"], 0, run.json["lost"])
        self.assertEqual({t["pid"] for t in run.json["targets"]},
                         {inside.pid, below.pid, later.pid})
        return run, {inside.pid, below.pid, later.pid}

    def test_memory(self):
        run, pids = self.watch_cgroup("memory")
        found = memory.Memory(run.json)
        [line] = live.marked_lines(TARGET, "block")
        sites = [s for s in found.sites if s["line"] == line and s["file"].endswith(TARGET)]
        self.assertEqual({s["tid"]: s["live_blocks"] for s in sites}, dict.fromkeys(pids, BLOCKS))

    def test_lifetime(self):
        run, pids = self.watch_cgroup("lifetime")
        found = self.lifetime_of(run)
        self.assertEqual(found.counts("Kept"), (OBJECTS * len(pids), 0, OBJECTS * len(pids)))

    def test_gc(self):
        run, pids = self.watch_cgroup("gc")
        [line] = live.marked_lines(TARGET, "collection")
        asked = [c for c in run.json["gc"]["collections"]
                 if c["line"] == line and c["file"].endswith(TARGET)]
        self.assertEqual(len(asked), COLLECTIONS * len(pids))
        for process in run.json["gc"]["processes"]:
            self.assertEqual(process["seen"], process["counted"])
        self.assertEqual({p["pid"] for p in run.json["gc"]["processes"]}, pids)

    def test_time(self):
        run, _ = self.watch_cgroup("time")
        [work] = [f for f in run.json["functions"] if f["name"] == "work"]
        self.assertEqual(work["calls"], 3)
