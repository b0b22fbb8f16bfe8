# SPDX-License-Identifier: GPL-2.0-only
"""The shop's books, reviews and orders, in SQLite; one connection for each thread."""
import contextlib
import random
import sqlite3
import threading
from collections import namedtuple

Book = namedtuple("Book", "id title author year price_cents summary")
Review = namedtuple("Review", "stars name text")

SCHEMA = """
create table book (id integer primary key, title text, author text, year integer,
                   price_cents integer, summary text);
create index book_by_author on book (author);
create table review (book integer, stars integer, name text, text text);
create index review_by_book on review (book);
create table purchase (id integer primary key, book integer, count integer, paid_cents integer,
                       token text);
create index purchase_by_book on purchase (book);
"""

WORDS = """amber anchor archive atlas autumn beacon border bridge candle canvas captain castle cedar
chapel cinder circle city clock cloud compass copper coral crown dawn desert distant door dragon
dust echo ember empire engine falcon feather field fire forest fortune fountain frontier garden
gate ghost glass golden granite harbour hidden hollow horizon house hunter iron island ivory
journey kingdom ladder lantern last letter library light lost machine marble marsh meadow memory
midnight mirror moon morning mountain north ocean orchard paper path pearl pilgrim port prairie
quiet rain raven red river road rose ruin salt sand secret shadow shore silent silver sky snow
song stone storm summer sun tide timber tower valley velvet violet voyage wall water whisper wild
wind winter wolf wonder""".split()
NAMES = "Adler Brandt Costa Dahl Eklund Ferro Grant Holm Ito Jansen Kaya Lund Moreau Novak".split()
BOOK_COUNT = 2000


def make_text(chance, count):
    return " ".join(chance.choice(WORDS) for _ in range(count)).capitalize() + "."


def make_books(chance):
    for number in range(1, BOOK_COUNT + 1):
        title = " ".join(chance.choice(WORDS) for _ in range(chance.randint(2, 4))).title()
        author = "%s. %s" % (chance.choice("ABCDEFGH"), chance.choice(NAMES))
        yield Book(number, title, author, chance.randint(1900, 2026), chance.randint(499, 4999),
                   make_text(chance, 40))


def make_reviews(chance):
    for book in range(1, BOOK_COUNT + 1):
        for _ in range(chance.randint(0, 6)):
            yield book, chance.randint(1, 5), chance.choice(NAMES), make_text(chance, 15)


class Store:
    def __init__(self, path):
        self.path = path
        self.local = threading.local()
        self.writing = threading.Lock()
        self._fill()

    def _fill(self):
        chance = random.Random(1)  # the same shop every time
        with self.transaction() as connection:
            connection.executescript(SCHEMA)
            connection.executemany("insert into book values (?, ?, ?, ?, ?, ?)",
                                   make_books(chance))
            connection.executemany("insert into review values (?, ?, ?, ?)", make_reviews(chance))

    @property
    def connection(self):
        if not hasattr(self.local, "connection"):
            self.local.connection = sqlite3.connect(self.path)
            self.local.connection.execute("pragma synchronous = off")
            self.local.connection.create_function("fold", 1, fold)
        return self.local.connection

    @contextlib.contextmanager
    def transaction(self):
        with self.writing, self.connection:
            yield self.connection

    def close_thread(self):
        if hasattr(self.local, "connection"):
            self.local.connection.close()
            del self.local.connection

    # ---- reading ----

    def _books(self, where, *values):
        return [Book(*row) for row in self.connection.execute("select * from book " + where,
                                                              values)]

    def count_books(self):
        return self.connection.execute("select count(*) from book").fetchone()[0]

    def all_books(self):
        return self._books("order by id")

    def book(self, number):
        books = self._books("where id = ?", number)
        return books[0] if books else None

    def page(self, number, size):
        return self._books("order by id limit ? offset ?", size, number * size)

    def by_author(self, author):
        return self._books("where fold(author) = fold(?) order by year desc limit 20", author)

    def best_sellers(self, count):
        return [Book(*row) for row in self.connection.execute(
            "select book.* from book left join"
            " (select book, sum(count) as sold from purchase group by book) as sales"
            " on sales.book = book.id order by sold desc, id limit ?", (count,))]

    def reviews(self, number):
        return [Review(*row) for row in self.connection.execute(
            "select stars, name, text from review where book = ?", (number,))]

    def sales(self):
        return self.connection.execute(
            "select year / 10 * 10, author, sum(count), sum(paid_cents) from purchase"
            " join book on book.id = purchase.book group by 1, 2").fetchall()

    # ---- writing ----

    def buy(self, number, count, paid_cents, token):
        with self.transaction() as connection:
            return connection.execute(
                "insert into purchase (book, count, paid_cents, token) values (?, ?, ?, ?)",
                (number, count, paid_cents, token)).lastrowid


def fold(text):
    """An SQL function written in Python: SQLite calls back into us for each row."""
    return text.casefold().replace(".", "").strip()
