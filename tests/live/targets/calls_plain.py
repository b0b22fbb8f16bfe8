# SPDX-License-Identifier: GPL-2.0-only
"""Calls of every ordinary kind: functions, classes, the methods behind operators, callbacks.

Often enough that the interpreter specialises what it can. Deterministic, silent. Nothing dies by
leaving a local variable: a profile function in Python holds the locals of the frame it is told of.
"""
import functools
import gc
import weakref

ROUNDS = 60


# ---- functions ----

def nothing():
    pass


def positional(a, b, c=3):
    return a + b + c


def keyword(*args, key=None, **rest):
    return len(args) + len(rest) + (key is None)


def outer(n):
    total = n

    def inner(step):
        nonlocal total
        total += step
        return total

    inner(1)
    inner(2)
    return inner


def counted(label):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)
        wrapper.label = label
        return wrapper
    return decorate


@counted("one")
@counted("two")
def decorated(x):
    return x


def functions():
    nothing()
    positional(1, 2)
    positional(*(1, 2), **{"c": 4})
    keyword(1, 2, key=3, other=4)
    keyword(*range(3))
    outer(1)(3)
    decorated(7)
    (lambda x: x)(1)
    functools.partial(positional, 1)(2, c=5)


# ---- classes ----

class Meta(type):
    @classmethod
    def __prepare__(mcs, name, bases, **kwargs):
        return {}

    def __new__(mcs, name, bases, namespace, **kwargs):
        return super().__new__(mcs, name, bases, namespace)

    def __call__(cls, *args, **kwargs):
        return super().__call__(*args, **kwargs)


class Named:
    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner):
        return 1

    def __set__(self, instance, value):
        pass

    def __delete__(self, instance):
        pass


class Base:
    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)

    def __init__(self, x=0):
        self.x = x

    def method(self):
        return self.x

    def over(self):
        return 1


class Child(Base):
    def __new__(cls, *args):
        return super().__new__(cls)

    def __init__(self, x=0):
        super().__init__(x)

    def over(self):
        return super().over() + 1

    @classmethod
    def made(cls):
        return cls(2)

    @staticmethod
    def fixed():
        return 3

    def __call__(self):
        return self.x


class Simple:
    def __init__(self, value):
        self.value = value


class Slotted:
    __slots__ = ("a",)

    def __init__(self):
        self.a = 1


def classes():
    child = Child(5)
    child.method()
    child.over()
    child()
    Child.made().fixed()
    bound = child.over
    bound()
    Child.over(child)
    Simple(1)
    Slotted()

    class WithMeta(metaclass=Meta, flag=1):
        described = Named()

        def __class_getitem__(cls, item):
            return item

    instance = WithMeta()
    WithMeta[int]
    instance.described
    instance.described = 2
    del instance.described


# ---- what operators and builtins call ----

class Operators:
    def __init__(self, value):
        self.value = value

    def __add__(self, other):
        return Operators(self.value + other.value)

    def __radd__(self, other):
        return self

    def __iadd__(self, other):
        return self

    def __eq__(self, other):
        return self.value == other.value

    def __lt__(self, other):
        return self.value < other.value

    def __hash__(self):
        return hash(self.value)

    def __bool__(self):
        return True

    def __len__(self):
        return 3

    def __getitem__(self, item):
        if item > 2:
            raise IndexError(item)
        return item

    def __setitem__(self, item, value):
        pass

    def __delitem__(self, item):
        pass

    def __contains__(self, item):
        return True

    def __repr__(self):
        return "Operators"

    def __format__(self, spec):
        return spec

    def __index__(self):
        return 1

    def __neg__(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return False


class Attributes:
    @property
    def value(self):
        return 1

    @value.setter
    def value(self, value):
        pass

    @value.deleter
    def value(self):
        pass

    @functools.cached_property
    def kept(self):
        return 2

    def __getattr__(self, name):
        return 4


class Overridden:
    def __getattribute__(self, name):
        return 3


class Counting:
    def __init__(self, count):
        self.count = count

    def __iter__(self):
        return self

    def __next__(self):
        if not self.count:
            raise StopIteration
        self.count -= 1
        return self.count


def operators():
    a, b = Operators(1), Operators(2)
    a + b
    1 + a
    a += b
    a == b
    a < b
    {a: 1, b: 2}[a]
    bool(a)
    len(a)
    a[1]
    list(a)
    a[1] = 2
    del a[1]
    5 in a
    repr(a)
    "%r" % (a,)
    f"{a:>3}"
    [7, 8][a]
    -a
    if not a:
        nothing()
    with a as c, b:
        c


def attributes():
    instance = Attributes()
    instance.value
    instance.value = 5
    del instance.value
    instance.kept
    instance.kept
    instance.missing
    getattr(instance, "missing_too")
    Overridden().anything


def iteration():
    for _ in Counting(3):
        pass
    list(Counting(4))
    sum(Counting(2))
    a, b = Counting(2)
    for _ in iter(functools.partial(next, Counting(5)), 2):
        pass


def comprehensions():
    [positional(x, x) for x in range(3)]
    {positional(x, x) for x in range(3)}
    {x: nothing() for x in range(3)}
    list(positional(x, x) for x in range(3))
    [[nothing() for _ in range(2)] for _ in range(2)]
    any(x > 1 for x in range(5))
    tuple(x for x in range(3))
    [lambda: x for x in range(2)][0]()


# ---- called back from C ----

def key(x):
    return -x


def compare(x, y):
    return x - y


def add(x, y):
    return x + y


@functools.lru_cache(maxsize=None)
def cached(n):
    return n if n < 2 else cached(n - 1) + cached(n - 2)


def failing_key(x):
    if x == 3:
        raise KeyError(x)
    return x


@functools.singledispatch
def dispatched(x):
    return 0


@dispatched.register(int)
def dispatched_int(x):
    return 1


def callbacks():
    list(map(key, range(4)))
    list(filter(key, range(4)))
    sorted(range(5), key=key)
    sorted(range(4), key=functools.cmp_to_key(compare))
    min(range(3), key=key)
    max([1, 2], key=lambda x: x)
    functools.reduce(add, range(6))
    [3, 1, 2].sort(key=key)
    cached(9)
    cached(9)
    cached.cache_clear()
    dispatched(1)
    dispatched("1")
    try:
        sorted([1, 2, 3, 4], key=failing_key)
    except KeyError:
        nothing()


# ---- recursion ----

def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def even(n):
    return True if n == 0 else odd(n - 1)


def odd(n):
    return False if n == 0 else even(n - 1)


def ackermann(m, n):
    if m == 0:
        return n + 1
    if n == 0:
        return ackermann(m - 1, 1)
    return ackermann(m - 1, ackermann(m, n - 1))


def deep(n):
    return deep(n - 1) + 1 if n else 0


def deep_through_c(n):
    return max([n], key=lambda x: deep_through_c(x - 1)) if n else 0


def recursion():
    fib(8)
    even(20)
    ackermann(2, 2)
    deep(500)
    deep_through_c(30)


# ---- code that is made on the way ----

def made_code():
    for number in range(3):
        space = {}
        exec(compile("def same(x):\n    return x\nclass Same:\n    def same(self): pass\n"
                     "same(1)\nsame(2)\nSame().same()\n", "/made%d.py" % number, "exec"), space)
        space["same"](3)
        eval("(lambda: 1)()")
        eval(compile("same(4) + same(5)", "/evaluated.py", "eval"), space)


# ---- called by the interpreter itself ----

class Dying:
    def __init__(self):
        self.me = None

    def __del__(self):
        nothing()


def on_dead(reference):
    nothing()


def finalizer():
    nothing()


def on_collection(phase, counters):
    nothing()


def endings():
    Dying()
    circle = Dying()
    circle.me = circle
    del circle
    dying = [Dying()]
    references = [weakref.ref(dying[0], on_dead), weakref.ref(dying[0], on_dead)]
    weakref.finalize(dying[0], finalizer)
    dying.clear()
    references.clear()
    gc.callbacks.append(on_collection)
    gc.collect()
    gc.callbacks.remove(on_collection)


def main():
    for number in range(ROUNDS):
        functions()
        classes()
        operators()
        attributes()
        iteration()
        comprehensions()
        callbacks()
        if number % 20 == 0:
            recursion()
            made_code()
            endings()
