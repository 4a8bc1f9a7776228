"""Golden ids with the engine itself: what operators' answers split and join, and what the redirects tell of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.state import answers

ANN = {"first_name": "Ann", "last_name": "Leeuwenhoek", "email": "ann.l@x.org", "phone": "+12025550143"}
BOB = {"first_name": "Bob", "last_name": "Quint", "email": "bob.q@z.org", "phone": "+12025550188"}


@pytest.fixture
def world(tmp_path: Path, helper: Any, contact: Any) -> Iterator[Any]:
    """Ann in three CRMs, Bob in one that was read later, and sixty others."""
    world = helper.World(tmp_path)
    others = [
        contact(
            f"d:{n}", first_name=f"Name{n}", last_name=f"Family{n}", email=f"p{n}@y.org", phone=f"+1202555{2000 + n}"
        )
        for n in range(60)
    ]
    anns = [contact(f"{name}:1", **ANN, first_seen=day) for day, name in enumerate("abc")]
    world.stage("contacts", [*anns, contact("a:2", **BOB, first_seen=9), *others])
    world.unify()
    yield world
    world.close()


def answer(world: Any, one: str, other: str, word: Any) -> Any:
    """An operator's answer, and the next run's counts."""
    answers.put(world.state, "contacts", (one, other), word, "tim")
    return world.unify()["contacts"]


def redirects(world: Any) -> dict[str, str]:
    return dict(world.con.execute("select from_id, to_id from unified.contact_redirects").fetchall())


def test_different_splits_and_the_larger_part_keeps_the_id(world: Any) -> None:
    before = world.ids()
    assert before["a:1"] == before["b:1"] == before["c:1"]
    counts = answer(world, "a:1", "b:1", "different")
    after = world.ids()
    assert after["a:1"] != after["b:1"]
    larger = "a:1" if after["c:1"] == after["a:1"] else "b:1"
    assert after["c:1"] == after[larger] == before["a:1"]
    assert (counts.split, counts.new, counts.merged) == (1, 1, 0)
    assert redirects(world) == {}, "the id lives on"


def test_different_from_both_leaves_the_id_with_those_two(world: Any) -> None:
    before = world.ids()
    answers.put(world.state, "contacts", ("a:1", "b:1"), "different", "tim")
    answer(world, "a:1", "c:1", "different")
    after = world.ids()
    assert after["b:1"] == after["c:1"] == before["a:1"]
    assert after["a:1"] not in before.values(), "the one who left gets a new id, although it founded the old"


def test_same_merges_and_the_older_stays(world: Any) -> None:
    before = world.ids()
    counts = answer(world, "a:2", "c:1", "same")
    after = world.ids()
    assert {after[key] for key in ("a:1", "b:1", "c:1", "a:2")} == {before["a:1"]}
    assert redirects(world) == {before["a:2"]: before["a:1"]}
    assert (counts.merged, counts.new) == (1, 0)
    changes = "select change_type, resource_record_key from unified.contact_changes where field_name is null"
    assert world.con.execute(changes).fetchall() == [("merged", before["a:2"])]


def test_a_word_taken_back_splits_and_no_id_comes_back_to_another(world: Any) -> None:
    before = world.ids()
    answer(world, "a:2", "c:1", "same")
    answers.forget(world.state, "contacts", ("a:2", "c:1"))
    world.unify()
    after = world.ids()
    assert after["a:1"] == after["b:1"] == after["c:1"] == before["a:1"]
    assert after["a:2"] not in before.values()
    assert redirects(world) == {before["a:2"]: before["a:1"]}


def test_a_rerun_changes_no_id(world: Any) -> None:
    answer(world, "a:1", "b:1", "different")
    before = world.ids()
    world.con.execute("drop table golden.contact_seen")
    world.con.execute("update meta.builds set fingerprint = '' where table_name = 'unified.contacts'")
    counts = world.unify()["contacts"]
    assert world.ids() == before
    assert (counts.new, counts.merged, counts.split) == (0, 0, 0)
