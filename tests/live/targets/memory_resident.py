# SPDX-License-Identifier: GPL-2.0-only
"""Usage: memory_resident.py touch FILE|fork FILE|shared FILE

When SIGUSR1 comes, makes known amounts of memory resident, each at a marked line of its own, gives some
of it back, says so by making FILE, and waits for SIGTERM. `fork`: a child does a part of it, which is
large by what it has from its parent; `shared`: a child touches nothing.
"""
import ctypes
import json
import mmap
import os
import signal
import sys
import time

import known

MIB = 1 << 20
PAGE = 4096
SIZE = 24 * MIB
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
MAP_POPULATE = 0x8000

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p


def array():
    return bytearray(SIZE)  # array


def native():
    block = ctypes.c_void_p(libc.malloc(SIZE))
    libc.memset(block, 1, SIZE)  # native
    return block


def touch(pages, first, end):
    for i in range(first, end, PAGE):
        pages[i] = 1  # touched


def page_by_page():
    pages = mmap.mmap(-1, SIZE, flags=PRIVATE)
    touch(pages, 0, SIZE)
    return pages


def by_system_call():
    pages = mmap.mmap(-1, SIZE, flags=PRIVATE)
    with open("/dev/zero", "rb", buffering=0) as zeros:
        zeros.readinto(pages)  # read
    return pages


def at_once():
    return mmap.mmap(-1, SIZE, flags=PRIVATE | MAP_POPULATE)  # populated


def half_returned():
    pages = mmap.mmap(-1, SIZE, flags=PRIVATE)
    ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(pages)), 1, SIZE)  # half
    pages.madvise(mmap.MADV_DONTNEED, 0, SIZE // 2)
    return pages


def twice():
    pages = mmap.mmap(-1, SIZE, flags=PRIVATE)
    for _ in range(2):
        pages.madvise(mmap.MADV_DONTNEED)
        ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(pages)), 1, SIZE)  # twice
    return pages


def freed():
    bytearray(SIZE)  # freed


def grown():
    buffer = bytearray()
    for _ in range(SIZE // MIB):
        buffer += bytes(MIB)  # grown
    return buffer


def moved():
    pages = mmap.mmap(-1, SIZE, flags=PRIVATE)
    ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(pages)), 1, SIZE)  # moved
    pages.resize(8 * SIZE)
    return pages


def work():
    return (array(), native(), page_by_page(), by_system_call(), at_once(), half_returned(), twice(),
            freed(), grown(), moved())


def tell(**facts):
    with open(sys.argv[2] + ".new", "w") as file:
        json.dump(facts, file)
    os.rename(sys.argv[2] + ".new", sys.argv[2])


def await_end():
    while not known.stopping:
        time.sleep(0.02)


def await_order():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    known.ready()
    signal.sigwait({signal.SIGUSR1})


def run_touch():
    await_order()
    kept = work()
    tell()
    await_end()
    known.done(kept=len(kept))


def run_child(does):
    inherited = bytearray(2 * SIZE)
    await_order()
    child = os.fork()
    if not child:
        kept = does()
        tell(child=os.getpid())
        await_end()
        os._exit(kept is None)
    await_end()
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)
    known.done(kept=len(inherited))


if sys.argv[1] == "touch":
    run_touch()
else:
    run_child(array if sys.argv[1] == "fork" else tuple)
