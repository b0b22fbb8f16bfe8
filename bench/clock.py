# SPDX-License-Identifier: GPL-2.0-only
"""A clock that shows its time in the name of the running function.

For each millisecond since the start there is a function ms_<N>, which runs during that millisecond
and no other: the earliest one in a profile tells when sampling began. Says at which
CLOCK_REALTIME nanosecond its time begins, waits for a line, and then runs for SECONDS.
"""
import sys
import time


def main():
    milliseconds = int(float(sys.argv[1]) * 1000)
    source = "".join("def ms_%d(clock, end):\n"
                     "    while clock() < end:\n"
                     "        pass\n" % i for i in range(milliseconds))
    names = {}
    exec(compile(source, "<clock>", "exec"), names)
    functions = [names["ms_%d" % i] for i in range(milliseconds)]
    print("ready", flush=True)
    sys.stdin.readline()
    start, clock = time.time_ns(), time.monotonic_ns
    print(start, flush=True)
    now = clock()
    for i, function in enumerate(functions, 1):
        function(clock, now + i * 1000000)


main()
