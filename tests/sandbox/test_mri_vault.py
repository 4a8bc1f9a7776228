"""MRI Vault's flat wire, as the connectors contract assumes it."""

from __future__ import annotations

import httpx
import pytest

from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "mri_vault", 200

KEY = {"Authorization": "Bearer mri-vault-sandbox-key"}


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer no"}, {"Authorization": "Basic eDp5"}])
def test_the_key_is_the_bearer(client: httpx.Client, headers: dict[str, str]) -> None:
    assert client.get("contacts", headers=headers).status_code == 401


@pytest.mark.parametrize("entity", ["contacts", "properties", "deals"])
def test_pages(sandbox: Sandbox, client: httpx.Client, entity: str) -> None:
    total = sandbox.crm("mri_vault").store.count(entity)
    first = client.get(entity, params={"pageSize": 20}).json()
    assert (set(first), first["total"]) == ({"items", "total", "totalPages"}, total)
    pages = [
        client.get(entity, params={"pageSize": 20, "page": page}).json()["items"]
        for page in range(1, first["totalPages"] + 1)
    ]
    assert len({record["id"] for page in pages for record in page}) == total
    assert len(client.get(entity, params={"pageSize": 5000}).json()["items"]) == min(total, 100)
    assert client.get(entity, params={"page": 0}).status_code == 400


def test_the_flat_fields(client: httpx.Client) -> None:
    """Contract: the fields of the three records."""
    times = {"id", "created", "modified"}
    contact, house, deal = (client.get(entity).json()["items"][0] for entity in ("contacts", "properties", "deals"))
    assert set(contact) == times | {"firstName", "lastName", "email", "phone", "type", "notes"}
    assert set(house) == times | {"address", "vendors", "buyers", "milestones", "riskOverview"}
    assert set(deal) == times | {
        *("propertyId", "stage", "riskLevel", "riskFlags", "nextAction", "nextActionOwner", "summary", "contacts")
    }
    assert client.get(f"properties/{deal['propertyId']}").json()["id"] == deal["propertyId"]
    assert client.get(f"contacts/{deal['contacts'][0]}").status_code == 200


def test_filters(sandbox: Sandbox, client: httpx.Client) -> None:
    """Contract: GET with email, address, propertyId and stage, modifiedSince."""
    contact = client.post("contacts", json={"email": "Ada@example.com"}).json()
    assert client.get("contacts", params={"email": "ada@EXAMPLE.com"}).json()["items"] == [contact]
    house = client.get("properties").json()["items"][0]
    assert client.get("properties", params={"address": house["address"]}).json()["items"] == [house]
    deal = client.get("deals").json()["items"][0]
    pair = {"propertyId": deal["propertyId"], "stage": deal["stage"]}
    found = client.get("deals", params=pair).json()["items"]
    assert deal in found
    assert all({name: one[name] for name in pair} == pair for one in found)
    assert client.get("contacts", params={"modifiedSince": contact["modified"]}).json()["items"] == [contact]
    assert client.get("contacts", params={"modifiedSince": "soon"}).status_code == 400
    sandbox.crm("mri_vault").switches["honour_modified_since"] = False
    assert client.get("contacts", params={"modifiedSince": contact["modified"]}).json()["total"] > 1


def test_writes(sandbox: Sandbox, client: httpx.Client) -> None:
    """Contract: POST, PUT by id; two equal POSTs make two records, for nothing keeps a client from it."""
    sent = {"firstName": " Ada ", "email": "ada@example.com", "shoe": 9}
    made = client.post("contacts", json=sent)
    assert made.status_code == 201
    contact = made.json()
    assert (contact["firstName"], "shoe" in contact) == ("Ada", False)
    assert client.post("contacts", json=sent).json()["id"] != contact["id"]
    changed = client.put(f"contacts/{contact['id']}", json={"phone": "1"}).json()
    assert (changed["firstName"], changed["phone"]) == ("Ada", "1")
    house = client.post("properties", json={"address": "1 Elm St", "vendors": [contact["id"]]}).json()
    deal = client.post("deals", json={"propertyId": house["id"], "stage": "offer", "contacts": [contact["id"]]})
    assert deal.status_code == 201
    sandbox.crm("mri_vault").switches["put_replaces"] = True
    assert client.put(f"contacts/{contact['id']}", json={"phone": "2"}).json()["firstName"] is None
    assert client.delete(f"contacts/{contact['id']}").status_code == 204
    assert client.get(f"contacts/{contact['id']}").status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("contacts", {}),
        ("contacts", {"email": "nonsense"}),
        ("contacts", {"firstName": 7}),
        ("properties", {"vendors": []}),
        ("properties", {"address": "1 Elm St", "vendors": ["con-0"]}),
        ("deals", {"stage": "offer"}),
        ("deals", {"propertyId": "prop-0"}),
        ("deals", {"propertyId": "prop-2", "riskLevel": "huge"}),
        ("deals", {"propertyId": "prop-2", "riskFlags": "late"}),
    ],
)
def test_what_cannot_be_is_400(sandbox: Sandbox, client: httpx.Client, path: str, body: dict[str, object]) -> None:
    before = sandbox.crm("mri_vault").store.count(path)
    refused = client.post(path, json=body)
    assert (refused.status_code, set(refused.json()["error"])) == (400, {"code", "message"})
    assert sandbox.crm("mri_vault").store.count(path) == before
