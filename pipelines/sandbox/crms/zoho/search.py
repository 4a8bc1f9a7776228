"""`GET /{module}/search`: by e-mail, telephone number, word, or criteria as `((Email:equals:a@b.c)and(...))` (3.2).

UNVERIFIED, chosen here: an index that lags (switch `search_lag`); a telephone number is compared by its digits, an
e-mail with every field of that kind; commas and brackets in values are written with a backslash; results by id.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import Response

from pipelines.sandbox.crms.zoho import errors
from pipelines.sandbox.crms.zoho.org import DEEPEST, Org, fields_of, nothing, shown, window
from pipelines.sandbox.crms.zoho.schema import Module
from pipelines.sandbox.crms.zoho.values import column, operand
from pipelines.sandbox.wire import Call, Route, answer

SIGNS = {
    "equals": "= ?", "not_equal": "<> ?", "greater_than": "> ?", "greater_equal": ">= ?", "less_than": "< ?",
    "less_equal": "<= ?", "between": "between ? and ?",
}  # fmt: skip
Condition = tuple[str, list[Any]]


class Search:
    """The search of the API."""

    def __init__(self, org: Org) -> None:
        self.org = org

    def routes(self) -> list[Route]:
        """Returns the route."""
        return [Route("GET", "/crm/{version}/{module}/search", self.search)]

    def search(self, call: Call) -> Response:
        """Answers the records that fit; 204 where there are none."""
        module, crm = self.org.module(call), self.org.crm
        sql, values = _condition(module, call.query)
        page, per_page = window(call)
        if page * per_page > DEEPEST:
            raise errors.refuse("LIMIT_EXCEEDED", limit=DEEPEST)
        where = f"not deleted and ({sql})"
        if crm.switches["search_lag"]:
            where += " and modified <= ?"
            values = [*values, crm.clock.now() - crm.switches["search_lag"]]
        offset = (page - 1) * per_page
        found = crm.store.select(module.name, where, values, order="+id", limit=per_page + 1, offset=offset)
        if not found:
            return nothing(call)
        fields, rows = fields_of(call, is_mandatory=False), found[:per_page]
        info = {"per_page": per_page, "count": len(rows), "page": page, "more_records": len(found) > per_page}
        return answer({"data": [shown(record, fields) for record in rows], "info": info})


def _condition(module: Module, query: dict[str, str]) -> Condition:
    if query.get("criteria"):
        return _Criteria(module, query["criteria"]).whole()
    if query.get("email"):
        return _any_of(module, "email", "lower(body ->> '$.{}') = ?", query["email"].strip().lower())
    if query.get("phone"):
        digits = re.sub(r"\D", "", query["phone"])
        bare = "body ->> '$.{}'"
        for sign in " -().+":
            bare = f"replace({bare}, '{sign}', '')"
        return _any_of(module, "phone", f"{bare} = ?", digits)
    if query.get("word"):
        texts = "text email phone textarea picklist"
        return _any_of(module, texts, "instr(lower(body ->> '$.{}'), ?) > 0", query["word"].strip().lower())
    raise errors.refuse("REQUIRED_PARAM_MISSING", param_name="criteria")


def _any_of(module: Module, kinds: str, sql: str, value: str) -> Condition:
    names = [field.name for field in module.fields if field.kind in kinds.split() and field.name != "Tag"]
    return " or ".join(sql.format(name) for name in names) or "false", [value] * len(names)


class _Criteria:
    """Reads criteria: groups in brackets, joined by `and` or `or`."""

    def __init__(self, module: Module, text: str) -> None:
        self.module = module
        self.text = text.strip() if text.strip().startswith("(") else f"({text.strip()})"
        self.at = 0

    def whole(self) -> Condition:
        """Returns the SQL of the whole."""
        made = self._expression()
        if self.at < len(self.text):
            raise errors.refuse("INVALID_QUERY", reason="criteria", param="criteria")
        return made

    def _expression(self) -> Condition:
        sql, values = self._group()
        while word := re.match(r"\s*(and|or)\s*", self.text[self.at :]):
            self.at += word.end()
            more, others = self._group()
            sql, values = f"({sql}) {word[1]} ({more})", [*values, *others]
        return sql, values

    def _group(self) -> Condition:
        if self.text[self.at : self.at + 1] != "(":
            raise errors.refuse("INVALID_QUERY", reason="criteria", param="criteria")
        self.at += 1
        if self.text[self.at : self.at + 1] == "(":
            made = self._expression()
        else:
            match = re.compile(r"(\w+):(\w+):((?:\\.|[^\\()])*)").match(self.text, self.at)
            if match is None:
                raise errors.refuse("INVALID_QUERY", reason="criteria", param="criteria")
            self.at = match.end()
            made = self._comparison(match[1], match[2], match[3])
        if self.text[self.at : self.at + 1] != ")":
            raise errors.refuse("INVALID_QUERY", reason="criteria", param="criteria")
        self.at += 1
        return made

    def _comparison(self, name: str, operator: str, given: str) -> Condition:
        field = self.module.field(name)
        if field is None:
            raise errors.refuse("INVALID_QUERY", api_name=name, reason="the field is not available for search")
        parts = [re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\),", given)]
        try:
            values = [operand(field, part) for part in parts]
        except ValueError:
            raise errors.refuse("INVALID_DATA", api_name=name, expected_data_type=field.kind) from None
        if operator == "starts_with":
            return f"substr({column(field)}, 1, length(?)) = ?", [values[0], values[0]]
        if operator == "in":
            return f"{column(field)} in ({', '.join('?' * len(values))})", values
        if operator not in SIGNS or len(values) != (2 if operator == "between" else 1):
            raise errors.refuse("INVALID_QUERY", operator=operator, api_name=name)
        return f"{column(field)} {SIGNS[operator]}", values
