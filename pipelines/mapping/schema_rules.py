"""What pydantic cannot see in a canonical schema."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from typing import get_args

from pipelines.mapping.canonical import CanonicalEntity, CanonicalField, Check, Expect
from pipelines.mapping.document import Document, Parts
from pipelines.mapping.problems import Problem, listed, nearest_name

RESERVED = frozenset(
    {
        "record_key",
        "connection",
        "source_id",
        "modified_at",
        "first_modified_at",
        "seen_at",
        "first_seen_at",
        "is_deleted",
        "is_in_scope",
        "custom",
        "absent_fields",
        "unreadable_fields",
        "raw_hash",
        "values_hash",
        "source_count",
        "connections",
        "updated_at",
        "matched_by",
    }
)
EXPECTATIONS: tuple[str, ...] = get_args(Expect)

_NAME = re.compile(r"^[a-z][a-z0-9_]*$")
_ONLY_FOR = {"union": ("list",), "strictest": ("boolean", "enum")}


def check_schema(document: Document, entity: CanonicalEntity, stem: str) -> list[Problem]:
    """All that is wrong with one entity's schema, taken alone."""
    return list(_entity(document, entity, stem))


def references(document: Document, entity: CanonicalEntity, known: Iterable[str]) -> Iterator[Problem]:
    """References to entities that have no schema."""
    names = list(known)
    for name, field in entity.fields.items():
        if field.to is not None and field.to not in names:
            yield document.problem(
                ("fields", name, "to"), f"no entity is called {field.to!r}", of_value=True,
                expected=listed(names), nearest=nearest_name(field.to, names),
            )  # fmt: skip


def _entity(document: Document, entity: CanonicalEntity, stem: str) -> Iterator[Problem]:
    if entity.entity != stem:
        yield document.problem(("entity",), f"{entity.entity!r} in {stem}.yml", of_value=True, expected=stem)
    if not _NAME.match(entity.singular):
        yield document.problem(("singular",), f"{entity.singular!r} is no name", of_value=True, expected="snake_case")
    for name, field in entity.fields.items():
        yield from _field(document, name, field, f"{entity.singular}_id")
    for i, check in enumerate(entity.checks):
        yield from _check(document, ("checks", i), check)


def _field(document: Document, name: str, field: CanonicalField, golden_id: str) -> Iterator[Problem]:
    at: Parts = ("fields", name)
    if not _NAME.match(name):
        yield document.problem(at, "is no name for a column", expected="snake_case")
    if name in RESERVED or name == golden_id:
        yield document.problem(at, "is the name of a column that every table has", remedy="choose another")
    allowed: Container[str] = _ONLY_FOR.get(field.survivorship, (field.type,))
    if field.type not in allowed:
        rule = field.survivorship
        expected = listed(_ONLY_FOR[rule])
        yield document.problem(
            (*at, "survivorship"), f"{rule} for a field of type {field.type}", of_value=True, expected=expected
        )
    if field.survivorship == "trusted" and not field.trust:
        yield document.problem(at, "survivorship trusted without trust", remedy="add trust: [connection, ...]")
    if field.of == "list":
        yield document.problem((*at, "of"), "a list of lists", of_value=True, expected="a plain type")
    yield from _belongings(document, at, field)
    for i, check in enumerate(field.checks):
        yield from _check(document, (*at, "checks", i), check)


def _belongings(document: Document, at: Parts, field: CanonicalField) -> Iterator[Problem]:
    """Keys that only belong to some types."""
    types = (field.type, field.of)
    for key, wanted in (("of", "list"), ("to", "reference"), ("values", "enum")):
        if getattr(field, key) is not None and wanted not in types:
            yield document.problem((*at, key), f"{key} for a field of type {field.type}", remedy=f"only for {wanted}")
    if field.values and len(set(field.values)) != len(field.values):
        yield document.problem((*at, "values"), "a value stands twice", remedy="keep one of them")


def _check(document: Document, at: Parts, check: Check) -> Iterator[Problem]:
    if check.expect not in EXPECTATIONS:
        near = nearest_name(check.expect, EXPECTATIONS)
        yield document.problem(
            (*at, "expect"), f"{check.expect!r} is not known", of_value=True, expected=listed(EXPECTATIONS),
            nearest=near,
        )  # fmt: skip
    if check.expect == "match_regex":
        try:
            re.compile(str(check.value))
        except re.error as error:
            yield document.problem((*at, "value"), f"no regular expression: {error}", of_value=True)
    if check.expect in ("match_regex", "be_in_set", "sql") and check.value is None:
        yield document.problem(at, f"{check.expect} needs value")
    if check.expect == "be_between" and check.min is None and check.max is None:
        yield document.problem(at, "be_between needs min or max, or both")
