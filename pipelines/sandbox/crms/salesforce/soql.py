"""Reads SOQL: what is asked for, as a tree; `query` turns it into SQL.

Understood: SELECT of fields, of parents' fields (`Account.Name`), COUNT() and COUNT(field), sub-selects over child
relationships; FROM; WHERE with = != <> < <= > >= LIKE IN NOT IN, AND, OR, NOT, parentheses; ORDER BY several, ASC,
DESC, NULLS FIRST, NULLS LAST; LIMIT; OFFSET; ALL ROWS. Not understood, and refused as malformed: GROUP BY, functions,
date words such as TODAY, semi-joins, aliases.

Source: the query calls of fact sheet 2.2 and the vendor's SOQL reference. As there, AND and OR are not mixed without
parentheses, and times are not quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pipelines.sandbox.crms.salesforce.errors import malformed

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<time>\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:?\d\d))?)"
    r"|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w.]*)|(?P<sign><=|>=|<>|!=|[=<>(),]))"
)
_KEYWORDS = {"select", "from", "where", "and", "or", "not", "order", "limit", "offset", "in", "like", "all", "rows"}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


@dataclass(frozen=True, slots=True)
class Literal:
    """A value; `kind` is text, number, boolean, null, date or datetime."""

    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition; `value` is a list for `in` and `not in`."""

    path: str
    operator: str
    value: Literal | list[Literal]


@dataclass(frozen=True, slots=True)
class Joined:
    """Conditions joined by `and` or `or`, or one under `not`."""

    word: str
    parts: list[Condition]


Condition = Comparison | Joined


@dataclass(slots=True)
class Select:
    """One SELECT.

    Attributes:
        fields: paths and sub-selects in order; a count as "count()" or "count(Field)".
        source: the object, in a sub-select the relationship.
        order: (path, is descending, are nulls first).
    """

    fields: list[str | Select]
    source: str
    where: Condition | None = None
    order: list[tuple[str, bool, bool]] = field(default_factory=list)
    limit: int | None = None
    offset: int = 0
    all_rows: bool = False


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str

    @property
    def word(self) -> str:
        return self.text.lower() if self.kind in ("name", "sign") else ""


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise malformed(f"unexpected token: '{text[at:].split(maxsplit=1)[0]}'")
        yield _Token(match.lastgroup, match[match.lastgroup])
        at = match.end()


def parse(text: str) -> Select:
    """Returns what a query asks for; refuses with MALFORMED_QUERY."""
    reader = _Reader(list(_tokens(text)))
    found = reader.select()
    if reader.next:
        raise reader.unexpected()
    return found


class _Reader:
    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens, self.at = tokens, 0

    @property
    def next(self) -> _Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def unexpected(self) -> Exception:
        return malformed(f"unexpected token: '{self.next.text if self.next else '<EOF>'}'")

    def takes(self, *words: str) -> bool:
        """Takes these words if they are next."""
        ahead = [token.word for token in self.tokens[self.at : self.at + len(words)]]
        if ahead != list(words):
            return False
        self.at += len(words)
        return True

    def must(self, word: str) -> None:
        if not self.takes(word):
            raise self.unexpected()

    def name(self) -> str:
        token = self.next
        if token is None or token.kind != "name" or token.word in _KEYWORDS:
            raise self.unexpected()
        self.at += 1
        return token.text

    def whole(self) -> int:
        token = self.next
        if token is None or not token.text.isdigit():
            raise self.unexpected()
        self.at += 1
        return int(token.text)

    def select(self) -> Select:
        self.must("select")
        fields = [self.item()]
        while self.takes(","):
            fields.append(self.item())
        self.must("from")
        found = Select(fields, self.name())
        if self.takes("where"):
            found.where = self.condition()
        if self.takes("order", "by"):
            found.order.append(self.sort())
            while self.takes(","):
                found.order.append(self.sort())
        if self.takes("limit"):
            found.limit = self.whole()
        if self.takes("offset"):
            found.offset = self.whole()
        found.all_rows = self.takes("all", "rows")
        return found

    def item(self) -> str | Select:
        if self.takes("("):
            found = self.select()
            self.must(")")
            return found
        name = self.name()
        if not self.takes("("):
            return name
        if name.lower() != "count":
            raise malformed(f"function {name} is not understood")
        counted = "" if self.takes(")") else self.name()
        if counted:
            self.must(")")
        return f"count({counted})"

    def sort(self) -> tuple[str, bool, bool]:
        path = self.name()
        descends = self.takes("desc") or (self.takes("asc") and False)
        nulls_last = self.takes("nulls", "last") or (self.takes("nulls", "first") and False)
        return path, descends, not nulls_last

    def condition(self) -> Condition:
        parts = [self.single()]
        word = next((each for each in ("and", "or") if self.next and self.next.word == each), "")
        while word and self.takes(word):
            parts.append(self.single())
        if self.next and self.next.word in ("and", "or"):
            raise self.unexpected()
        return Joined(word, parts) if word else parts[0]

    def single(self) -> Condition:
        if self.takes("not"):
            return Joined("not", [self.single()])
        if self.takes("("):
            found = self.condition()
            self.must(")")
            return found
        path = self.name()
        for words in (("not", "in"), ("in",)):
            if self.takes(*words):
                return Comparison(path, " ".join(words), self.values())
        token = self.next
        if token is None or token.word not in ("=", "!=", "<>", "<", "<=", ">", ">=", "like"):
            raise self.unexpected()
        self.at += 1
        return Comparison(path, "!=" if token.word == "<>" else token.word, self.value())

    def values(self) -> list[Literal]:
        self.must("(")
        found = [self.value()]
        while self.takes(","):
            found.append(self.value())
        self.must(")")
        return found

    def value(self) -> Literal:
        token = self.next
        if token is None:
            raise self.unexpected()
        self.at += 1
        if token.kind == "text":
            return Literal("text", re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), token.text[1:-1]))
        if token.kind == "time":
            return Literal("datetime" if "T" in token.text else "date", token.text)
        if token.kind == "number":
            return Literal("number", float(token.text))
        words = {"true": Literal("boolean", 1), "false": Literal("boolean", 0), "null": Literal("null", None)}
        if token.word not in words:
            self.at -= 1
            raise self.unexpected()
        return words[token.word]
