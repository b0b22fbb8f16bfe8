# SPDX-License-Identifier: GPL-2.0-only
"""A small web shop, and somebody who uses it: the program that `make demo` profiles.

    python3 demo/bookshop [--seconds N] [--clients N] [--port N]

Starts the shop, then a second process with clients that browse, search and buy for N seconds.
Prints one line when the clients are under way and one with what they did. Needs nothing but the
standard library.
"""
import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading

import load
import server
import store


def parse_options():
    parser = argparse.ArgumentParser(description="a small web shop under load")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--load", metavar="URL", help=argparse.SUPPRESS)
    return parser.parse_args()


def start_clients(url, options):
    """In a process of their own, so that the shop's profile is the shop's alone."""
    return subprocess.Popen([sys.executable, os.path.dirname(os.path.abspath(__file__)),
                             "--load", url, "--seconds", str(options.seconds),
                             "--clients", str(options.clients)], stdin=subprocess.DEVNULL)


def run_shop(options):
    with tempfile.TemporaryDirectory(prefix="bookshop-") as directory:
        shop = server.Shop(store.Store(os.path.join(directory, "shop.db")))
        httpd = server.ShopServer(("127.0.0.1", options.port), shop)
        thread = threading.Thread(target=httpd.serve_forever, name="accept")
        thread.start()
        clients = None
        try:
            clients = start_clients("http://127.0.0.1:%d" % httpd.server_port, options)
            print("bookshop: pid %d, port %d, %d books, %d clients" % (
                os.getpid(), httpd.server_port, shop.store.count_books(), options.clients),
                flush=True)
            return clients.wait()
        finally:
            if clients is not None and clients.poll() is None:
                clients.kill()
                clients.wait()
            httpd.shutdown()
            thread.join()
            httpd.server_close()


def main():
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.load:
        return load.run(options.load, options.seconds, options.clients)
    return run_shop(options)


if __name__ == "__main__":
    sys.exit(main())
