# SPDX-License-Identifier: GPL-2.0-only
"""Calls whose numbers cProfile and the profiler must agree on: of Python functions by each other."""


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


class Account:
    def __init__(self, amount):
        self.amount = amount

    @property
    def doubled(self):
        return self.amount * 2

    def spend(self, amount):
        if amount > self.amount:
            raise ValueError(amount)
        self.amount -= amount


class Savings(Account):
    def __init__(self, amount):
        super().__init__(amount)
        self.rate = 1


def counter(limit):
    for number in range(limit):
        yield number


def failing(depth):
    if depth == 0:
        raise KeyError(depth)
    failing(depth - 1)


def make_adder(step):
    def add(number):
        return number + step
    return add


def work():
    fib(12)
    even(9)
    odd(9)
    account = Savings(100)
    for amount in (1, 2, 1000):
        try:
            account.spend(amount)
        except ValueError:
            account.doubled
    for number in counter(7):
        make_adder(number)(1)
    for depth in (0, 5):
        try:
            failing(depth)
        except KeyError:
            pass


for turn in range(3):
    work()
