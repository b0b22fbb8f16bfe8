# SPDX-License-Identifier: GPL-2.0-only
"""Full-text search: an index of words, ranked by how rare they are and how often they occur."""
import heapq
import math
import re
from collections import Counter, defaultdict

WORD = re.compile(r"[a-z]+")
ENDINGS = ("ing", "ers", "er", "ed", "es", "s")


def stem(word):
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return word[:-len(ending)]
    return word


def tokens(text):
    for match in WORD.finditer(text.lower()):
        yield stem(match.group())


class Index:
    def __init__(self, books):
        self.postings = defaultdict(dict)
        self.lengths = {}
        self.books = {}
        for book in books:
            self.add(book)

    def add(self, book):
        counts = Counter(tokens(book.title))
        counts.update(counts)  # the title counts twice
        counts.update(tokens(book.summary))
        counts.update(tokens(book.author))
        for word, count in counts.items():
            self.postings[word][book.id] = count
        self.lengths[book.id] = sum(counts.values())
        self.books[book.id] = book

    def rarity(self, word):
        return math.log(1 + len(self.books) / (1 + len(self.postings.get(word, ()))))

    def expand(self, word):
        """The word, and those that begin with it at half the worth."""
        yield word, 1.0
        if len(word) >= 3:
            for other in self.postings:
                if other != word and other.startswith(word):
                    yield other, 0.5

    def scores(self, query):
        scores = defaultdict(float)
        for word in tokens(query):
            for match, worth in self.expand(word):
                rarity = self.rarity(match) * worth
                for book, count in self.postings.get(match, {}).items():
                    scores[book] += rarity * self.weight(book, count)
        return scores

    def weight(self, book, count):
        return count * 2.2 / (count + 1.2 * (0.25 + 0.75 * self.lengths[book] / 50))

    def find(self, query, limit=10):
        scores = self.scores(query)
        best = heapq.nsmallest(limit, scores, key=lambda book: (-scores[book], book))
        return [self.books[book] for book in best]


def highlight(text, query):
    wanted = set(tokens(query))

    def mark(match):
        return "[%s]" % match.group() if stem(match.group().lower()) in wanted else match.group()

    return re.sub(r"[A-Za-z]+", mark, text)
