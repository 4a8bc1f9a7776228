"""Forgetting a person names the other records that speak of them: which, and never what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import raw_log
from published_world import publish_world
from raw_log import Version

from pipelines.commands.mentions import mentions
from pipelines.connections.owner import Owner
from pipelines.mapping.load import load_schemas
from pipelines.state.erasing import Person

ANN = {
    "connection": "north", "source_id": "1", "golden": "c_1", "first_name": "Zoë", "last_name": "O'Hara-Lindt",
    "email": "zoe.hara@example.com", "phone": "+15551234567", "phones": ["+442079460958"],
}  # fmt: skip
PERSON = Person("contacts", frozenset({"c_1"}), frozenset({("north", "1")}))


@pytest.fixture
def owner(tmp_path: Path, project_root: Path) -> Owner:
    """Somebody who is known by two numbers, an address and a name; their own record says all of it."""
    owner = Owner("ann", tmp_path / "data")
    publish_world(owner, load_schemas(project_root / "schemas"), raw=False, contacts=[ANN], deals=[])
    raw_log.log(owner, "north", "contacts", [Version("1", {"name": "Zoë O'Hara-Lindt", "id": 1})])
    return owner


def named_in(owner: Owner, project_root: Path, *records: Any, escaped: bool = False) -> list[int]:
    """The positions of the records that speak of the person; CRMs escape what is not ASCII, or they do not."""
    versions = [Version(str(n), json.dumps(record, ensure_ascii=escaped)) for n, record in enumerate(records)]
    raw_log.log(owner, "south", "deals", versions)
    found = mentions(owner, PERSON, load_schemas(project_root / "schemas")["contacts"])
    assert {one.rpartition("/")[0] for one in found} <= {"south:deals"}
    return sorted(int(one.rpartition("/")[2]) for one in found)


@pytest.mark.parametrize("escaped", [False, True])
def test_by_name_address_and_number_however_they_are_written(owner: Owner, project_root: Path, escaped: bool) -> None:
    said = [
        {"notes": "spoke to Zoë O'Hara-Lindt about the roof"},
        {"notes": "ZOË O'HARA-LINDT!"},
        {"people": [{"display": "O'Hara-Lindt, Zoë"}]},
        {"notes": "write to Zoe.Hara@Example.com."},
        {"notes": "call (555) 123-4567"},
        {"mobile": "+1 555.123.4567"},
        {"n": 5551234567},
        {"notes": "or 020 7946 0958 after six"},
    ]
    assert named_in(owner, project_root, *said, escaped=escaped) == list(range(len(said)))


def test_what_only_looks_like_it_is_not_listed(owner: Owner, project_root: Path) -> None:
    others = [
        {"notes": "Zoë alone, O'Hara-Lindt alone"}, {"notes": "Zoë O'Hara-Lindtner"}, {"notes": "Azoë O'Hara-Lindt"},
        {"notes": "zoe.hara@example.com.au"}, {"notes": "xzoe.hara@example.comx"}, {"n": "55512345678"},
        {"a": 555, "b": 1234567}, {"id": 1}, {},
    ]  # fmt: skip
    assert named_in(owner, project_root, *others) == [3], "an address that goes on after a point is listed, too"


def test_what_a_record_said_before_counts(owner: Owner, project_root: Path) -> None:
    """History holds it as long as it is kept."""
    before, now = {"notes": "Zoë O'Hara-Lindt"}, {"notes": "somebody"}
    raw_log.log(owner, "south", "contacts", [Version("7", before, 0), Version("7", now, 1), Version("8", now)])
    schema = load_schemas(project_root / "schemas")["contacts"]
    assert mentions(owner, PERSON, schema) == ["south:contacts/7"]


def test_who_is_known_by_nothing_is_mentioned_nowhere(tmp_path: Path, project_root: Path) -> None:
    owner = Owner("bob", tmp_path / "data")
    raw_log.log(owner, "north", "contacts", [Version("2", {"name": ""})])
    assert mentions(owner, PERSON, load_schemas(project_root / "schemas")["contacts"]) == []
