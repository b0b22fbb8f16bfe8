# SPDX-License-Identifier: GPL-2.0-only
"""Threads in a hurry, whose every stack can be checked.

Usage: tree.py THREADS. Thread N calls its way through a tree of functions of its own. A function is
called n<N>_<path>: n2_01 is called by n2_0 only, and that by n2_. So the n-functions of a true
stack are n2_, n2_0, n2_01, ...: each its caller's name and one letter more, without a gap, and of
one thread only. The ways of calling differ by letter: 0 plainly, 1 through C (map), 2 by resuming a
generator. A call takes about 0.1 µs: who reads a stack of a running thread sees it move.
"""
import sys
import threading

DEPTH = 6
CALLS = (("0", "{0}()"), ("1", "next(map({0}, (0,)))"), ("2", "next({0}())"))


def tree_source(number):
    lines = []

    def add(path):
        name = "n%d_%s" % (number, path)
        below = [(name + letter, call) for letter, call in CALLS if len(path) < DEPTH]
        lines.append("def %s(_=None):" % name)
        lines.extend("    " + call.format(child) for child, call in below)
        lines.append("    %s %d" % ("yield" if path.endswith("2") else "return", len(path)))
        for child, _ in below:
            add(child.partition("_")[2])

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
