# SPDX-License-Identifier: GPL-2.0-only
"""Usage: recursion.py DEPTH. bottom() runs below DEPTH frames of down(), main() and the module."""
import sys
import time

import known


def bottom():  # bottom first
    while not known.stopping:  # bottom line
        time.thread_time()  # bottom line


def down(depth):
    if depth > 1:
        return down(depth - 1)  # down line
    known.ready()
    bottom()  # last line


def main(depth):
    sys.setrecursionlimit(depth + 200)
    down(depth)
    known.done()


main(int(sys.argv[1]))
