"""HubSpot's writing side, line by line as the fact sheet has it (1.3, 1.6)."""

from __future__ import annotations

import httpx
import pytest
from emulated import hubspot_create, hubspot_read

from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "hubspot", 60

CONTACTS, DEALS = "/crm/v3/objects/contacts", "/crm/v3/objects/deals"


def test_create_update_archive(client: httpx.Client) -> None:
    """1.3: 201, 200, 204; an update answers only what it touched; values come back as text."""
    made = client.post(CONTACTS, json={"properties": {"email": " Ada@Example.com ", "rating": 4, "phone": "1"}})
    assert made.status_code == 201
    assert made.json()["properties"]["email"] == "ada@example.com"
    id = made.json()["id"]
    changed = client.patch(f"{CONTACTS}/{id}", json={"properties": {"phone": "2", "hs_email_optout": True}})
    assert changed.status_code == 200
    assert set(changed.json()["properties"]) == {
        "phone", "hs_email_optout", "createdate", "hs_object_id", "lastmodifieddate",
    }  # fmt: skip
    assert hubspot_read(client, id, "rating", "phone", "hs_email_optout")["properties"].items() >= {
        "rating": "4", "phone": "2", "hs_email_optout": "true",
    }.items()  # fmt: skip
    archived = client.delete(f"{CONTACTS}/{id}")
    assert (archived.status_code, archived.content) == (204, b"")
    assert client.patch(f"{CONTACTS}/{id}", json={"properties": {}}).status_code == 404


def test_clearing_a_property(client: httpx.Client) -> None:
    """1.3: to clear a property send ""."""
    id = hubspot_create(client, firstname="Ada", phone="1")["id"]
    assert client.patch(f"{CONTACTS}/{id}", json={"properties": {"phone": ""}}).json()["properties"]["phone"] == ""
    assert hubspot_read(client, id, "phone", "firstname")["properties"]["phone"] is None


def test_update_by_a_unique_property(client: httpx.Client) -> None:
    """1.3: PATCH …/{id}?idProperty=; a property that is not unique is no key."""
    made = hubspot_create(client, email="ada@example.com", client_reference="K-1")
    for key, name in (("ada@example.com", "email"), ("K-1", "client_reference")):
        answer = client.patch(f"{CONTACTS}/{key}", params={"idProperty": name}, json={"properties": {"city": name}})
        assert answer.json()["id"] == made["id"]
    assert client.patch(f"{CONTACTS}/x", params={"idProperty": "city"}, json={"properties": {}}).status_code == 400


def test_a_taken_address_is_409(client: httpx.Client) -> None:
    """1.3: `Contact already exists. Existing ID: …`, when creating and when updating; an archived one frees it."""
    first = hubspot_create(client, email="ada@example.com")["id"]
    refused = client.post(CONTACTS, json={"properties": {"email": "ADA@example.com"}})
    assert (refused.status_code, refused.json()["category"]) == (409, "CONFLICT")
    assert refused.json()["message"] == f"Contact already exists. Existing ID: {first}"
    other = hubspot_create(client, email="bob@example.com")["id"]
    assert client.patch(f"{CONTACTS}/{other}", json={"properties": {"email": "ada@example.com"}}).status_code == 409
    assert client.patch(f"{CONTACTS}/{other}", json={"properties": {"email": "bob@example.com"}}).status_code == 200
    client.delete(f"{CONTACTS}/{first}")
    assert client.patch(f"{CONTACTS}/{other}", json={"properties": {"email": "ada@example.com"}}).status_code == 200


def test_company_domains_may_repeat(client: httpx.Client) -> None:
    """1.3: company `domain` is not deduplicated by the API."""
    made = [hubspot_create(client, "/crm/v3/objects/companies", name="Acme", domain="acme.com")["id"] for _ in range(2)]
    assert made[0] != made[1]


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"foo": "1"}, "PROPERTY_DOESNT_EXIST"),
        ({"email": "nonsense"}, "INVALID_EMAIL"),
        ({"lifecyclestage": "asleep"}, "INVALID_OPTION"),
        ({"rating": "many"}, "INVALID_NUMBER"),
        ({"hs_object_id": "1"}, "READ_ONLY"),
    ],
)
def test_invalid_properties_are_400(client: httpx.Client, properties: dict[str, str], code: str) -> None:
    """1.6: the message holds the list as JSON; `errors` beside it; nothing is written."""
    before = client.post(f"{CONTACTS}/search", json={}).json()["total"]
    refused = client.post(CONTACTS, json={"properties": {"firstname": "Ada"} | properties})
    assert (refused.status_code, refused.json()["category"]) == (400, "VALIDATION_ERROR")
    assert refused.json()["message"].startswith('Property values were not valid: [{"isValid":false,')
    assert [error["code"] for error in refused.json()["errors"]] == [code]
    assert client.post(f"{CONTACTS}/search", json={}).json()["total"] == before


@pytest.mark.parametrize(
    ("given", "put_down"),
    [("2026-09-30", "2026-09-30T00:00:00Z"), ("1790726400000", "2026-09-30T00:00:00Z"),
     ("2026-09-30T02:00:00+02:00", "2026-09-30T00:00:00Z"), ("2026-09-30T00:00:00.120Z", "2026-09-30T00:00:00.120Z")],
)  # fmt: skip
def test_times_are_put_down_one_way(client: httpx.Client, given: str, put_down: str) -> None:
    made = hubspot_create(client, DEALS, dealname="Elm St", closedate=given)
    assert made["properties"]["closedate"] == put_down


def test_bodies_that_are_no_objects_are_400(client: httpx.Client) -> None:
    for path in (CONTACTS, f"{CONTACTS}/search", f"{CONTACTS}/batch/create"):
        assert client.post(path, content=b"{").status_code == 400
        assert client.post(path, json=[]).status_code == 400
    assert client.post(CONTACTS, json={}).status_code == 400
    assert client.post("/crm/v4/associations/deals/contacts/batch/create", json={"inputs": [{}]}).status_code == 400


def test_one_conflict_fails_a_batch_without_traces(client: httpx.Client) -> None:
    """1.3: 409 `Contact already exists` for the whole; with a trace id for each input 207."""
    first = hubspot_create(client, email="ada@example.com")["id"]
    inputs = [{"properties": {"email": email}} for email in ("bob@example.com", "ada@example.com")]
    whole = client.post(f"{CONTACTS}/batch/create", json={"inputs": inputs})
    assert (whole.status_code, whole.json()["message"]) == (409, "Contact already exists")
    assert client.get(f"{CONTACTS}/bob@example.com", params={"idProperty": "email"}).status_code == 404
    half = [inputs[0] | {"objectWriteTraceId": "0"}, inputs[1]]
    assert client.post(f"{CONTACTS}/batch/create", json={"inputs": half}).status_code == 409
    traced = [each | {"objectWriteTraceId": str(place)} for place, each in enumerate(inputs)]
    parts = client.post(f"{CONTACTS}/batch/create", json={"inputs": traced})
    body = parts.json()
    assert (parts.status_code, body["status"], body["numErrors"]) == (207, "COMPLETE", 1)
    assert [result["properties"]["email"] for result in body["results"]] == ["bob@example.com"]
    assert [result["objectWriteTraceId"] for result in body["results"]] == ["0"]
    error = body["errors"][0]
    assert error["message"] == f"Contact already exists. Existing ID: {first}"
    assert error["context"] == {"objectWriteTraceId": ["1"], "existingId": [first]}


def test_an_invalid_row_of_a_batch(client: httpx.Client) -> None:
    """1.6: untraced the whole batch is 400; traced it is that row's error."""
    inputs = [{"properties": {"firstname": "Ada"}}, {"properties": {"foo": "1", "bar": "2"}}]
    whole = client.post(f"{CONTACTS}/batch/create", json={"inputs": inputs})
    assert (whole.status_code, len(whole.json()["errors"])) == (400, 2)
    traced = [each | {"objectWriteTraceId": str(place)} for place, each in enumerate(inputs)]
    parts = client.post(f"{CONTACTS}/batch/create", json={"inputs": traced}).json()
    assert (len(parts["results"]), parts["errors"][0]["category"]) == (1, "VALIDATION_ERROR")


def test_batch_create_without_errors_is_201(client: httpx.Client) -> None:
    answer = client.post(f"{CONTACTS}/batch/create", json={"inputs": [{"properties": {"firstname": "Ada"}}]})
    assert (answer.status_code, "errors" in answer.json()) == (201, False)
    many = {"inputs": [{"properties": {"firstname": "Ada"}}] * 101}
    assert client.post(f"{CONTACTS}/batch/create", json=many).status_code == 400


def test_batch_update(client: httpx.Client) -> None:
    """1.3: an unknown id is 207; repeated ids are 400 and nothing is written."""
    id = hubspot_create(client, firstname="Ada")["id"]
    row = {"id": id, "properties": {"city": "Tacoma"}}
    parts = client.post(f"{CONTACTS}/batch/update", json={"inputs": [row, {"id": "17", "properties": {}}]})
    assert (parts.status_code, parts.json()["errors"][0]["context"]) == (207, {"ids": ["17"]})
    assert parts.json()["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    assert client.post(f"{CONTACTS}/batch/update", json={"inputs": [row]}).status_code == 200
    twice = client.post(f"{CONTACTS}/batch/update", json={"inputs": [row, row | {"properties": {"city": "X"}}]})
    assert (twice.status_code, twice.json()["category"]) == (400, "VALIDATION_ERROR")
    assert twice.json()["message"].startswith("Duplicate IDs found in batch input")
    assert hubspot_read(client, id, "city")["properties"]["city"] == "Tacoma"


def test_batch_upsert(client: httpx.Client) -> None:
    """1.3: 200, each result says `new`; by any unique property; 207 with an outcome for each traced row."""
    id = hubspot_create(client, email="ada@example.com")["id"]
    rows = [
        {"id": "ada@example.com", "idProperty": "email", "properties": {"client_reference": "K-1"}},
        {"id": "K-2", "idProperty": "client_reference", "properties": {"firstname": "Bob"}},
    ]
    done = client.post(f"{CONTACTS}/batch/upsert", json={"inputs": rows})
    assert done.status_code == 200
    assert [(each["id"] == id, each["new"]) for each in done.json()["results"]] == [(True, False), (False, True)]
    bob = done.json()["results"][1]
    assert bob["properties"]["client_reference"] == "K-2"
    again = client.post(f"{CONTACTS}/batch/upsert", json={"inputs": rows[1:]}).json()
    assert [(each["id"], each["new"]) for each in again["results"]] == [(bob["id"], False)]
    taken = rows[1] | {"properties": {"email": "ada@example.com"}, "objectWriteTraceId": "b"}
    fine = rows[0] | {"objectWriteTraceId": "a"}
    parts = client.post(f"{CONTACTS}/batch/upsert", json={"inputs": [taken, fine]})
    assert (parts.status_code, len(parts.json()["results"])) == (207, 1)
    assert parts.json()["errors"][0]["context"]["objectWriteTraceId"] == ["b"]


def test_batch_archive_is_204(client: httpx.Client) -> None:
    id = hubspot_create(client, firstname="Ada")["id"]
    answer = client.post(f"{CONTACTS}/batch/archive", json={"inputs": [{"id": id}, {"id": "17"}]})
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get(f"{CONTACTS}/{id}").status_code == 404


def test_no_two_contacts_have_one_address(sandbox: Sandbox, client: httpx.Client) -> None:
    """HubSpot keeps addresses apart, from the start and when a user copies a contact."""
    crm = sandbox.crm("hubspot")
    records = crm.store.select("contacts")
    emails = [record.body["email"] for record in records if record.body["email"]]
    assert len(emails) == len(set(emails)) > 20
    crm.new("contacts", crm.new_id("contacts"), dict(records[0].body))
    again = [record.body["email"] for record in crm.store.select("contacts") if record.body["email"]]
    assert len(again) == len(set(again))
    assert client.get(CONTACTS).status_code == 200


def test_custom_properties(client: httpx.Client) -> None:
    """1.3: at most ten unique ones of an object type."""
    body = {"label": "X", "type": "string", "fieldType": "text", "groupName": "g", "hasUniqueValue": True}
    made = [client.post("/crm/v3/properties/contacts", json=body | {"name": f"key_{n}"}) for n in range(10)]
    assert [answer.status_code for answer in made] == [201] * 9 + [400]
    hubspot_create(client, key_0="1")
    assert client.post(CONTACTS, json={"properties": {"key_0": "1"}}).status_code == 409
    assert client.post("/crm/v3/properties/contacts", json=body | {"name": "key_0"}).status_code == 409
