# SPDX-License-Identifier: GPL-2.0-only
"""Clients that use the shop for a while: they look around, search, and sometimes buy."""
import gzip
import http.client
import json
import random
import threading
import time
import urllib.parse

from store import BOOK_COUNT, WORDS


class Client(threading.Thread):
    def __init__(self, url, end, number):
        super().__init__(name="client-%d" % number)
        self.host = urllib.parse.urlsplit(url).netloc
        self.end = end
        self.chance = random.Random(number)
        self.cookie = None
        self.done = self.failed = 0

    def run(self):
        steps = [(self.look_at_book, 40), (self.search, 25), (self.list_books, 10),
                 (self.buy, 15), (self.home, 8), (self.report, 2)]
        functions, weights = zip(*steps)
        self.connection = http.client.HTTPConnection(self.host, timeout=10)
        try:
            while time.monotonic() < self.end:
                self.chance.choices(functions, weights)[0]()
        except (OSError, http.client.HTTPException):
            self.failed += 1
        finally:
            self.connection.close()

    def ask(self, method, path, body=None):
        headers = {"Accept-Encoding": "gzip"}
        if self.cookie:
            headers["Cookie"] = self.cookie
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        content = response.read()
        self.cookie = response.getheader("Set-Cookie", self.cookie)
        if response.getheader("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        self.done += 1
        self.failed += response.status != 200
        return content

    def words(self, count):
        return " ".join(self.chance.choice(WORDS) for _ in range(count))

    def home(self):
        self.ask("GET", "/")

    def look_at_book(self):
        self.ask("GET", "/book/%d" % min(BOOK_COUNT, int(self.chance.paretovariate(0.4))))

    def search(self):
        query = urllib.parse.urlencode({"q": self.words(self.chance.randint(1, 3))})
        self.ask("GET", "/search?" + query)

    def list_books(self):
        json.loads(self.ask("GET", "/api/books?page=%d" % self.chance.randrange(BOOK_COUNT // 50)))

    def buy(self):
        items = [{"book": self.chance.randint(1, BOOK_COUNT), "count": self.chance.randint(1, 3)}
                 for _ in range(self.chance.randint(1, 4))]
        order = {"customer": self.name, "note": self.words(8), "items": items}
        json.loads(self.ask("POST", "/api/orders", json.dumps(order)))

    def report(self):
        self.ask("GET", "/report")


def run(url, seconds, count):
    end = time.monotonic() + seconds
    clients = [Client(url, end, number) for number in range(count)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    done, failed = sum(c.done for c in clients), sum(c.failed for c in clients)
    print("bookshop: %d requests in %g s, %d failed" % (done, seconds, failed), flush=True)
    return 1 if failed or not done else 0
