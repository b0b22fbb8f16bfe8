# SPDX-License-Identifier: GPL-2.0-only
# Has collected known numbers of times in each generation, says so by itself, and stays as it is.
import gc
import time

gc.disable()
gc.set_debug(gc.DEBUG_SAVEALL)
ring = []
ring.append(ring)
del ring
gc.collect(0)
gc.set_debug(0)
for generation, times in enumerate((20, 5, 2)):
    for _ in range(times):
        kept = []
        kept.append(kept)
        del kept
        gc.collect(generation)
print(" ".join(str(stats[key]) for stats in gc.get_stats()
               for key in ("collections", "collected", "uncollectable")), flush=True)
time.sleep(60)
