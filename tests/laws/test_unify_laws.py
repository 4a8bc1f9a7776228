"""Laws of unify: conservation (L1), replay (L2), the latest edit (L6), nothing is emptied (L7), stable identity (L11).

The world is one person or several, told of by up to four connections; which records are one is given (`nickname`), so
that the laws hold for any model of identity.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import staged_world
from hypothesis import given, settings
from hypothesis import strategies as st
from law_settings import TOGETHER, builds, together

from pipelines.unify.sources import Source

FIELDS = ("rating", "email", "phone", "do_not_call")
LATEST = ("rating", "email", "phone")
CONNECTIONS = "abcd"
SERIAL = itertools.count()
TABLES = (
    "contacts",
    "contact_sources",
    "contact_lineage",
    "contact_provenance",
    "contact_differences",
    "contact_redirects",
)


def new_world(folder: Path) -> Any:
    """A warehouse that works on one thread: plans cost more than these few rows."""
    world = staged_world.World(folder, staged_world.only("contacts", "nickname", *FIELDS), staged_world.by("nickname"))
    world.con.execute("set threads = 1")
    world.sources = [Source("a", {"contacts": frozenset({"email"})}), *map(Source, "bcd")]
    return world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One world for all examples: each stages anew under keys of its own, so that nothing remembered is shared."""
    world = new_world(tmp_path_factory.mktemp("laws"))
    yield world
    world.close()


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Another warehouse and state, whose sources are told of in the other order."""
    world = new_world(tmp_path_factory.mktemp("again"))
    world.sources.reverse()
    yield world
    world.close()


moments = st.none() | st.integers(0, 6)
values = {
    "rating": st.none() | st.sampled_from("ABC"),
    "email": st.none() | st.sampled_from(["x@x.org", "y@y.org", "z@z.org"]),
    "phone": st.none() | st.sampled_from(["+12025550101", "+12025550102"]),
    "do_not_call": st.none() | st.booleans(),
}


@st.composite
def records(draw: st.DrawFn, most: int = 8, people: int = 3) -> list[Any]:
    """Records of several people, edited, echoed, deleted, frozen, of known and unknown age."""
    serial = next(SERIAL)
    made = []
    states = draw(st.sampled_from([["lives", "lives", "deleted"], ["lives", "lives", "lives", "deleted", "frozen"]]))
    for number in range(draw(st.integers(1, most))):
        told = {name: draw(of) for name, of in values.items()}
        edits = draw(st.dictionaries(st.sampled_from(FIELDS), st.tuples(moments, st.booleans()), max_size=2))
        state = draw(st.sampled_from(states))
        made.append(
            staged_world.contact(
                f"{draw(st.sampled_from(CONNECTIONS))}:{serial}-{number}",
                nickname=f"{serial}-{draw(st.integers(0, people - 1))}",
                at=draw(moments),
                edits=edits,
                is_deleted=state == "deleted",
                is_in_scope=state != "frozen",
                first_seen=draw(st.integers(0, 3)),
                **told,
            )
        )
    return made


worlds = together(records())


def since(record: Any, field: str) -> tuple[float | None, bool]:
    """When the record's value of the field was edited, and whether that was our own write."""
    told = record.edits.get(field)
    return told if told is not None else (record.first_modified, False)


def rank(record: Any, field: str) -> tuple[Any, ...]:
    """The declared order of candidates, greatest last, written as plainly as the law says it."""
    at, is_echo = since(record, field)
    is_derived = field == "email" and (record.connection == "a" or is_echo)
    place = CONNECTIONS.index(record.connection)
    return (not is_derived, at is not None, at or 0, not is_echo, -place, [*(-ord(c) for c in record.key), 1])


def expected(people: list[Any]) -> dict[str, Any] | None:
    """The golden record of one person's records, without empty fields; None where none of them lives."""
    living = [r for r in people if not r.is_deleted]
    voters = [r for r in living if r.is_in_scope] or living
    if not living:
        return None
    golden: dict[str, Any] = {}
    for field in LATEST:
        candidates = [r for r in voters if r.values[field] is not None]
        if candidates:
            golden[field] = max(candidates, key=lambda r: rank(r, field)).values[field]
    consent = [r.values["do_not_call"] for r in living if r.values["do_not_call"] is not None]
    return golden | ({"do_not_call": any(consent)} if consent else {})


def by_person(staged: list[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for record in staged:
        found.setdefault(record.values["nickname"], []).append(record)
    return found


@settings(max_examples=builds(60))
@given(staged=worlds, seed=st.integers(0, 99))
def test_one_build_keeps_l1_l2_l6_and_l7(world: Any, again: Any, staged: list[Any], seed: int) -> None:
    """The latest edit wins, nothing is emptied, nobody is lost, and the order of the input changes nothing."""
    world.stage_frozen("contacts", staged)
    counts = world.unify()["contacts"]
    _check_conservation(world, counts, staged)
    _check_latest(world, staged)
    _check_filled(world, staged)
    shuffled = list(staged)
    random.Random(seed).shuffle(shuffled)
    again.stage_frozen("contacts", shuffled)
    again.unify()
    for table in TABLES[:5]:
        assert again.rows(f"unified.{table}") == world.rows(f"unified.{table}")


def _check_latest(world: Any, staged: list[Any]) -> None:
    """L6: each golden record is what the law says, written as plainly as in `expected`."""
    ids = world.ids()
    golden = {row["contact_id"]: row for row in world.golden()}
    for people in by_person(staged).values():
        found = golden.pop(ids[people[0].key], None)
        fields = None if found is None else {name: found[name] for name in FIELDS if name in found}
        assert fields == expected(people)
    assert golden == {}, "golden records of nobody"


def _check_filled(world: Any, staged: list[Any]) -> None:
    """L7: a field is empty in a golden record only where no record that has a say fills it."""
    golden = {row["contact_id"]: row for row in world.golden()}
    ids = world.ids()
    for people in by_person(staged).values():
        living = [r for r in people if not r.is_deleted]
        voters = [r for r in living if r.is_in_scope] or living
        for field in FIELDS:
            if any(r.values[field] is not None for r in voters):
                assert field in golden[ids[people[0].key]]


def _check_conservation(world: Any, counts: Any, staged: list[Any]) -> None:
    """L1: every staged record is in exactly one golden record."""
    keys = world.con.execute("select record_key from unified.contact_sources").fetchall()
    assert sorted(keys) == sorted((r.key,) for r in {r.key: r for r in staged}.values())
    assert counts.records == len(staged)
    assert counts.golden == sum(expected(p) is not None for p in by_person(staged).values())


@settings(max_examples=builds(24))
@given(staged=worlds, touched=st.integers(7, 9))
def test_l5_writing_the_golden_values_back_changes_none_of_them(world: Any, staged: list[Any], touched: int) -> None:
    """What push writes is read back as an echo, as old as the value it repeats, in a record that was just touched."""
    world.stage_frozen("contacts", staged)
    world.unify()
    golden = {row["contact_id"]: row for row in world.golden()}
    lineage = world.con.execute("select contact_id, field, since from unified.contact_lineage").fetchall()
    since = {(golden_id, field): at for golden_id, field, at in lineage}
    ids = world.ids()
    for record in staged:
        if not record.is_deleted and record.is_in_scope:
            write_back(record, golden[ids[record.key]], since, touched)
    world.stage("contacts", staged)
    world.unify()
    for row in world.golden():
        before = golden.pop(row["contact_id"])
        assert [row.get(field) for field in FIELDS] == [before.get(field) for field in FIELDS]
    assert golden == {}


def write_back(record: Any, golden: dict[str, Any], since: dict[tuple[str, str], Any], touched: int) -> None:
    """Fills the record as push does."""
    edits = dict(record.edits)
    for field in FIELDS:
        if golden.get(field) is not None and record.values[field] != golden[field]:
            at = since[golden["contact_id"], field]
            record.values[field] = golden[field]
            edits[field] = (None if at is None else (at - staged_world.START).days, True)
    record.edits, record.modified = edits, touched


@settings(max_examples=builds(24))
@given(staged=worlds, later=worlds)
def test_l1_holds_while_records_come_and_go(world: Any, staged: list[Any], later: list[Any]) -> None:
    """What was never in scope is nobody's record."""
    for step in (staged, staged + later, later):
        world.stage("contacts", step)
        _check_conservation(world, world.unify()["contacts"], [r for r in step if r.is_in_scope])


@settings(max_examples=builds(24))
@given(
    steps=st.lists(st.lists(st.integers(0, 3), min_size=6 * TOGETHER, max_size=6 * TOGETHER), min_size=2, max_size=4)
)
def test_l11_identity_is_stable(world: Any, steps: list[list[int]]) -> None:
    """The six records of a world are grouped anew at each step: ids are kept, redirect, and are never reused."""
    serial = next(SERIAL)
    keys = [f"{CONNECTIONS[n % 4]}:{serial}-{n}" for n in range(6 * TOGETHER)]
    before: dict[str, str] = {}
    ever: dict[str, set[str]] = {}
    for step in steps:
        groups = {key: f"{n // 6}-{group}" for n, (key, group) in enumerate(zip(keys, step, strict=True))}
        world.stage(
            "contacts",
            [
                staged_world.contact(key, nickname=f"{serial}-{group}", first_seen=keys.index(key))
                for key, group in groups.items()
            ],
        )
        world.unify()
        now = world.ids()
        redirects = dict(world.con.execute("select from_id, to_id from unified.contact_redirects").fetchall())
        _check_groups(now, groups)
        assert not set(redirects) & set(redirects.values()), "a redirect points to a redirect"
        assert not set(redirects) & set(now.values()), "an id that was redirected lives"
        _check_kept(before, now, redirects)
        for golden in set(now.values()) - set(before.values()):
            assert golden not in ever, "an id was given to another"
        for key, golden in now.items():
            ever.setdefault(golden, set()).add(key)
        before = now
        world.unify()
        assert world.ids() == now, "a re-run changed an id"


def _check_groups(now: dict[str, str], groups: dict[str, str]) -> None:
    for one, other in itertools.combinations(groups, 2):
        assert (now[one] == now[other]) == (groups[one] == groups[other])


def _check_kept(before: dict[str, str], now: dict[str, str], redirects: dict[str, str]) -> None:
    """Each id of before lives with its largest part, or redirects to the id of a group that holds its largest part."""
    for golden in set(before.values()):
        held = [key for key, was in before.items() if was == golden]
        parts = [sum(now[other] == now[key] for other in held) for key in held]
        largest = {now[key] for key, size in zip(held, parts, strict=True) if size == max(parts)}
        assert redirects.get(golden, golden) in largest


@settings(max_examples=builds(24))
@given(staged=worlds, changed=worlds, seed=st.integers(0, 99))
def test_a_partial_build_equals_a_whole_one(world: Any, staged: list[Any], changed: list[Any], seed: int) -> None:
    """Making only what changed anew leaves the tables that a whole build would."""
    world.stage("contacts", staged)
    world.unify()
    chance = random.Random(seed)
    kept = [record for record in staged if chance.random() < 0.7]
    for record in kept:
        if chance.random() < 0.4:
            record.values["rating"] = "edited"
            record.modified = (record.modified or 0) + 1
        if chance.random() < 0.3:
            record.edits = {"email": (chance.randint(0, 9), False)}
    world.stage("contacts", kept + changed)
    world.unify()
    partly = {table: world.rows(f"unified.{table}") for table in TABLES}
    world.con.execute("update meta.builds set fingerprint = 'another logic' where table_name = 'unified.contacts'")
    world.unify()
    assert {table: world.rows(f"unified.{table}") for table in TABLES} == partly
