# SPDX-License-Identifier: GPL-2.0-only
"""Says where this process has the functions it allocates with, then waits.

        allocator_truth.py LIBRARY [NEEDED]

LIBRARY is the first that a reference is looked for in (the C library, or one that is preloaded);
NEEDED is loaded besides."""

import ctypes
import sys

NAMES = """malloc calloc realloc reallocarray posix_memalign aligned_alloc memalign valloc free
mmap munmap mremap sbrk""".split()

if len(sys.argv) > 2:
    ctypes.CDLL(sys.argv[2])
library = ctypes.CDLL(sys.argv[1])
for name in NAMES:
    try:
        function = getattr(library, name)
    except AttributeError:
        continue
    print(name, ctypes.cast(function, ctypes.c_void_p).value)
print("ready", flush=True)
sys.stdin.read()
