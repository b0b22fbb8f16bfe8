# SPDX-License-Identifier: GPL-2.0-only
"""Calls, blocks, objects and collections of known numbers, once SIGUSR1 has come (or at once: "now")."""
import gc
import signal
import sys

import known

CALLS = 300
BLOCK_BYTES = 200000
COLLECTIONS = 7
OBJECTS = 500


class Made:
    def __init__(self):
        self.me = self


def take():
    return bytearray(BLOCK_BYTES)  # block


def make():
    for _ in range(OBJECTS):
        Made()


def run():
    kept = [take() for _ in range(CALLS)]
    make()
    for _ in range(COLLECTIONS):
        gc.collect()
    return kept


gc.collect()
gc.disable()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
known.ready(calls=CALLS, bytes=BLOCK_BYTES, collections=COLLECTIONS, objects=OBJECTS)
if sys.argv[1:] != ["now"]:
    signal.sigwait({signal.SIGUSR1})
before = [generation["collections"] for generation in gc.get_stats()]
kept = run()
after = [generation["collections"] for generation in gc.get_stats()]
known.done(collections=sum(after) - sum(before))
