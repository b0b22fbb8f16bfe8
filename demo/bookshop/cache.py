# SPDX-License-Identifier: GPL-2.0-only
"""A cache with a size and an age, shared by threads."""
import functools
import threading
import time
from collections import OrderedDict


class Cache:
    def __init__(self, size, age_s):
        self.size = size
        self.age_s = age_s
        self.lock = threading.Lock()
        self.entries = OrderedDict()
        self.hits = self.misses = 0

    def get(self, key):
        with self.lock:
            entry = self.entries.get(key)
            if entry is None or entry[0] < time.monotonic():
                self.misses += 1
                return None
            self.entries.move_to_end(key)
            self.hits += 1
            return entry[1]

    def put(self, key, value):
        with self.lock:
            self.entries[key] = (time.monotonic() + self.age_s, value)
            self.entries.move_to_end(key)
            while len(self.entries) > self.size:
                self.entries.popitem(last=False)

    def clear(self):
        with self.lock:
            self.entries.clear()


def cached(size, age_s):
    """For methods whose arguments can be keys of a dict; one cache for each instance."""
    def decorate(method):
        @functools.wraps(method)
        def wrapper(self, *args):
            cache = self.__dict__.setdefault("_cache_" + method.__name__, Cache(size, age_s))
            value = cache.get(args)
            if value is None:
                value = method(self, *args)
                cache.put(args, value)
            return value
        return wrapper
    return decorate
