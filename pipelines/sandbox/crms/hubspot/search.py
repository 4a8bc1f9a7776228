"""`POST /crm/v3/objects/{type}/search`: filters, sorts and offsets, turned into SQL.

Source: fact sheet 1.2. UNVERIFIED: the texts of the refusals; that a page which would end behind the 10,000th result is
refused as well as one that begins there; that text is compared without regard to case.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from typing import Any

from pipelines.sandbox.crms.hubspot import errors
from pipelines.sandbox.crms.hubspot.schema import ObjectType, Property
from pipelines.sandbox.crms.hubspot.values import time_of
from pipelines.sandbox.wire import Refused

GROUPS, FILTERS, IN_ALL, QUERY, PAGE = 5, 6, 18, 3000, 200
COMPARED = {"EQ": "=", "NEQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}
OPERATORS = (
    *COMPARED, "BETWEEN", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN",
)  # fmt: skip

Condition = tuple[str, list[Any]]


def has_token(text: str | None, wanted: str) -> bool:
    """Says whether a word of the text, or the text itself, is what is wanted; `*` stands for anything."""
    if not text:
        return False
    folded = text.lower()
    words = [folded, *re.split(r"[^\w@.+-]+", folded), *re.findall(r"\w+", folded)]
    return any(fnmatch.fnmatchcase(word, wanted.lower()) for word in words)


def conditions(kind: ObjectType, properties: dict[str, Property], body: dict[str, Any]) -> Condition:
    """Returns the condition that the filters and the query of a search make; refuses what is over a limit."""
    groups = _list_of(body, "filterGroups")
    if "filters" in body:
        groups = [*groups, {"filters": _list_of(body, "filters")}]
    filters = [_list_of(group, "filters") for group in groups]
    if len(groups) > GROUPS or any(len(each) > FILTERS for each in filters) or sum(map(len, filters)) > IN_ALL:
        raise Refused(errors.invalid(f"at most {GROUPS} groups, {FILTERS} filters in each and {IN_ALL} in all"))
    made = [_joined([_condition(kind, properties, each) for each in group], " and ") for group in filters if group]
    both = [part for part in (_joined(made, " or "), _query(kind, body.get("query"))) if part[0]]
    return _joined(both, " and ")


def order(kind: ObjectType, properties: dict[str, Property], sorts: Any) -> str:
    """Returns the SQL of the one sort there may be; ties come in the order of creation."""
    if not sorts:
        return "seq"
    if not isinstance(sorts, list) or len(sorts) > 1:
        raise Refused(errors.invalid("Only one sort is supported"))
    given = sorts[0]
    if isinstance(given, str):
        given = {"propertyName": given.lstrip("-"), "direction": "DESCENDING" if given[:1] == "-" else "ASCENDING"}
    direction = {"ASCENDING": "asc", "DESCENDING": "desc"}.get(given.get("direction", "ASCENDING"))
    if direction is None:
        raise Refused(errors.invalid(f"unknown sort direction {given.get('direction')}"))
    return f"{_value(kind, _known(properties, given.get('propertyName')))} {direction}, seq"


def window(body: dict[str, Any], cap: int) -> tuple[int, int]:
    """Returns (offset, limit); both may come as text. Past `cap` results the search ends with 400."""
    limit = _number(body.get("limit"), 10, "limit")
    offset = _number(body.get("after"), 0, "after")
    if not 0 < limit <= PAGE:
        raise Refused(errors.invalid(f"limit must be between 1 and {PAGE}"))
    if offset + limit > cap:
        raise Refused(errors.invalid(f"The maximum number of results per query is {cap}"))
    return offset, limit


def _number(given: Any, default: int, name: str) -> int:
    if given in (None, ""):
        return default
    if isinstance(given, bool) or not re.fullmatch(r"\d{1,9}", str(given)):
        raise Refused(errors.invalid(f"{name} is not a number: {given}"))
    return int(given)


def _list_of(given: Any, name: str) -> list[Any]:
    found = given.get(name) if isinstance(given, dict) else None
    if found is not None and not isinstance(found, list):
        raise Refused(errors.invalid(f"{name} is not a list"))
    return found or []


def _joined(parts: list[Condition], word: str) -> Condition:
    return word.join(f"({text})" for text, _ in parts), [value for _, values in parts for value in values]


def _known(properties: dict[str, Property], name: Any) -> Property:
    if name not in properties:
        raise Refused(errors.invalid(f'Property "{name}" does not exist'))
    return properties[name]


def _value(kind: ObjectType, known: Property) -> str:
    """Returns SQL for the property: text in small letters, a number, or seconds since 1970."""
    columns = {"hs_object_id": "cast(id as integer)", kind.created: "created", kind.modified: "modified"}
    if known.name in columns:
        return columns[known.name]
    stored = f"body ->> '$.\"{known.name}\"'"
    if known.kind == "number":
        return f"cast({stored} as real)"
    if known.kind in ("datetime", "date"):
        return f"round((julianday({stored}) - 2440587.5) * 86400.0, 3)"
    return f"lower({stored})"


def _operand(known: Property) -> Callable[[Any], float | str]:
    def read(given: Any) -> float | str:
        try:
            if known.kind == "number":
                return float(given)
            return time_of(str(given)) if known.kind in ("datetime", "date") else str(given).lower()
        except (ValueError, TypeError):
            raise Refused(errors.invalid(f"{given} is not a value of {known.name}")) from None

    return read


def _condition(kind: ObjectType, properties: dict[str, Property], given: Any) -> Condition:
    if not isinstance(given, dict) or given.get("operator") not in OPERATORS:
        raise Refused(errors.invalid(f"operator must be one of {', '.join(OPERATORS)}"))
    known, operator = _known(properties, given.get("propertyName")), given["operator"]
    value, read = _value(kind, known), _operand(known)
    if operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
        return f"{value} is {'not ' if operator[0] == 'H' else ''}null", []
    if operator in ("IN", "NOT_IN"):
        values = [read(each) for each in _list_of(given, "values")]
        if not values:
            raise Refused(errors.invalid(f"{operator} needs values"))
        return f"{value} {operator.replace('_', ' ')} ({', '.join('?' * len(values))})", list(values)
    if given.get("value") is None:
        raise Refused(errors.invalid(f"{operator} needs a value"))
    if operator == "BETWEEN":
        return f"{value} between ? and ?", [read(given["value"]), read(given.get("highValue"))]
    if operator in COMPARED:
        return f"{value} {COMPARED[operator]} ?", [read(given["value"])]
    negated = "not " if operator[0] == "N" else ""
    return f"{negated}has_token(body ->> '$.\"{known.name}\"', ?)", [str(given["value"])]


def _query(kind: ObjectType, query: Any) -> Condition:
    if query in (None, ""):
        return "", []
    if len(str(query)) > QUERY:
        raise Refused(errors.invalid(f"query is longer than {QUERY} characters"))
    text = " || ' ' || ".join(f"coalesce(body ->> '$.{name}', '')" for name in kind.searched)
    words = str(query).lower().split()
    return " and ".join(f"instr(lower({text}), ?) > 0" for _ in words), list(words)
