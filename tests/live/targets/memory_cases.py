# SPDX-License-Identifier: GPL-2.0-only
"""Usage: memory_cases.py CASE [ARG...]: programs whose memory is known, one by one.

`fast SEC` allocates and frees as fast as it can for SEC seconds. The others run to their end.
"""
import ctypes
import ctypes.util
import gc
import mmap
import os
import signal
import subprocess
import sys
import threading
import time

import known

MAP_NORESERVE = 0x4000  # Linux x86-64


def fast(seconds):
    pairs = 0
    end_s = time.monotonic() + float(seconds)
    while time.monotonic() < end_s:
        for _ in range(1000):
            bytes(3000)  # fast
        pairs += 1000
    print(pairs)


def paced(seconds):
    """A block now and then, and some work in between."""
    end_s = time.monotonic() + float(seconds)
    while time.monotonic() < end_s:
        for _ in range(100):
            bytes(3000)  # paced
            for _ in range(2000):
                pass
    os._exit(0)


def fork():
    inherited = [bytes(20000) for _ in range(50)]  # inherited
    pid = os.fork()
    if not pid:
        time.sleep(0.5)  # its probes are put in meanwhile
        del inherited[:25]
        kept = [bytes(10000) for _ in range(40)]  # in child
        os._exit(len(kept) % 7)
    os.waitpid(pid, 0)
    kept = [bytes(30000) for _ in range(10)]  # in parent
    os._exit(len(kept) % 7)


def threads():
    """What one thread allocates another one frees."""
    blocks = [None] * 400
    given, taken = threading.Event(), threading.Event()

    def give():
        for i in range(400):
            blocks[i] = bytes(5000)  # given
        given.set()
        taken.wait()

    def take():
        given.wait()
        for i in range(0, 400, 2):
            blocks[i] = None
        taken.set()

    started = [threading.Thread(target=run) for run in (give, take)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    os._exit(0)


def grow(path):
    """Until it is killed."""
    kept = []
    for i in range(1 << 20):
        kept.append(bytes(50000))  # growing
        if i == 100:
            with open(path, "w"):
                pass
        time.sleep(0.002)


def native():
    """All of the C library's functions, by hand."""
    libc = ctypes.CDLL(None)
    for function in (libc.malloc, libc.calloc, libc.realloc, libc.aligned_alloc, libc.memalign,
                     libc.reallocarray):
        function.restype = ctypes.c_void_p
    size, pointer = ctypes.c_size_t, ctypes.c_void_p
    libc.realloc.argtypes = [pointer, size]
    libc.reallocarray.argtypes = [pointer, size, size]
    libc.free.argtypes = [pointer]
    libc.posix_memalign.argtypes = [ctypes.POINTER(pointer), size, size]
    out = ctypes.byref(pointer())
    gc.collect()
    libc.malloc(size(10001))  # malloc
    libc.calloc(size(10), size(1003))  # calloc
    libc.aligned_alloc(size(64), size(10048))  # aligned_alloc
    libc.memalign(size(4096), size(10005))  # memalign
    libc.posix_memalign(out, 128, 10006)  # posix_memalign
    libc.reallocarray(None, 10, 1007)  # reallocarray
    block = libc.malloc(size(20000))  # first
    block = libc.realloc(block, 30000)  # second
    libc.realloc(block, 900000)  # third
    libc.free(libc.malloc(size(40000)))  # freed
    libc.realloc(libc.malloc(size(50000)), 0)  # to nothing
    libc.malloc(size(1 << 62))  # refused
    os._exit(0)


def mappings():
    whole = mmap.mmap(-1, 1 << 24)  # whole
    parts = [mmap.mmap(-1, 1 << 20) for _ in range(10)]  # parts
    for part in parts[:4]:
        part.close()
    # Address space, never touched.
    huge = mmap.mmap(-1, 1 << 40, flags=mmap.MAP_PRIVATE | MAP_NORESERVE)  # huge
    os._exit(not (whole and huge))


def temporary():
    for _ in range(200):
        bytes(4000)  # short
    kept = []
    for _ in range(200):
        kept.append(bytes(6000))  # long
    time.sleep(0.05)
    kept.clear()
    os._exit(0)


def leak(path, seconds):
    """A leak, a cache that is full soon, and churn."""
    leaked, cache = [], {}
    with open(path, "w"):
        pass
    end_s = time.monotonic() + float(seconds)
    count = 0
    while time.monotonic() < end_s:
        leaked.append(bytes(2000))  # leaked
        cache[count % 100] = bytes(3000)  # cached
        bytes(4000)  # churned
        count += 1
        time.sleep(0.001)
    os._exit(0)


def signals():
    """A handler in C's sense runs Python code that allocates, again and again."""
    kept = []
    signal.signal(signal.SIGALRM, lambda *_: kept.append(bytes(7000)))  # handler
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    end_s = time.monotonic() + 0.5
    while time.monotonic() < end_s:
        bytes(8000)  # interrupted
    signal.setitimer(signal.ITIMER_REAL, 0)
    sys.stdout.write("%d\n" % len(kept))
    sys.stdout.flush()
    os._exit(0)


def many():
    """More blocks than have a place of their own in the kernel, and others where some were."""
    kept = [None] * 200000
    for i in range(len(kept)):
        kept[i] = bytes(600)  # many
    kept[::2] = [None] * 100000
    for i in range(0, 100000, 2):
        kept[i] = bytes(600)  # again
    for _ in range(20000):
        bytes(600)  # between
    os._exit(0)


def execs():
    subprocess.run([sys.executable, "-B", __file__, "sleeper"], check=True)
    os._exit(0)


def sleeper():
    time.sleep(1)  # its probes are put in meanwhile
    kept = [bytes(12000) for _ in range(30)]  # in another
    os._exit(len(kept) - 30)


CASES = {function.__name__: function
         for function in (fast, paced, fork, threads, grow, native, mappings, temporary, leak, signals, many,
                          execs, sleeper)}
signal.alarm(known.LIFE_S)
CASES[sys.argv[1]](*sys.argv[2:])
