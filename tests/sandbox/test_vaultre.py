"""VaultRE, line by line: fact sheet mri_vault 3.1 to 3.6; properties and deals in test_vaultre_properties."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "vaultre", 200

BASE = "http://sandbox/vaultre/api/v1.3"
KEYS = {"X-Api-Key": "vaultre-sandbox-key", "Authorization": "Bearer vaultre-sandbox-token"}


def everything(client: httpx.Client, url: str) -> list[dict[str, Any]]:
    items, following = list[dict[str, Any]](), url
    while following:
        page = client.get(following).json()
        items += page["items"]
        following = page["urls"]["next"]
    return items


@pytest.mark.parametrize(
    ("changed", "status"),
    [({"X-Api-Key": "no"}, 403), ({"Authorization": "Bearer no"}, 401), ({"X-Api-Key": "", "Authorization": ""}, 403)],
)
def test_two_credentials(client: httpx.Client, changed: dict[str, str], status: int) -> None:
    """3.1: missing or bad key 403, missing or bad bearer 401; 3.6: {success: false, msg, code}."""
    refused = client.get("contacts", headers=changed)
    assert (refused.status_code, set(refused.json())) == (status, {"success", "msg", "code"})
    assert refused.json()["success"] is False


def test_scopes(client: httpx.Client) -> None:
    """3.1: GET /scopes -> array of strings."""
    assert all(isinstance(scope, str) for scope in client.get("scopes").json())


def test_the_envelope(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.2: items, totalItems, totalPages, urls; 50 a page; next is an absolute URL and ends empty."""
    total = sandbox.crm("vaultre").store.count("contacts")
    first = client.get("contacts").json()
    assert set(first) == {"items", "totalItems", "totalPages", "urls"}
    assert (len(first["items"]), first["totalItems"], first["totalPages"]) == (50, total, -(-total // 50))
    assert first["urls"]["next"].startswith(f"{BASE}/contacts?")
    assert first["urls"]["previous"] is None
    assert len({contact["id"] for contact in everything(client, "contacts?pagesize=30")}) == total
    last = client.get("contacts", params={"page": first["totalPages"]}).json()
    assert (last["urls"]["next"], len(last["items"])) == (None, total % 50)
    assert client.get("contacts", params={"pagesize": 5000}).json()["urls"]["next"]
    assert client.get("contacts?page=0").status_code == 400


def test_a_page_keeps_its_filters_in_the_next_url(client: httpx.Client) -> None:
    since = "2025-01-01T00:00:00+00:00"
    page = client.get("contacts", params={"modifiedSince": since, "pagesize": 5}).json()
    following = client.get(page["urls"]["next"]).json()
    assert following["totalItems"] == page["totalItems"]
    assert not {c["id"] for c in page["items"]} & {c["id"] for c in following["items"]}


def test_the_fields_of_a_contact(client: httpx.Client) -> None:
    """3.4: the shape; the single form adds accessBy and sourceOfEnquiry; datetimes end in +00:00."""
    contact = next(c for c in everything(client, "contacts") if c["phoneNumbers"] and c["address"])
    assert set(contact) == {
        *("id", "title", "firstName", "lastName", "greeting", "displayName", "partnerTitle", "partnerFirstName"),
        *("partnerLastName", "company", "position", "address", "postalAddress", "onDoNotCallList", "archived"),
        *("inserted", "modified", "touched", "remoteId", "unsubscribe", "entityType", "emails", "phoneNumbers"),
        *("legalDescription", "abn", "acn", "marketingUsers", "smsUnsubscribeUrl", "customUnsubscribe"),
    }
    assert set(contact["phoneNumbers"][0]) == {"number", "typeCode", "type", "comment"}
    assert {"id", "name", "postcode", "state", "nzDistrict", "isPoBox"} == set(contact["address"]["suburb"])
    assert contact["modified"].endswith("+00:00")
    single = client.get(f"contacts/{contact['id']}").json()
    assert set(single) - set(contact) == {"accessBy", "sourceOfEnquiry"}


def test_modified_since(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.2: modifiedSince and modifiedBefore; whether the moment itself counts is UNVERIFIED, hence a switch."""
    contacts = everything(client, "contacts")
    middle = sorted(contact["modified"] for contact in contacts)[len(contacts) // 2]
    newer = client.get("contacts", params={"modifiedSince": middle, "pagesize": 100}).json()["items"]
    assert {c["id"] for c in newer} == {c["id"] for c in contacts if c["modified"] >= middle}
    older = client.get("contacts", params={"modifiedBefore": middle, "pagesize": 100}).json()["items"]
    assert {c["id"] for c in older} == {c["id"] for c in contacts if c["modified"] < middle}
    sandbox.crm("vaultre").switches["modified_since_inclusive"] = False
    assert client.get("contacts", params={"modifiedSince": middle}).json()["totalItems"] < len(newer)
    assert client.get("contacts", params={"modifiedSince": "soon"}).status_code == 400
    # a plus sign that is not encoded is a space
    assert client.get(f"contacts?modifiedSince={middle}").status_code == 400


def test_sort_and_arrays(client: httpx.Client) -> None:
    """3.2: sort, sortOrder; arrays are joined by commas."""
    found = client.get("contacts", params={"sort": "modified", "sortOrder": "desc"}).json()["items"]
    assert [c["modified"] for c in found] == sorted((c["modified"] for c in found), reverse=True)
    assert client.get("contacts?sort=shoe").status_code == 400
    users = [user["id"] for user in client.get("account/users").json()["items"]][:2]
    ours = everything(client, f"contacts?marketingUser={users[0]},{users[1]}")
    assert {c["marketingUsers"][0]["id"] for c in ours} == set(users)
    archived = everything(client, "contacts?archived=true")
    assert archived
    assert all(contact["archived"] for contact in archived)


def test_search_is_exact(client: httpx.Client) -> None:
    """3.2: /search/contacts/email and /phone are exact; the shape of a result is another one (spec)."""
    ada = {
        "firstName": "Ada",
        "emails": ["ada@example.com"],
        "phoneNumbers": [{"number": "0400 000 111", "typeCode": "M"}],
    }
    id = client.post("contacts", json=ada).json()["id"]
    found = client.get("search/contacts/email", params={"term": "ADA@example.com"}).json()
    assert [result["id"] for result in found["items"]] == [id]
    assert {"name", "editableBy"} <= set(found["items"][0])
    assert "address" not in found["items"][0]
    assert client.get("search/contacts/email", params={"term": "ada@example"}).json()["items"] == []
    assert client.get("search/contacts/phone", params={"term": "0400000111"}).json()["totalItems"] == 1
    assert client.get("search/contacts/phone", params={"term": "0400"}).json()["totalItems"] == 0
    assert id in [result["id"] for result in client.get("search/contacts/name?term=Ada").json()["items"]]
    assert client.get("search/contacts/email").status_code == 400


def test_an_address_is_written_with_a_suburbs_id(client: httpx.Client) -> None:
    """3.5: suburb:{id} only, from GET /suburbs or GET /suggest/suburb."""
    place = client.get("suggest/suburb", params={"term": "Reno"}).json()["items"][0]
    assert place in client.get("suburbs").json()["items"]
    assert client.get("suggest/suburb", params={"term": place["postcode"]}).json()["items"] == [place]
    assert client.get("suggest/suburb").status_code == 400
    address = {"streetNumber": "7", "street": "Banksia Ave", "suburb": {"id": place["id"]}}
    made = client.post("contacts", json={"lastName": "Tan", "address": address})
    assert made.status_code == 201
    assert made.json()["address"]["suburb"] == place
    for wrong in ({"name": "Reno"}, {"id": 1}, {}):
        assert (
            client.post("contacts", json={"lastName": "T", "address": address | {"suburb": wrong}}).status_code == 400
        )


def test_writes_of_contacts(client: httpx.Client) -> None:
    """3.5: POST 201, PUT 200, DELETE 204; emails is a list of texts; remoteId is not in the write schema."""
    sent = {"firstName": " Mei ", "emails": [" mei@example.com "], "remoteId": "ours-7", "shoe": 9}
    contact = client.post("contacts", json=sent).json()
    assert (contact["firstName"], contact["displayName"]) == ("Mei", "Mei")
    assert (contact["emails"], contact["remoteId"], "shoe" in contact) == (["mei@example.com"], None, False)
    phones = [{"number": "0400  000 111", "typeCode": "M"}]
    changed = client.put(f"contacts/{contact['id']}", json={"phoneNumbers": phones, "lastName": "Tan"})
    assert changed.status_code == 200
    assert changed.json()["phoneNumbers"] == [
        {"number": "0400 000 111", "typeCode": "M", "type": "Mobile", "comment": None}
    ]
    assert (changed.json()["firstName"], changed.json()["displayName"]) == ("Mei", "Mei Tan")
    assert client.delete(f"contacts/{contact['id']}").status_code == 204
    assert client.get(f"contacts/{contact['id']}").status_code == 404


def test_put_may_replace(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.5: whether PUT is partial or full is UNVERIFIED."""
    contact = client.post("contacts", json={"firstName": "Mei", "lastName": "Tan", "emails": ["m@e.com"]}).json()
    sandbox.crm("vaultre").switches["put_replaces"] = True
    replaced = client.put(f"contacts/{contact['id']}", json={"lastName": "Tan"}).json()
    assert (replaced["firstName"], replaced["emails"], replaced["lastName"]) == (None, [], "Tan")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"firstName": 7},
        {"firstName": "A", "emails": ["nonsense"]},
        {"firstName": "A", "emails": "a@b.c"},
        {"firstName": "A", "phoneNumbers": [{"number": "1"}]},
        {"firstName": "A", "phoneNumbers": [{"number": "1", "typeCode": "X"}]},
        {"firstName": "A", "marketingUsers": [{"id": 9}]},
        {"firstName": "A", "entityType": {"id": 9}},
    ],
)
def test_what_cannot_be_is_400(sandbox: Sandbox, client: httpx.Client, body: dict[str, object]) -> None:
    before = sandbox.crm("vaultre").store.count("contacts")
    refused = client.post("contacts", json=body)
    assert (refused.status_code, refused.json()["success"]) == (400, False)
    assert sandbox.crm("vaultre").store.count("contacts") == before


def test_a_merge_is_accepted_and_done_later(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.5: 202 {requestid, message}; 3.3: GET /contacts/{id}/merged, and 404 for the one that is gone."""
    one, two = (client.post("contacts", json={"emails": [f"{name}@e.com"]}).json()["id"] for name in "ab")
    accepted = client.post("contacts/merge", json={"primaryContactId": one, "duplicateContactId": two})
    assert (accepted.status_code, set(accepted.json())) == (202, {"requestid", "message"})
    assert client.get(f"contacts/{two}").status_code == 200
    assert client.get(f"contacts/{one}/merged").json()["items"] == []
    sandbox.crm("vaultre").clock.advance(6)
    assert client.get(f"contacts/{two}").status_code == 404
    assert client.get(f"contacts/{one}/merged").json()["items"] == [{"id": two}]
    assert client.get(f"contacts/{one}").json()["emails"] == ["a@e.com", "b@e.com"]


def test_the_event_stream(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.3: {items: [{id, timestamp, type, action, data}], urls: {next}}; 30 days; the only word of a deletion."""
    assert client.get("eventStream").json() == {"items": [], "urls": {"next": None}}
    ids = [client.post("contacts", json={"lastName": "X"}).json()["id"] for _ in range(101)]
    client.delete(f"contacts/{ids[0]}")
    events = everything(client, "eventStream")
    assert [event["action"] for event in events] == ["create"] * 101 + ["delete"]
    assert events[-1]["data"] == {"id": ids[0]}
    assert set(events[0]) == {"id", "timestamp", "type", "action", "data"}
    assert client.get("eventStream", params={"eventsSince": "soon"}).status_code == 400
    sandbox.crm("vaultre").clock.advance(31 * 86_400)
    assert client.get("eventStream").json()["items"] == []


def test_users(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.2: /account/users."""
    users = everything(client, "account/users?pagesize=3")
    assert len(users) == sandbox.crm("vaultre").store.count("users")
    assert {"id", "firstName", "lastName", "email", "phoneNumbers", "position"} <= set(users[0])
    assert client.get(f"account/users/{users[0]['id']}").json() == users[0]


@pytest.mark.usefixtures("windows_stand_still")
def test_ten_calls_a_second(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.6: 10 requests a second and 10,000 a day; 429; no rate headers."""
    crm = sandbox.crm("vaultre")
    assert [(limit.requests, limit.seconds) for limit in crm.limits] == [(10, 1.0), (10_000, 86_400.0)]
    crm.is_limited = True
    answers = [client.get("scopes") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert "retry-after" not in answers[-1].headers
