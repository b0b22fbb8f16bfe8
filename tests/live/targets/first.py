#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
time = __import__("time"); end = time.thread_time() + 0.3
while time.thread_time() < end:
    pass
print("out", *__import__("sys").argv[1:])
__import__("sys").exit(9)
