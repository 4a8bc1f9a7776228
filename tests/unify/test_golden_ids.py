"""Golden ids stay: through re-runs, merges, splits, deletions and a lost warehouse (law L11)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.state import registry


@pytest.fixture
def world(tmp_path: Path, helper: Any) -> Iterator[Any]:
    world = helper.World(tmp_path, helper.only("contacts", "nickname", "rating"), helper.by("nickname"))
    yield world
    world.close()


@pytest.fixture
def people(world: Any, contact: Any) -> Any:
    """Stages and unifies: `people(one=["a:1", "b:1"], two=["c:1"])`, one argument for each person; returns the ids."""

    def stage(**groups: list[str]) -> dict[str, str]:
        seen = {key: place for place, key in enumerate(["a:1", "b:1", "c:1", "d:1", "a:2", "b:2"])}
        records = [
            contact(key, nickname=name, rating=key, first_seen=seen[key])
            for name, keys in groups.items()
            for key in keys
        ]
        world.stage("contacts", records)
        stage.counts = world.unify()["contacts"]  # type: ignore[attr-defined]
        return dict(world.ids())

    return stage


def redirects(world: Any) -> dict[str, str]:
    return dict(world.con.execute("select from_id, to_id from unified.contact_redirects").fetchall())


def test_ids_are_short_and_made_from_the_record_first_seen(people: Any) -> None:
    first = people(one=["a:1", "b:1"])
    assert set(first.values()) == {first["a:1"]}
    assert first["a:1"].startswith("c_")
    assert len(first["a:1"]) == 12


def test_of_two_that_merge_the_older_stays(world: Any, people: Any) -> None:
    before = people(one=["a:1"], two=["b:1", "c:1", "d:1"])
    after = people(one=["a:1", "b:1", "c:1", "d:1"])
    assert set(after.values()) == {before["a:1"]}
    assert people.counts.merged == 1
    assert redirects(world) == {before["b:1"]: before["a:1"]}


def test_after_a_split_the_larger_part_keeps_the_id(people: Any) -> None:
    before = people(one=["a:1", "b:1", "c:1"])
    after = people(one=["a:1"], two=["b:1", "c:1"])
    assert after["b:1"] == after["c:1"] == before["a:1"]
    assert after["a:1"] != before["a:1"], "the founder's own hash is taken: it gets another id"
    assert people.counts.split == 1


def test_parts_of_equal_size_are_decided_by_the_smaller_key(people: Any) -> None:
    before = people(one=["a:1", "b:1"])
    after = people(two=["b:1"], one=["a:1"])
    assert after["a:1"] == before["a:1"]


def test_an_id_that_was_redirected_is_never_given_to_another(world: Any, people: Any) -> None:
    before = people(one=["a:1"], two=["b:1"])
    people(one=["a:1", "b:1"])
    after = people(one=["a:1"], two=["b:1"])
    assert after["a:1"] == before["a:1"]
    assert after["b:1"] not in before.values()
    assert redirects(world) == {before["b:1"]: before["a:1"]}


def test_redirects_never_point_to_redirects(world: Any, people: Any) -> None:
    before = people(one=["a:1"], two=["b:1"], three=["c:1"])
    people(one=["a:1"], two=["b:1", "c:1"])
    people(one=["a:1", "b:1", "c:1"])
    assert redirects(world) == {before["b:1"]: before["a:1"], before["c:1"]: before["a:1"]}


def test_a_rerun_changes_nothing_and_builds_nothing(people: Any) -> None:
    before = people(one=["a:1", "b:1"], two=["c:1"])
    after = people(one=["a:1", "b:1"], two=["c:1"])
    assert after == before
    assert people.counts.rebuilt == 0


def test_a_record_that_comes_back_finds_its_id(people: Any) -> None:
    before = people(one=["a:1"], two=["b:1"])
    people(one=["a:1"])
    assert people(one=["a:1"], two=["b:1"]) == before


def test_a_record_that_was_away_during_a_merge_follows_the_redirect(people: Any) -> None:
    before = people(one=["a:1"], two=["b:1", "c:1"])
    people(one=["a:1", "b:1"])
    after = people(one=["a:1", "b:1"], two=["c:1"])
    assert after["b:1"] == before["a:1"]
    assert people(one=["a:1", "b:1", "c:1"])["c:1"] == before["a:1"]


def test_a_lost_warehouse_is_made_again_with_the_same_ids(world: Any, people: Any, helper: Any) -> None:
    people(one=["a:1"], two=["b:1"], three=["c:1", "d:1"])
    before = people(one=["a:1", "b:1"], two=["c:1"], three=["d:1"])
    kept = redirects(world)
    world.con.close()
    world.owner.warehouse.unlink()
    world.con = helper.open_warehouse(world.owner)
    assert people(three=["d:1"], two=["c:1"], one=["b:1", "a:1"]) == before
    assert redirects(world) == kept


def test_a_record_that_push_made_belongs_to_whom_it_was_made_for(world: Any, people: Any) -> None:
    before = people(one=["a:1"])
    with world.state.write() as connection:
        registry.assign(connection, "contacts", "b:1", before["a:1"])
    after = people(one=["a:1", "b:1"])
    assert after["b:1"] == before["a:1"]
    assert people.counts.new == people.counts.merged == 0


def test_only_changes_are_written_to_state(people: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    apply = registry.apply

    def counted(state: Any, entity: str, changes: Any, redirected: Any = None) -> Any:
        written.append(changes.num_rows)
        return apply(state, entity, changes, redirected)

    monkeypatch.setattr(registry, "apply", counted)
    people(one=["a:1", "b:1"], two=["c:1"])
    people(one=["a:1", "b:1"], two=["c:1"], three=["d:1"])
    assert written == [3, 1]


def test_what_push_makes_while_unify_writes_is_seen_by_the_next_run(
    world: Any, people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the change and the word for it there is no moment in which another change would go unseen."""
    before = people(one=["a:1"])
    apply = registry.apply

    def interrupted(state: Any, entity: str, changes: Any, redirected: Any = None) -> Any:
        done = apply(state, entity, changes, redirected)
        with state.write() as connection:
            registry.assign(connection, "contacts", "b:7", before["a:1"])
        return done

    with monkeypatch.context() as patched:
        patched.setattr(registry, "apply", interrupted)
        people(one=["a:1"], two=["c:1"])
    people(one=["a:1"], two=["c:1"])
    mirror = world.con.execute("select golden_id from golden.contact_registry where record_key = 'b:7'").fetchall()
    assert mirror == [(before["a:1"],)]
