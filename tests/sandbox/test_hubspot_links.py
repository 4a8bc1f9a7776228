"""HubSpot's merges, erasures and associations, line by line as the fact sheet has it (1.2, 1.3)."""

from __future__ import annotations

import httpx
from emulated import hubspot_create, hubspot_read

CRM, PEOPLE = "hubspot", 60

CONTACTS, DEALS = "/crm/v3/objects/contacts", "/crm/v3/objects/deals"


def test_merge(client: httpx.Client) -> None:
    """1.2, 1.3: the loser's id reads as the winner, with the winner's id; its deals are the winner's now."""
    keep, lose = (
        hubspot_create(client, email="a@example.com")["id"],
        hubspot_create(client, email="b@example.com", phone="7")["id"],
    )
    deal = hubspot_create(client, DEALS, dealname="Elm St")["id"]
    client.put(f"/crm/v4/objects/deals/{deal}/associations/default/contacts/{lose}").raise_for_status()
    merged = client.post(f"{CONTACTS}/merge", json={"primaryObjectId": keep, "objectIdToMerge": lose})
    assert (merged.status_code, merged.json()["id"]) == (200, keep)
    winner = hubspot_read(client, lose, "phone", "email", "hs_additional_emails", "hs_merged_object_ids")
    assert winner["id"] == keep
    assert [winner["properties"][name] for name in ("email", "phone", "hs_additional_emails")] == [
        "a@example.com", "7", "b@example.com",
    ]  # fmt: skip
    assert winner["properties"]["hs_merged_object_ids"] == lose
    linked = client.get(f"/crm/v4/objects/deals/{deal}/associations/contacts").json()["results"]
    assert [each["toObjectId"] for each in linked] == [int(keep)]
    every = client.get(CONTACTS, params={"limit": "100"}).json()["results"]
    gone = client.get(CONTACTS, params={"limit": "100", "archived": "true"}).json()["results"]
    assert lose not in {record["id"] for record in every + gone}
    assert client.post(f"{CONTACTS}/merge", json={"primaryObjectId": keep, "objectIdToMerge": keep}).status_code == 400


def test_gdpr_delete(client: httpx.Client) -> None:
    """1.3: 204; nothing is left, not among the archived either."""
    id = hubspot_create(client, email="ada@example.com")["id"]
    asked = {"objectId": "ada@example.com", "idProperty": "email"}
    assert client.post(f"{CONTACTS}/gdpr-delete", json=asked).status_code == 204
    gone = client.get(CONTACTS, params={"limit": "100", "archived": "true"}).json()["results"]
    assert id not in {record["id"] for record in gone}
    assert client.get(f"{CONTACTS}/{id}", params={"archived": "true"}).status_code == 404


def test_associations_with_a_create(client: httpx.Client) -> None:
    """1.3: `associations` of a create; type ids deal→contact 3, contact→deal 4; unknown types are 400."""
    contact = hubspot_create(client, firstname="Ada")["id"]
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 3}
    body = {"properties": {"dealname": "Elm St"}, "associations": [{"to": {"id": contact}, "types": [spec]}]}
    deal = client.post(DEALS, json=body).json()["id"]
    found = client.get(f"{CONTACTS}/{contact}", params={"associations": "deals"}).json()["associations"]
    assert found == {"deals": {"results": [{"id": deal, "type": "contact_to_deal"}]}}
    wrong = body | {"associations": [{"to": {"id": contact}, "types": [spec | {"associationTypeId": 4}]}]}
    assert client.post(DEALS, json=wrong).status_code == 400
    client.delete(f"{DEALS}/{deal}")
    assert "associations" not in client.get(f"{CONTACTS}/{contact}", params={"associations": "deals"}).json()


def test_associations_one_by_one(client: httpx.Client) -> None:
    """1.3: default 200, with types 201, list with numbers, delete 204."""
    contact, deal = (
        hubspot_create(client, firstname="Ada")["id"],
        hubspot_create(client, DEALS, dealname="Elm St")["id"],
    )
    at = f"/crm/v4/objects/contact/{contact}/associations"
    assert client.put(f"{at}/default/deal/{deal}").status_code == 200
    labelled = client.put(f"{at}/deal/{deal}", json=[{"associationCategory": "USER_DEFINED", "associationTypeId": 103}])
    assert (labelled.status_code, labelled.json()["labels"]) == (201, ["Partner"])
    results = client.get(f"{at}/deals").json()["results"]
    assert [each["toObjectId"] for each in results] == [int(deal)]
    assert {each["typeId"]: each["label"] for each in results[0]["associationTypes"]} == {4: None, 103: "Partner"}
    assert client.delete(f"{at}/deal/{deal}").status_code == 204
    assert client.get(f"{at}/deals").json()["results"] == []
    assert client.put(f"{at}/default/deal/17").status_code == 404


def test_associations_in_batches(client: httpx.Client) -> None:
    """1.3: v4 and v3; 207 where a row fails; archive 204."""
    contact, deal = (
        hubspot_create(client, firstname="Ada")["id"],
        hubspot_create(client, DEALS, dealname="Elm St")["id"],
    )
    pair = {"from": {"id": deal}, "to": {"id": contact}}
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 3}
    v4, v3 = "/crm/v4/associations/deals/contacts", "/crm/v3/associations/deals/contacts"
    rows = [pair | {"types": [spec]}, {"from": {"id": "17"}, "to": {"id": contact}, "types": [spec]}]
    parts = client.post(f"{v4}/batch/create", json={"inputs": rows})
    assert (parts.status_code, parts.json()["results"][0]["fromObjectId"]) == (207, int(deal))
    assert client.post(f"{v4}/batch/create", json={"inputs": rows[:1]}).status_code == 201
    named = client.post(f"{v3}/batch/read", json={"inputs": [{"id": deal}]}).json()["results"]
    assert named == [{"from": {"id": deal}, "to": [{"id": contact, "type": "deal_to_contact"}]}]
    assert client.post(f"{v4}/batch/archive", json={"inputs": [pair | {"to": [{"id": contact}]}]}).status_code == 204
    empty = client.post(f"{v4}/batch/read", json={"inputs": [{"id": deal}]})
    assert empty.status_code == 207
    assert empty.json()["errors"][0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    made = client.post(f"{v3}/batch/create", json={"inputs": [pair | {"type": "deal_to_contact"}]})
    assert (made.status_code, [each["type"] for each in made.json()["results"]]) == (
        201, ["deal_to_contact", "contact_to_deal"],
    )  # fmt: skip
    assert client.post(f"{v3}/batch/archive", json={"inputs": [pair]}).status_code == 204
    labels = client.get(f"{v4}/labels").json()["results"]
    assert {"category": "HUBSPOT_DEFINED", "typeId": 3, "label": None} in labels
    assert client.post(f"{v4}/batch/associate/default", json={"inputs": [pair]}).status_code == 200
    custom = {"associationCategory": "USER_DEFINED", "associationTypeId": 102}
    client.post(f"{v4}/batch/create", json={"inputs": [pair | {"types": [custom]}]})
    gone = client.post(f"{v4}/batch/labels/archive", json={"inputs": [pair | {"types": [custom]}]})
    assert gone.status_code == 204
    left = client.post(f"{v4}/batch/read", json={"inputs": [{"id": deal}]}).json()["results"][0]["to"][0]
    assert [each["typeId"] for each in left["associationTypes"]] == [3]
