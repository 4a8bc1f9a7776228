"""Canonical values in a CRM's own shape: the inverse of every way a mapping can read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.language import Connection, Entity
from pipelines.push.inverse import UnwritableError
from pipelines.push.paths import MISSING, get, put
from pipelines.push.write import Writer, values_of, wrapped

SCHEMA = CanonicalEntity.model_validate(
    {
        "entity": "things",
        "singular": "thing",
        "description": "d",
        "fields": {
            "text": {"type": "text", "description": "d"},
            "first": {"type": "text", "description": "d"},
            "rest": {"type": "text", "description": "d"},
            "phone": {"type": "phone", "description": "d"},
            "phones": {"type": "list", "of": "phone", "description": "d", "survivorship": "union"},
            "tags": {"type": "list", "of": "text", "description": "d", "survivorship": "union"},
            "steps": {"type": "list", "of": "text", "description": "d"},
            "status": {"type": "enum", "values": ["won", "lost"], "description": "d"},
            "amount": {"type": "money", "description": "d"},
            "rooms": {"type": "integer", "description": "d"},
            "day": {"type": "date", "description": "d"},
            "at": {"type": "timestamp", "description": "d"},
            "flag": {"type": "boolean", "description": "d"},
            "owner_id": {"type": "reference", "to": "users", "description": "d"},
        },
    }
)


def write(field: str, mapped: Any, value: Any, current: Any = None, already: Any = None, **more: Any) -> Any:
    fields = {field: {"write": "always", **mapped}, **more}
    entity = Entity.model_validate({"extract": {"path": "x"}, "id": "id", "fields": fields, "push": {"clear": ""}})
    wire = Connection.model_validate({"base_url": "http://x.test", "timezone": "America/New_York"})
    values = value if isinstance(value, dict) else {field: value}
    return Writer(entity, SCHEMA, wire).body(values, current, already)


@pytest.mark.parametrize(
    ("field", "mapped", "value", "expected"),
    [
        ("text", {"path": "Name"}, "Ann", {"Name": "Ann"}),
        ("text", {"path": "a.b"}, "Ann", {"a": {"b": "Ann"}}),
        ("text", {"path": "a", "write_to": "b.c"}, "Ann", {"b": {"c": "Ann"}}),
        ("text", {"first_of": ["Email", "Emails.0.Address"]}, "x", {"Email": "x"}),
        ("text", {"path": "n", "write_format": "integer"}, "12", {"n": 12}),
        ("status", {"path": "s", "values": {"W": "won", "L": "lost"}}, "lost", {"s": "L"}),
        ("status", {"path": "s", "values": {"W": "won", "C": "won"}, "write_values": {"won": "C"}}, "won", {"s": "C"}),
        ("flag", {"path": "f"}, True, {"f": True}),
        ("flag", {"path": "f", "write_format": "string"}, True, {"f": "true"}),
        ("flag", {"path": "f", "values": {"Y": True, "N": False}}, False, {"f": "N"}),
        ("amount", {"path": "a"}, 250000, {"a": 250000}),
        ("amount", {"path": "cents", "unit": 0.01}, 19.99, {"cents": 1999}),
        ("amount", {"path": "a", "write_format": "string"}, 10.5, {"a": "10.5"}),
        ("rooms", {"path": "r"}, 3, {"r": 3}),
        ("day", {"path": "d"}, "2026-02-03", {"d": "2026-02-03"}),
        ("day", {"path": "d", "time_format": "%m/%d/%Y"}, "2026-02-03", {"d": "02/03/2026"}),
        ("day", {"path": "d", "time_format": "epoch_ms"}, "1970-01-02", {"d": 86_400_000}),
        ("at", {"path": "t"}, "2026-02-03T04:05:06+00", {"t": "2026-02-03T04:05:06Z"}),
        ("at", {"path": "t", "time_format": "%Y-%m-%d %H:%M"}, "2026-02-03T04:05:06Z", {"t": "2026-02-02 23:05"}),
        ("at", {"path": "t", "time_format": "epoch_seconds"}, "1970-01-01T00:01:00Z", {"t": 60}),
        ("phone", {"path": "p"}, "+12025550123", {"p": "+12025550123"}),
        ("phone", {"path": "p", "write_format": "national"}, "+12025550123", {"p": "(202) 555-0123"}),
        ("phone", {"path": "p", "write_format": "national"}, "+442071838750", {"p": "+44 20 7183 8750"}),
        ("owner_id", {"path": "o.id"}, "7", {"o": {"id": "7"}}),
        ("tags", {"each": "Tags"}, ["a", "b"], {"Tags": ["a", "b"]}),
        ("tags", {"each": "Tags", "separator": ";"}, ["a", "b"], {"Tags": "a;b"}),
        ("text", {"path": "t"}, None, {"t": ""}),
    ],
)  # fmt: skip
def test_each_way_has_its_inverse(field: str, mapped: Any, value: Any, expected: Any) -> None:
    assert write(field, mapped, value) == expected


def test_a_whole_name_goes_where_its_parts_are_unknown() -> None:
    mapped = {"join": ["f", "l"], "write": "if_empty"}
    parts = {"first": {"path": "f"}, "rest": {"path": "l"}}
    assert write("text", mapped, "Jane van Dyke") == {"f": "Jane", "l": "van Dyke"}
    assert write("text", mapped, "Cher") == {"f": "Cher"}
    assert write("text", mapped, {"text": "Jane van Dyke", "rest": "Dyke"}, None, None, **parts) == {"l": "Dyke"}
    assert write("text", mapped, "Jane van Dyke", {"f": None, "l": "Dyke"}) == {}
    assert write("text", mapped, None, {"f": "Jane", "l": "van Dyke"}) == {"f": "", "l": ""}, "an undo takes it back"


def test_numbers_and_ids_keep_the_type_they_have_there() -> None:
    assert write("owner_id", {"path": "o"}, "7", {"o": 5}) == {"o": 7}
    assert write("amount", {"path": "a"}, 5, {"a": "4.50"}) == {"a": "5"}
    assert write("status", {"path": "s", "values": {"1": "won", "2": "lost"}}, "lost", {"s": 1}) == {"s": 2}


def test_members_we_do_not_know_stay() -> None:
    there = {"Phones": [{"Number": "(202) 555-0100", "Type": "Home", "Id": 9}, {"Fax": "1"}]}
    mapped = {"each": "Phones", "path": "Number", "new": {"Type": "Work"}}
    value, has = ["+12025550100", "+12025550101"], {"phones": ["+12025550100"]}
    assert write("phones", mapped, value, there, has) == {
        "Phones": [*there["Phones"], {"Type": "Work", "Number": "+12025550101"}]
    }
    assert there["Phones"][0] == {"Number": "(202) 555-0100", "Type": "Home", "Id": 9}


def test_the_first_member_that_fits_is_changed() -> None:
    there = {"e": [{"v": "work@x", "t": "work"}, {"v": "home@x", "t": "home", "k": 1}]}
    mapped = {"each": "e", "path": "v", "take": "first", "where": {"t": "home"}, "new": {}}
    assert write("text", mapped, "new@x", there) == {"e": [there["e"][0], {"v": "new@x", "t": "home", "k": 1}]}
    assert write("text", mapped, "new@x", {"e": []}) == {"e": [{"t": "home", "v": "new@x"}]}


def test_a_list_that_is_no_union_is_made_equal() -> None:
    assert write("steps", {"each": "s"}, ["b", "c"], {"s": ["a", "b"]}) == {"s": ["b", "c"]}


def test_a_text_that_is_a_list_stays_text() -> None:
    assert write("tags", {"each": "t", "separator": ","}, ["b"], {"t": "a,x"}, {"tags": ["a", "x"]}) == {"t": "a,x,b"}


def test_a_path_through_a_list_keeps_its_neighbours() -> None:
    there = {"Emails": [{"Address": "old", "Id": 1}, {"Address": "two"}]}
    assert write("text", {"path": "Emails.0.Address"}, "new", there) == {
        "Emails": [{"Address": "new", "Id": 1}, {"Address": "two"}]
    }
    assert write("text", {"path": "Emails.0.Address"}, "new") == {"Emails": [{"Address": "new"}]}


def test_both_halves_of_a_name_are_put_together() -> None:
    other = {"split": "name", "part": "rest", "write": "always"}
    mapped = {"split": "name", "part": "first"}
    there = {"name": "Ann van Dam"}
    assert write("first", mapped, {"first": "Bob"}, there, rest=other) == {"name": "Bob van Dam"}
    assert write("first", mapped, {"rest": "Lee"}, there, rest=other) == {"name": "Ann Lee"}
    assert write("first", mapped, {"first": "Bob", "rest": "Lee"}, None, rest=other) == {"name": "Bob Lee"}


def test_what_cannot_be_said_is_refused_without_the_value() -> None:
    with pytest.raises(UnwritableError, match=r"^status: the mapping's values have none that means this$"):
        write("status", {"path": "s", "values": {"W": "won"}}, "lost")


def test_paths() -> None:
    record: dict[str, Any] = {"a": [{"b": 1}]}
    assert get(record, "a.0.b") == 1
    assert get(record, "a.1.b") is MISSING
    assert get(record, "$") is record
    put(record, "c.d", 2)
    put(record, "a.5", 3)
    assert record == {"a": [{"b": 1}, 3], "c": {"d": 2}}
    assert wrapped({"x": 1}, "properties") == {"properties": {"x": 1}}
    assert str(values_of({"n": "0.10"})["n"]) == "0.10"


@pytest.mark.parametrize("value", ["Ann", "", '"', "a\\b", 'say "hi"', "Zoë\n", "\u2028", True, 12, ["a", "b"]])
def test_json_texts_read_as_what_they_say(value: Any) -> None:
    for ascii_only in (True, False):
        assert values_of({"f": json.dumps(value, ensure_ascii=ascii_only), "none": None}) == {"f": value, "none": None}


def test_numbers_stay_exact() -> None:
    assert str(values_of({"f": "1234567890123456.78"})["f"]) == "1234567890123456.78"
