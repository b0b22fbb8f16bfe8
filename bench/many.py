# SPDX-License-Identifier: GPL-2.0-only
"""So many functions, each running 0.15 ms (or so long) at a time in its turn. Usage: many.py COUNT [NS]"""
import sys
import time


def main():
    count = int(sys.argv[1])
    length_ns = int(sys.argv[2]) if len(sys.argv) > 2 else 150000
    source = "".join("def function_%d(clock):\n"
                     "    end = clock() + %d\n"
                     "    while clock() < end:\n"
                     "        pass\n" % (i, length_ns) for i in range(count))
    names = {}
    exec(compile(source, "<many>", "exec"), names)
    functions = [names["function_%d" % i] for i in range(count)]
    print("ready", flush=True)
    while True:
        for function in functions:
            function(time.perf_counter_ns)


main()
