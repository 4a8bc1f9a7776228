"""A list of ours in several fields of theirs: into the places that are free, and back out of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.language import Connection, Entity
from pipelines.push.creating import id_of
from pipelines.push.slots import is_empty
from pipelines.push.write import Writer

SCHEMA = CanonicalEntity.model_validate(
    {
        "entity": "things",
        "singular": "thing",
        "description": "d",
        "fields": {
            "tags": {"type": "list", "of": "text", "description": "d", "survivorship": "union"},
            "steps": {"type": "list", "of": "text", "description": "d"},
        },
    }
)
SLOTS = {"all_of": [["a", "b"], "c"]}


def writer(field: str) -> Writer:
    entity = Entity.model_validate(
        {"extract": {"path": "x"}, "id": "id", "fields": {field: SLOTS}, "push": {"clear": ""}}
    )
    return Writer(entity, SCHEMA, Connection.model_validate({"base_url": "http://x.test"}))


@pytest.mark.parametrize(
    ("value", "current", "already", "expected"),
    [
        (["x", "y"], None, None, {"a": "x", "c": "y"}),
        (["x", "y", "z"], None, None, {"a": "x", "c": "y"}),
        (["x", "y"], {"b": "x"}, ["x"], {"c": "y"}),
        (["x", "y"], {"a": " ", "c": "x"}, ["x"], {"a": "y"}),
        (["x", "y", "z"], {"a": "x", "c": "y"}, ["x", "y"], {}),
    ],
)
def test_members_of_a_set_go_where_there_is_room(value: Any, current: Any, already: Any, expected: Any) -> None:
    assert writer("tags").body({"tags": value}, current, {"tags": already}) == expected
    assert writer("tags").needs_current(["tags"])


def test_a_list_is_written_whole() -> None:
    assert writer("steps").body({"steps": ["x", "y"]}, {"b": "q"}) == {"a": "x", "c": "y"}
    assert writer("steps").body({"steps": ["x"]}, {"b": "q", "c": "r"}) == {"a": "x", "c": ""}


def test_undo_takes_out_what_was_put_in() -> None:
    current = {"a": "x", "c": "y"}
    body = writer("tags").body({"tags": ["x"]}, current, {"tags": ["x", "y"]}, exact=True)
    assert body == {"c": ""}
    assert writer("tags").body({"tags": None}, current, {"tags": ["x", "y"]}, exact=True) == {"a": "", "c": ""}


texts = st.sampled_from(["", " ", "p", "q", "r", "s"])


@given(st.fixed_dictionaries({}, optional={"a": texts, "b": texts, "c": texts}), st.lists(texts, unique=True))
def test_nothing_that_stands_there_is_lost_and_what_fits_is_read_back(current: Any, wanted: list[str]) -> None:
    held = [value for value in (next_of(current, "a", "b"), next_of(current, "c")) if value]
    ours = [value for value in wanted if value.strip()]
    body = writer("tags").body({"tags": ours}, current, {"tags": held})
    after = {**current, **body}
    read = [value for value in (next_of(after, "a", "b"), next_of(after, "c")) if value]
    assert set(held) <= set(read) <= set(held) | set(ours)
    assert len(read) == min(2, len(held) + len([one for one in ours if one not in held]))


def next_of(record: dict[str, str], *names: str) -> str:
    return next((record[name] for name in names if not is_empty(record.get(name))), "")


@pytest.mark.parametrize(
    ("key", "record", "expected"),
    [
        ("id", {"id": 7}, "7"),
        ("id", {"id": None}, None),
        ("id", {"id": {}}, None),
        ({"first_of": ["a", "b"]}, {"a": "", "b": "x"}, "x"),
        ([{"first_of": ["a", "b"]}, "c"], {"b": "x", "c": 3}, "x|3"),
        (["a", "c"], {"a": "x"}, "x"),
    ],
)
def test_the_id_of_an_answer(key: Any, record: Any, expected: str | None) -> None:
    entity = Entity.model_validate({"extract": {"path": "x"}, "id": key, "fields": {}})
    assert id_of(entity, record) == expected
