# SPDX-License-Identifier: GPL-2.0-only
"""What another process becomes by exec: burns for 1 s in execed_work(), from its first line on."""
import sys
import time


def execed_work(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


execed_work(1)
sys.exit(5)
