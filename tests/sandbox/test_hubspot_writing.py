"""HubSpot's writing side, line by line as the fact sheet has it (1.3, 1.6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from pipelines.sandbox.inside import HttpxTransport
from pipelines.sandbox.server import Sandbox, app

CONTACTS, DEALS = "/crm/v3/objects/contacts", "/crm/v3/objects/deals"


@pytest.fixture(scope="module")
def kept() -> Sandbox:
    return app(None, ["hubspot"], size=60)


@pytest.fixture
def sandbox(kept: Sandbox) -> Sandbox:
    kept.crm("hubspot").reset()
    return kept


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(transport=HttpxTransport(sandbox), base_url="http://sandbox/hubspot") as client:
        token = sandbox.crm("hubspot").environment("")["HUBSPOT_ACCESS_TOKEN"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def create(client: httpx.Client, path: str = CONTACTS, **properties: Any) -> Any:
    return client.post(path, json={"properties": properties}).raise_for_status().json()


def read(client: httpx.Client, id: str, *properties: str) -> Any:
    return client.get(f"{CONTACTS}/{id}", params={"properties": ",".join(properties)}).json()


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
    assert read(client, id, "rating", "phone", "hs_email_optout")["properties"].items() >= {
        "rating": "4", "phone": "2", "hs_email_optout": "true",
    }.items()  # fmt: skip
    archived = client.delete(f"{CONTACTS}/{id}")
    assert (archived.status_code, archived.content) == (204, b"")
    assert client.patch(f"{CONTACTS}/{id}", json={"properties": {}}).status_code == 404


def test_clearing_a_property(client: httpx.Client) -> None:
    """1.3: to clear a property send ""."""
    id = create(client, firstname="Ada", phone="1")["id"]
    assert client.patch(f"{CONTACTS}/{id}", json={"properties": {"phone": ""}}).json()["properties"]["phone"] == ""
    assert read(client, id, "phone", "firstname")["properties"]["phone"] is None


def test_update_by_a_unique_property(client: httpx.Client) -> None:
    """1.3: PATCH …/{id}?idProperty=; a property that is not unique is no key."""
    made = create(client, email="ada@example.com", client_reference="K-1")
    for key, name in (("ada@example.com", "email"), ("K-1", "client_reference")):
        answer = client.patch(f"{CONTACTS}/{key}", params={"idProperty": name}, json={"properties": {"city": name}})
        assert answer.json()["id"] == made["id"]
    assert client.patch(f"{CONTACTS}/x", params={"idProperty": "city"}, json={"properties": {}}).status_code == 400


def test_a_taken_address_is_409(client: httpx.Client) -> None:
    """1.3: `Contact already exists. Existing ID: …`, when creating and when updating; an archived one frees it."""
    first = create(client, email="ada@example.com")["id"]
    refused = client.post(CONTACTS, json={"properties": {"email": "ADA@example.com"}})
    assert (refused.status_code, refused.json()["category"]) == (409, "CONFLICT")
    assert refused.json()["message"] == f"Contact already exists. Existing ID: {first}"
    other = create(client, email="bob@example.com")["id"]
    assert client.patch(f"{CONTACTS}/{other}", json={"properties": {"email": "ada@example.com"}}).status_code == 409
    assert client.patch(f"{CONTACTS}/{other}", json={"properties": {"email": "bob@example.com"}}).status_code == 200
    client.delete(f"{CONTACTS}/{first}")
    assert client.patch(f"{CONTACTS}/{other}", json={"properties": {"email": "ada@example.com"}}).status_code == 200


def test_company_domains_may_repeat(client: httpx.Client) -> None:
    """1.3: company `domain` is not deduplicated by the API."""
    for _ in range(2):
        create(client, "/crm/v3/objects/companies", name="Acme", domain="acme.com")


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
    made = create(client, DEALS, dealname="Elm St", closedate=given)
    assert made["properties"]["closedate"] == put_down


def test_bodies_that_are_no_objects_are_400(client: httpx.Client) -> None:
    for path in (CONTACTS, f"{CONTACTS}/search", f"{CONTACTS}/batch/create"):
        assert client.post(path, content=b"{").status_code == 400
        assert client.post(path, json=[]).status_code == 400
    assert client.post(CONTACTS, json={}).status_code == 400
    assert client.post("/crm/v4/associations/deals/contacts/batch/create", json={"inputs": [{}]}).status_code == 400


def test_one_conflict_fails_a_batch_without_traces(client: httpx.Client) -> None:
    """1.3: 409 `Contact already exists` for the whole; with a trace id for each input 207."""
    first = create(client, email="ada@example.com")["id"]
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
    id = create(client, firstname="Ada")["id"]
    row = {"id": id, "properties": {"city": "Tacoma"}}
    parts = client.post(f"{CONTACTS}/batch/update", json={"inputs": [row, {"id": "17", "properties": {}}]})
    assert (parts.status_code, parts.json()["errors"][0]["context"]) == (207, {"ids": ["17"]})
    assert parts.json()["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    assert client.post(f"{CONTACTS}/batch/update", json={"inputs": [row]}).status_code == 200
    twice = client.post(f"{CONTACTS}/batch/update", json={"inputs": [row, row | {"properties": {"city": "X"}}]})
    assert (twice.status_code, twice.json()["category"]) == (400, "VALIDATION_ERROR")
    assert twice.json()["message"].startswith("Duplicate IDs found in batch input")
    assert read(client, id, "city")["properties"]["city"] == "Tacoma"


def test_batch_upsert(client: httpx.Client) -> None:
    """1.3: 200, each result says `new`; by any unique property; 207 with an outcome for each traced row."""
    id = create(client, email="ada@example.com")["id"]
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
    id = create(client, firstname="Ada")["id"]
    answer = client.post(f"{CONTACTS}/batch/archive", json={"inputs": [{"id": id}, {"id": "17"}]})
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get(f"{CONTACTS}/{id}").status_code == 404


def test_merge(client: httpx.Client) -> None:
    """1.2, 1.3: the loser's id reads as the winner, with the winner's id; its deals are the winner's now."""
    keep, lose = create(client, email="a@example.com")["id"], create(client, email="b@example.com", phone="7")["id"]
    deal = create(client, DEALS, dealname="Elm St")["id"]
    client.put(f"/crm/v4/objects/deals/{deal}/associations/default/contacts/{lose}").raise_for_status()
    merged = client.post(f"{CONTACTS}/merge", json={"primaryObjectId": keep, "objectIdToMerge": lose})
    assert (merged.status_code, merged.json()["id"]) == (200, keep)
    winner = read(client, lose, "phone", "email", "hs_additional_emails", "hs_merged_object_ids")
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
    id = create(client, email="ada@example.com")["id"]
    asked = {"objectId": "ada@example.com", "idProperty": "email"}
    assert client.post(f"{CONTACTS}/gdpr-delete", json=asked).status_code == 204
    gone = client.get(CONTACTS, params={"limit": "100", "archived": "true"}).json()["results"]
    assert id not in {record["id"] for record in gone}
    assert client.get(f"{CONTACTS}/{id}", params={"archived": "true"}).status_code == 404


def test_associations_with_a_create(client: httpx.Client) -> None:
    """1.3: `associations` of a create; type ids deal→contact 3, contact→deal 4; unknown types are 400."""
    contact = create(client, firstname="Ada")["id"]
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
    contact, deal = create(client, firstname="Ada")["id"], create(client, DEALS, dealname="Elm St")["id"]
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
    contact, deal = create(client, firstname="Ada")["id"], create(client, DEALS, dealname="Elm St")["id"]
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
    create(client, key_0="1")
    assert client.post(CONTACTS, json={"properties": {"key_0": "1"}}).status_code == 409
    assert client.post("/crm/v3/properties/contacts", json=body | {"name": "key_0"}).status_code == 409
