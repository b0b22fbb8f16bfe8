# SPDX-License-Identifier: GPL-2.0-only
"""70 % of the CPU in seventy(), 30 % in thirty(), by the thread's own CPU clock.

Turns are of random length, so that no sampling rate can be in step with them. At the end (of its
input) it says how many nanoseconds each really got.
"""
import json
import random
import select
import sys
import time

TURN_S = 0.05


def seventy(end):
    while time.thread_time_ns() < end:
        pass


def thirty(end):
    while time.thread_time_ns() < end:
        pass


def main():
    spent = [0, 0]
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        turn_ns = int(random.uniform(0.2, 1) * TURN_S * 1e9)
        for index, (function, share) in enumerate(((seventy, 0.7), (thirty, 0.3))):
            start = time.thread_time_ns()
            function(start + int(turn_ns * share))
            spent[index] += time.thread_time_ns() - start
    print(json.dumps({"seventy": spent[0], "thirty": spent[1]}), flush=True)


main()
