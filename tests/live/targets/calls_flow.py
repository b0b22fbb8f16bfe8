# SPDX-License-Identifier: GPL-2.0-only
"""Control flow that leaves a function or comes back to it in other ways than call and return:
generators, coroutines, exceptions. Deterministic, silent.
"""
import contextlib
import gc
import sys

ROUNDS = 40


def nothing():
    pass


# ---- generators ----

def count(n):
    for i in range(n):
        yield i


def echo():
    got = None
    while True:
        try:
            got = yield got
        except KeyError as error:
            got = error.args[0]


def cleaning():
    try:
        yield 1
        yield 2
    finally:
        nothing()


def returning():
    yield 1
    return 5


def delegating():
    value = yield from returning()
    yield value
    yield from [7, 8]
    try:
        yield from echo()
    except ValueError:
        yield 9


def stopping():
    yield 1
    raise StopIteration


def never():
    yield


def tree(n):
    if n:
        yield from tree(n - 1)
        yield n
        yield from tree(n - 1)


def generators():
    list(count(4))
    for _ in count(3):
        for _ in count(2):
            pass
    for _ in count(5):
        break
    first, *rest = count(4)
    sum(count(6))
    sum(x for x in count(5))
    max(x for x in (y for y in count(5)))
    4 in count(9)
    next(count(0), None)
    exhausted = count(1)
    list(exhausted)
    list(exhausted)
    list(tree(4))


def sends():
    generator = echo()
    next(generator)
    generator.send(1)
    generator.send(2)
    generator.throw(KeyError(3))
    try:
        generator.throw(ValueError(4))
    except ValueError:
        pass
    try:
        generator.send(5)
    except StopIteration:
        pass
    delegation = delegating()
    for _ in range(5):
        next(delegation)
    delegation.send(6)
    delegation.throw(KeyError(7))
    delegation.throw(ValueError(8))
    delegation.close()


def endings():
    suspended = cleaning()
    next(suspended)
    suspended.close()
    suspended.close()
    dropped = [cleaning()]
    next(dropped[0])
    dropped.clear()
    never().close()
    never()
    unstarted = never()
    try:
        unstarted.throw(KeyError)
    except KeyError:
        pass
    plain = count(3)
    next(plain)
    plain.close()
    circle = [cleaning()]
    next(circle[0])
    circle.append(circle)
    del circle
    gc.collect()
    try:
        list(stopping())
    except RuntimeError:
        nothing()


# ---- exceptions ----

class Custom(Exception):
    def __init__(self, value):
        super().__init__(value)
        self.value = value


def down(n, error):
    if n == 0:
        raise error
    down(n - 1, error)


def down_finally(n, error):
    try:
        if n == 0:
            raise error
        down_finally(n - 1, error)
    finally:
        nothing()


def caught_at(n, depth):
    if n == 0:
        raise Custom(depth)
    if n == depth:
        try:
            caught_at(n - 1, depth)
        except Custom as error:
            return error.value
        return None
    return caught_at(n - 1, depth)


def raised_again(n):
    try:
        if n == 0:
            raise Custom(n)
        raised_again(n - 1)
    except Custom:
        nothing()
        raise


def chained(n):
    try:
        if n == 0:
            {}["missing"]
        chained(n - 1)
    except LookupError as error:
        raise IndexError(n) from error


class Raising:
    def __init__(self, fails=False):
        if fails:
            raise Custom("init")

    @property
    def value(self):
        raise AttributeError("value")

    def __getitem__(self, item):
        raise IndexError(item)

    def __bool__(self):
        raise ValueError("bool")

    def __eq__(self, other):
        raise TypeError("eq")

    def __del__(self):
        pass


class FailingDel:
    def __del__(self):
        raise Custom("del")


def swallow(unraisable):
    nothing()


def key(x):
    if x == 2:
        raise Custom(x)
    return x


def generating(n):
    for i in range(n):
        if i == 2:
            raise Custom(i)
        yield i


def outside_generator():
    for _ in generating(5):
        nothing()


def in_comprehension():
    return [down(x, Custom(x)) for x in (2, 1)]


@contextlib.contextmanager
def managed(swallows):
    try:
        yield 1
    except Custom:
        if not swallows:
            raise


class Swallowing:
    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        return kind is Custom


def managers():
    with managed(True):
        raise Custom(1)
    with Swallowing():
        down(3, Custom(2))
    with contextlib.suppress(Custom):
        with managed(False):
            down(2, Custom(3))
    with contextlib.ExitStack() as stack:
        stack.enter_context(managed(True))
        stack.enter_context(Swallowing())
        stack.callback(nothing)
        down(1, Custom(4))


def exceptions():
    for function in (lambda: down(10, Custom(1)), lambda: down_finally(5, Custom(1)),
                     lambda: raised_again(6), lambda: chained(4), lambda: Raising(True),
                     lambda: sorted([1, 2, 3], key=key), lambda: list(map(key, range(4))),
                     outside_generator, in_comprehension, lambda: bool(Raising()),
                     lambda: Raising() == 1, lambda: Raising()[0], lambda: list(generating(4)),
                     lambda: nothing(1), lambda: 1 // 0):
        try:
            function()
        except Exception:
            nothing()
    for depth in (1, 4, 8):
        caught_at(8, depth)
    hasattr(Raising(), "value")
    getattr(Raising(), "value", None)
    list(Raising())
    FailingDel()
    managers()


# ---- coroutines, driven by hand ----

class Awaitable:
    def __init__(self, n):
        self.n = n

    def __await__(self):
        for i in range(self.n):
            yield i
        return self.n


class AsyncManager:
    async def __aenter__(self):
        await Awaitable(1)
        return self

    async def __aexit__(self, *exception):
        await Awaitable(1)
        return True


class AsyncIterator:
    def __init__(self, n):
        self.n = n

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.n:
            raise StopAsyncIteration
        self.n -= 1
        await Awaitable(1)
        return self.n


async def leaf(n):
    return await Awaitable(n)


async def chain(depth, n):
    return await chain(depth - 1, n) if depth else await leaf(n)


async def async_count(n):
    for i in range(n):
        await Awaitable(1)
        yield i


async def everything():
    await chain(5, 3)
    async with AsyncManager():
        await leaf(1)
        raise Custom("async with")
    async for _ in AsyncIterator(2):
        pass
    async for _ in async_count(3):
        pass
    [x async for x in async_count(2)]
    {x for x in [await leaf(1), await leaf(0)]}
    await patient()


async def patient():
    try:
        await leaf(2)
    except KeyError:
        await leaf(1)


def drive(coroutine):
    try:
        while True:
            coroutine.send(None)
    except StopIteration as stop:
        return stop.value


def coroutines():
    drive(everything())
    drive(leaf(0))
    thrown = patient()
    thrown.send(None)
    thrown.throw(KeyError())
    drive(thrown)
    deep = chain(4, 2)
    deep.send(None)
    try:
        deep.throw(Custom("deep"))
    except Custom:
        nothing()
    closed = chain(3, 2)
    closed.send(None)
    closed.close()
    leaf(1).close()
    asynchronous = async_count(3)
    drive(asynchronous.__anext__())
    drive(asynchronous.asend(None))
    drive(asynchronous.aclose())


def main():
    before = sys.unraisablehook
    sys.unraisablehook = swallow
    for _ in range(ROUNDS):
        generators()
        sends()
        endings()
        exceptions()
        coroutines()
    sys.unraisablehook = before
