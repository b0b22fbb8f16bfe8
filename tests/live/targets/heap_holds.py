# SPDX-License-Identifier: GPL-2.0-only
"""One object held in each way there is, garbage nobody holds, and a list that grows on SIGUSR1."""
import gc
import signal
import time

import known


class InDict:
    pass


class InList:
    pass


class InTuple:
    pass


class InSet:
    pass


class InAttribute:
    pass


class InSlot:
    pass


class InClosure:
    pass


class InGenerator:
    pass


class InClass:
    pass


class OnStack:
    pass


class Lost:
    def __init__(self):
        self.me = self


class Grown:
    pass


class Slotted:
    __slots__ = ("slot",)


class Holder:
    attribute_of_class = InClass()


def closing():
    kept = InClosure()
    return lambda: kept


def generating():
    local = InGenerator()
    yield local


gc.disable()
by_dict = {"key of it": InDict()}
by_list = [None, None, InList()]
by_tuple = ((InTuple(),),)
by_set = {InSet()}
by_attribute = Holder()
by_attribute.attribute = InAttribute()
by_slot = Slotted()
by_slot.slot = InSlot()
by_closure = closing()
by_generator = generating()
next(by_generator)
for _ in range(50):
    Lost()
grown = []


def on_usr1(_signal, _frame):
    grown.extend(Grown() for _ in range(500))
    print("grown", flush=True)


def run():
    on_stack = OnStack()
    known.ready(address=id(by_list[2]))
    while not known.stopping:
        time.sleep(0.02)
    del on_stack


signal.signal(signal.SIGUSR1, on_usr1)
run()
known.done()
