"""Writes to Follow Up Boss and its limits, line by line: fact sheet 4.3, 4.4, 4.6."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sandbox.crms.follow_up_boss import Emulator, schema
from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "follow_up_boss", 40

SYSTEM = {"X-System": Emulator.system, "X-System-Key": Emulator.system_key}
ADA = {"firstName": "Ada", "lastName": "Okoro", "emails": [{"value": "ada@example.com"}]}


def test_people_are_made_changed_and_read(client: httpx.Client) -> None:
    """4.3: create 201, update 200, body = the GET shape; PUT is partial."""
    made = client.post("people", json=ADA | {"phones": [{"value": "253 201-4567"}], "stage": "Nurture"})
    assert made.status_code == 201
    person = made.json()
    assert person == client.get(f"people/{person['id']}").json()
    assert (person["name"], person["stageId"]) == ("Ada Okoro", schema.STAGE_IDS["Nurture"])
    assert person["phones"][0]["normalized"] == "2532014567"
    changed = client.put(f"people/{person['id']}", json={"lastName": "Eze"})
    assert changed.status_code == 200
    assert changed.json() == person | {"lastName": "Eze", "name": "Ada Eze", "updated": changed.json()["updated"]}


def test_lists_of_a_person_are_replaced(client: httpx.Client) -> None:
    """4.3: tags, emails, phones replace; ?mergeTags=true adds."""
    given = {
        "tags": ["a", "b"],
        "emails": [{"value": "1@x.com"}, {"value": "2@x.com"}],
        "phones": [{"value": "2532014567"}],
    }
    id = client.post("people", json={"name": "Ada Okoro"} | given).json()["id"]
    after = client.put(f"people/{id}", json={"tags": ["c"], "emails": [{"value": "3@x.com"}], "phones": []}).json()
    assert (after["tags"], after["phones"]) == (["c"], [])
    assert [row["value"] for row in after["emails"]] == ["3@x.com"]
    merged = client.put(f"people/{id}", params={"mergeTags": "true"}, json={"tags": ["d", "c"]}).json()
    assert merged["tags"] == ["c", "d"]


def test_custom_fields_are_written_and_cleared(client: httpx.Client) -> None:
    """4.3: custom field null clears."""
    id = client.post("people", json=ADA | {"customCompany": "Acme"}).json()["id"]
    read = {"fields": "customCompany"}
    assert client.get(f"people/{id}", params=read).json() == {"id": id, "customCompany": "Acme"}
    client.put(f"people/{id}", json={"customCompany": None})
    assert client.get(f"people/{id}", params=read).json()["customCompany"] is None


def test_the_source_cannot_be_changed(client: httpx.Client) -> None:
    """4.3: `source` cannot be changed later."""
    id = client.post("people", json=ADA | {"source": "Zillow"}).json()["id"]
    assert client.put(f"people/{id}", json={"source": "Referral"}).json()["source"] == "Zillow"


def test_unknown_fields_are_refused_with_this_text(client: httpx.Client) -> None:
    """4.3: 400 {"errorMessage":"Invalid fields in the request body: x."}; nothing is written."""
    total = client.get("people").json()["_metadata"]["total"]
    refused = client.post("people", json=ADA | {"shoeSize": 9})
    assert refused.status_code == 400
    assert refused.json() == {"errorMessage": "Invalid fields in the request body: shoeSize."}
    assert client.get("people").json()["_metadata"]["total"] == total


@pytest.mark.parametrize(
    "body",
    [
        {"firstName": 7},
        {"name": "A", "stage": "Limbo"},
        {"name": "A", "stageId": 4711},
        {"name": "A", "emails": ["a@b.c"]},
        {"name": "A", "emails": [{"value": 1}]},
        {"name": "A", "tags": "vip"},
        {"name": "A", "assignedUserId": 4711},
        {"name": "A", "assignedTo": "Nobody"},
        {"tags": ["vip"]},
        [],
    ],
)
def test_wrong_people_are_refused(client: httpx.Client, body: Any) -> None:
    refused = client.post("people", json=body)
    assert (refused.status_code, list(refused.json())) == (400, ["errorMessage"])


def test_twins(client: httpx.Client) -> None:
    """4.3: POST /people makes a duplicate; deduplicate=true -> 200 with the existing one, unchanged."""
    first = client.post("people", json=ADA).json()
    second = client.post("people", json=ADA)
    assert (second.status_code, second.json()["id"] != first["id"]) == (201, True)
    again = client.post("people", params={"deduplicate": "true"}, json=ADA | {"lastName": "Changed"})
    assert (again.status_code, again.json()) == (200, first)
    by_phone = {"name": "B", "phones": [{"value": "(253) 201-0001"}]}
    third = client.post("people", params={"deduplicate": "true"}, json=by_phone)
    assert third.status_code == 201
    found = client.get("people/checkDuplicate", params={"phone": "2532010001"}).json()["people"]
    assert [person["id"] for person in found] == [third.json()["id"]]
    assert client.get("people/checkDuplicate", params={"email": "nobody@example.com"}).json()["people"] == []
    assert client.get("people/checkDuplicate").status_code == 400


def test_a_person_just_made_is_seen_a_moment_later(sandbox: Sandbox, client: httpx.Client) -> None:
    """4.3: a just-made person may take a moment before other endpoints see it."""
    crm = sandbox.crm("follow_up_boss")
    crm.switches["visible_after"] = 5
    id = client.post("people", json=ADA).json()["id"]
    deal = {"name": "D", "stageId": 11, "peopleIds": [id]}
    assert client.get("people", params={"email": "ada@example.com"}).json()["people"] == []
    assert client.post("deals", json=deal).status_code == 400
    assert client.post("people", params={"deduplicate": "true"}, json=ADA).status_code == 201
    crm.clock.advance(6)
    assert id in [p["id"] for p in client.get("people", params={"email": "ada@example.com"}).json()["people"]]
    assert client.post("deals", json=deal).status_code == 201


def test_events_make_people(client: httpx.Client) -> None:
    """4.3: 201 new person, 200 existing updated; body = the person; dedupe by person.id, else email, else phone."""
    lead = {"source": "Zillow", "system": "S", "type": "Inquiry", "person": ADA | {"phones": [{"value": "2532014567"}]}}
    made = client.post("events", json=lead | {"property": {"street": "12 High St", "price": 350000}})
    assert (made.status_code, made.json()["source"]) == (201, "Zillow")
    id = made.json()["id"]
    for person in ({"id": id}, {"emails": [{"value": "ADA@example.com"}]}, {"phones": [{"value": "+12532014567"}]}):
        known = client.post("events", json={"type": "Inquiry", "person": person | {"tags": ["seen"]}})
        assert (known.status_code, known.json()["id"], known.json()["tags"]) == (200, id, ["seen"])
    kinds = [event["type"] for event in client.get("events", params={"personId": id}).json()["events"]]
    assert kinds == ["Property Inquiry", "General Inquiry", "General Inquiry", "General Inquiry"]


def test_events_that_make_nobody(sandbox: Sandbox, client: httpx.Client) -> None:
    """4.3: 204 lead flow archived the source, 404 person.id unknown; `type` is one of 14."""
    sandbox.crm("follow_up_boss").switches["archived_sources"] = ["Spam"]
    total = client.get("people").json()["_metadata"]["total"]
    ignored = client.post("events", json={"source": "Spam", "type": "Registration", "person": ADA})
    assert (ignored.status_code, ignored.content) == (204, b"")
    assert client.post("events", json={"type": "Inquiry", "person": {"id": 4711}}).status_code == 404
    assert client.post("events", json={"type": "Party", "person": ADA}).status_code == 400
    assert client.post("events", json={"type": "Inquiry"}).status_code == 400
    assert client.get("people").json()["_metadata"]["total"] == total
    assert len(schema.EVENT_TYPES) == 14


def test_deals_are_written(client: httpx.Client) -> None:
    """4.3: name + stageId required; pipeline follows from the stage; peopleIds and userIds are written."""
    people = [p["id"] for p in client.get("people").json()["people"][:2]]
    given = {"name": "12 High St", "stageId": 24, "peopleIds": people, "userIds": [1], "price": 350000}
    made = client.post("deals", json=given | {"projectedCloseDate": "2026-09-30", "commissionValue": 10500})
    assert made.status_code == 201
    deal = made.json()
    assert (deal["pipelineId"], deal["pipelineName"], deal["stageName"]) == (2, "Sellers", "Offer")
    assert ([p["id"] for p in deal["people"]], deal["projectedCloseDate"]) == (people, "2026-09-30T00:00:00Z")
    changed = client.put(f"deals/{deal['id']}", json={"stageId": 11, "peopleIds": people[:1]}).json()
    assert (changed["pipelineName"], [p["id"] for p in changed["people"]]) == ("Buyers", people[:1])
    assert changed["price"] == 350000


@pytest.mark.parametrize("field", ["personId", "contactId", "pipelineId", "custom_fields"])
def test_deals_refuse_what_they_do_not_know(client: httpx.Client, field: str) -> None:
    """4.3: singular personId/contactId is rejected; commission fields must be top-level."""
    refused = client.post("deals", json={"name": "D", "stageId": 11, field: 1})
    assert refused.json() == {"errorMessage": f"Invalid fields in the request body: {field}."}


@pytest.mark.parametrize(
    "body",
    [{"name": "D"}, {"stageId": 11}, {"name": "D", "stageId": 4711}, {"name": "D", "stageId": 11, "peopleIds": [4711]},
     {"name": "D", "stageId": 11, "price": "much"}, {"name": "D", "stageId": 11, "projectedCloseDate": "soon"}],
)  # fmt: skip
def test_wrong_deals_are_refused(client: httpx.Client, body: dict[str, Any]) -> None:
    assert client.post("deals", json=body).status_code == 400


@pytest.mark.parametrize("path", ["people/4711", "deals/4711", "users/4711", "stages/4711", "events/4711", "nothing"])
def test_404(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.usefixtures("windows_stand_still")
@pytest.mark.parametrize(("headers", "calls", "events"), [(SYSTEM, 250, 20), ({"X-System-Key": "no"}, 125, 10)])
def test_limits(sandbox: Sandbox, client: httpx.Client, headers: dict[str, str], calls: int, events: int) -> None:
    """4.4: sliding 10 s; with key global 250, GET events 20; without 125 and 10; 429 carries Retry-After in seconds."""
    client.headers.update(headers | {"X-System": headers.get("X-System", "")})
    sandbox.crm("follow_up_boss").is_limited = True
    for left in range(events - 1, -1, -1):
        shown = client.get("events").headers
        assert (shown["X-RateLimit-Context"], shown["X-RateLimit-Remaining"]) == ("GET.events", str(left))
    refused = client.get("events")
    assert (refused.status_code, list(refused.json())) == (429, ["errorMessage"])
    assert 1 <= int(refused.headers["Retry-After"]) <= 10
    statuses = [client.get("me").status_code for _ in range(calls - events + 1)]
    assert statuses == [200] * (calls - events) + [429]
    shown = client.get("me").headers
    assert (shown["X-RateLimit-Limit"], shown["X-RateLimit-Window"]) == (str(calls), "10")
    assert shown["X-RateLimit-Context"] == "global"


@pytest.mark.usefixtures("windows_stand_still")
def test_the_limit_of_people_and_of_events(sandbox: Sandbox, client: httpx.Client) -> None:
    """4.4: with the key PUT people 25, POST events unlimited."""
    sandbox.crm("follow_up_boss").is_limited = True
    id = client.get("people").json()["people"][0]["id"]
    answers = [client.put(f"people/{id}", json={}) for _ in range(26)]
    assert [answer.status_code for answer in answers] == [200] * 25 + [429]
    assert answers[-1].headers["X-RateLimit-Context"] == "PUT.people"
    lead = {"type": "Registration", "person": {"id": id}}
    assert {client.post("events", json=lead).status_code for _ in range(300)} == {200}


@given(st.dictionaries(st.sampled_from(["firstName", "lastName", "sourceUrl"]), st.text(max_size=20), min_size=1))
@settings(max_examples=60, deadline=None)
def test_putting_down_again_changes_nothing(lasting: httpx.Client, body: dict[str, str]) -> None:
    """What is answered to a write is a write that leaves it as it is (the ground of law L4)."""
    person = f"people/{lasting.get('people', params={'limit': 1}).json()['people'][0]['id']}"
    first = lasting.put(person, json=body).json()
    second = lasting.put(person, json={name: first[name] for name in body}).json()
    assert {name: second[name] for name in body} == {name: first[name] for name in body}
