"""Keys, lists and extras that stand in one of several places: `first_of` and `all_of`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipelines.mapping.language import Entity
from pipelines.mapping.problems import Problem

MAPPING = """
crm: acme
label: Acme
connection: {base_url: "https://acme.test"}
entities:
  contacts:
    extract: {path: contacts}
    id: KEY
    custom: {link: CUSTOM}
    fields:
      name: name
      FIELD
"""


def mapping(key: str = "id", custom: str = "link", field: str = "phones: {all_of: [one, [two, three]]}") -> str:
    return MAPPING.replace("KEY", key).replace("CUSTOM", custom).replace("FIELD", field)


@pytest.mark.parametrize(
    ("key", "paths"),
    [
        ("id", [["id"]]),
        (["a", "b"], [["a"], ["b"]]),
        ({"first_of": ["a", "b"]}, [["a", "b"]]),
        ([{"first_of": ["a", "b"]}, "c"], [["a", "b"], ["c"]]),
    ],
)
def test_a_key_of_parts_and_alternatives(key: object, paths: list[list[str]]) -> None:
    entity = Entity.model_validate({"extract": {"path": "x"}, "id": key, "fields": {}})
    assert entity.key == paths


@pytest.mark.parametrize(
    "text",
    [
        mapping(),
        mapping(key="{first_of: [phone, whatsapp_id]}"),
        mapping(key="[{first_of: [phone, whatsapp_id]}, event_name]"),
        mapping(custom="{first_of: [instagram, social_media]}"),
    ],
)
def test_what_is_allowed(problems: Callable[[str], list[Problem]], text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (mapping(key="{first_of: []}"), "first_of"),
        (mapping(key="{frist_of: [a]}"), "frist_of"),
        (mapping(key="[]"), "empty"),
        (mapping(field="phones: {all_of: []}"), "too few"),
        (mapping(field="phones: {all_of: [one, []]}"), "an empty list"),
        (mapping(field="company: {all_of: [one, two]}"), "a list for a field of type text"),
        (mapping(field="phones: {all_of: [one], path: two}"), "exactly one"),
        (mapping(custom="{first_of: []}"), "first_of"),
    ],
)
def test_what_is_not(problems: Callable[[str], list[Problem]], text: str, said: str) -> None:
    found = problems(text)
    assert found
    assert said in " ".join(map(str, found))
