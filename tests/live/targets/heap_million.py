# SPDX-License-Identifier: GPL-2.0-only
"""So many instances, each with a number and a text of its own."""
import gc
import sys
import time

import known


class Item:
    def __init__(self, number):
        self.number = number
        self.text = "text %d" % number


gc.disable()
items = [Item(number) for number in range(int(sys.argv[1]))]
known.ready()
while not known.stopping:
    time.sleep(0.02)
known.done()
