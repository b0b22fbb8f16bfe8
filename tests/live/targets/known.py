# SPDX-License-Identifier: GPL-2.0-only
"""How a target talks with its test, and how it burns a known amount of CPU."""
import json
import os
import signal
import sys

stopping = False
LIFE_S = 120 * int(os.environ.get("LIVE_PATIENCE", "1"))


def on_term(_signal, _frame):
    global stopping
    stopping = True


def ready(**facts):
    signal.signal(signal.SIGTERM, on_term)
    signal.alarm(LIFE_S)  # a target never outlives a test that died
    sys.stdout.write("ready %s\n" % json.dumps(facts))
    sys.stdout.flush()


def done(**facts):
    sys.stdout.write("done %s\n" % json.dumps(facts))
    sys.stdout.flush()
