# SPDX-License-Identifier: GPL-2.0-only
"""The shop as a web service: routes, sessions, compression; one thread for each connection."""
import gzip
import hashlib
import hmac
import http.server
import json
import re
import secrets
import statistics
import urllib.parse
from collections import defaultdict
from http.cookies import SimpleCookie

import pages
import search
from cache import cached

ROUTES = []


def route(method, pattern):
    def register(function):
        ROUTES.append((method, re.compile(pattern), function))
        return function
    return register


class HttpError(Exception):
    def __init__(self, status, words):
        super().__init__(words)
        self.status = status


class Shop:
    """What the routes do; knows nothing of sockets. Each returns (content type, text)."""

    def __init__(self, store):
        self.store = store
        self.index = search.Index(store.all_books())
        self.pages = pages.Pages(store.count_books())
        self.key = secrets.token_bytes(32)

    def answer(self, method, target, body):
        url = urllib.parse.urlsplit(target)
        query = dict(urllib.parse.parse_qsl(url.query))
        for wanted, pattern, function in ROUTES:
            match = pattern.fullmatch(url.path)
            if match and wanted == method:
                return function(self, query, body, *match.groups())
        raise HttpError(404, "no such page")

    @route("GET", "/")
    def home(self, query, body):
        return "text/html", self.home_page()

    @cached(size=1, age_s=0.5)
    def home_page(self):
        return self.pages.page("list", "Bookshop", books=self.store.best_sellers(40))

    @route("GET", r"/book/(\d+)")
    def book(self, query, body, number):
        return "text/html", self.book_page(int(number))

    @cached(size=200, age_s=5)
    def book_page(self, number):
        book = self.store.book(number)
        if book is None:
            raise HttpError(404, "no such book")
        return self.pages.page("book", book.title, book=book, reviews=self.store.reviews(number),
                               related=self.store.by_author(book.author))

    @route("GET", "/search")
    def search(self, query, body):
        words = query.get("q", "")
        hits = [dict(book._asdict(), excerpt=search.highlight(book.summary, words))
                for book in self.index.find(words)]
        return "text/html", self.pages.page("found", "Found for " + words, hits=hits)

    @route("GET", "/api/books")
    def api_books(self, query, body):
        books = self.store.page(int(query.get("page", 0)), 50)
        return "application/json", json.dumps([book._asdict() for book in books], indent=1)

    @route("POST", "/api/orders")
    def api_order(self, query, body):
        order = self.check_order(json.loads(body))
        paid = 0
        for item in order["items"]:
            book = self.store.book(item["book"])
            price = book.price_cents * item["count"]
            self.store.buy(book.id, item["count"], price, order["customer"])
            paid += price
        return "application/json", json.dumps({"paid_cents": paid, "receipt": self.receipt(order)})

    def check_order(self, order):
        if not isinstance(order, dict) or not order.get("items") or not order.get("customer"):
            raise HttpError(400, "an order has a customer and items")
        for item in order["items"]:
            if not 1 <= item.get("count", 0) <= 100 or self.store.book(item.get("book")) is None:
                raise HttpError(400, "no such item: %s" % item)
        return order

    def receipt(self, order):
        """Slow on purpose, as a password's hash is."""
        text = json.dumps(order, sort_keys=True).encode()
        return hashlib.pbkdf2_hmac("sha256", text, self.key, 2000).hex()

    @route("GET", "/report")
    def report(self, query, body):
        decades = defaultdict(list)
        for decade, _, sold, paid in self.store.sales():
            decades[decade].append((sold, paid))
        return "text/html", self.pages.page("report", "Sales", rows=[
            self.report_row(decade, sales) for decade, sales in sorted(decades.items())])

    @staticmethod
    def report_row(decade, sales):
        paid = [cents for _, cents in sales]
        return {"decade": decade, "sold": sum(sold for sold, _ in sales), "total": sum(paid),
                "mean": round(statistics.fmean(paid)), "middle": round(statistics.median(paid))}

    # ---- sessions: signed cookies ----

    def sign(self, name):
        return name + "." + hmac.new(self.key, name.encode(), hashlib.sha256).hexdigest()

    def session(self, header):
        cookie = SimpleCookie(header or "").get("session")
        name = cookie.value.partition(".")[0] if cookie else ""
        if not name or not hmac.compare_digest(self.sign(name), cookie.value):
            name = secrets.token_hex(8)
        return self.sign(name)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "bookshop/1"
    disable_nagle_algorithm = True

    def log_message(self, format, *args):
        self.server.requests += 1

    def do_GET(self):
        self.respond("GET", b"")

    def do_POST(self):
        self.respond("POST", self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def respond(self, method, body):
        try:
            kind, text = self.server.shop.answer(method, self.path, body)
            self.send(200, kind, text)
        except HttpError as error:
            self.send(error.status, "text/plain", str(error))
        except ValueError as error:
            self.send(400, "text/plain", str(error))

    def send(self, status, kind, text):
        content = text.encode()
        tag = '"%s"' % hashlib.blake2b(content, digest_size=16).hexdigest()
        if self.headers.get("If-None-Match") == tag:
            status, content = 304, b""
        self.send_response(status)
        if len(content) > 500 and "gzip" in self.headers.get("Accept-Encoding", ""):
            content = gzip.compress(content, 5)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", kind + "; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", tag)
        self.send_header("Set-Cookie", "session=" + self.server.shop.session(
            self.headers.get("Cookie")))
        self.end_headers()
        self.wfile.write(content)

    def finish(self):
        super().finish()
        self.server.shop.store.close_thread()


class ShopServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address, shop):
        super().__init__(address, Handler)
        self.shop = shop
        self.requests = 0
