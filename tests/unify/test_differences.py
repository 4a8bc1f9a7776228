"""What unify notes of records that say something else than their golden ones: the plan reads this, and nothing wide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.state import pins
from pipelines.warehouse.likeness import LACKING, OTHER

FIELDS = ("nickname", "email", "notes", "tags")


@pytest.fixture
def small(tmp_path: Path, helper: Any) -> Iterator[Any]:
    world = helper.World(tmp_path, helper.only("contacts", *FIELDS), helper.by("nickname"))
    yield world
    world.close()


def noted(world: Any) -> dict[str, dict[str, int]]:
    """The fields that differ, by record key."""
    names = ", ".join(FIELDS)
    found = world.con.execute(f"select record_key, {names} from unified.contact_differences").fetchall()
    return {row[0]: {name: told for name, told in zip(FIELDS, row[1:], strict=True) if told} for row in found}


def test_a_field_is_other_or_lacking_and_the_order_of_a_union_does_not_count(small: Any, contact: Any) -> None:
    latest = contact("a:1", nickname="ann", email="new@x.org", notes="n", tags=["x", "y"], at=5)
    small.stage(
        "contacts",
        [
            latest,
            contact("b:1", nickname="ann", email="old@x.org", tags=["y", "x"], at=1),
            contact("c:1", nickname="ann", email="new@x.org", notes="n", tags=[], at=1),
            contact("a:2", nickname="bob", email="b@x.org"),
        ],
    )
    small.unify()
    assert noted(small) == {"b:1": {"email": OTHER, "notes": LACKING}, "c:1": {"tags": LACKING}}


def test_what_is_deleted_or_out_of_scope_is_not_noted(small: Any, contact: Any) -> None:
    others = [
        contact("b:1", nickname="ann", email="b@x.org", is_deleted=True),
        contact("c:1", nickname="ann", email="c@x.org", is_in_scope=False),
    ]
    small.stage_frozen("contacts", [contact("a:1", nickname="ann", email="a@x.org", at=5), *others])
    small.unify()
    assert noted(small) == {}


def test_a_pin_makes_the_only_record_differ_until_it_is_lifted(small: Any, contact: Any) -> None:
    small.stage("contacts", [contact("a:1", nickname="ann", email="a@x.org")])
    small.unify()
    assert noted(small) == {}
    golden_id = small.ids()["a:1"]
    pins.pin(small.state, "contacts", golden_id, "notes", value="fixed", who="bo")
    small.unify()
    assert noted(small) == {"a:1": {"notes": LACKING}}
    pins.unpin(small.state, "contacts", golden_id, "notes")
    small.unify()
    assert noted(small) == {}


def test_only_what_changed_is_noted_anew(small: Any, contact: Any) -> None:
    ann = [contact("a:1", nickname="ann", email="a@x.org", at=5), contact("b:1", nickname="ann", email="b@x.org")]
    small.stage("contacts", [*ann, contact("a:2", nickname="bob"), contact("b:2", nickname="bob", email="b@x.org")])
    small.unify()
    assert noted(small) == {"b:1": {"email": OTHER}, "a:2": {"email": LACKING}}
    small.stage("contacts", [*ann, contact("a:2", nickname="bob", email="b@x.org"), contact("b:2", nickname="ann")])
    small.unify()
    assert noted(small) == {"b:1": {"email": OTHER}, "b:2": {"email": LACKING}}
