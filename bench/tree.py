# SPDX-License-Identifier: GPL-2.0-only
"""Threads in a hurry, whose every stack can be checked.

Usage: tree.py THREADS. Thread N calls its way through a tree of functions of its own. A function is
called n<N>_<path>: n2_01 is called by n2_0 only, and that by n2_. So the n-functions of a true stack
are n2_, n2_0, n2_01, ...: each its caller's name and one letter more, without a gap, and of one
thread only. Calls take about 0.1 µs: who reads a stack without stopping the thread sees it move.
"""
import sys
import threading

DEPTH = 7


def tree_source(number):
    lines = []

    def add(path):
        name = "n%d_%s" % (number, path)
        lines.append("def %s():" % name)
        if len(path) < DEPTH:
            lines.extend("    %s%s()" % (name, letter) for letter in "01")
        lines.append("    return %d" % len(path))
        if len(path) < DEPTH:
            for letter in "01":
                add(path + letter)

    add("")
    return "\n".join(lines) + "\n"


def run(top):
    while True:
        top()


def main():
    for number in range(int(sys.argv[1])):
        names = {}
        exec(compile(tree_source(number), "<tree>", "exec"), names)
        threading.Thread(target=run, args=(names["n%d_" % number],), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


main()
