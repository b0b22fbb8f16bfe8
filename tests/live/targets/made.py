# SPDX-License-Identifier: GPL-2.0-only
"""Code that is made by exec, called once and freed, so that its addresses are used again and again.

Usage: made.py functions|lambdas|twins.
functions: f_0001, f_0002, ...; f_i in file gen_i.py, first line i, burns 1 + i % 5 ms a call.
lambdas: one lambda per call, of a file of its own, at least 300 us each.
twins: one name, one file, one first line; every other one has its loop 40 lines further down and
burns 3 ms instead of 1.
"""
import sys
import time

import known

COUNT = 40
FUNCTION = """def f_{0:04d}(clock, seconds):
    end = clock() + seconds
    while clock() < end:
        pass
"""


def functions(i):
    i = i % COUNT + 1
    namespace = {}
    source = "\n" * (i - 1) + FUNCTION.format(i)
    exec(compile(source, "gen_%04d.py" % i, "exec"), namespace)
    namespace.popitem()[1](time.thread_time, (1 + i % 5) * 0.001)


def lambdas(i):
    i = i % COUNT + 1
    source = "\n" * (i - 1) + "lambda clock, end: [0 for _ in iter(lambda: clock() < end, False)]"
    made = eval(compile(source, "lambda_%04d.py" % i, "eval"))
    made(time.thread_time, time.thread_time() + 0.0003)


def twins(i):
    namespace = {}
    source = "def twin(clock, seconds):\n" + "\n" * (i % 2 * 40) + FUNCTION.split("\n", 1)[1]
    exec(compile(source, "twin.py", "exec"), namespace)
    namespace.popitem()[1](time.thread_time, 0.003 if i % 2 else 0.001)


def main():
    make = {"functions": functions, "lambdas": lambdas, "twins": twins}[sys.argv[1]]
    i = 0
    known.ready(count=COUNT)
    while not known.stopping:
        make(i)
        i += 1
    known.done()


main()
