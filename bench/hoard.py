# SPDX-License-Identifier: GPL-2.0-only
"""Allocates blocks and keeps them. The first argument is bench/hoard.c as a shared library; each line
of standard input is `COUNT SIZE`, the answer the number of blocks it has by then."""
import ctypes
import sys


def main():
    hoard = ctypes.CDLL(sys.argv[1]).hoard
    hoard.argtypes = [ctypes.c_size_t, ctypes.c_size_t, ctypes.POINTER(ctypes.c_void_p)]
    hoard.restype = ctypes.c_size_t
    newest, total = ctypes.c_void_p(), 0
    print("ready", flush=True)
    for line in sys.stdin:
        count, size = map(int, line.split())
        total += hoard(count, size, newest)
        print(total, flush=True)


main()
