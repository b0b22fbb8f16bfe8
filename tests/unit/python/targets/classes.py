# SPDX-License-Identifier: GPL-2.0-only
"""Classes of every kind and what the interpreter itself says of them: a line each, then `ready`.

    class ID INSTANCES SIZE ITEMS MODULE NAME   instances: -1 not known; size: getsizeof() of one, or -1
    static ID                                   a type that no class statement made
    gone ID                                     where a class called Dropped was

SIGUSR1 puts another class where the first one, Reused, was, and says `reused`, or `not`.
`churn`: makes and drops objects all the time instead.
"""
import collections
import dataclasses
import datetime
import gc
import signal
import sys
import time
import types


class Plain(object):
    def __init__(self, number):
        self.number = number


class Slots(object):
    __slots__ = ("left", "right")


class SlotsAndWeak(object):
    __slots__ = ("left", "__weakref__")


class Empty(object):
    __slots__ = ()


class EmptyInt(int):
    __slots__ = ()


class EmptyStr(str):
    __slots__ = ()


class EmptyFloat(float):
    __slots__ = ()


class Integer(int):
    pass


class Real(float):
    pass


class Pair(tuple):
    pass


class Raw(bytes):
    pass


class Failure(Exception):
    pass


class Final(object):
    def __del__(self):
        pass


class Child(Plain):
    __slots__ = ("more",)


@dataclasses.dataclass
class Record:
    field: int


class Meta(type):
    pass


Named = collections.namedtuple("Named", "first second")
Twin = type("Twin", (), {"__module__": "one"})
one = Twin
two = type("Twin", (), {"__module__": "two"})
Reused = type("Reused", (), {})
Dropped = type("Dropped", (), {})


def local():
    class Inner:
        pass
    return Inner


def generating(kept):
    yield kept


def running():
    on_stack = Empty()
    say("ready")
    while True:
        time.sleep(0.01)
        signals()
    return on_stack


def closing(kept):
    return lambda: kept


def make():
    started = generating(Empty())
    next(started)
    plain = Plain(Empty())
    return {
        "empty": [Empty() for _ in range(20)],
        "in a dict": {"value": Empty(), "nested": {"more": Empty()}},
        "in a tuple": (1, ("two", (Empty(),))),
        "in a set": {Empty()}, "as a key": {Empty(): 1}, "in a deque": collections.deque([Empty()]),
        "of an instance": plain, "in a closure": closing(Empty()), "in a generator": started,
        "in a namespace": types.SimpleNamespace(attribute=Empty()),
        "twice": [plain, plain.number],
        "ints": [EmptyInt(n) for n in range(30)], "strs": {EmptyStr("a%d" % n): 0 for n in range(40)},
        "floats": tuple(EmptyFloat(n) for n in range(50)),
    }


def main_kinds():
    slots = [Slots() for _ in range(300)]
    for each in slots:
        each.left = each
    return {
        Plain: [Plain(n) for n in range(99)], Slots: slots, SlotsAndWeak: [SlotsAndWeak()] * 5,
        Integer: [Integer(n) for n in (0, 5, -5, 2**40, -2**100)], Real: [Real(1.5)] * 3,
        Pair: [Pair(), Pair((1,)), Pair(range(10))], Raw: [Raw(b"ab"), Raw(b"")],
        Failure: [Failure("x")], Final: [Final(), Final()], Child: [Child(n) for n in range(7)],
        Record: [Record(n) for n in range(11)], Named: [Named(1, 2)], one: [one()], two: [two(), two()],
        Meta: [Meta("Made%d" % n, (), {}) for n in range(3)],
    }


def signals():
    global Reused, wanted
    if not wanted:
        return
    wanted = False
    address = id(Reused)
    kept = []
    del Reused
    gc.collect()
    for _ in range(1000):
        kept.append(type("Another", (), {"__module__": "elsewhere"}))
        if id(kept[-1]) == address:
            break
    Reused = kept[-1]
    del kept
    say("reused" if id(Reused) == address else "not")


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def items(each):
    if isinstance(each, int):
        return max(1 if sys.version_info >= (3, 11) else 0, (abs(each).bit_length() + 29) // 30)
    return len(each) if isinstance(each, (tuple, bytes)) else 0


def classes_say(untracked):
    """Nothing that is counted may be made or ended here, for what is printed is what there is."""
    found = gc.get_objects()
    counts = collections.Counter(map(type, found))
    del found
    for kind in [*kinds, collections.deque, types.FunctionType, types.ModuleType, Inner]:
        one_of = (kinds.get(kind) or [None])[-1]
        sized = one_of is not None and kind is not Meta
        say("class %d %d %d %d %s %s" % (
            id(kind), counts[kind], sys.getsizeof(one_of) if sized else -1,
            items(one_of), kind.__module__, kind.__qualname__))
    for kind, (count, one_of) in untracked.items():
        sized = not isinstance(one_of, str)  # its text is not in it
        say("class %d %d %d %d %s %s" % (id(kind), count, sys.getsizeof(one_of) if sized else -1,
                                         items(one_of), kind.__module__, kind.__qualname__))


def subclasses(kind, seen):
    if kind not in seen:
        seen.add(kind)
        for each in type.__subclasses__(kind):
            subclasses(each, seen)
    return seen


def churn():
    class Staying:
        pass
    staying = [Staying() for _ in range(20000)]
    say("class %d %d -1 0 %s %s" % (id(Staying), len(staying), "__main__", Staying.__qualname__))
    say("ready")
    while True:
        [[Plain(n)] for n in range(200)]


def on_signal(_signal, _frame):
    global wanted
    wanted = True


wanted = False
signal.signal(signal.SIGUSR1, on_signal)
signal.alarm(120)
if "churn" in sys.argv:
    churn()
kinds = main_kinds()
kept = make()
Inner = local()
made_inside = [Inner(), Inner()]
for each in subclasses(object, set()):
    if not each.__flags__ & 1 << 9:
        say("static %d" % id(each))
say("gone %d" % id(Dropped))
say("class %d -1 -1 0 __main__ Reused" % id(Reused))
del Dropped, each
gc.collect()
gc.disable()
classes_say({Empty: (31, Empty()), EmptyInt: (30, EmptyInt(7)), EmptyStr: (40, EmptyStr("a")),
             EmptyFloat: (50, EmptyFloat(1))})
running()
