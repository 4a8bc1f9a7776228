"""Rules about single fields: do they exist, does the way they are read fit their type."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.mapping.canonical import CanonicalField
from pipelines.mapping.document import Parts
from pipelines.mapping.language import FieldMapping, as_text
from pipelines.mapping.problems import Problem
from pipelines.mapping.scope import Scope
from pipelines.mapping.sql_text import complaints

_NUMBERS = ("money", "integer", "decimal")
_TIMES = ("date", "timestamp")
# A key that only means something together with another: (key, the other).
_BELONGS = (
    ("part", "split"), ("take", "each"), ("where", "each"), ("new", "each"),
    ("otherwise", "values"), ("write_values", "values"),
)  # fmt: skip


def check_fields(scope: Scope) -> Iterator[Problem]:
    """All that is wrong with the entity's `fields`."""
    for name, field in scope.entity.fields.items():
        at: Parts = ("fields", name)
        canonical = scope.canonical(name)
        if scope.schema is not None and canonical is None:
            yield scope.unknown(at, "unknown canonical field", name, scope.schema.fields, of_value=False)
        yield from _keys(scope, at, field)
        yield from _sql(scope, at, field)
        if canonical is not None:
            yield from _shape(scope, at, field, canonical)
            yield from _type(scope, at, field, canonical)
            yield from _values(scope, at, field, canonical)
            yield from _reference(scope, at, canonical)


def _keys(scope: Scope, at: Parts, field: FieldMapping) -> Iterator[Problem]:
    for key, other in _BELONGS:
        if key in field.model_fields_set and getattr(field, other) is None:
            yield scope.problem((*at, key), f"{key} without {other}", remedy=f"add {other}, or remove {key}")
    for key, least in (("first_of", 1), ("join", 2), ("all_of", 1)):
        paths = getattr(field, key)
        if paths is not None and len(paths) < least:
            yield scope.problem((*at, key), "too few paths", of_value=True, expected=f"at least {least}")
    for i, slot in enumerate(field.slots):
        if not slot:
            yield scope.problem((*at, "all_of", i), "an empty list", of_value=True, expected="a path, or several")
    if field.values is not None and not field.values:
        yield scope.problem((*at, "values"), "is empty", of_value=True, expected="theirs: ours")


def _sql(scope: Scope, at: Parts, field: FieldMapping) -> Iterator[Problem]:
    if field.sql is None:
        return
    for found, expected, near in complaints(field.sql, ["record"]):
        yield scope.problem((*at, "sql"), found, of_value=True, expected=expected, nearest=near)


def _shape(scope: Scope, at: Parts, field: FieldMapping, canonical: CanonicalField) -> Iterator[Problem]:
    is_list = canonical.type == "list"
    if field.each is not None and field.take == "all" and not is_list:
        remedy = "take: first gives its first member"
        yield scope.problem((*at, "each"), f"a list for a field of type {canonical.type}", remedy=remedy)
    if field.each is not None and field.take == "first" and is_list:
        yield scope.problem((*at, "take"), "the first member alone for a list", remedy="remove take", of_value=True)
    if field.all_of is not None and not is_list:
        remedy = "first_of takes the first of them"
        yield scope.problem((*at, "all_of"), f"a list for a field of type {canonical.type}", remedy=remedy)
    is_single = field.path is not None and field.each is None
    if is_list and (is_single or field.join is not None or field.split is not None):
        yield scope.problem(at, "a list is read with each", remedy="write each: and the path of the list")


def _type(scope: Scope, at: Parts, field: FieldMapping, canonical: CanonicalField) -> Iterator[Problem]:
    kind = canonical.of or canonical.type
    for key, kinds in (("unit", _NUMBERS), ("time_format", _TIMES), ("values", ("enum", "boolean", "text"))):
        if key in field.model_fields_set and getattr(field, key) is not None and kind not in kinds:
            yield scope.problem(
                (*at, key), f"{key} for a field of type {kind}", remedy=f"only for {' and '.join(kinds)}"
            )
    if kind not in ("text", "email", "phone") and (field.join is not None or field.split is not None):
        way = "join" if field.join is not None else "split"
        yield scope.problem((*at, way), f"{way} for a field of type {kind}", remedy="only for text")
    if kind == "enum" and field.const is not None and str(field.const) not in (canonical.values or []):
        yield scope.unknown((*at, "const"), f"{field.const!r} is no value", str(field.const), canonical.values or [])


def _values(scope: Scope, at: Parts, field: FieldMapping, canonical: CanonicalField) -> Iterator[Problem]:
    kind = canonical.of or canonical.type
    allowed = canonical.values or []
    for theirs, ours in (field.values or {}).items():
        parts = (*at, "values", theirs)
        if kind == "enum" and str(ours) not in allowed:
            yield scope.unknown(parts, f"{ours!r} is no value of {at[-1]}", str(ours), allowed)
        if kind == "boolean" and not isinstance(ours, bool):
            yield scope.problem(parts, f"found {ours!r}", of_value=True, expected="true or false")
    if kind == "enum" and field.otherwise is not None and field.otherwise not in allowed:
        said = f"{field.otherwise!r} is no value of {at[-1]}"
        yield scope.unknown((*at, "otherwise"), said, field.otherwise, allowed)
    yield from _write_values(scope, at, field)


def _write_values(scope: Scope, at: Parts, field: FieldMapping) -> Iterator[Problem]:
    pairs: dict[str, list[str]] = {}
    for theirs, ours in (field.values or {}).items():
        pairs.setdefault(as_text(ours), []).append(theirs)
    for ours_text, theirs in (field.write_values or {}).items():
        parts = (*at, "write_values", ours_text)
        if ours_text not in pairs:
            yield scope.unknown(parts, f"{ours_text!r} is none of ours in values", ours_text, pairs, of_value=False)
        elif theirs not in pairs[ours_text]:
            yield scope.unknown(parts, f"{theirs!r} does not read as {ours_text}", theirs, pairs[ours_text])


def _reference(scope: Scope, at: Parts, canonical: CanonicalField) -> Iterator[Problem]:
    if canonical.to is not None and canonical.to not in scope.entities:
        remedy = f"map {canonical.to} as well, or leave this field out"
        yield scope.problem(at, f"refers to {canonical.to}, which this mapping does not have", remedy=remedy)
