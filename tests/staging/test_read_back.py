"""Single records are read as staging reads them; a part of their fields as the whole."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest

from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.mapping.load import load_mapping, load_schemas
from pipelines.staging.read_back import RecordReader

ODD: list[Any] = [
    None,
    "",
    "x",
    " blank ",
    "a@x.org",
    "(202) 555-0101",
    7,
    True,
    [],
    ["x"],
    {},
    {"name": "x"},
    "2026-01-01",
]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["brivity", "follow_up_boss", "hubspot", "salesforce"])
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RecordReader:
    schemas = load_schemas(ROOT / "schemas")
    mapping = load_mapping(ROOT / "mappings" / f"{request.param}.yml", schemas)
    owner = Owner("ann", tmp_path_factory.mktemp("data"))
    return RecordReader(Connection(mapping.crm, owner, mapping, Settings(), True, mapping.connection), schemas)


def record_of(dice: random.Random, names: list[str]) -> dict[str, Any]:
    """A record with odd values at the places that the mapping reads, and beside them."""
    record: dict[str, Any] = {"id": "1", "beside": dice.choice(ODD)}
    for name in names:
        way = [part for part in name.split(".") if not part.isdigit()]
        if dice.random() < 0.7:
            outer = record.setdefault(way[0], {}) if len(way) > 1 else record
            if isinstance(outer, dict):
                outer[way[-1]] = copy.deepcopy(dice.choice(ODD))
        elif dice.random() < 0.1:
            record[way[0]] = copy.deepcopy(dice.choice(ODD))
    return record


def paths_of(reader: RecordReader) -> list[str]:
    mapped = reader._connection.mapping.entities["contacts"]
    found = [(one.path, one.each, *(one.first_of or []), *(one.join or [])) for one in mapped.fields.values()]
    return sorted({path for some in found for path in some if path})


def test_a_part_of_the_fields_reads_as_in_the_whole(reader: RecordReader) -> None:
    dice = random.Random(5)
    records = [record_of(dice, paths_of(reader)) for _ in range(60)]
    whole = reader("contacts", records)
    names = [name for name in reader._connection.mapping.entities["contacts"].fields if name in whole[0]]
    assert any(row[name] is not None for row in whole for name in names)
    for _ in range(6):
        some = set(dice.sample(names, 4))
        part = reader("contacts", records, some)
        assert [row["place"] for row in part] == list(range(60))
        for mine, full in zip(part, whole, strict=True):
            assert {name: mine[name] for name in some} == {name: full[name] for name in some}
            for state in ("absent_fields", "unreadable_fields"):
                assert set(mine[state]) & some == set(full[state]) & some
            assert (mine["modified_at"], mine["is_deleted"]) == (full["modified_at"], full["is_deleted"])


def test_what_is_no_object_has_no_row(reader: RecordReader) -> None:
    assert [row["place"] for row in reader("contacts", [{"id": "1"}, "x", ["y"], {"id": "2"}], {"email"})] == [0, 3]
