"""Which value of each field holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.state import pins
from pipelines.unify.sources import Source

FIELDS = ("first_name", "name", "email", "emails", "phone", "nickname", "rating", "tags", "do_not_call", "created_at")


@pytest.fixture
def make(tmp_path: Path, helper: Any) -> Iterator[Callable[..., Any]]:
    """Makes worlds in which records with the same nickname are one person; arguments change survivorship."""
    made = []

    def one(**rules: str) -> Any:
        made.append(
            helper.World(tmp_path / str(len(made)), helper.only("contacts", *FIELDS, **rules), helper.by("nickname"))
        )
        return made[-1]

    yield one
    for world in made:
        world.close()


def golden(world: Any, *records: Any) -> dict[str, Any]:
    """The one golden record of these."""
    for record in records:
        record.values.setdefault("nickname", "one")
    world.stage_frozen("contacts", records)
    world.unify()
    (found,) = world.golden()
    return dict(found)


def test_the_latest_edit_wins_field_by_field(make: Any, contact: Any) -> None:
    found = golden(
        make(),
        contact("a:1", email="stale@x.org", phone="+12025550101", at=1, edits={"phone": 9}),
        contact("b:1", email="new@x.org", phone="+12025550102", at=5),
    )
    assert (found["phone"], found["email"]) == ("+12025550101", "new@x.org")


def test_an_edit_of_unknown_time_ranks_below_a_known_one(make: Any, contact: Any) -> None:
    found = golden(make(), contact("a:1", rating="A", at=None), contact("b:1", rating="B", at=-9000))
    assert found["rating"] == "B"


def test_ties_go_to_the_declared_source_then_to_the_smaller_key(make: Any, contact: Any) -> None:
    world = make()
    world.schemas["contacts"] = world.schemas["contacts"].model_copy(update={"source_order": ["b"]})
    assert (
        golden(world, contact("a:1", rating="A"), contact("b:2", rating="2"), contact("b:1", rating="1"))["rating"]
        == "1"
    )


def test_an_echo_of_our_own_write_yields_to_the_edit_it_repeats(make: Any, contact: Any) -> None:
    found = golden(
        make(),
        contact("a:1", rating="echo", edits={"rating": (5, True)}),
        contact("b:1", rating="B", edits={"rating": 5}),
    )
    assert found["rating"] == "B"


def test_what_is_empty_is_no_candidate(make: Any, contact: Any) -> None:
    found = golden(
        make(), contact("a:1", email=None, at=1, edits={"email": 9}), contact("b:1", email="old@x.org", at=0)
    )
    assert found["email"] == "old@x.org"


def test_a_derived_value_never_outranks_a_stated_one(make: Any, contact: Any) -> None:
    world = make()
    world.sources = [Source("a", {"contacts": frozenset({"name"})}), Source("b")]
    found = golden(world, contact("a:1", name="Ann B. Lee", at=99), contact("b:1", name="Ann Lee", at=None))
    assert found["name"] == "Ann Lee"


def test_the_echo_of_a_derived_value_follows_its_source(make: Any, contact: Any) -> None:
    """A holds whole names only; its given name was written to B, and then A's name was corrected."""
    world = make()
    world.sources = [Source("a", {"contacts": frozenset({"first_name"})}), Source("b")]
    found = golden(
        world,
        contact("a:1", first_name="Anne", at=1, edits={"first_name": 9}),
        contact("b:1", first_name="Ann", at=0, edits={"first_name": (1, True)}),
    )
    assert found["first_name"] == "Anne"


def test_the_most_trusted_source_wins_whatever_the_age(make: Any, contact: Any) -> None:
    world = make(rating="trusted")
    spec = world.schemas["contacts"].fields["rating"].model_copy(update={"trust": ["c", "a"]})
    fields = {**world.schemas["contacts"].fields, "rating": spec}
    world.schemas["contacts"] = world.schemas["contacts"].model_copy(update={"fields": fields})
    records = [contact("a:1", rating="A", at=1), contact("b:1", rating="B", at=9), contact("c:1", rating=None, at=9)]
    assert golden(world, *records)["rating"] == "A"


def test_the_most_complete_and_the_most_frequent(make: Any, contact: Any) -> None:
    def records() -> list[Any]:
        return [contact("a:1", rating="x", at=1), contact("b:1", rating="long", at=2), contact("c:1", rating="x", at=0)]

    assert golden(make(rating="most_complete"), *records())["rating"] == "long"
    assert golden(make(rating="most_frequent"), *records())["rating"] == "x"


def test_lists_are_joined_in_the_order_of_the_sources(make: Any, contact: Any) -> None:
    found = golden(
        make(),
        contact("b:1", tags=["vip", "buyer"], at=9),
        contact("a:1", tags=["seller", "vip"], at=1),
        contact("c:1", tags=None),
    )
    assert found["tags"] == ["seller", "vip", "buyer"]


def test_the_main_value_leads_its_list_and_the_one_that_lost_is_kept(make: Any, contact: Any) -> None:
    found = golden(
        make(),
        contact("a:1", email="old@x.org", emails=["old@x.org", "work@x.org"], at=1),
        contact("b:1", email="new@x.org", emails=["work@x.org", "new@x.org"], at=5),
        contact("c:1", email="older@x.org", at=0),
    )
    assert found["email"] == "new@x.org"
    assert found["emails"] == ["new@x.org", "old@x.org", "work@x.org", "older@x.org"]


def test_a_list_that_nobody_states_stays_empty_while_all_agree(make: Any, contact: Any) -> None:
    found = golden(make(), contact("a:1", email="a@x.org"), contact("b:1", email="a@x.org"))
    assert "emails" not in found


def test_consent_is_the_stricter_whatever_the_age(make: Any, contact: Any) -> None:
    found = golden(make(), contact("a:1", do_not_call=True, at=None), contact("b:1", do_not_call=False, at=9))
    assert found["do_not_call"] is True
    found = golden(make(), contact("a:1", do_not_call=False, at=1), contact("b:1", do_not_call=None, at=9))
    assert found["do_not_call"] is False


def test_consent_of_a_frozen_record_still_counts(make: Any, contact: Any) -> None:
    found = golden(make(), contact("a:1", do_not_call=True, is_in_scope=False), contact("b:1", do_not_call=False))
    assert found["do_not_call"] is True


def test_deleted_and_frozen_records_have_no_say_while_others_live(make: Any, contact: Any) -> None:
    found = golden(
        make(),
        contact("a:1", rating="deleted", email="gone@x.org", at=9, is_deleted=True),
        contact("b:1", rating="frozen", at=8, is_in_scope=False),
        contact("c:1", rating="lives", at=1),
    )
    assert (found["rating"], found.get("email"), found["source_count"]) == ("lives", None, 2)
    assert found["connections"] == ["b", "c"]


def test_a_frozen_record_alone_keeps_its_golden_one(make: Any, contact: Any) -> None:
    world = make()
    found = golden(
        world,
        contact("a:1", rating="deleted", at=9, is_deleted=True),
        contact("b:1", rating="frozen", is_in_scope=False),
    )
    assert found["rating"] == "frozen"
    rows = world.con.execute("select connection from unified.contact_lineage where field = 'rating'").fetchall()
    assert rows == [("b",)]


def test_what_is_deleted_everywhere_is_kept_among_the_sources_alone(make: Any, contact: Any) -> None:
    world = make()
    world.stage("contacts", [contact("a:1", rating="A", is_deleted=True)])
    counts = world.unify()["contacts"]
    assert (counts.records, counts.golden, world.golden()) == (1, 0, [])
    assert world.con.execute("select record_key, is_deleted from unified.contact_sources").fetchall() == [("a:1", True)]


def test_created_at_is_the_earliest_and_updated_at_the_latest(make: Any, contact: Any, helper: Any) -> None:
    found = golden(
        make(), contact("a:1", created_at=helper.day(-3), at=1), contact("b:1", created_at=helper.day(-9), at=0)
    )
    assert (found["created_at"], found["updated_at"]) == (helper.day(-9), helper.day(1))


def test_a_pin_outranks_all_until_it_is_lifted(make: Any, contact: Any) -> None:
    world = make()
    records = [contact("a:1", rating="A", tags=["x"], at=1), contact("b:1", rating="B", at=2)]
    golden_id = golden(world, *records)["contact_id"]
    pins.pin(world.state, "contacts", golden_id, "rating", value="pinned", who="sue")
    pins.pin(world.state, "contacts", golden_id, "tags", value=["p", "q"], who="sue")
    assert world.unify()["contacts"].rebuilt == 1
    (found,) = world.golden()
    assert (found["rating"], found["tags"]) == ("pinned", ["p", "q"])
    told = "select value, connection, rule from unified.contact_lineage where field = 'rating'"
    assert world.con.execute(told).fetchall() == [("pinned", None, "pinned by sue")]
    pins.unpin(world.state, "contacts", golden_id, "rating")
    world.unify()
    assert world.golden()[0]["rating"] == "B"
    assert world.golden()[0]["tags"] == ["p", "q"]


def test_lineage_says_who_since_when_and_why(make: Any, contact: Any, helper: Any) -> None:
    world = make()
    golden(
        world, contact("a:1", rating="A", email="a@x.org", at=1, edits={"rating": 7}), contact("b:1", rating="B", at=2)
    )
    rows = world.con.execute(
        "select field, value, connection, source_id, since, rule from unified.contact_lineage"
    ).fetchall()
    told = {row[0]: row[1:] for row in rows}
    assert told["rating"] == ("A", "a", "1", helper.day(7), "latest edit")
    assert told["email"] == ("a@x.org", "a", "1", helper.day(1), "latest edit")


def test_lineage_of_a_single_source(make: Any, contact: Any, helper: Any) -> None:
    world = make()
    golden(world, contact("a:1", rating="A", email="a@x.org", at=1, edits={"rating": 7}))
    told = {r[1]: r[2:] for r in world.rows("unified.contact_lineage")}
    assert told["rating"] == ("A", "a", "1", helper.day(7), "only source")
    assert told["email"] == ("a@x.org", "a", "1", helper.day(1), "only source")


def test_an_edit_of_unknown_time_has_no_since(make: Any, contact: Any) -> None:
    world = make()
    golden(world, contact("a:1", rating="A", at=4, edits={"rating": None}))
    told = {r[1]: r[5] for r in world.rows("unified.contact_lineage")}
    assert told["rating"] is None
