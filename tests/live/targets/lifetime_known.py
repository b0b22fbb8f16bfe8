# SPDX-License-Identifier: GPL-2.0-only
"""Usage: lifetime_known.py watched FILE|command

work() makes instances of every kind of class, each kind at a marked line of its own: MADE of them, of
which KEPT stay. `watched` does it when SIGUSR1 comes, says so by making FILE, and waits for SIGTERM;
`command` does it and ends. What weakref.finalize saw, sizes and ages go with the last line.
"""
import collections
import copy
import dataclasses
import pickle
import signal
import sys
import time
import typing
import weakref

import known

MADE = 50
KEPT = 20
AGES_MS = (0, 1, 2, 5, 10, 20, 30)


class Plain:
    pass


class Init:
    def __init__(self, number):
        self.number = number


class Slots:
    __slots__ = ("left", "right", "__weakref__")


class SlotsInit:
    __slots__ = ("left",)

    def __init__(self, left):
        self.left = left


class Empty:
    __slots__ = ()


class New:
    def __new__(cls, *_arguments):
        return super().__new__(cls)  # birth New


class Failure(Exception):
    pass


class FailureInit(Exception):
    def __init__(self, number):
        super().__init__(number)
        self.number = number


class Integer(int):
    pass


class EmptyInt(int):
    __slots__ = ()


class Real(float):
    pass


class Text(str):
    pass


class Pair(tuple):
    pass


class Sequence(list):
    pass


class Mapping(dict):
    pass


class Ordered(collections.OrderedDict):
    pass


class Queue(collections.deque):
    pass


class Members(set):
    pass


class Raw(bytes):
    pass


class Final:
    def __del__(self):
        pass


class Child(Init):
    def __init__(self, number):
        super().__init__(number)
        self.more = None


class Both(Slots, Final):
    pass


class Box(typing.Generic[typing.TypeVar("T")]):
    pass


class Meta(type):
    pass


class MadeByMeta(metaclass=Meta):
    pass


class Call:
    def __call__(self):
        pass


class Copied:
    pass


class Pickled:
    pass


class Direct:
    pass


class Mapped:
    pass


class Yielded:
    pass


class Aged:
    pass


@dataclasses.dataclass
class Record:
    first: int
    second: int = 2


@dataclasses.dataclass(frozen=True)
class Frozen:
    first: int


def yielding():
    while True:
        yield Yielded()  # birth Yielded


def shaped(kept):
    """Every kind once over: the caller keeps what it wants of it."""
    kept += [
        Plain(),  # birth Plain
        Init(1),  # birth Init
        Slots(),  # birth Slots
        SlotsInit(1),  # birth SlotsInit
        Empty(),  # birth Empty
        New(1, 2),
        Failure("a"),  # birth Failure
        FailureInit(1),  # birth FailureInit
        Integer(5),  # birth Integer
        EmptyInt(2**40),  # birth EmptyInt
        Real(1.5),  # birth Real
        Text("abc"),  # birth Text
        Pair((1, 2)),  # birth Pair
        Sequence([1]),  # birth Sequence
        Mapping(),  # birth Mapping
        Ordered(),  # birth Ordered
        Queue(),  # birth Queue
        Members(),  # birth Members
        Raw(b"ab"),  # birth Raw
        Final(),  # birth Final
        Child(1),  # birth Child
        Both(),  # birth Both
        Box(),  # birth Box
        MadeByMeta(),  # birth MadeByMeta
        Call(),  # birth Call
        Record(1),  # birth Record
        Frozen(1),  # birth Frozen
        object.__new__(Direct),  # birth Direct
        *map(lambda _: Mapped(), "1"),  # birth Mapped
        next(generator),
        copy.copy(copied),
        pickle.loads(pickled),
    ]


def size_of(each):
    """What is in no block of its own."""
    if isinstance(each, (str, list, dict, set, collections.deque)):
        return None
    return sys.getsizeof(each)


def watch_over(seen, each):
    """Counts its end; not every class lets one."""
    name = type(each).__name__
    try:
        weakref.finalize(each, finalized.update, [name])
        seen[name] += 1
    except TypeError:
        pass


def work():
    seen = collections.Counter()
    kept, sizes = [], {}
    for number in range(MADE):
        made = []
        shaped(made)
        if number == 0:
            sizes.update((type(each).__name__, size_of(each)) for each in made)
        for each in made:
            watch_over(seen, each)
        if number < KEPT:
            kept.append(made)
        del made, each
    return kept, {"sizes": sizes, "seen": seen, "finalized": dict(finalized), "ages": aged(),
                  "names": sorted(sizes)}


def aged():
    """For each the least and the most it can have lived."""
    bounds = []
    for age_ms in AGES_MS:
        before = time.monotonic_ns()
        each = Aged()  # birth Aged
        after = time.monotonic_ns()
        time.sleep(age_ms / 1000)
        at_least = time.monotonic_ns() - after
        del each
        bounds.append([at_least, time.monotonic_ns() - before])
    return bounds


copied = Copied()
pickled = pickle.dumps(Pickled())
generator = yielding()
finalized = collections.Counter()
start = False


def on_start(_signal, _frame):
    global start
    start = True


signal.signal(signal.SIGUSR1, on_start)
known.ready()
while sys.argv[1] == "watched" and not start:
    time.sleep(0.01)
kept, facts = work()
if sys.argv[1] == "watched":
    open(sys.argv[2], "w").close()
    while not known.stopping:
        time.sleep(0.02)
known.done(**facts)
