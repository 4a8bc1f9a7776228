"""Filters over golden records: any field of the schema, `source`, `changed_since`; as SQL with values apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.problems import listed, nearest_name
from pipelines.service.errors import ServiceError
from pipelines.warehouse.models import ident

SOURCE, CHANGED_SINCE = "source", "changed_since"
EMPTY = "~"
MOST = 40


@dataclass(frozen=True)
class Where:
    """A condition over `g`, a golden record, and its values."""

    sql: str = "true"
    values: list[Any] = field(default_factory=list)


def where(schema: CanonicalEntity, given: Iterable[tuple[str, str]]) -> Where:
    """The condition that all filters hold.

    Args:
        schema: of the entity.
        given: (name, value): a field and its value as text (without case), several of one name: any of them; `~`: the
            field is empty; `source`: a record of that source is behind it; `changed_since`: ISO 8601.

    Raises:
        ServiceError: 400, every filter that is unknown or cannot be read.
    """
    by_name: dict[str, list[str]] = {}
    for name, value in given:
        by_name.setdefault(name, []).append(value)
    parts, values, problems = [], list[Any](), []
    for name, wanted in by_name.items():
        try:
            sql, more = _one(schema, name, wanted)
        except ValueError as problem:
            problems.append({"field": name, "message": str(problem)})
            continue
        parts.append(sql)
        values += more
    if problems or len(values) > MOST * 10:
        raise ServiceError(400, "Invalid filters", details=problems or "too many values")
    return Where(" and ".join(f"({part})" for part in parts) or "true", values)


def checked(schema: CanonicalEntity, filters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A saved segment's filters as pairs; a list of values is any of them.

    Raises:
        ServiceError: 400, as `where`.
    """
    pairs = []
    for name, value in filters.items():
        for one in value if isinstance(value, list) else [value]:
            text = EMPTY if one is None else str(one).lower() if isinstance(one, bool) else str(one)
            pairs.append((name, text))
    where(schema, pairs)
    return pairs


def _one(schema: CanonicalEntity, name: str, wanted: list[str]) -> tuple[str, list[Any]]:
    if any("\x00" in value for value in wanted) or len(wanted) > MOST:
        raise ValueError("cannot be read")
    if name == SOURCE and SOURCE not in schema.fields:
        return " or ".join("list_contains(g.connections, ?)" for _ in wanted), list(wanted)
    if name == CHANGED_SINCE:
        return "g.updated_at >= ?::timestamptz", [_moment(wanted[-1])]
    canonical = schema.fields.get(name)
    if canonical is None:
        near = nearest_name(name, [*schema.fields, SOURCE, CHANGED_SINCE])
        raise ValueError(
            f"unknown; did you mean {near}?" if near else f"unknown; there are {listed(schema.fields, 60)}"
        )
    column, parts, values = f"g.{ident(name)}", [], list[Any]()
    for value in wanted:
        if value == EMPTY:
            parts.append(f"len(coalesce({column}, [])) = 0" if canonical.type == "list" else f"{column} is null")
            continue
        if canonical.type == "list":
            parts.append(f"list_contains(list_transform({column}, lambda x: lower(x::varchar)), lower(?))")
            values.append(value)
        elif canonical.type in ("text", "email", "phone", "enum", "reference"):
            parts.append(f"lower({column}) = lower(?)")
            values.append(value)
        else:
            # what is no value of the type equals none: asking for it is a mistake, which `_typed` tells
            parts.append(f"{column} = ?::{canonical.duckdb_type}")
            values.append(_typed(canonical.type, value))
    return " or ".join(parts), values


def _typed(kind: str, value: str) -> str:
    if kind == "boolean":
        if value.lower() not in ("true", "false"):
            raise ValueError("expected true or false")
        return value.lower()
    if kind in ("date", "timestamp"):
        return _moment(value)
    number = float(value)
    if not -1e15 < number < 1e15:
        raise ValueError("expected a number")
    if kind == "integer" and number != int(number):
        raise ValueError("expected a whole number")
    return str(int(number)) if kind == "integer" else value.strip()


def _moment(value: str) -> str:
    try:
        found = datetime.fromisoformat(value.strip().replace(" ", "+"))
    except ValueError:
        raise ValueError("expected a time such as 2026-02-15T10:00:00Z") from None
    if not 1000 <= found.year <= 9998:
        raise ValueError("expected a year from 1000 to 9998")
    return found.isoformat()
