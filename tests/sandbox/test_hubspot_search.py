"""HubSpot's search, line by line as the fact sheet has it (1.2)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import pytest
from emulated import hubspot_filters, hubspot_list, hubspot_search

from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "hubspot", 150

OBJECTS = "/crm/v3/objects"


def test_modified_is_called_differently(client: httpx.Client) -> None:
    """1.2: contacts `lastmodifieddate`, every other object `hs_lastmodifieddate`."""
    for kind, name, other in (
        ("contacts", "lastmodifieddate", "hs_lastmodifieddate"),
        ("deals", "hs_lastmodifieddate", "lastmodifieddate"),
        ("companies", "hs_lastmodifieddate", "lastmodifieddate"),
        ("0-420", "hs_lastmodifieddate", "lastmodifieddate"),
    ):
        assert (
            hubspot_search(client, kind, hubspot_filters({"propertyName": name, "operator": "GT", "value": "0"}))[
                "total"
            ]
            > 0
        )
        wrong = hubspot_filters({"propertyName": other, "operator": "GT", "value": "0"})
        assert client.post(f"{OBJECTS}/{kind}/search", json=wrong).status_code == 400


def test_search_offsets_and_cap(sandbox: Sandbox, client: httpx.Client) -> None:
    """1.2: `after` is an offset as text; `limit` may be text; a page ≤200; past 10,000 results 400."""
    first = hubspot_search(client, "contacts", {"limit": "5"})
    assert (len(first["results"]), first["paging"]["next"]["after"]) == (5, "5")
    second = hubspot_search(client, "contacts", {"limit": 5, "after": "5"})
    assert not {record["id"] for record in first["results"]} & {record["id"] for record in second["results"]}
    whole = hubspot_search(client, "contacts", {"limit": 200})
    assert ("paging" in whole, whole["total"]) == (False, len(whole["results"]))
    for body in ({"limit": 201}, {"after": "10000"}, {"after": "x"}):
        assert client.post(f"{OBJECTS}/contacts/search", json=body).status_code == 400
    sandbox.crm("hubspot").switches["search_cap"] = 20
    assert hubspot_search(client, "contacts", {"limit": 10, "after": "10"})["paging"]["next"]["after"] == "20"
    assert client.post(f"{OBJECTS}/contacts/search", json={"limit": 10, "after": "20"}).status_code == 400


def test_search_limits(client: httpx.Client) -> None:
    """1.2: 5 groups, 6 filters in each, 18 in all; one sort; `query` ≤3,000 characters."""
    one = {"propertyName": "email", "operator": "HAS_PROPERTY"}
    sort = {"propertyName": "createdate", "direction": "ASCENDING"}
    bodies: list[dict[str, Any]] = [
        {"filterGroups": [{"filters": [one]}] * 6},
        {"filterGroups": [{"filters": [one] * 7}]},
        {"filterGroups": [{"filters": [one] * 5}] * 4},
        {"sorts": [sort, sort]},
        {"query": "x" * 3001},
        {"filterGroups": [{"filters": [one | {"operator": "LIKE"}]}]},
        {"filterGroups": [{"filters": [one | {"propertyName": "no_such"}]}]},
    ]
    for body in bodies:
        refused = client.post(f"{OBJECTS}/contacts/search", json=body)
        assert (refused.status_code, refused.json()["category"]) == (400, "VALIDATION_ERROR"), body
    assert client.post(f"{OBJECTS}/contacts/search", json={"filterGroups": [{"filters": [one] * 6}]}).is_success


@pytest.mark.parametrize(
    ("operator", "value", "fits"),
    [
        ("EQ", {"value": "Closedwon"}, lambda stage: stage == "closedwon"),
        ("NEQ", {"value": "closedwon"}, lambda stage: stage != "closedwon"),
        ("IN", {"values": ["closedwon", "closedlost"]}, lambda stage: stage.startswith("closed")),
        ("NOT_IN", {"values": ["closedwon", "closedlost"]}, lambda stage: not stage.startswith("closed")),
        ("CONTAINS_TOKEN", {"value": "closed*"}, lambda stage: stage.startswith("closed")),
        ("NOT_CONTAINS_TOKEN", {"value": "closed*"}, lambda stage: not stage.startswith("closed")),
        ("HAS_PROPERTY", {}, bool),
        ("NOT_HAS_PROPERTY", {}, lambda stage: not stage),
    ],
)
def test_operators_on_words(client: httpx.Client, operator: str, value: dict[str, Any], fits: Any) -> None:
    found = hubspot_search(
        client, "deals", hubspot_filters({"propertyName": "dealstage", "operator": operator} | value, limit=200)
    )
    assert {d["id"] for d in found["results"]} == {
        d["id"] for d in hubspot_list(client, "deals") if fits(d["properties"]["dealstage"])
    }


@pytest.mark.parametrize(
    ("operator", "value", "fits"),
    [
        ("LT", {"value": "500000"}, lambda amount: amount < 500_000),
        ("LTE", {"value": 500000}, lambda amount: amount <= 500_000),
        ("GT", {"value": "1000000"}, lambda amount: amount > 1_000_000),
        ("BETWEEN", {"value": "400000", "highValue": "800000"}, lambda amount: 400_000 <= amount <= 800_000),
    ],
)
def test_operators_on_numbers(client: httpx.Client, operator: str, value: dict[str, Any], fits: Any) -> None:
    found = hubspot_search(
        client, "deals", hubspot_filters({"propertyName": "amount", "operator": operator} | value, limit=200)
    )
    stated = [d for d in hubspot_list(client, "deals") if d["properties"]["amount"]]
    assert found["total"] > 0
    assert {d["id"] for d in found["results"]} == {d["id"] for d in stated if fits(float(d["properties"]["amount"]))}


def test_modified_filter_in_both_forms(client: httpx.Client) -> None:
    """1.2: epoch milliseconds as text, and ISO 8601 with an offset; what equals the bound fits GTE and LTE."""
    made = client.post(f"{OBJECTS}/contacts", json={"properties": {"firstname": "Ada"}}).json()
    at = made["properties"]["lastmodifieddate"]
    millis = str(round(datetime.fromisoformat(at).timestamp() * 1000))
    for operator, value in (("GTE", at), ("LTE", millis), ("EQ", millis), ("GTE", at.replace("Z", "+00:00"))):
        by_id = {"propertyName": "hs_object_id", "operator": "EQ", "value": made["id"]}
        found = hubspot_search(
            client,
            "contacts",
            hubspot_filters({"propertyName": "lastmodifieddate", "operator": operator, "value": value}, by_id),
        )
        assert found["total"] == 1, (operator, value)


def test_groups_are_or_filters_and_query(client: httpx.Client) -> None:
    contacts = hubspot_list(client, "contacts")
    one, two = contacts[0]["id"], contacts[1]["id"]
    groups = [{"filters": [{"propertyName": "hs_object_id", "operator": "EQ", "value": id}]} for id in (one, two)]
    assert hubspot_search(client, "contacts", {"filterGroups": groups})["total"] == 2
    both = [each["filters"][0] for each in groups]
    assert hubspot_search(client, "contacts", hubspot_filters(*both))["total"] == 0
    ada = client.post(f"{OBJECTS}/contacts", json={"properties": {"firstname": "Ada", "lastname": "Zimt"}}).json()
    assert [c["id"] for c in hubspot_search(client, "contacts", {"query": "zimt ada"})["results"]] == [ada["id"]]


def test_the_index_lags(sandbox: Sandbox, client: httpx.Client) -> None:
    """1.2: new and changed rows take a little while; until then the index has what was before."""
    crm = sandbox.crm("hubspot")
    crm.switches["index_lag"] = 30
    old = client.get(f"{OBJECTS}/contacts").json()["results"][0]
    made = client.post(f"{OBJECTS}/contacts", json={"properties": {"email": "zz@example.com"}}).json()
    client.patch(f"{OBJECTS}/contacts/{old['id']}", json={"properties": {"lastname": "Changed"}})

    def seen() -> dict[str, str]:
        ids = {"propertyName": "hs_object_id", "operator": "IN", "values": [old["id"], made["id"]]}
        return {
            r["id"]: r["properties"]["lastname"]
            for r in hubspot_search(client, "contacts", hubspot_filters(ids))["results"]
        }

    assert seen() == {old["id"]: old["properties"]["lastname"]}
    crm.clock.advance(31)
    assert seen() == {old["id"]: "Changed", made["id"]: None}
