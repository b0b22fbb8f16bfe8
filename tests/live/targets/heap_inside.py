# SPDX-License-Identifier: GPL-2.0-only
"""Objects in a subinterpreter, which has lists of its own."""
import gc
import sys
import time

try:
    import _interpreters as interpreters
except ImportError:
    if sys.version_info >= (3, 8):
        import _xxsubinterpreters as interpreters

import known


class Outside:
    def __init__(self):
        self.me = self


outside = [Outside() for _ in range(20)]
other = interpreters.create()
interpreters.run_string(other, """
import gc
class Inside:
    def __init__(self):
        self.me = self
inside = [Inside() for _ in range(30)]
""")
known.ready()
while not known.stopping:
    time.sleep(0.02)
interpreters.destroy(other)
known.done()
