# SPDX-License-Identifier: GPL-2.0-only
"""Every way in which one Python function gets to run another, with all calls it can make named.

Usage: shapes.py THREADS. Each thread, main included, goes through all shapes again and again.
EDGES is the truth: no stack may show a call that is not in it. Names with `lib:` are the standard
library's; calls inside the library are its own affair.
"""
import asyncio
import contextlib
import functools
import random
import re
import sys
import threading
import time

import known

SHAPES = []
EDGES = [
    (None, "<module>"), ("<module>", "main"), ("main", "turn"), ("main", "lib:choice"),
    (None, "lib:_bootstrap"), ("lib:run", "worker"), ("worker", "turn"),
    ("turn", "lib:shuffle"), ("spin", "lib:uniform"), ("*", "on_term"),
    ("*", "lib:__del__"),  # garbage is collected wherever it is noticed
]


def shape(*edges):
    """A function that turn() calls; edges are those it stands for."""
    def register(function):
        SHAPES.append(function)
        EDGES.append(("turn", function.__name__))
        EDGES.extend(edges)
        return function
    return register


def spin():
    end = time.thread_time() + random.uniform(0.0002, 0.0008)
    while time.thread_time() < end:
        pass


def third():
    spin()


def second():
    third()


@shape(("chain", "second"), ("second", "third"), ("third", "spin"))
def chain():
    second()


def inner_generator():
    for _ in range(2):
        spin()
        yield 1


def outer_generator():
    yield from inner_generator()
    spin()


@shape(("generators", "outer_generator"), ("outer_generator", "inner_generator"),
       ("outer_generator", "spin"), ("inner_generator", "spin"), ("generators", "<genexpr>"),
       ("<genexpr>", "outer_generator"))
def generators():
    for _ in outer_generator():
        pass
    sum(value for value in outer_generator())


@shape(("comprehensions", "<listcomp>"), ("comprehensions", "<dictcomp>"), ("<listcomp>", "spin"),
       ("comprehensions", "spin"), ("<dictcomp>", "spin"))  # 3.12 runs them in place
def comprehensions():
    [spin() for _ in range(2)]
    {i: spin() for i in range(2)}


@shape(("lambdas", "<lambda>"), ("<lambda>", "spin"))
def lambdas():
    (lambda: spin())()


@shape(("closures", "closed"), ("closed", "spin"))
def closures():
    run = spin

    def closed():
        run()
    closed()


def decorate(function):
    @functools.wraps(function)
    def wrapper():
        function()
    return wrapper


@decorate
def decorated():
    spin()


@shape(("decorators", "wrapper"), ("wrapper", "decorated"), ("decorated", "spin"))
def decorators():
    decorated()


class Thing:
    def __init__(self):
        spin()

    @property
    def value(self):
        spin()
        return 1

    @classmethod
    def make(cls):
        return cls()

    def __eq__(self, other):
        spin()
        return self is other

    def __hash__(self):
        spin()
        return 1

    def __enter__(self):
        spin()
        return self

    def __exit__(self, *error):
        spin()


@shape(("methods", "make"), ("make", "__init__"), ("__init__", "spin"), ("methods", "value"),
       ("value", "spin"), ("methods", "__init__"), ("methods", "__eq__"), ("__eq__", "spin"),
       ("methods", "__hash__"), ("__hash__", "spin"), ("methods", "__enter__"),
       ("__enter__", "spin"), ("methods", "__exit__"), ("__exit__", "spin"))
def methods():
    thing = Thing.make()
    thing.value
    {thing: 1, Thing(): 2}
    with thing:
        pass


def sort_key(value):
    spin()
    return -value


def replace(match):
    spin()
    return ""


@shape(("callbacks", "sort_key"), ("sort_key", "spin"), ("callbacks", "replace"),
       ("replace", "spin"), ("callbacks", "<lambda>"), ("<lambda>", "second"))
def callbacks():
    sorted(range(2), key=sort_key)
    re.compile("a").sub(replace, "ba")
    list(map(lambda _: second(), range(1)))


def raising():
    spin()
    raise KeyError


@shape(("exceptions", "raising"), ("raising", "spin"), ("exceptions", "spin"))
def exceptions():
    with contextlib.suppress(KeyError):
        pass
    try:
        raising()
    except KeyError:
        spin()


EDGES += [("exceptions", "lib:suppress"), ("exceptions", "lib:__init__"),
          ("exceptions", "lib:__enter__"), ("exceptions", "lib:__exit__"),
          ("callbacks", "lib:compile")]

MADE = "def made():\n    spin()\nmade()\n"


@shape(("execs", "<module>"), ("<module>", "made"), ("made", "spin"))
def execs():
    exec(compile(MADE, "<made>", "exec"), {"spin": spin})


async def co_leaf():
    spin()
    await asyncio.sleep(0)
    spin()


async def co_top():
    await co_leaf()
    await asyncio.gather(co_leaf(), co_leaf())


@shape(("coroutines", "lib:run"), ("lib:_run", "co_top"), ("co_top", "co_leaf"),
       ("co_leaf", "spin"), ("lib:_run", "co_leaf"), ("coroutines", "co_top"),
       ("co_leaf", "lib:sleep"), ("co_top", "lib:gather"))
def coroutines():
    asyncio.run(co_top())


def turn():
    shapes = list(SHAPES)
    random.shuffle(shapes)
    for function in shapes:
        function()


def worker():
    while not known.stopping:
        turn()


def main():
    threads = [threading.Thread(target=worker, name="shaper-%d" % i)
               for i in range(int(sys.argv[1]) - 1)]
    for thread in threads:
        thread.start()
    known.ready(edges=EDGES, shapes=[f.__name__ for f in SHAPES])
    while not known.stopping:
        turn()
    for thread in threads:
        thread.join()
    known.done()


main()
