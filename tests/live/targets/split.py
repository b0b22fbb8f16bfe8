# SPDX-License-Identifier: GPL-2.0-only
"""70 % of the CPU in heavy(), 30 % in light(), by the thread's own CPU clock.

Turns are of random length, so that no sampling rate can be in step with them.
"""
import random
import time

import known


def heavy(seconds):  # heavy first
    end = time.thread_time() + seconds  # heavy line
    while time.thread_time() < end:  # heavy line
        pass  # heavy line


def light(seconds):  # light first
    end = time.thread_time() + seconds  # light line
    while time.thread_time() < end:  # light line
        pass  # light line


class Worker:
    def turn(self, seconds):  # turn first
        heavy(seconds * 0.7)  # turn line heavy
        light(seconds * 0.3)  # turn line light


def main():
    worker = Worker()
    known.ready()
    while not known.stopping:
        worker.turn(random.uniform(0.005, 0.025))
    known.done()


main()
