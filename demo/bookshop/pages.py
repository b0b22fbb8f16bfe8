# SPDX-License-Identifier: GPL-2.0-only
"""The pages of the shop."""
from template import Template

FRAME = """<!doctype html><html><head><title>{{ title }}</title></head>
<body><h1>{{ title }}</h1>{{ body|safe }}<p>{{ count }} books</p></body></html>
"""

LIST = """<table>{% for book in books %}<tr>
<td><a href="/book/{{ book.id }}">{{ book.title }}</a></td><td>{{ book.author }}</td>
<td>{{ book.year }}</td><td>{{ book.price_cents|money }}</td></tr>
{% end %}</table>"""

BOOK = """<h2>{{ book.author }}, {{ book.year }}</h2><p>{{ book.summary }}</p>
<b>{{ book.price_cents|money }}</b>
{% if reviews %}<ul>{% for review in reviews %}
<li>{{ review.stars|stars }} {{ review.name|upper }}: {{ review.text }}</li>{% end %}</ul>{% end %}
{% if related %}<h3>By the same author</h3>{% for other in related %}
<a href="/book/{{ other.id }}">{{ other.title }}</a>{% end %}{% end %}"""

FOUND = """{% for hit in hits %}<p><a href="/book/{{ hit.id }}">{{ hit.title }}</a>
{{ hit.excerpt }}</p>{% end %}"""

REPORT = """<table>{% for row in rows %}<tr><th>{{ row.decade }}</th><td>{{ row.sold }}</td>
<td>{{ row.total|money }}</td><td>{{ row.mean|money }}</td><td>{{ row.middle|money }}</td></tr>
{% end %}</table>"""


class Pages:
    def __init__(self, book_count):
        self.book_count = book_count
        self.frame = Template(FRAME)
        self.templates = {"list": Template(LIST), "book": Template(BOOK), "found": Template(FOUND),
                          "report": Template(REPORT)}

    def page(self, name, title, **scope):
        body = self.templates[name].render(**scope)
        return self.frame.render(title=title, body=body, count=self.book_count)
