"""A whole name follows its parts, so that CRMs that have only the one hear of edits in those that have the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.unify.sources import Source

FIELDS = ("first_name", "last_name", "name", "nickname")


@pytest.fixture
def office(tmp_path: Path, helper: Any) -> Iterator[Any]:
    """Contacts of one nickname are one; `made` is a CRM that makes the whole name itself, `stated` has no other."""
    world = helper.World(tmp_path / "joined", helper.only("contacts", *FIELDS), helper.by("nickname"))
    world.sources = [Source("made", {"contacts": frozenset({"name"})}), Source("parts"), Source("stated")]
    yield world
    world.close()


def _golden(office: Any, *records: Any) -> dict[str, Any]:
    office.stage("contacts", records)
    office.unify()
    (found,) = office.golden()
    return dict(found)


def test_what_a_crm_made_itself_gives_way_to_the_golden_parts(office: Any, contact: Any) -> None:
    """Else it would change once more after we wrote the parts to it, and be written to others only then (law L5)."""
    found = _golden(
        office,
        contact("made:1", nickname="x", first_name="Sandra", last_name="Owens", name="Sandra Owens", at=1),
        contact("parts:1", nickname="x", first_name="Sandy", last_name="Owens", at=5),
    )
    assert found["name"] == "Sandy Owens"


def test_a_stated_name_stands_until_a_part_is_edited(office: Any, contact: Any) -> None:
    stated = contact("stated:1", nickname="x", name="Dr Sandra Owens", at=None)
    parts = contact("parts:1", nickname="x", first_name="Sandy", last_name="Owens", at=5)
    assert _golden(office, stated, parts)["name"] == "Dr Sandra Owens"
    married = contact("parts:1", nickname="x", first_name="Sandy", last_name="Lee", at=5, edits={"last_name": 8})
    assert _golden(office, stated, married)["name"] == "Sandy Lee"
    said = "select value, connection from unified.contact_lineage where field = 'name'"
    assert office.con.execute(said).fetchall() == [("Sandy Lee", "parts")]


def test_the_later_edit_wins_whichever_it_is(office: Any, contact: Any) -> None:
    parts = contact("parts:1", nickname="x", first_name="Sandy", last_name="Lee", at=5, edits={"last_name": 8})
    later = contact("stated:1", nickname="x", name="Sandra Lee-Owens", at=None, edits={"name": 9})
    assert _golden(office, parts, later)["name"] == "Sandra Lee-Owens"


def test_written_back_it_stays(office: Any, contact: Any) -> None:
    """What was written is an echo as old as the edit it came from; what the CRM makes of its parts is no edit."""
    first = _golden(
        office,
        contact("parts:1", nickname="x", first_name="Sandy", last_name="Lee", at=5, edits={"last_name": 8}),
        contact("made:1", nickname="x", first_name="Sandy", last_name="Owens", name="Sandy Owens", at=1),
        contact("stated:1", nickname="x", name="Sandy Owens", at=None),
    )
    again = _golden(
        office,
        contact("parts:1", nickname="x", first_name="Sandy", last_name="Lee", at=5, edits={"last_name": 8}),
        contact(
            "made:1",
            nickname="x",
            first_name="Sandy",
            last_name="Lee",
            name="Lee, Sandy",
            at=1,
            edits={"last_name": (8, True), "name": 11},
        ),
        contact("stated:1", nickname="x", name="Sandy Lee", at=None, edits={"name": (8, True)}),
    )
    assert first["name"] == again["name"] == "Sandy Lee"
