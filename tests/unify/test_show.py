"""What is shown of one golden record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.unify.show import show
from pipelines.unify.sources import Source


@pytest.fixture
def world(tmp_path: Path, helper: Any) -> Iterator[Any]:
    fields = ("nickname", "rating", "email", "phone", "do_not_call", "name")
    world = helper.World(tmp_path, helper.only("contacts", *fields), helper.by("nickname"))
    yield world
    world.close()


def test_each_field_with_its_source_and_what_was_rejected(world: Any, contact: Any, helper: Any) -> None:
    sources = [Source("a"), Source("b", {"contacts": frozenset({"name"})}), Source("c"), Source("d")]
    world.sources = sources
    records = [
        contact("a:1", rating="A", name="Ann Lee", email="ann@x.org", do_not_call=True, at=1, edits={"rating": 7}),
        contact("b:1", rating="B", name="Ann B Lee", email="ann@x.org", do_not_call=False, at=5),
        contact("c:1", rating="C", phone="+12025550101", at=None),
        contact("d:1", rating="D", is_deleted=True, at=9),
        contact("d:2", rating="E", is_in_scope=False, at=9),
    ]
    for record in records:
        record.values["nickname"] = "ann"
    world.stage_frozen("contacts", records)
    world.unify()
    shown = show(world.con, world.schemas, world.ids()["a:1"], sources)
    assert shown is not None
    assert [key for key, _, _ in shown.sources] == ["a:1", "b:1", "c:1", "d:2", "d:1"]
    fields = {f.field: f for f in shown.fields}
    rating = fields["rating"]
    assert (rating.value, rating.connection, rating.since, rating.rule) == ("A", "a", helper.day(7), "latest edit")
    assert {r.value: r.because for r in rating.rejected} == {
        "B": "older",
        "C": "when it was edited is unknown",
        "D": "its record is deleted",
        "E": "its record is out of scope",
    }
    assert [r.because for r in fields["name"].rejected] == ["made from other values"]
    assert [r.because for r in fields["email"].rejected] == ["says the same"]
    assert [r.because for r in fields["do_not_call"].rejected] == ["not the strictest"]
    assert fields["phone"].rejected == ()


def test_a_list_of_all_sources_rejects_nothing(tmp_path: Path, contact: Any, helper: Any) -> None:
    world = helper.World(tmp_path, helper.only("contacts", "nickname", "tags"), helper.by("nickname"))
    world.stage("contacts", [contact(f"{crm}:1", nickname="ann", tags=[crm, "vip"]) for crm in "ab"])
    world.unify()
    shown = show(world.con, world.schemas, world.ids()["a:1"])
    assert shown is not None
    (tags,) = [f for f in shown.fields if f.field == "tags"]
    assert tags.value == '["a","vip","b"]'
    assert {r.because for r in tags.rejected} == {"is gathered there"}
    world.close()


def test_an_id_that_was_merged_shows_where_it_went(world: Any, contact: Any) -> None:
    world.stage("contacts", [contact("a:1", nickname="x"), contact("b:1", nickname="y", first_seen=1)])
    world.unify()
    old = world.ids()["b:1"]
    world.stage("contacts", [contact("a:1", nickname="x"), contact("b:1", nickname="x", first_seen=1)])
    world.unify()
    shown = show(world.con, world.schemas, old)
    assert shown is not None
    assert (shown.golden_id, shown.redirected_from) == (world.ids()["a:1"], old)


def test_an_unknown_id_shows_nothing(world: Any) -> None:
    world.unify()
    assert show(world.con, world.schemas, "c_nobody") is None


def test_an_owner_is_called_by_name_and_the_same_one_elsewhere_is_not_another(
    tmp_path: Path, contact: Any, helper: Any
) -> None:
    """A CRM's own key explains nothing to a person; two CRMs' keys of one user are one owner."""
    schemas = helper.only("contacts", "nickname", "owner_id") | helper.only("users", "name", "email")
    world = helper.World(tmp_path, schemas, helper.by("nickname"))
    users = [
        contact("a:u1", name="Mia Chen", email="mia@office.com"),
        contact("b:u7", name="Mia Chen", email="mia@office.com"),
        contact("c:u9", name="Tom Hale", email="tom@office.com"),
    ]
    world.stage("users", users)
    owned = [("a:1", "a:u1", 3), ("b:1", "b:u7", 2), ("c:1", "c:u9", 1)]
    world.stage("contacts", [contact(key, nickname="ann", owner_id=user, at=at) for key, user, at in owned])
    world.unify()
    shown = show(world.con, world.schemas, world.ids()["a:1"])
    assert shown is not None
    (owner,) = [field for field in shown.fields if field.field == "owner_id"]
    assert owner.called == "Mia Chen, mia@office.com"
    assert [(other.value, other.called, other.because) for other in owner.rejected] == [
        ("b:u7", "Mia Chen, mia@office.com", "says the same"),
        ("c:u9", "Tom Hale, tom@office.com", "older"),
    ]
    world.close()
