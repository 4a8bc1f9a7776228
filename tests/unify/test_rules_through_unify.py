"""Deals, properties and users as unify recognises them: by the rules of their schemas, over golden ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.state import answers


@pytest.fixture
def office(tmp_path: Path, helper: Any, contact: Any) -> Iterator[Any]:
    """Two CRMs with the same house, the same person (by nickname) and one deal each."""
    world = helper.World(tmp_path, find=helper.by("nickname"))
    for entity, values in {
        "contacts": {"nickname": "ann"},
        "properties": {"address": "14 High Street", "postal_code": "62704"},
    }.items():
        world.stage(entity, [contact(f"{crm}:{entity[0]}1", **values) for crm in "ab"])
    yield world
    world.close()


def deals(world: Any, contact: Any, **more: dict[str, Any]) -> set[frozenset[str]]:
    """Stages one deal for each argument, `a1={"stage": "open"}` for a:1, and says which are one."""
    world.stage("deals", [contact(f"{key[0]}:{key[1:]}", **values) for key, values in more.items()])
    world.unify()
    return {group for group in world.groups("deals") if len(group) > 1}


def test_deals_meet_over_one_property_in_two_crms(office: Any, contact: Any) -> None:
    found = deals(
        office,
        contact,
        a1={"property_id": "a:p1", "stage": "Under Contract"},
        b1={"property_id": "b:p1", "stage": "under contract"},
        b2={"property_id": "b:p9", "stage": "under contract"},  # leads nowhere
        a2={"stage": "under contract"},
    )
    assert found == {frozenset({"a:1", "b:1"})}
    (matched_by,) = {
        row[0]
        for row in office.con.execute("select distinct matched_by from unified.deal_sources").fetchall()
        if row[0]
    }
    assert matched_by == "property and stage"


def test_an_edited_stage_or_amount_parts_no_deal_that_a_party_ties(office: Any, contact: Any) -> None:
    here = {"property_id": "a:p1", "contact_ids": ["a:c1", "a:c9"], "stage": "open", "amount": 500}
    there = {"property_id": "b:p1", "contact_ids": ["b:c1"], "stage": "closed", "amount": 510}
    assert deals(office, contact, a1=here, b1=there) == {frozenset({"a:1", "b:1"})}


def test_deals_follow_when_their_people_become_one(office: Any, contact: Any) -> None:
    two = [contact("a:c1", nickname="ann"), contact("b:c1", nickname="bob")]
    rows = {crm: {"name": "Oak House", "amount": 5, "contact_ids": [f"{crm[0]}:c1"]} for crm in ("a1", "b1")}
    office.stage("contacts", two)
    assert deals(office, contact, **rows) == set()
    office.stage("contacts", [contact("a:c1", nickname="ann"), contact("b:c1", nickname="ann")])
    assert deals(office, contact, **rows) == {frozenset({"a:1", "b:1"})}


def test_an_operators_word_about_deals_holds(office: Any, contact: Any) -> None:
    rows = {key: {"property_id": f"{key[0]}:p1", "stage": "open"} for key in ("a1", "b1")}
    answers.put(office.state, "deals", ("a:1", "b:1"), "different", "tim")
    assert deals(office, contact, **rows) == set()
    answers.put(office.state, "deals", ("a:1", "a:2"), "same", "tim")
    found = deals(office, contact, **rows, a2={"name": "entered twice"})
    assert found == {frozenset({"a:1", "a:2"})}, "even inside one CRM"


def test_the_unit_may_stand_before_or_behind(office: Any, contact: Any) -> None:
    houses = ["Unit 2, 14 Elm St", "2/14 Elm Street", "14 Elm Street Apt 2", "14 Elm St", "Unit 3, 14 Elm St"]
    office.stage(
        "properties", [contact(f"a:{n}", address=house, postal_code="62704") for n, house in enumerate(houses)]
    )
    office.unify()
    assert office.groups("properties") == {frozenset({"a:0", "a:1", "a:2"}), frozenset({"a:3"}), frozenset({"a:4"})}
