# SPDX-License-Identifier: GPL-2.0-only
"""Templates: {{ path.to.value|filter }}, {% for x in path %}, {% if path %}, {% end %}.

A template is parsed once into a tree of nodes, which render themselves.
"""
import html
import re

TOKEN = re.compile(r"({{.*?}}|{%.*?%})")


def money(cents):
    return "%d.%02d" % divmod(cents, 100)


def stars(count):
    return "*" * count + "-" * (5 - count)


FILTERS = {"money": money, "stars": stars, "upper": str.upper, "safe": None}


class TemplateError(Exception):
    pass


class Expression:
    def __init__(self, text):
        path, *self.filters = [part.strip() for part in text.split("|")]
        self.path = path.split(".")
        unknown = [name for name in self.filters if name not in FILTERS]
        if unknown or not all(part.isidentifier() for part in self.path):
            raise TemplateError("what is %r?" % text)

    def value(self, scope):
        value = scope[self.path[0]]
        for part in self.path[1:]:
            value = value[part] if isinstance(value, dict) else getattr(value, part)
        return value

    def text(self, scope):
        value = self.value(scope)
        for name in self.filters:
            if FILTERS[name]:
                value = FILTERS[name](value)
        return str(value) if "safe" in self.filters else html.escape(str(value))


class Text:
    def __init__(self, text):
        self.text = text

    def render(self, scope, out):
        out.append(self.text)


class Value:
    def __init__(self, expression):
        self.expression = expression

    def render(self, scope, out):
        out.append(self.expression.text(scope))


class Block:
    def __init__(self):
        self.children = []

    def render(self, scope, out):
        for child in self.children:
            child.render(scope, out)


class For(Block):
    def __init__(self, name, expression):
        super().__init__()
        self.name = name
        self.expression = expression

    def render(self, scope, out):
        inner = dict(scope)
        for value in self.expression.value(scope):
            inner[self.name] = value
            super().render(inner, out)


class If(Block):
    def __init__(self, expression):
        super().__init__()
        self.expression = expression

    def render(self, scope, out):
        if self.expression.value(scope):
            super().render(scope, out)


class Template:
    def __init__(self, source):
        self.root = Block()
        stack = [self.root]
        for token in TOKEN.split(source):
            self._take(token, stack)
        if len(stack) != 1:
            raise TemplateError("a block without its end")

    @staticmethod
    def _take(token, stack):
        if token.startswith("{{"):
            stack[-1].children.append(Value(Expression(token[2:-2])))
        elif not token.startswith("{%"):
            stack[-1].children.append(Text(token))
        else:
            words = token[2:-2].split()
            if words[0] == "end":
                stack.pop()
                return
            node = (For(words[1], Expression(words[3])) if words[0] == "for"
                    else If(Expression(words[1])))
            stack[-1].children.append(node)
            stack.append(node)

    def render(self, **scope):
        out = []
        self.root.render(scope, out)
        return "".join(out)
