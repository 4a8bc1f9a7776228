"""A whole run: what is built, what is left alone, what is written down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.state import answers, rows
from pipelines.state.push_tables import created
from pipelines.unify import survivors
from pipelines.unify.run import ConservationError

TABLES = ("contacts", "contact_sources", "contact_lineage", "contact_provenance")


@pytest.fixture
def small(tmp_path: Path, helper: Any) -> Iterator[Any]:
    schemas = helper.only("contacts", "nickname", "rating", "email", "tags", "created_at")
    world = helper.World(tmp_path / "small", schemas, helper.by("nickname"))
    yield world
    world.close()


def test_every_entity_has_its_tables_even_without_a_record(world: Any) -> None:
    counts = world.unify()
    assert list(counts) == ["users", "contacts", "properties", "deals"]
    assert {c.records for c in counts.values()} == {0}
    for entity in counts:
        assert world.golden(entity) == []


def test_references_lead_to_golden_records(world: Any, contact: Any) -> None:
    world.stage("users", [contact("a:u1", email="agent@x.org"), contact("b:u1", email="agent@x.org")])
    world.stage(
        "contacts",
        [
            contact("a:1", nickname="ann", owner_id="a:u1"),
            contact("b:1", nickname="ann", owner_id="b:u1"),
        ],
    )
    world.stage("deals", [contact("a:d1", name="Oak House", contact_ids=["a:1", "b:1", "a:404"], property_id="a:p1")])
    world.unify()
    (person,) = world.golden("contacts")
    (deal,) = world.golden("deals")
    assert person["owner_id"] == world.ids("users")["a:u1"] == world.ids("users")["b:u1"]
    assert deal["contact_ids"] == [person["contact_id"]]
    assert world.rows("quality.dangling_references") == [
        ("a", "deals", "d1", "contact_ids", "a:404", "leads to no contacts that is there")
    ]


def test_references_follow_when_their_targets_merge(world: Any, contact: Any) -> None:
    deal = [contact("a:d1", name="Oak House", contact_ids=["b:1"])]
    world.stage("contacts", [contact("a:1", nickname="ann"), contact("b:1", nickname="bob", first_seen=1)])
    world.stage("deals", deal)
    world.unify()
    assert world.golden("deals")[0]["contact_ids"] == [world.ids()["b:1"]] != [world.ids()["a:1"]]
    world.stage("contacts", [contact("a:1", nickname="ann"), contact("b:1", nickname="ann", first_seen=1)])
    counts = world.unify()
    assert world.golden("deals")[0]["contact_ids"] == [world.ids()["a:1"]]
    assert counts["deals"].rebuilt == 1


def test_deals_across_connections_and_never_inside_one(world: Any, contact: Any) -> None:
    people = [contact(f"{c}:1", nickname="ann") for c in "ab"]
    world.stage("contacts", people)
    deals = [contact(f"{c}:d1", name="Oak House", amount=500, contact_ids=[f"{c}:1"]) for c in "ab"]
    world.stage("deals", deals)
    world.unify()
    assert world.groups("deals") == {frozenset({"a:d1", "b:d1"})}
    twin = contact("a:d2", name="Oak House", amount=500, contact_ids=["a:1"])
    world.stage("deals", [*deals, twin])
    world.unify()
    assert world.groups("deals") == {frozenset({"a:d1"}), frozenset({"b:d1"}), frozenset({"a:d2"})}


def test_properties_by_address_and_unit(world: Any, contact: Any) -> None:
    world.stage(
        "properties",
        [
            contact("a:1", address="14 High Street, Springfield", postal_code="62704"),
            contact("b:1", address="14 High St., Springfield IL", postal_code="62704"),
            contact("a:2", address="2/14 High Street", postal_code="62704"),
            contact("b:2", address="14 High St #2", postal_code="62704"),
            contact("c:2", address="14 High St", unit_number="2", postal_code="62704"),
        ],
    )
    world.unify()
    assert world.groups("properties") == {frozenset({"a:1", "b:1"}), frozenset({"a:2", "b:2", "c:2"})}


def test_what_changed_is_written_down(small: Any, contact: Any) -> None:
    small.stage(
        "contacts", [contact("a:1", rating="A", tags=["x"]), contact("b:1", rating="B"), contact("c:1", rating="C")]
    )
    small.unify(run_id="first")
    assert small.rows("unified.contact_changes") == [], "nothing was there before"
    ids = small.ids()
    small.stage(
        "contacts",
        [
            contact("a:1", rating="A2", tags=["x", "y"], at=2),
            contact("b:1", is_deleted=True),
            contact("d:1", rating="D"),
        ],
    )
    small.unify(run_id="second")
    columns = (
        "resource_name, resource_record_key, field_name, previous_value, new_value, change_type, connection, run_id"
    )
    rows = small.con.execute(f"select {columns} from unified.contact_changes order by all").fetchall()
    assert set(rows) == {
        ("Contacts", ids["a:1"], "rating", "A", "A2", "changed", "a", "second"),
        ("Contacts", ids["a:1"], "tags", '["x"]', '["x","y"]', "changed", "a", "second"),
        ("Contacts", ids["b:1"], None, None, None, "deleted", None, "second"),
        ("Contacts", ids["c:1"], None, None, None, "deleted", None, "second"),
        ("Contacts", small.ids()["d:1"], None, None, None, "created", None, "second"),
    }


def test_nothing_is_built_where_nothing_changed(small: Any, contact: Any) -> None:
    small.stage("contacts", [contact("a:1", rating="A"), contact("b:1", rating="B")])
    assert small.unify()["contacts"].rebuilt == 2
    again = small.unify()["contacts"]
    assert (again.rebuilt, again.golden, again.records) == (0, 2, 2)


def test_only_what_changed_is_made_anew_and_equals_a_whole_build(small: Any, contact: Any) -> None:
    def records(rating: str) -> list[Any]:
        return [
            contact("a:1", nickname="one", rating=rating, at=1, edits={"email": 3}, email="new@x.org"),
            contact("b:1", nickname="one", rating="B", at=0, email="old@x.org", tags=["t"]),
            *[contact(f"c:{n}", nickname=f"other {n}", rating=str(n)) for n in range(5)],
            contact("d:1", nickname="other 1" if rating == "A" else "one", tags=["u"]),
        ]

    small.stage("contacts", records("A"))
    assert small.unify()["contacts"].rebuilt == 6
    small.stage("contacts", records("Z"))
    assert small.unify()["contacts"].rebuilt == 2
    partly = {table: small.rows(f"unified.{table}") for table in TABLES}
    small.con.execute("update meta.builds set fingerprint = 'another logic' where table_name = 'unified.contacts'")
    assert small.unify()["contacts"].rebuilt == 6
    assert {table: small.rows(f"unified.{table}") for table in TABLES} == partly


def test_a_changed_rule_makes_all_anew(small: Any, contact: Any, helper: Any) -> None:
    small.stage(
        "contacts", [contact("a:1", nickname="n", rating="long"), contact("b:1", nickname="n", rating="B", at=3)]
    )
    small.unify()
    small.schemas = helper.only("contacts", "nickname", "rating", "email", "tags", "created_at", rating="most_complete")
    assert small.unify(run_id="r")["contacts"].rebuilt == 1
    assert small.golden()[0]["rating"] == "long"
    assert [row[2:5] for row in small.rows("unified.contact_changes")] == [("rating", "B", "long")]


def test_a_run_that_dies_leaves_what_was(small: Any, contact: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    small.stage("contacts", [contact("a:1", rating="A")])
    small.unify()
    before = small.rows("unified.contacts")
    small.stage("contacts", [contact("a:1", rating="B", at=2)])
    with monkeypatch.context() as patch:
        patch.setattr(survivors, "_write_changes", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            small.unify()
    assert small.rows("unified.contacts") == before
    small.unify()
    assert small.golden()[0]["rating"] == "B"


def test_a_record_that_got_lost_stops_the_run(small: Any, contact: Any) -> None:
    def loses_one(con: Any, plan: Any) -> None:
        assert plan.entity == "contacts"
        con.execute(
            "create or replace temp table clusters as select record_key, record_key as cluster, '' as matched_by "
            "from staged where record_key <> 'a:1'"
        )

    small.find = loses_one
    small.stage("contacts", [contact("a:1", rating="A"), contact("b:1", rating="B")])
    with pytest.raises(ConservationError, match="2 staged records, 1 placed"):
        small.unify()


def test_people_are_recognised_by_the_model_of_the_schema(tmp_path: Path, contact: Any, helper: Any) -> None:
    world = helper.World(tmp_path / "people")
    ann = {"first_name": "Ann", "last_name": "Leeuwenhoek", "email": "ann.l@x.org", "phone": "+12025550143"}
    others = [
        contact(
            f"c:{n}", first_name=f"Name{n}", last_name=f"Family{n}", email=f"p{n}@y.org", phone=f"+1202555{n + 2000}"
        )
        for n in range(60)
    ]
    world.stage("contacts", [contact("a:1", **ann), contact("b:1", **ann), *others])
    world.unify()
    assert frozenset({"a:1", "b:1"}) in world.groups()
    assert len(world.groups()) == 61
    pairs = "select record_key_a, record_key_b from unified.contact_matches where decision = 'match'"
    assert world.con.execute(pairs).fetchall() == [("a:1", "b:1")]
    world.close()


def test_an_operators_word_joins_and_is_heard_at_once(world: Any, contact: Any) -> None:
    world.stage("users", [contact("a:u1", email="sue@x.org"), contact("b:u1", email="susan@x.org")])
    world.unify()
    assert len(world.golden("users")) == 2
    answers.put(world.state, "users", ("b:u1", "a:u1"), "same", "tim")
    world.unify()
    assert world.groups("users") == {frozenset({"a:u1", "b:u1"})}


def test_a_record_made_by_us_is_known_to_be_the_one_it_was_made_for(world: Any, contact: Any) -> None:
    heard: list[tuple[str, str, str]] = []
    find = world.find

    def listening(con: Any, plan: Any) -> None:
        if plan.entity == "contacts":
            heard.extend(con.execute("select record_key_a, record_key_b, answer from answers").fetchall())
        find(con, plan)

    world.find = listening
    world.stage("contacts", [contact("a:1", nickname="ann"), contact("a:2", nickname="bob")])
    world.unify()
    golden_id = world.ids()["a:1"]
    with world.state.write() as connection:
        rows.upsert(connection, created, [("contacts", "b:9", "b", golden_id, "intent", "run", "made", 1)])
    world.stage("contacts", [contact("a:1", nickname="ann"), contact("a:2", nickname="bob"), contact("b:9")])
    world.unify()
    assert heard == [("a:1", "b:9", "same")]


def test_what_was_never_in_scope_is_nobodys_and_what_leaves_it_is_frozen(small: Any, contact: Any) -> None:
    small.stage("contacts", [contact("a:1", rating="A"), contact("a:2", rating="B", is_in_scope=False)])
    assert small.unify()["contacts"].records == 1
    assert {row.get("rating") for row in small.golden()} == {"A"}
    small.stage("contacts", [contact("a:1", rating="A", is_in_scope=False), contact("a:2", rating="B")])
    assert small.unify()["contacts"].new == 1
    assert {row.get("rating") for row in small.golden()} == {"A", "B"}
    scope = small.con.execute("select record_key, is_in_scope from unified.contact_sources order by all").fetchall()
    assert scope == [("a:1", False), ("a:2", True)]
