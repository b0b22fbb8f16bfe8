# SPDX-License-Identifier: GPL-2.0-only
"""Lives of objects of a Python whose code does not say where instances are given their type: they are
seen at the entry and at the return of what makes them. And on kernels that cannot put in many probes
at once, or see both ends of a call by one."""
import contextlib
import os
import subprocess

import lifetime
import live


class LifetimeFallbackTest(lifetime.KnownTest):
    def nameless_python(self):
        """Debian's own, which calls no function of its own by name, without the name of the one that
        tells a failed making."""
        python = live.host_python()
        path = os.path.join(self.workdir, "python")
        with open(python.path, "rb") as file:
            text = file.read()
        self.assertIn(b"PyErr_NoMemory\0", text)
        with open(path, "wb") as file:
            file.write(text.replace(b"PyErr_NoMemory\0", b"PyErr_NoMemorx\0"))
        os.chmod(path, 0o755)
        return python._replace(name="nameless", path=path)

    def older_kernel(self):
        """The environment of a pybpfprof that takes this kernel for one."""
        library = os.path.join(self.workdir, "older_kernel.so")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library,
                        os.path.join(live.TARGETS, "older_kernel.c")], check=True, timeout=60)
        return dict(os.environ, LD_PRELOAD=library)

    def see_watching(self, process):
        """Which kinds of links it has, as the kernel names them."""
        self.links = set()
        for fd in os.listdir("/proc/%d/fdinfo" % process.pid):
            with contextlib.suppress(OSError):
                with open("/proc/%d/fdinfo/%s" % (process.pid, fd)) as file:
                    self.links.update(line.split()[1] for line in file
                                      if line.startswith("link_type:"))

    def watch_nameless(self, **kwargs):
        python = self.nameless_python()
        found, truth = self.watch_known(python, dict(os.environ, PYTHONHOME="/usr"), **kwargs)
        self.check_known(python, found, truth)
        return found

    def watch_host(self, **kwargs):
        python = live.host_python()
        found, truth = self.watch_known(python, **kwargs)
        self.check_known(python, found, truth)
        return found

    def test_entry_and_return(self):
        calls, births = self.watch_nameless(), self.watch_host()
        # A making is two hits, not one.
        more = calls.report["cost"]["hits"] - births.report["cost"]["hits"]
        self.assertGreaterEqual(more, calls.lifetime["created"])

    def test_entry_and_return_on_an_older_kernel(self):
        self.watch_nameless(env=self.older_kernel())
        self.assertNotIn("uprobe_multi", self.links)
        self.assertIn("perf", self.links)

    def test_births_on_an_older_kernel(self):
        self.watch_host(env=self.older_kernel())
        self.assertNotIn("uprobe_multi", self.links)
        self.assertIn("perf", self.links)
