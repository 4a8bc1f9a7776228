"""Lists gathered from several fields, and extras that stand in one of several places."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from raw_log import connect, owner_in, schema

from pipelines.staging.columns import layout, named_paths
from pipelines.staging.phones import parse_phones
from pipelines.staging.render import phone_texts_sql, records_sql

TEXTS = {"type": "list", "of": "text"}
PHONES = {"type": "list", "of": "phone", "survivorship": "union"}
SLOTS = {"all_of": [["one", "two"], "three"]}


def staged(canonical: Any, field: Any, record: Any, **entity: Any) -> tuple[Any, Any, list[str], list[str]]:
    """Value, custom, absent and unreadable fields of one record."""
    plan = layout(connect(owner_in(Path()), {"it": field}, **entity), "contacts", schema(it=canonical))
    con = duckdb.connect(config={"threads": 1})
    con.execute(
        "create schema staging; create table staging.phone_numbers (raw varchar, region varchar, e164 varchar); "
        "create table given as select 1 as line, '1' as id, '' as hash, null::varchar as modified, false as deleted, "
        f"now() as seen, '{json.dumps(record)}'::json as record, now() as first_seen, null::varchar as first_modified"
    )
    if texts := phone_texts_sql(plan, "given"):
        parse_phones(con, texts, plan.place.region, remembered="staging.phone_numbers")
    query = f"select it, custom, absent_fields, unreadable_fields from ({records_sql(plan, 'staging', 'given')})"
    value, custom, absent, unreadable = con.execute(query).fetchall()[0]
    return value, json.loads(custom or "{}"), absent, unreadable


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"one": "a", "three": "c"}, ["a", "c"]),
        ({"one": "", "two": " b ", "three": "c"}, ["b", "c"]),
        ({"one": "a", "two": "b", "three": ""}, ["a"]),
        ({"three": "c"}, ["c"]),
        ({"one": None, "three": ""}, None),
    ],
)
def test_the_first_of_each_place_that_is_not_empty(record: Any, expected: Any) -> None:
    value, custom, absent, unreadable = staged(TEXTS, SLOTS, record)
    assert (value, custom, absent, unreadable) == (expected, {}, [], [])


def test_no_place_at_all_is_absent_and_a_wrong_shape_is_unreadable() -> None:
    assert staged(TEXTS, SLOTS, {})[2:] == (["it"], [])
    assert staged(TEXTS, SLOTS, {"one": {"x": 1}, "three": "c"})[3] == ["it"]


def test_telephone_numbers() -> None:
    value = staged(PHONES, SLOTS, {"two": "(202) 555-0123", "three": "+44 20 7946 0958"})[0]
    assert value == ["+12025550123", "+442079460958"]
    assert staged(PHONES, SLOTS, {"two": "n/a", "three": "(202) 555-0123"})[3] == ["it"]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"a": "x", "b": "y"}, "x"),
        ({"a": "", "b": "y"}, "y"),
        ({"a": None, "b": 7}, 7),
        ({"b": [1]}, [1]),
        ({"a": ""}, None),
        ({}, None),
    ],
)
def test_an_extra_in_one_of_several_places(record: Any, expected: Any) -> None:
    custom = staged("text", "it", record, custom={"extra": {"first_of": ["a", "b"]}})[1]
    assert custom.get("extra") == expected
    assert set(custom) <= {"extra"}


def test_what_a_key_names_is_not_left_over() -> None:
    key = [{"first_of": ["phone", "whatsapp_id"]}, "event"]
    entity = connect(owner_in(Path()), {"it": SLOTS}, id=key).entities["contacts"]
    assert named_paths(entity) == ["phone", "whatsapp_id", "event", "one", "two", "three"]
