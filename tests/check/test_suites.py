"""What the schemas say becomes expectations; what they must not say is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipelines.check.baseline import Counts
from pipelines.check.suites import build_suite
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.load import load_schemas

FIELD = {"type": "text", "description": "X"}


def entity(fields: dict[str, object], checks: list[object] | None = None) -> CanonicalEntity:
    return CanonicalEntity.model_validate(
        {"entity": "contacts", "singular": "contact", "description": "People", "fields": fields, "checks": checks or []}
    )


def with_check(field: dict[str, object], check: dict[str, object]) -> CanonicalEntity:
    return entity({"x": FIELD | field | {"checks": [check]}})


@pytest.mark.parametrize(
    ("field", "check", "why"),
    [
        ({}, {"expect": "be_unqiue"}, "be_unique"),
        ({}, {"expect": "match_regex"}, "needs value"),
        ({}, {"expect": "be_between", "min": 1}, "not for text"),
        ({"type": "money"}, {"expect": "be_between"}, "min, max or both"),
        ({"type": "money"}, {"expect": "match_regex", "value": "x"}, "not for money"),
        ({}, {"expect": "be_in_reference"}, "for references"),
        ({}, {"expect": "be_in_set", "value": "x"}, "a list"),
        ({}, {"expect": "sql", "value": "x", "mostly": 0.5}, "no mostly"),
        ({}, {"expect": "not_be_null", "min": 1}, "no min"),
        ({"type": "list", "of": "text"}, {"expect": "be_unique"}, "no meaning"),
        ({"type": "boolean"}, {"expect": "have_length_between", "max": 3}, "text and lists"),
    ],
)
def test_a_check_that_cannot_stand_is_refused(field: dict[str, object], check: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        with_check(field, check)


def test_a_table_check_that_cannot_stand_is_refused() -> None:
    with pytest.raises(ValidationError, match="row_count"):
        entity({"x": FIELD}, [{"expect": "not_be_null"}])
    with pytest.raises(ValidationError, match="row_count"):
        entity({"x": FIELD}, [{"expect": "be_unique", "value": ["y"]}])


@pytest.mark.parametrize(
    ("field", "check", "words"),
    [
        ({}, {"expect": "not_be_null", "mostly": 0.9}, "x is filled, in at least 90% of the filled rows"),
        ({}, {"expect": "have_length_between", "max": 3}, "the length of x is at most 3"),
        ({"type": "money"}, {"expect": "be_between", "min": 0, "max": 1000000}, "x is between 0 and 1000000"),
        ({}, {"expect": "be_in_set", "value": ["a", 1]}, "x is one of a, 1"),
        (
            {"type": "list", "of": "text"},
            {"expect": "match_regex", "value": "a{2}"},
            "every member of x has the form a{2}",
        ),
        ({}, {"expect": "sql", "value": "x <> 'a:b{c}'"}, "x <> 'a:b{c}'"),
    ],
)
def test_expectations_are_in_plain_words(field: dict[str, object], check: dict[str, object], words: str) -> None:
    suite = build_suite({"contacts": with_check(field, check)}, {"unified.contacts"})
    assert words in [e.words for e in suite]


def test_table_checks() -> None:
    checks = [
        {"expect": "be_between", "value": "row_count", "min": 1, "max": 2000},
        {"expect": "sql", "value": "x > ''"},
    ]
    suite = build_suite({"contacts": entity({"x": FIELD}, [*checks, {"expect": "be_unique", "value": ["x"]}])}, {
        "unified.contacts"
    })  # fmt: skip
    assert [e.words for e in suite[-3:]] == [
        "at least 1 contacts and at most 2,000 contacts", "x > ''", "no two contacts with the same x",
    ]  # fmt: skip


def test_only_tables_that_are_there_are_checked(schemas: dict[str, CanonicalEntity]) -> None:
    assert build_suite(schemas, set()) == []
    lost = build_suite(schemas, {"staging.contacts"})
    assert [e.words for e in lost] == ["contacts that were read are in a golden table"]
    grown = build_suite(schemas, {"unified.contacts", "unified.contact_sources"}, {"contacts": Counts(10, 20)})
    assert len([e for e in grown if "published (10)" in e.words]) == 2
    assert not [e for e in grown if "one of the users" in e.words], "there are no users to point to"


def test_the_schemas_of_the_project_make_suites(project_root: Path) -> None:
    schemas = load_schemas(project_root / "schemas")
    tables = {f"unified.{name}" for name in schemas}
    suite = build_suite(schemas, tables)
    assert {e.entity for e in suite} == set(schemas)
    assert {e.kind for e in suite} >= {"not_be_null", "be_unique", "match_regex", "be_between", "be_in_set", "no_rows"}
    assert {e.severity for e in suite} == {"error", "warning"}
    personal = {n for s in schemas.values() for n, f in s.fields.items() if f.personal != "none"}
    assert not personal & {name for e in suite for name in e.shows}
