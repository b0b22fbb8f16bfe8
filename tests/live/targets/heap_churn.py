# SPDX-License-Identifier: GPL-2.0-only
"""Threads that make and drop containers as fast as they can, collections running, beside a heap that stays."""
import threading

import known


class Staying:
    def __init__(self, number):
        self.number = number
        self.items = [number]


class Passing:
    def __init__(self):
        self.me = self  # only the collector frees it


def churn():
    kept = []
    while not known.stopping:
        kept.append([Passing(), {"a": []}, ([], [])])
        if len(kept) > 2000:
            del kept[::2]


staying = [Staying(number) for number in range(20000)]
threads = [threading.Thread(target=churn) for _ in range(2)]
known.ready()
for thread in threads:
    thread.start()
for thread in threads:
    while thread.is_alive():  # a signal that another thread got is seen here, too
        thread.join(0.05)
known.done()
