# SPDX-License-Identifier: GPL-2.0-only
"""Usage: threads.py busy|churn.

busy: three threads, each in a function of its own, that share the GIL.
churn: threads that start, burn 4 ms in brief() and end, two at a time, all the time.
"""
import sys
import threading
import time

import known


def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def work_0():
    while not known.stopping:
        spin(0.01)


def work_1():
    while not known.stopping:
        spin(0.01)


def work_2():
    while not known.stopping:
        spin(0.01)


def brief():
    spin(0.004)


def native_id():
    return threading.get_native_id()


def busy():
    tids = {}

    def run(function):
        tids[function.__name__] = native_id()
        function()

    threads = [threading.Thread(target=run, args=(f,), name=f.__name__)
               for f in (work_0, work_1, work_2)]
    for thread in threads:
        thread.start()
    while len(tids) < 3:
        time.sleep(0.01)
    known.ready(tids=tids, main=native_id())
    for thread in threads:
        while thread.is_alive():
            thread.join(0.5)


def churn():
    known.ready()
    count = 0
    while not known.stopping:
        threads = [threading.Thread(target=brief) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        count += 2
    return count


def main():
    result = {"busy": busy, "churn": churn}[sys.argv[1]]()
    known.done(count=result)


main()
