# SPDX-License-Identifier: GPL-2.0-only
"""The standard library at work, imported on the way. Deterministic, silent."""


class Event:
    def __init__(self, value):
        self.value = value


def texts():
    import json
    import re
    import string
    import textwrap

    value = {"a": [1, 2.5, None, True], "b": {"c": "text" * 3}, "d": list(range(20))}
    for _ in range(5):
        json.loads(json.dumps(value, indent=1, sort_keys=True), object_hook=dict)
    json.dumps({"e": Event(1)}, default=vars)
    json.loads("[1, 2]", parse_int=lambda digits: int(digits))
    try:
        json.loads("{]")
    except ValueError:
        pass
    re.sub(r"(\w)(\d+)", lambda match: match.group(1), "a1 b22 c333")
    re.compile(r"(?P<x>a|b)*[^c-z]+?(?=d)|e{2,3}")
    textwrap.fill("word " * 40, 30)
    string.Template("$a and ${b}").substitute(a=1, b=2)


def containers():
    import collections
    import copy
    import dataclasses
    import enum

    counter = collections.Counter("abracadabra")
    (counter + counter).most_common(2)
    point = collections.namedtuple("point", "x y")
    point(1, y=2)._replace(x=3)
    collections.ChainMap({"a": 1}, {"b": 2})["b"]
    collections.defaultdict(lambda: 5)["x"]
    ordered = collections.OrderedDict.fromkeys("xyz")
    ordered.move_to_end("x")

    @dataclasses.dataclass(order=True)
    class Item:
        name: str
        parts: list = dataclasses.field(default_factory=list)

        def __post_init__(self):
            self.parts.append(self.name)

    copy.deepcopy([Item("a"), Item("b")])
    sorted([Item("b"), Item("a")])

    class Color(enum.Enum):
        RED = 1
        BLUE = 2

    Color(1), Color["BLUE"], list(Color)


def programs():
    import argparse
    import ast
    import fractions
    import statistics

    parser = argparse.ArgumentParser(prog="x", add_help=False)
    parser.add_argument("--number", type=lambda text: int(text))
    parser.parse_args(["--number", "5"])
    ast.dump(ast.parse("def f(x): return x + 1\n"))
    statistics.mean([fractions.Fraction(1, 3), fractions.Fraction(2, 3)])


def back_from_c():
    """Extension modules that call Python functions."""
    try:
        import ctypes
    except ImportError:
        return

    prototype = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int),
                                 ctypes.POINTER(ctypes.c_int))

    def compare(a, b):
        return a[0] - b[0]

    numbers = (ctypes.c_int * 8)(5, 3, 8, 1, 7, 2, 6, 4)
    ctypes.CDLL(None).qsort(numbers, len(numbers), ctypes.sizeof(ctypes.c_int),
                            prototype(compare))
    try:
        import sqlite3
    except ImportError:
        return
    connection = sqlite3.connect(":memory:")
    connection.create_function("twice", 1, lambda x: 2 * x)
    connection.execute("select twice(1) + twice(2)").fetchall()
    connection.close()


def main():
    texts()
    containers()
    programs()
    back_from_c()
