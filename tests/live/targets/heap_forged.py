# SPDX-License-Identifier: GPL-2.0-only
"""Lies in the interpreter's own structures: sizes without end, types that are none, cycles."""
import ctypes
import gc
import signal
import sys
import time

import known

WORD = ctypes.sizeof(ctypes.c_void_p)


class Victim:
    pass


def word(address):
    return ctypes.c_uint64.from_address(address)


gc.disable()
kept = [Victim() for _ in range(100)]
huge_list, huge_tuple, huge_text, huge_bytes = [1], (1, [2]), "text" * 3, b"bytes" * 3
huge_dict, huge_set, typeless, cyclic = {"a": []}, {1, 2}, [3], []
cyclic.append(cyclic)
kept += [huge_list, huge_tuple, huge_text, huge_bytes, huge_dict, huge_set, typeless, cyclic]

fake_type = ctypes.create_string_buffer(512)  # says that it is its own type
fake = ctypes.addressof(fake_type) + 8 & ~7
word(fake).value = 5
word(fake + 8).value = fake
word(fake + 24).value = fake + 100
word(fake + 32).value = 1 << 60
word(fake + 168).value = (1 << 31) | (1 << 12)

word(id(huge_list) + 16).value = 1 << 60
word(id(huge_tuple) + 16).value = 1 << 59
word(id(huge_text) + 16).value = 1 << 62
word(id(huge_bytes) + 16).value = 1 << 61
word(id(huge_set) + 32).value = (1 << 50) - 1
word(word(id(huge_dict) + 32).value + (8 if sys.version_info < (3, 11) else 24)).value = 1 << 55
word(id(typeless) + 8).value = fake
signal.signal(signal.SIGTERM, signal.SIG_DFL)
sys.stdout.write("ready {}\n")
sys.stdout.flush()
signal.alarm(known.LIFE_S)
while True:
    time.sleep(0.02)
