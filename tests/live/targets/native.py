# SPDX-License-Identifier: GPL-2.0-only
"""Usage: native.py numpy|sort|json|re|read. Time that is spent in C, below a Python function."""
import json
import os
import re
import sys

import known


def numpy():
    import numpy as np
    values = np.random.default_rng(1).random(200_000)

    def np_work():
        np.sort(values)
    return np_work


def key(value):
    return -value


def sort():
    values = [i * 7919 % 100_003 for i in range(3_000)]

    def sort_work():
        sorted(values, key=key)
    return sort_work


def json_():
    value = {"k%d" % i: list(range(20)) for i in range(200)}

    def json_work():
        json.loads(json.dumps(value))
    return json_work


def re_():
    text = "a" * 22
    pattern = re.compile("(a+)+b")

    def re_work():
        pattern.match(text[:18])
    return re_work


def read():
    fd = os.open("/dev/zero", os.O_RDONLY)

    def read_work():
        os.read(fd, 1 << 20)
    return read_work


def main():
    make = {"numpy": numpy, "sort": sort, "json": json_, "re": re_, "read": read}[sys.argv[1]]
    work = make()
    known.ready()
    while not known.stopping:
        work()
    known.done()


main()
