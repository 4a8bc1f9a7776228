"""`POST /coql`: `select a, b from Module where ... order by c asc limit 0, 200` (fact sheet 3.2), in its simple form.

Comparisons (=, !=, <, >, <=, >=, like, in, not in, between, is null, is not null) joined by `and`, `or` and brackets;
`Contact_Name.id` and `.name` of lookups. No joins beyond that, no functions, no groups. UNVERIFIED, chosen here: 200
rows where no limit is given, 2,000 at most, and the codes of refusals.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import Response

from pipelines.sandbox.crms.zoho import errors, schema
from pipelines.sandbox.crms.zoho.org import Org
from pipelines.sandbox.crms.zoho.schema import Field, Module
from pipelines.sandbox.crms.zoho.values import column, operand
from pipelines.sandbox.store import Record
from pipelines.sandbox.wire import Call, Route, answer

TOKEN = re.compile(r"\s*(?:'((?:[^'\\]|\\.)*)'|(>=|<=|!=|<>|[=<>(),])|([\w$.+:-]+))")
MOST = 2000
Condition = tuple[str, list[Any]]


class Coql:
    """Answers queries."""

    def __init__(self, org: Org) -> None:
        self.org = org

    def routes(self) -> list[Route]:
        """Returns the route."""
        return [Route("POST", "/crm/{version}/coql", self.query)]

    def query(self, call: Call) -> Response:
        """Answers rows of the fields that were asked for, and the id; 204 where there are none."""
        self.org.version(call)
        text = call.object(errors.bad_body).get("select_query")
        if not isinstance(text, str):
            raise errors.refuse("MANDATORY_NOT_FOUND", api_name="select_query", json_path="$.select_query")
        asked = _Query(text)
        found = self.org.crm.store.select(
            asked.module.name, f"not deleted and ({asked.where[0]})", asked.where[1], order=asked.order,
            limit=asked.limit + 1, offset=asked.offset,
        )  # fmt: skip
        if not found:
            return answer(None, 204)
        rows = [_row(record, asked.names) for record in found[: asked.limit]]
        return answer({"data": rows, "info": {"count": len(rows), "more_records": len(found) > asked.limit}})


def _row(record: Record, names: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name in (*names, "id"):
        head, _, part = name.partition(".")
        value = record.body.get(head)
        row[name] = value.get(part) if part and isinstance(value, dict) else value
    return row


class _Query:
    """One query, read."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0
        self._expect("select")
        self.names = self._names()
        self._expect("from")
        self.module = self._module(self._next()[1])
        for name in self.names:
            self._field(name)
        self.where = self._or() if self._takes("where") else ("true", [])
        self.order = self._sorting()
        self.offset, self.limit = self._window()
        if self.at < len(self.tokens):
            raise _syntax(self.tokens[self.at][1])

    def _next(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise _syntax("the end")
        self.at += 1
        return self.tokens[self.at - 1]

    def _takes(self, *words: str) -> bool:
        there = [value.lower() for kind, value in self.tokens[self.at : self.at + len(words)] if kind == "word"]
        if there == list(words):
            self.at += len(words)
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._takes(word):
            raise _syntax(word)

    def _names(self) -> list[str]:
        names = [self._next()[1]]
        while self.tokens[self.at : self.at + 1] == [("sign", ",")]:
            self.at += 1
            names.append(self._next()[1])
        return names

    def _module(self, name: str) -> Module:
        if name not in schema.MODULES:
            raise errors.refuse("INVALID_QUERY", message="column given seems to be invalid", module=name)
        return schema.MODULES[name]

    def _field(self, name: str) -> Field:
        field = self.module.field(name.partition(".")[0])
        if field is None:
            raise errors.refuse("INVALID_QUERY", message="column given seems to be invalid", column_name=name)
        return field

    def _or(self) -> Condition:
        sql, values = self._and()
        while self._takes("or"):
            more, others = self._and()
            sql, values = f"({sql}) or ({more})", [*values, *others]
        return sql, values

    def _and(self) -> Condition:
        sql, values = self._one()
        while self._takes("and"):
            more, others = self._one()
            sql, values = f"({sql}) and ({more})", [*values, *others]
        return sql, values

    def _one(self) -> Condition:
        if self.tokens[self.at : self.at + 1] == [("sign", "(")]:
            self.at += 1
            made = self._or()
            if self._next() != ("sign", ")"):
                raise _syntax(")")
            return made
        name = self._next()[1]
        field = self._field(name)
        sql = f"lower(body ->> '$.{name}')" if name.endswith(".name") else column(field)
        for text in ("is not null", "is null"):
            if self._takes(*text.split()):
                return f"{sql} {text}", []
        for text in ("not in", "in"):
            if self._takes(*text.split()):
                values = self._several(field)
                return f"{sql} {text} ({', '.join('?' * len(values))})", values
        if self._takes("between"):
            low = self._value(field)
            self._expect("and")
            return f"{sql} between ? and ?", [low, self._value(field)]
        if self._takes("like"):
            return f"{sql} like ?", [self._value(field)]
        sign = self._next()[1]
        if sign not in ("=", "!=", "<>", "<", ">", "<=", ">="):
            raise _syntax(sign)
        return f"{sql} {sign} ?", [self._value(field)]

    def _several(self, field: Field) -> list[Any]:
        if self._next() != ("sign", "("):
            raise _syntax("(")
        values = [self._value(field)]
        while (following := self._next()) == ("sign", ","):
            values.append(self._value(field))
        if following != ("sign", ")"):
            raise _syntax(")")
        return values

    def _value(self, field: Field) -> Any:
        value = self._next()[1]
        try:
            return operand(field, value)
        except ValueError:
            message = "value given seems to be invalid for the column"
            raise errors.refuse("INVALID_QUERY", message=message, column_name=field.name) from None

    def _sorting(self) -> str:
        if not self._takes("order", "by"):
            return "id"
        parts = []
        for name in self._names():
            parts.append(f"{column(self._field(name))} {'desc' if self._takes('desc') else 'asc'}")
            self._takes("asc")
        return ", ".join([*parts, "id"])

    def _window(self) -> tuple[int, int]:
        if not self._takes("limit"):
            return 0, 200
        first = self._number()
        if self.tokens[self.at : self.at + 1] == [("sign", ",")]:
            self.at += 1
            offset, limit = first, self._number()
        else:
            limit, offset = first, self._number() if self._takes("offset") else 0
        if not 0 < limit <= MOST:
            raise errors.refuse("LIMIT_EXCEEDED", limit=MOST)
        return offset, limit

    def _number(self) -> int:
        value = self._next()[1]
        if not value.isdigit():
            raise _syntax(value)
        return int(value)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.strip().rstrip(";").strip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise _syntax(text[at : at + 10])
        at = match.end()
        if match[1] is not None:
            found.append(("text", re.sub(r"\\(.)", r"\1", match[1])))
        else:
            found.append(("sign", match[2]) if match[2] else ("word", match[3]))
    return found


def _syntax(near: str) -> Exception:
    return errors.refuse("SYNTAX_ERROR", near=near)
