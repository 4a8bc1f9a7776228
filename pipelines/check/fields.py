"""The checks of a field, as a schema states them, made into expectations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipelines.check.expectations import Expectation, escaped
from pipelines.mapping.canonical import CanonicalEntity, CanonicalField, Check
from pipelines.warehouse.models import ident, literal

UNBOUNDED = 2**31


def field_expectations(entity: CanonicalEntity, keys: Mapping[str, str]) -> Iterator[Expectation]:
    """The stated checks of every field, that an enum has no other value, and that references point to something.

    Args:
        entity: the schema.
        keys: golden tables that are there, and the name of their id: {"contacts": "contact_id"}.
    """
    for name, field in entity.fields.items():
        for check in [*_implied(field), *field.checks]:
            if check.expect != "be_in_reference" or field.to in keys:
                yield _expectation(entity, name, field, check, keys)


def _implied(field: CanonicalField) -> Iterator[Check]:
    if field.values:
        says = "A value that the schema lacks"
        yield Check(expect="be_in_set", value=field.values, severity="error", mostly=1.0, says=says)
    if field.to and not any(check.expect == "be_in_reference" for check in field.checks):
        yield Check(expect="be_in_reference", mostly=1.0, says=f"It points to {field.to} that are not there")


def _expectation(
    entity: CanonicalEntity, name: str, field: CanonicalField, check: Check, keys: Mapping[str, str]
) -> Expectation:
    key = f"{entity.singular}_id"
    shown = (key,) if field.personal != "none" else (key, name)
    query = _query(key, name, field, check, keys)
    return Expectation(
        table=f"unified.{entity.entity}",
        entity=entity.entity,
        field=name,
        kind="no_rows" if query else check.expect,
        words=_words(name, field, check),
        severity=check.severity,
        says=check.says or "",
        arguments={"query": query} if query else _arguments(name, field, check),
        shows=shown,
    )


def _arguments(name: str, field: CanonicalField, check: Check) -> dict[str, object]:
    stated = {"value": check.value, "min": check.min, "max": check.max}
    kind = {"type": field.type} if field.type in ("date", "timestamp") else {}
    return {"column": name, "mostly": check.mostly} | kind | {k: v for k, v in stated.items() if v is not None}


def _query(key: str, name: str, field: CanonicalField, check: Check, keys: Mapping[str, str]) -> str | None:
    """A query that finds the rows that break it, where Great Expectations has no word for it (lists, references)."""
    column = ident(name)
    if check.expect == "be_in_reference" and field.to:
        member = f"unnest({column})" if field.type == "list" else column
        there = f"select {ident(keys[field.to])} from unified.{ident(field.to)}"
        pointers = f"select {ident(key)}, {member} as {column} from {{batch}}"
        return f"select * from ({pointers}) as pointers where {column} is not null and {column} not in ({there})"
    if check.expect == "sql":
        broken = f"not ({check.value})"
    elif field.type == "list" and check.expect != "not_be_null":
        broken = _list_breaks(column, check)
    else:
        return None
    return f"select {ident(key)}, {column} from {{batch}} where {escaped(broken)}"


def _list_breaks(column: str, check: Check) -> str:
    if check.expect == "have_length_between":
        low, high = check.min or 0, check.max if check.max is not None else UNBOUNDED
        return f"len({column}) not between {float(low)} and {float(high)}"
    if check.expect == "be_in_set":
        return f"not list_has_all([{', '.join(literal(value) for value in check.value)}], {column})"
    test = f"regexp_matches(member, {literal(check.value)})"
    wrong = test if check.expect == "not_match_regex" else f"not {test}"
    return f"len(list_filter({column}, lambda member: {wrong})) > 0"


def _words(name: str, field: CanonicalField, check: Check) -> str:
    """The expectation as a person would say it."""
    each = f"every member of {name}" if field.type == "list" else name
    said = {
        "not_be_null": f"{name} is filled",
        "be_unique": f"no {name} stands twice",
        "match_regex": f"{each} has the form {check.value}",
        "not_match_regex": f"{each} has not the form {check.value}",
        "be_between": f"{name} is {_bounds(check)}",
        "have_length_between": f"the length of {name} is {_bounds(check)}",
        "be_in_set": f"{each} is one of {', '.join(map(str, check.value))}" if isinstance(check.value, list) else "",
        "be_in_reference": f"{each} is one of the {field.to} that are here",
        "sql": str(check.value),
    }[check.expect]
    return said if check.mostly == 1 else f"{said}, in at least {check.mostly:.0%} of the filled rows"


def _bounds(check: Check) -> str:
    low, high = _plain(check.min), _plain(check.max)
    if low and high:
        return f"between {low} and {high}"
    return f"at least {low}" if low else f"at most {high}"


def _plain(bound: float | str | None) -> str:
    return f"{bound:.15g}" if isinstance(bound, int | float) else bound or ""
