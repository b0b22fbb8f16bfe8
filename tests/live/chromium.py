# SPDX-License-Identifier: GPL-2.0-only
"""The flame graph's page in a real Chromium, driven over its remote-debugging pipe.

The pages are written by the unit tests of `render`, so what they must show is known. Needs no BPF
and no root.
"""
import atexit
import functools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
import unittest

import live

RENDER_TESTS = os.path.join(live.ROOT, "build", "unit", "render")
CHROMIUM = shutil.which("chromium")
ANSWER_TIMEOUT_S = 120
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--remote-debugging-pipe", "--window-size=1000,700"]


@functools.lru_cache(maxsize=None)
def pages():
    """A directory with the pages; it lives as long as this process."""
    live.build("build/unit/render")
    directory = tempfile.TemporaryDirectory(prefix="pybpfprof-pages-")
    subprocess.run([RENDER_TESTS, "--filter", "flamegraph/pages*"], check=True, timeout=120,
                   cwd=live.ROOT, env=dict(os.environ, PYBPFPROF_TEST_PAGES=directory.name),
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return directory


class Browser:
    """One Chromium with one page. Messages are JSON, ended by a NUL, on its fds 3 and 4."""

    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="pybpfprof-chromium-")
        to_read, self.to_write = os.pipe()
        self.from_read, from_write = os.pipe()
        self.process = subprocess.Popen(
            # Not sh: Debian's knows no file descriptors above 9.
            ["/bin/bash", "-c", 'exec "$0" "$@" 3<&%d 4>&%d' % (to_read, from_write), CHROMIUM,
             *FLAGS, "--user-data-dir=" + self.profile, "about:blank"],
            pass_fds=[to_read, from_write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        live.kept_pids.add(self.process.pid)
        os.close(to_read)
        os.close(from_write)
        self.buffered = b""
        self.events = []
        self.last_id = 0
        self.session = None
        target = next(target for target in self.call("Target.getTargets")["targetInfos"]
                      if target["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"],
                                 flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def close(self):
        live.kept_pids.discard(self.process.pid)
        self.process.kill()
        self.process.wait()
        os.close(self.to_write)
        os.close(self.from_read)
        shutil.rmtree(self.profile, ignore_errors=True)

    def receive(self, deadline_s):
        while b"\0" not in self.buffered:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not select.select([self.from_read], [], [], left_s)[0]:
                raise TimeoutError("Chromium does not answer")
            some = os.read(self.from_read, 1 << 16)
            if not some:
                raise EOFError("Chromium has ended")
            self.buffered += some
        message, _, self.buffered = self.buffered.partition(b"\0")
        return json.loads(message)

    def call(self, method, **params):
        deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
        self.last_id += 1
        request = {"id": self.last_id, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.to_write, json.dumps(request).encode() + b"\0")
        while True:
            message = self.receive(deadline_s)
            if message.get("id") == self.last_id:
                if "error" in message:
                    raise RuntimeError("%s: %s" % (method, message["error"]["message"]))
                return message["result"]
            self.events.append(message)

    def run(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError("%s: %s" % (expression, answer["exceptionDetails"]))
        return answer["result"].get("value")

    def open(self, name, fragment=""):
        # By way of an empty page, or a mere change of the fragment would load nothing.
        for url in ("about:blank", "file://%s/%s#%s" % (pages().name, name, fragment)):
            self.call("Page.navigate", url=url)
            deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
            while not self.run("location.href.startsWith(%s) && document.readyState === 'complete'"
                               % json.dumps(url.partition("#")[0])):
                if time.monotonic() > deadline_s:
                    raise TimeoutError("%s does not load" % url)
                time.sleep(0.02)
        # Chromium drops what is typed and clicked before a page was painted.
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
                 ".then(() => 0)")

    def text(self, selector):
        return self.run("document.querySelector(%s).textContent" % json.dumps(selector))

    def fact(self, name):
        return self.run("document.documentElement.dataset[%s]" % json.dumps(name))

    def click(self, x, y):
        """On the graph, x a share of its width, y a row from its top."""
        at = self.run("(() => { const box = document.getElementById('graph')"
                      ".getBoundingClientRect(); return [box.left + box.width * %f,"
                      " box.top + 19 * %d + 9]; })()" % (x, y))
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left",
                      clickCount=0 if kind == "mouseMoved" else 1)

    def press(self, key, text=None):
        params = {"key": key, "code": key}
        if text:
            params["text"] = text
        self.call("Input.dispatchKeyEvent", type="keyDown", **params)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)


spare_browsers = []


@atexit.register
def close_browsers():
    while spare_browsers:
        spare_browsers.pop().close()


@unittest.skipUnless(CHROMIUM, "chromium is not installed")
class PageTest(unittest.TestCase):
    timeout_s = 500
    together = True

    def setUp(self):
        """The browser of the last test, if that one passed."""
        self.browser = spare_browsers.pop() if spare_browsers else Browser()
        self.browser.events.clear()
        self.passed = False
        self.addCleanup(self.put_back)

    def put_back(self):
        if self.passed:
            spare_browsers.append(self.browser)
        else:
            self.browser.close()

    def tearDown(self):
        """Whatever a test did, the page met no error, opened no dialog, asked for nothing."""
        for event in self.browser.events:
            method, params = event.get("method"), event.get("params", {})
            self.assertNotIn(method, ("Runtime.exceptionThrown", "Page.javascriptDialogOpening",
                                      "Runtime.consoleAPICalled", "Log.entryAdded"), params)
            if method == "Network.requestWillBeSent":
                self.assertRegex(params["request"]["url"], "^(file:///|about:blank)")
        self.passed = self._outcome.success

    def expect_rows(self, want):
        self.assertEqual(self.browser.fact("widest").split(" > "), want)
