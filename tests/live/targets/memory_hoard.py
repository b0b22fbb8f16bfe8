# SPDX-License-Identifier: GPL-2.0-only
"""Allocates and keeps all it gets when SIGUSR1 comes, three quarters of it at one line, until it is killed.
"""
import signal

import known

MIB = 1 << 20


def much(kept):
    kept.append(bytearray(3 * MIB))  # much


def little(kept):
    kept.append(bytearray(MIB))  # little


def hoard():
    kept = []
    while True:
        much(kept)
        little(kept)


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
known.ready()
signal.sigwait({signal.SIGUSR1})
hoard()
