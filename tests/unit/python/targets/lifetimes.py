# SPDX-License-Identifier: GPL-2.0-only
"""Makes instances of many kinds of classes, COUNT of each kind, and says which type they are of.

A line with the kind's number on standard input makes them, keeps them until all are made, and
lets go of them. The answer is a line, too.
"""
import collections
import datetime
import enum
import functools
import io
import pickle
import random
import sys
import types
import typing
import weakref

COUNT = 20


class Plain:
    pass


class Init:
    def __init__(self, x):
        self.x = x


class Derived(Init):
    def __init__(self, x):
        super().__init__(x)


class Slots:
    __slots__ = ("a", "b")


class Empty:
    __slots__ = ()


class ManySlots:
    __slots__ = tuple("a%d" % i for i in range(100))


class New:
    def __new__(cls, x):
        return super().__new__(cls)

    def __init__(self, x):
        self.x = x


class Del:
    def __del__(self):
        pass


class Meta(type):
    pass


class OfMeta(metaclass=Meta):
    pass


class Error(Exception):
    def __init__(self, x):
        super().__init__(x)


T = typing.TypeVar("T")


class Generic(typing.Generic[T]):
    pass


Named = collections.namedtuple("Named", "a b")
Flag = enum.Enum("Flag", "A B")


def derived(base):
    return type("Sub" + base.__name__, (base,), {})


def raised():
    try:
        raise KeyErrors("x")
    except KeyError as error:
        return error


def kinds():
    """(class, what makes one)"""
    plain = Plain()
    init = pickle.dumps(Init(1))
    yield Plain, Plain
    yield Init, lambda: Init(1)
    yield Init, lambda: Init(x=1)
    yield Init, lambda: pickle.loads(init)
    yield Init, lambda: Init.__new__(Init)
    yield Init, functools.partial(Init, 1)
    yield Derived, lambda: Derived(1)
    yield Slots, Slots
    yield Empty, Empty
    yield ManySlots, ManySlots
    yield New, lambda: New(1)
    yield Del, Del
    yield Meta, lambda: Meta("a", (), {})
    yield OfMeta, OfMeta
    yield Error, lambda: Error(1)
    yield Generic, Generic
    yield Named, lambda: Named(1, 2)
    yield KeyErrors, raised
    for base, arguments in (
        (int, (5,)),
        (int, (1 << 3000,)),
        (float, (1.5,)),
        (complex, (1,)),
        (str, ("abc",)),
        (str, ("\u20ac" * 500,)),
        (bytes, (b"abc",)),
        (bytearray, (b"abc",)),
        (tuple, ((1, 2),)),
        (tuple, (range(300),)),
        (list, ((1, 2),)),
        (dict, ({1: 2},)),
        (set, ((1, 2),)),
        (frozenset, ((1, 2),)),
        (property, (derived,)),
        (staticmethod, (derived,)),
        (classmethod, (derived,)),
        (enumerate, ((),)),
        (zip, ((),)),
        (map, (derived, ())),
        (super, (Plain, plain)),
        (types.ModuleType, ("m",)),
        (types.SimpleNamespace, ()),
        (weakref.ref, (plain,)),
        (functools.partial, (derived,)),
        (collections.OrderedDict, ()),
        (collections.deque, ()),
        (collections.defaultdict, ()),
        (io.BytesIO, ()),
        (random.Random, (1,)),
        (datetime.datetime, (2000, 1, 1)),
        (datetime.timedelta, (1,)),
        (Exception, ("x",)),
        (OSError, (2, "x")),
        (MemoryError, ()),
        (StopIteration, (1,)),
    ):
        cls = derived(base)
        yield cls, functools.partial(cls, *arguments)


KeyErrors = derived(KeyError)


def main():
    made = list(kinds())
    for cls, _ in made:
        print(cls.__name__, id(cls))
    print("ready", flush=True)
    for line in sys.stdin:
        make = made[int(line)][1]
        kept = [make() for _ in range(COUNT)]
        del kept
        print("done", flush=True)


main()
