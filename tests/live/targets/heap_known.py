# SPDX-License-Identifier: GPL-2.0-only
"""A heap with something of everything, and what the interpreter itself says is in it.

The ready line counts, by type, what the collector tracks, and what can be reached from that, with
the sizes sys.getsizeof() gives.
"""
import array
import collections
import dataclasses
import decimal
import functools
import gc
import itertools
import json
import re
import sys
import time
import types
import weakref

import known


class Plain:
    def __init__(self, number):
        self.number = number
        self.text = "text %d" % number
        self.items = [number, number + 0.5]


class Slotted:
    __slots__ = ("left", "right", "__weakref__")


class Integer(int):
    pass


class Text(str):
    pass


class Bytes(bytes):
    pass


class Pair(tuple):
    pass


class Mapping(dict):
    pass


class Sequence(list):
    pass


class Meta(type):
    pass


class Classy(metaclass=Meta):
    pass


class Failure(Exception):
    pass


class Reference(weakref.ref):
    __slots__ = ("key",)


@dataclasses.dataclass
class Record:
    field: int


class frame:  # named like one of CPython's own types, and none of them
    __slots__ = ("a", "b", "c", "d", "e", "f", "g", "h")


Named = collections.namedtuple("Named", "first second")


def with_attribute(value):
    value.attribute = ["an attribute of %s" % type(value).__name__]
    return value


def generating():
    local = ["local of a generator"]
    yield local


def closing():
    kept = ["kept in a closure"]
    return lambda: kept


async def awaiting():
    await None


def long_text(count):
    return "x" * count


def make():
    slotted = [Slotted() for _ in range(100)]
    for number, each in enumerate(slotted):
        each.left = "slot %d" % number
        each.right = each  # a cycle
    started = generating()
    next(started)
    finished = generating()
    list(finished)
    coroutine = awaiting()
    coroutine.close()
    return {
        "plain": [Plain(number) for number in range(1000)],
        "slotted": slotted,
        "integers": [2**200, -5, 0, 2**30, True, Integer(7)],
        "floats": [1.5, float("nan"), 1 + 2j],
        "texts": ["ascii", "latin \xe9", "two \u20ac", "four \U0001f600", Text("abc"), long_text(10**6)],
        "bytes": [b"bytes", bytearray(b"xyz" * 5), Bytes(b"derived"), memoryview(b"seen")],
        "derived": [with_attribute(t) for t in (Integer(8), Text("\xe9"), Pair((1, 2, 3)), Mapping(a=1),
                                                Sequence([1]), Failure("x"), Classy(),
                                                Bytes(b"more"))],
        "dicts": [{}, {number: str(number) for number in range(3000)}, {"a": 1.25},
                  collections.OrderedDict(a=[1], b=2), collections.defaultdict(list, a=[2]),
                  collections.Counter("abc"), {"mixed": 1, 2: 2.5}],
        "sets": [set(), set(range(2000)), frozenset([9.5]), {"member"}],
        "lists": [[], list(range(100)), [None] * 10],
        "tuples": [(), (1, (2, (3, ("nested",)))), Named("first", ["second"])],
        "queues": [collections.deque(), collections.deque([1.75] * 500),
                   collections.deque(["d%d" % n for n in range(70)], maxlen=65)],
        "numbers": [array.array("d", [1.0] * 100), decimal.Decimal("1.5"), range(10)],
        "functions": [closing(), functools.partial(print, "partial"), len, [].append, Plain.__init__,
                      Plain(5).__init__, property(long_text), staticmethod(long_text)],
        "generators": [started, finished, generating(), coroutine],
        "others": [re.compile("a+"), slice(1, [2]), iter([1]), itertools.count(),
                   types.SimpleNamespace(z=[3]), Record(1), frame(), types, Failure("raised"),
                   weakref.WeakValueDictionary(), weakref.ref(slotted[0])],
        "reference": Reference(slotted[1]),
    }


def name_of(kind):
    module = type.__dict__["__module__"].__get__(kind)
    return "%s.%s" % (module if isinstance(module, str) else "", kind.__qualname__)


def counted(objects):
    """Type's name -> [count, bytes]. Nothing made here is left behind, nor in what is counted."""
    rows = {}
    for each in objects:
        row = rows.setdefault(name_of(type(each)), [0, 0])
        row[0] += 1
        try:
            row[1] += sys.getsizeof(each)
        except Exception:  # some types' own idea of it fails
            pass
    return rows


def reachable(objects):
    seen = {id(each): each for each in objects}
    todo = list(objects)
    while todo:
        for each in gc.get_referents(todo.pop()):
            if id(each) not in seen:
                seen[id(each)] = each
                todo.append(each)
    return seen.values()


def facts():
    gc.collect()
    tracked = counted(gc.get_objects())
    return {"tracked": tracked, "reachable": counted(reachable(gc.get_objects())),
            "address": id(heap["slotted"][3]), "immortal": id(None)}


heap = make()
gc.collect()
gc.disable()
json.dumps(facts())  # whatever is made once is made now
truth = facts()
known.ready(**truth)
del truth
while not known.stopping:
    time.sleep(0.02)
known.done()
