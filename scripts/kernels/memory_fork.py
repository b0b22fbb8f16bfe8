# SPDX-License-Identifier: GPL-2.0-only
"""Forks between malloc and free, and gives a slow machine time to put the child's probes in."""
import os
import time

PROBES_S = 8

inherited = [bytes(20000) for _ in range(50)]  # inherited
child = os.fork()
if not child:
    time.sleep(PROBES_S)
    del inherited[:25]
    kept = [bytes(10000) for _ in range(40)]  # in child
    os._exit(len(kept) - 40)
os.waitpid(child, 0)
kept = [bytes(30000) for _ in range(10)]  # in parent
os._exit(len(kept) - 10)
