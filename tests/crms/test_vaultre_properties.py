"""VaultRE's properties are written: per class, addresses by their suburb's id, and nobody's house twice.

Source: fact sheet 3.5 (spec): `POST|PUT /properties/{class}/{sale|lease}`; a write takes `suburb: {id}` alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crm_desk import Desk

from pipelines.connections.owner import Owner
from pipelines.sandbox.handle import start
from pipelines.state import intents
from pipelines.state.database import open_state


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with start(tmp_path / "crms", ["vaultre"], size=60) as sandbox, open_state(Owner("sandbox", tmp_path)) as state:
        yield Desk("vaultre", sandbox, state, tmp_path)


def targets(desk: Desk, method: str) -> set[str]:
    """Paths of the calls since, without the part that all of them have."""
    log = desk.sandbox.admin("GET", "vaultre/log")
    return {one["target"].rpartition("/api/v1.3/")[2] for one in log if one["method"] == method}


def test_a_change_goes_to_the_call_of_its_class(desk: Desk) -> None:
    held = desk.held("properties")
    classes = ("Residential", "Commercial")
    ids = {kind: next(id for id, body in held.items() if body["class"]["name"] == kind) for kind in classes}
    rows = [
        {"source_id": id, "field": name, "old": old, "new": json.dumps(new)}
        for id in ids.values()
        for name, old, new in (
            ("heading", None, "By the sea"),
            ("list_price", json.dumps(held[id]["searchPrice"]), held[id]["searchPrice"] + 1000),
        )
    ]
    assert desk.do("properties", "update", rows).counts == {"properties": {"done": 2, "sent": 2}}
    assert targets(desk, "PUT") == {f"properties/{kind.lower()}/sale/{id}" for kind, id in ids.items()}
    for id in ids.values():
        changed = desk.held("properties")[id]
        assert (changed["heading"], changed["searchPrice"]) == ("By the sea", held[id]["searchPrice"] + 1000)
        assert {n for n in changed if changed[n] != held[id][n]} <= {"heading", "searchPrice", "modified"}


def test_a_class_that_no_call_is_known_for_is_left_alone(desk: Desk) -> None:
    id = next(iter(desk.held("properties")))
    desk.sandbox.admin("PATCH", f"vaultre/records/properties/{id}", {"class": {"id": 9, "name": "Livestock"}})
    done = desk.do("properties", "update", [{"source_id": id, "field": "heading", "old": None, "new": '"Cows"'}])
    assert done.counts == {"properties": {"failed": 1, "sent": 0}}
    assert targets(desk, "PUT") == set()
    assert "no call changes properties of this class" in intents.failures(desk.state)[0]["error"]


def test_a_street_is_changed_with_the_suburb_as_it_is(desk: Desk) -> None:
    id, body = next((i, b) for i, b in desk.held("properties").items() if b["class"]["name"] == "Residential")
    row = {
        "source_id": id, "field": "street_name", "old": json.dumps(body["address"]["street"]), "new": '"Kauri Road"',
    }  # fmt: skip
    assert desk.do("properties", "update", [row]).counts == {"properties": {"done": 1, "sent": 1}}
    now = desk.held("properties")[id]["address"]
    assert now == {**body["address"], "street": "Kauri Road"}


def house(desk: Desk, **more: Any) -> dict[str, Any]:
    """A new house in a suburb that the CRM knows, in canonical terms."""
    place = next(iter(desk.held("properties").values()))["address"]["suburb"]
    where = {
        "city": place["name"],
        "state_or_province": place["state"]["abbreviation"],
        "postal_code": place["postcode"],
    }
    return {
        "street_number": "990",
        "street_name": "Totara Way",
        **where,
        "list_price": 700_000,
        "bedrooms_total": 4,
    } | more


def test_a_house_is_created_once_with_its_suburbs_id(desk: Desk, tmp_path: Path) -> None:
    before = desk.held("properties")
    assert desk.create("properties", {"p-1": house(desk)}).counts == {"properties": {"done": 1, "sent": 1}}
    (made,) = (body for id, body in desk.held("properties").items() if id not in before)
    assert (made["searchPrice"], made["bed"], made["class"]["name"]) == (700_000, 4, "Residential")
    assert made["displayAddress"].startswith("990 Totara Way, ")
    again = desk.create("properties", {"p-1": house(desk)})
    assert again.counts == {"properties": {"skipped": 1, "sent": 0}}, "it is known to be there since the plan"
    with open_state(Owner("another", tmp_path)) as state:
        another = Desk("vaultre", desk.sandbox, state, tmp_path)
        found = another.create("properties", {"p-1": house(desk)})
    assert found.counts == {"properties": {"adopted": 1, "sent": 0}}, "it is found by its address"
    assert len(desk.held("properties")) == len(before) + 1


def test_a_house_in_no_known_suburb_is_not_sent(desk: Desk) -> None:
    before = desk.held("properties")
    done = desk.create("properties", {"p-1": house(desk, city="Atlantis", state_or_province="XX", postal_code="0")})
    assert done.counts == {"properties": {"failed": 1, "sent": 0}}
    assert targets(desk, "POST") == set()
    assert "knows no suburb" in intents.failures(desk.state)[0]["error"]
    assert desk.held("properties") == before
