# SPDX-License-Identifier: GPL-2.0-only
"""Says what CPython knows of its small-block allocator, then sleeps for good.

    pools.py plain          what sys._debugmallocstats() prints, "ready"
    pools.py subinterpreter the same by a second interpreter that has its own allocator
    pools.py tables         one "table CONTEXT MALLOC CALLOC REALLOC FREE" for raw, mem, object
    pools.py busy           "ready", and then it allocates and frees as fast as it can
"""

import os
import signal
import sys

# Pools of every class: some full, some with holes, some arenas with pools to spare.
KEEP = """
keep = [bytes(n % 480) for n in range(40000)]
del keep[5000:20000:2], keep[20000:22000]
"""


def stats():
    sys._debugmallocstats()
    os.write(1, b"ready\n")


def subinterpreter():
    """Interpreters share the main one's allocator unless they are to have their own."""
    try:
        import _interpreters as interpreters
        other, run = interpreters.create("isolated"), interpreters.exec
    except ImportError:
        import _xxsubinterpreters as interpreters
        other, run = interpreters.create(isolated=True), interpreters.run_string
    sys._debugmallocstats()
    run(other, KEEP + "import sys, os, time\nsys._debugmallocstats()\n"
        "os.write(1, b'ready\\n')\ntime.sleep(1000)\n")


def tables():
    import ctypes

    class Table(ctypes.Structure):
        _fields_ = [(name, ctypes.c_size_t)
                    for name in ("context", "malloc", "calloc", "realloc", "free")]

    for domain in range(3):
        table = Table()
        ctypes.pythonapi.PyMem_GetAllocator(domain, ctypes.byref(table))
        words = [getattr(table, name) for name, _ in Table._fields_]
        os.write(1, ("table %d %d %d %d %d\n" % tuple(words)).encode())
    os.write(1, b"ready\n")


def busy():
    os.write(1, b"ready\n")
    while True:
        held = [[bytes(n % 500) for n in range(3000)] for _ in range(20)]
        del held[::2]


# CPython prints to its own standard error.
os.dup2(1, 2)
exec(KEEP)
{"plain": stats, "subinterpreter": subinterpreter, "tables": tables, "busy": busy}[sys.argv[1]]()
signal.pause()
