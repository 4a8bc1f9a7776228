"""Whose word counts: a CRM that owns a field, and one whose field is ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.unify.show import show
from pipelines.unify.sources import Source

FIELDS = ("nickname", "rating", "name", "do_not_call")


@pytest.fixture
def make(tmp_path: Path, helper: Any) -> Iterator[Callable[..., Any]]:
    """Makes a world in which records with the same nickname are one person, and `rating` has owners."""
    made = []

    def one(*, there: str = "", here: str = "", **rules: str) -> Any:
        world = helper.World(
            tmp_path / str(len(made)), helper.only("contacts", *FIELDS, **rules), helper.by("nickname")
        )
        owned = {"contacts": frozenset({"rating", "do_not_call"})}
        world.sources = [
            Source(name, {}, owned if name in there else {}, owned if name in here else {}) for name in "abc"
        ]
        made.append(world)
        return world

    yield one
    for world in made:
        world.close()


def rating(world: Any, *records: Any) -> tuple[str | None, str, str]:
    """The golden value, where it is from, and by which rule."""
    for record in records:
        record.values.setdefault("nickname", "one")
    world.stage_frozen("contacts", records)
    world.unify()
    ((value, connection, rule),) = world.con.execute(
        "select value, connection, rule from unified.contact_lineage where field = 'rating'"
    ).fetchall()
    return value, connection, rule


def test_the_owner_holds_against_later_edits_of_others(make: Any, contact: Any) -> None:
    records = contact("a:1", rating="A", at=1), contact("b:1", rating="B", at=2, edits={"rating": 9})
    assert rating(make(), *records) == ("B", "b", "latest edit")
    assert rating(make(there="a"), *records) == ("A", "a", "owned by its CRM")


def test_an_owner_without_a_value_leaves_it_to_the_others(make: Any, contact: Any) -> None:
    """Nothing is emptied (L7)."""
    assert rating(make(there="a"), contact("a:1", at=9), contact("b:1", rating="B", at=2))[:2] == ("B", "b")


def test_of_two_owners_the_later_edit_holds(make: Any, contact: Any) -> None:
    records = contact("a:1", rating="A", at=1), contact("b:1", rating="B", at=2), contact("c:1", rating="C", at=3)
    assert rating(make(there="ab"), *records)[:2] == ("B", "b")


def test_what_is_ours_holds_against_the_crm_while_anybody_else_says_something(make: Any, contact: Any) -> None:
    edited = contact("a:1", rating="A", at=1, edits={"rating": 9})
    assert rating(make(here="a"), edited, contact("b:1", rating="B", at=None))[:2] == ("B", "b")
    assert rating(make(here="a"), edited, contact("b:1", at=2))[:2] == ("A", "a")


@pytest.mark.parametrize("strategy", ["most_complete", "most_frequent"])
def test_an_owner_comes_before_what_the_schema_prefers(make: Any, contact: Any, strategy: str) -> None:
    records = contact("a:1", rating="A", at=1), contact("b:1", rating="B+", at=2), contact("c:1", rating="B+", at=2)
    assert rating(make(rating=strategy), *records)[:2] == ("B+", "b")
    assert rating(make(there="a", rating=strategy), *records)[:2] == ("A", "a")


def test_consent_has_no_owner(make: Any, contact: Any) -> None:
    world = make(there="a")
    rating(world, contact("a:1", rating="A", do_not_call=False, at=9), contact("b:1", do_not_call=True, at=1))
    assert world.golden()[0]["do_not_call"] is True


@pytest.mark.parametrize(
    ("owners", "because"),
    [({"there": "a"}, "another CRM owns the field"), ({"here": "b"}, "the field is ours, not the CRM's")],
)
def test_why_says_who_owns_the_field(make: Any, contact: Any, owners: dict[str, str], because: str) -> None:
    world = make(**owners)
    rating(world, contact("a:1", rating="A", at=1), contact("b:1", rating="B", at=9))
    shown = show(world.con, world.schemas, world.ids()["a:1"], world.sources)
    assert shown is not None
    assert [one.because for field in shown.fields if field.field == "rating" for one in field.rejected] == [because]
