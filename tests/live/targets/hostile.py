# SPDX-License-Identifier: GPL-2.0-only
"""A process that lies: it forges the interpreter's structures under whoever looks at them.

Usage: hostile.py frames|threads|title [ARG...]. Everything is put back before the interpreter itself would look.
frames: every forge_*() thread holds another lie about frames, code objects and texts, while
honest_work() runs in the main thread, to be reported as if nothing was.
threads: the list of thread states is a cycle.
title: the name of the thread is an escape and an element of a page; so may the arguments be.
"""
import ctypes
import gc
import os
import sys
import threading
import time
import types

import known

MINOR = sys.version_info[1]
# Offsets into CPython's structures.
FRAME_BACK = 24 if MINOR <= 10 else 48 if MINOR == 11 else 8
FRAME_CODE = 32 if MINOR <= 11 else 0
FRAME_OBJECT_FRAME = 24  # 3.11+: where a frame object tells the frame itself
CODE_FIRSTLINENO = 40 if MINOR <= 10 else 72 if MINOR == 11 else 68
CODE_NAME = 112 if MINOR <= 10 else 120
CODE_LINETABLE = 120 if MINOR <= 10 else 136
OBJECT_SIZE = 16  # length of a str, size of a bytes
STR_STATE = 32
TSTATE_NEXT = 8
PR_SET_NAME = 15

WILD = [1, 7, 0xdeadbeef, 0x7fffffffffff, 0x8000000000000000, 0xffffffff81000000,
        0xffffffffffffffff, 0xfffffffffffffff8]
NAMES = [
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b31m", "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>", "semi;colon", "new\nline 17", "nul\0nul", "\ud800lone",
    "\u202egnp.exe", "\x7f\x08\x08", "'\"&amp;", "x" * 1_000_000, "\U0001f40d" * 5000, "",
    "-->", "a b 99", "\\u003cscript",
]


def word(address):
    return ctypes.c_uint64.from_address(address)


def half(address):
    return ctypes.c_int32.from_address(address)


def frame_address(frame):
    return id(frame) if MINOR <= 10 else word(id(frame) + FRAME_OBJECT_FRAME).value


def hold(place, lies):
    """Runs without a call of Python code until the end, one lie after the other."""
    truth = place.value
    try:
        while not known.stopping:
            for lie in lies:
                place.value = lie
                end = time.thread_time() + 0.002
                while time.thread_time() < end:
                    pass
                place.value = truth
    finally:
        place.value = truth


def forge_code_pointer():
    """The caller's code is anything but a code object."""
    hold(word(frame_address(sys._getframe(1)) + FRAME_CODE), WILD + [id(None), id(WILD)])


def forge_code_object():
    """The caller's code looks like one by its type, and is noise."""
    fakes = []
    for noise in (b"\xff" * 512, b"\0" * 512, os.urandom(512), bytes(range(256)) * 2):
        fake = ctypes.create_string_buffer(noise, 512)
        word(ctypes.addressof(fake)).value = 1 << 20
        word(ctypes.addressof(fake) + 8).value = id(types.CodeType)
        fakes.append(fake)
    hold(word(frame_address(sys._getframe(1)) + FRAME_CODE), [ctypes.addressof(f) for f in fakes])


def forge_frame_pointer():
    """The caller's caller lies nowhere."""
    hold(word(frame_address(sys._getframe(1)) + FRAME_BACK), WILD)


def forge_frame_cycle():
    """The outermost frame was called by the innermost, the caller by itself."""
    here = outermost = sys._getframe()
    while outermost.f_back is not None:
        outermost = outermost.f_back
    hold(word(frame_address(outermost) + FRAME_BACK), [frame_address(here)])


def forge_frame_self():
    here = sys._getframe()
    hold(word(frame_address(here) + FRAME_BACK), [frame_address(here)])


def victim():
    """Its code object is lied about: its own fields and the objects they name."""
    liar()


def own_copy(function, **changes):
    """The function with a code object, a name and a line table that nobody shares."""
    code = function.__code__
    name = "%s_%d" % (code.co_name, time.monotonic_ns())
    changes.setdefault("co_name", name)
    code = code.replace(co_filename="/%s.py" % name, **changes)
    return types.FunctionType(code, dict(globals()))


def forge_field(pick, lies):
    """A thread function: victim()'s copy, about whose `pick`ed field liar() lies."""
    def run():
        function = own_copy(victim)
        place = pick(function.__code__)
        function.__globals__["liar"] = lambda: hold(place, lies)
        function()
    return run


def field_pointer(offset):
    return lambda code: word(id(code) + offset)


def field_of(offset, inner):
    return lambda code: word(word(id(code) + offset).value + inner)


FIELDS = [
    (field_pointer(CODE_NAME), WILD), (field_pointer(CODE_LINETABLE), WILD),
    (field_of(CODE_NAME, OBJECT_SIZE), WILD), (field_of(CODE_LINETABLE, OBJECT_SIZE), WILD),
    (field_of(CODE_NAME, STR_STATE), [0, 0xffffffff, 0x0c]),
    (lambda code: half(id(code) + CODE_FIRSTLINENO), [-1, -2**31, 2**31 - 1, 0]),
]


def named_work():
    end = time.thread_time() + 0.002
    while time.thread_time() < end:
        pass


def forge_names():
    """Not even lies: any text may be a name."""
    functions = []
    for name in NAMES:
        changes = {"co_name": name}
        if MINOR >= 11:
            changes["co_qualname"] = name
        code = named_work.__code__.replace(co_filename="/tmp/" + name, **changes)
        functions.append(types.FunctionType(code, globals()))
    while not known.stopping:
        for function in functions:
            function()


def start(function):
    def thread_main():
        function()
    thread = threading.Thread(target=thread_main)
    thread.start()
    return thread


def honest_work():
    while not known.stopping:
        time.thread_time()


def frames():
    forgers = [forge_code_pointer, forge_code_object, forge_frame_pointer, forge_frame_cycle,
               forge_frame_self, forge_names]
    forgers += [forge_field(pick, lies) for pick, lies in FIELDS]
    threads = [start(function) for function in forgers]
    known.ready(names=NAMES[:3])
    honest_work()
    for thread in threads:
        thread.join()


def threads():
    waiting = threading.Event()
    others = [threading.Thread(target=waiting.wait) for _ in range(3)]
    for thread in others:
        thread.start()
    ctypes.pythonapi.PyThreadState_Get.restype = ctypes.c_void_p
    mine = ctypes.pythonapi.PyThreadState_Get()
    place = word(mine + TSTATE_NEXT)
    truth = place.value
    place.value = mine
    known.ready()
    while not known.stopping:
        time.thread_time()
    place.value = truth
    waiting.set()
    for thread in others:
        thread.join()


def title():
    ctypes.CDLL(None).prctl(PR_SET_NAME, b"\x1b[7m<img>\n;1")
    known.ready()
    honest_work()


def main():
    gc.disable()
    sys.setswitchinterval(0.001)
    {"frames": frames, "threads": threads, "title": title}[sys.argv[1]]()
    known.done()


main()
