"""Properties, lives and commercial deals of VaultRE: fact sheet mri_vault 3.2 to 3.5 and the vendor's specification."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "vaultre", 400

KEYS = {"X-Api-Key": "vaultre-sandbox-key", "Authorization": "Bearer vaultre-sandbox-token"}


def items(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    answered = client.get(f"{path}{'&' if '?' in path else '?'}pagesize=100")
    assert answered.status_code == 200, answered.text
    found: list[dict[str, Any]] = answered.json()["items"]
    return found


def test_lists_by_class_and_episode(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.2: /properties, /properties/sale, /properties/{class}/{sale|lease} with /available and /sold."""
    everything = items(client, "properties")
    assert len(everything) == sandbox.crm("vaultre").store.count("properties")
    assert {house["class"]["name"] for house in everything} == {"Residential", "Commercial", "Land"}
    for kind in ("residential", "commercial", "land"):
        ours = items(client, f"properties/{kind}/sale")
        assert {house["class"]["name"] for house in ours} == {kind.capitalize()}
    assert 0 < len(items(client, "properties/lease")) < len(everything)
    assert {h["status"] for h in items(client, "properties/residential/sale/available")} == {"listing", "conditional"}
    assert {h["status"] for h in items(client, "properties/sale/fallenSaleWithdrawn")} == {"withdrawn"}


def test_the_fields_of_a_property(client: httpx.Client) -> None:
    """3.4: the asset, with the ids of its lives."""
    house = items(client, "properties/residential/sale")[0]
    assert {
        *("id", "class", "type", "address", "displayAddress", "referenceID", "searchPrice", "displayPrice", "heading"),
        *("landArea", "yearBuilt", "inserted", "modified", "saleLifeId", "leaseLifeId", "photos", "account", "bed"),
        *("bath", "floorArea", "status", "portalStatus", "contactStaff"),
    } <= set(house)
    assert not [name for name in house if name.startswith("_")]
    assert client.get(f"properties/{house['id']}").json() == house
    assert client.get(f"properties/residential/sale/{house['id']}").json() == house


def test_what_is_sold_carries_sale_details(client: httpx.Client) -> None:
    """3.4: /properties/residential/sale/sold items carry saleDetails."""
    sold = items(client, "properties/residential/sale/sold")
    assert {house["status"] for house in sold} == {"unconditional", "settled"}
    details = next(house["saleDetails"] for house in sold if house["status"] == "settled")
    assert {
        *("lifeId", "status", "portalStatus", "salePrice", "showSalePrice", "unconditional", "settlement"),
        *("grossCommissionExcGST", "commissionSplits", "contactStaff", "soldType", "inserted", "modified"),
    } <= set(details)
    assert details["settlement"][:4].isdigit()
    assert len(details["settlement"]) == 10
    assert "saleDetails" not in items(client, "properties/residential/sale")[0]
    one = sold[0]
    assert client.get(f"properties/residential/sale/{one['id']}/{one['saleLifeId']}").json() == one
    assert client.get(f"properties/residential/sale/{one['id']}/1").status_code == 404
    settled = items(client, "properties/residential/sale/sold?status=settled")
    assert len(settled) == sum(house["status"] == "settled" for house in sold)


def test_owners_of_a_life(client: httpx.Client) -> None:
    """3.4: sub-resources hang off /properties/{id}/{sale|lease}/{lifeid}."""
    house = items(client, "properties/residential/sale")[0]
    path = f"properties/{house['id']}/sale/{house['saleLifeId']}/owners"
    contact = client.post("contacts", json={"lastName": "Okoro"}).json()["id"]
    assert client.post(path, json={"id": contact}).json()["success"]
    assert contact in [owner["id"] for owner in items(client, path)]
    assert client.post(path, json={"id": 1}).status_code == 404
    assert client.delete(f"{path}/{contact}").status_code == 204
    assert contact not in [owner["id"] for owner in items(client, path)]


def test_commercial_deals(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.2, 3.4: items and urls alone; no modifiedSince, no times; dates and status are the filters."""
    page = client.get("properties/deals/sale").json()
    assert set(page) == {"items", "urls"}
    assert len(page["items"]) == min(50, sandbox.crm("vaultre").store.count("deals"))
    deal = page["items"][0]
    assert {
        *("id", "owners", "purchasers", "tenants", "salePrice", "unconditional", "settlement", "vacantPossession"),
        *("grossCommissionExcGST", "ourDeal", "externalAgency", "status"),
    } <= set(deal)
    assert not {"modified", "inserted"} & set(deal)
    person = (deal["owners"] + deal["purchasers"])[0]
    assert set(person) == {"id", "displayName", "inserted", "modified", "emails", "phoneNumbers"}
    assert client.get("properties/deals/sale?modifiedSince=2099-01-01").json()["items"] == page["items"]
    assert {d["status"] for d in items(client, "properties/deals/sale?status=Approved")} == {"Approved"}
    late = items(client, "properties/deals/sale?settlementSince=2025-06-01")
    assert {d["id"] for d in late} == {
        d["id"] for d in items(client, "properties/deals/sale") if d["settlement"] >= "2025-06-01"
    }


def test_writes_are_per_class(client: httpx.Client) -> None:
    """3.5: POST and PUT /properties/{class}/{sale|lease}; spec: status is prospect or appraisal, type {id}."""
    place = client.get("suggest/suburb?term=Reno").json()["items"][0]
    sent = {
        "address": {"streetNumber": "41", "street": "Pine Ct", "suburb": {"id": place["id"]}},
        "bed": 3,
        "searchPrice": 512000,
        "type": {"id": 2},
        "status": "appraisal",
    }
    made = client.post("properties/residential/sale", json=sent)
    assert made.status_code == 201
    house = made.json()
    assert house["displayAddress"] == f"41 Pine Ct, Reno, NV {place['postcode']}"
    assert (house["type"]["name"], house["status"], bool(house["saleLifeId"])) == ("Apartment", "appraisal", True)
    changed = client.put(f"properties/residential/sale/{house['id']}", json={"heading": " Sunny "}).json()
    assert (changed["heading"], changed["bed"]) == ("Sunny", 3)
    assert client.put(f"properties/land/sale/{house['id']}", json={"heading": "Hill"}).status_code == 404
    assert house["id"] in [found["id"] for found in items(client, "search/properties/address?term=41 pine ct")]


@pytest.mark.parametrize(
    "body",
    [{}, {"address": {"suburb": {"name": "Reno"}}}, {"status": "settled"}, {"bed": "three"}, {"type": {"id": 99}}],
)
def test_what_cannot_be_is_400(client: httpx.Client, body: dict[str, object]) -> None:
    address = {} if not body or "address" in body else {"address": {"suburb": {"id": 501}}}
    refused = client.post("properties/residential/sale", json=address | body)
    assert (refused.status_code, refused.json()["success"]) == (400, False)
