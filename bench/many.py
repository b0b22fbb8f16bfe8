# SPDX-License-Identifier: GPL-2.0-only
"""Ten thousand functions, each running 0.15 ms at a time in its turn. Usage: many.py COUNT"""
import sys
import time


def main():
    count = int(sys.argv[1])
    source = "".join("def function_%d(clock):\n"
                     "    end = clock() + 150000\n"
                     "    while clock() < end:\n"
                     "        pass\n" % i for i in range(count))
    names = {}
    exec(compile(source, "<many>", "exec"), names)
    functions = [names["function_%d" % i] for i in range(count)]
    print("ready", flush=True)
    while True:
        for function in functions:
            function(time.perf_counter_ns)


main()
