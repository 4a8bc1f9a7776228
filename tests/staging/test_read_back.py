"""Single records are read as staging reads them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.mapping.language import Mapping
from pipelines.mapping.load import load_schemas
from pipelines.staging.read_back import RecordReader

SCHEMAS = dict(load_schemas(Path(__file__).parents[2] / "schemas"))
MAPPING = Mapping.model_validate(
    {
        "crm": "north",
        "label": "North",
        "connection": {"kind": "http", "base_url": "http://crm.test"},
        "entities": {
            "contacts": {
                "extract": {"path": "contacts"},
                "id": "id",
                "modified": "meta.updated",
                "fields": {
                    "first_name": "first",
                    "phone": "phone",
                    "tags": {"each": "tags"},
                    "owner_id": "owner",
                    "birth_date": "born",
                },
            }
        },
    }
)


def test_records_become_canonical_json(tmp_path: Path) -> None:
    connection = Connection("north", Owner("ann", tmp_path), MAPPING, Settings(), False, MAPPING.connection)
    reader = RecordReader(connection, SCHEMAS)
    full = {
        "id": 1, "first": " Ann ", "phone": "(202) 555-0123", "tags": ["b", "a"], "owner": 7, "born": "1980-02-03",
        "meta": {"updated": "2026-02-03T04:05:06Z"},
    }  # fmt: skip
    rows = reader("contacts", [full, {"id": 2, "phone": "none"}, full | {"first": "Bob"}])
    first, second, third = rows
    fields = ("first_name", "phone", "tags", "owner_id", "birth_date")
    assert [json.loads(first[name]) for name in fields] == ["Ann", "+12025550123", ["a", "b"], "north:7", "1980-02-03"]
    assert first["modified_at"] == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC).timestamp() * 1_000_000
    assert "first_name" in second["absent_fields"]
    assert second["unreadable_fields"] == ["phone"]
    assert first["values_hash"] != third["values_hash"]
    assert [row["values_hash"] for row in reader("contacts", [full])] == [first["values_hash"]]
    assert reader("contacts", []) == []


def test_some_fields_alone_read_as_they_do_among_all(tmp_path: Path) -> None:
    connection = Connection("north", Owner("ann", tmp_path), MAPPING, Settings(), False, MAPPING.connection)
    reader = RecordReader(connection, SCHEMAS)
    told = {"id": 1, "first": " Ann ", "phone": "none", "tags": ["b", "a"], "meta": {"updated": "2026-02-03T04:05:06Z"}}
    records = [told, {"id": 2, "tags": []}]
    every = reader("contacts", records)
    for fields in (["first_name"], ["phone", "tags"], ["owner_id", "company"], []):
        for whole, part in zip(every, reader("contacts", records, fields), strict=True):
            times = ("place", "modified_at", "is_deleted", "is_in_scope")
            assert {name: part[name] for name in times} == {name: whole[name] for name in times}
            assert {n: part[n] for n in fields if n != "company"} == {n: whole[n] for n in fields if n != "company"}
            for state in ("absent_fields", "unreadable_fields"):
                assert set(part[state]) & set(fields) == set(whole[state]) & set(fields)
