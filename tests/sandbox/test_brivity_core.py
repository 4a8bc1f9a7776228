"""Brivity, pictures B and C, line by line: fact sheet 1.0 to 1.4."""

from __future__ import annotations

import httpx
import pytest

from pipelines.sandbox.inside import HttpxTransport
from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "brivity_core", 200

KEY = {"Authorization": "Token token=brivity-core-sandbox-key"}


def test_one_bare_array(sandbox: Sandbox, client: httpx.Client) -> None:
    """1.2: GET /api/people?limit=5000 returns a bare JSON array."""
    people = client.get("people?limit=5000").json()
    assert len(people) == sandbox.crm("brivity_core").store.count("people") > 100
    assert len({person["id"] for person in people}) == len(people)


def test_28_fields_and_no_timestamps(client: httpx.Client) -> None:
    """1.2: 28 fields, created_at and updated_at confirmed absent."""
    for person in client.get("people?limit=5000").json():
        assert len(person) == 28
        assert not {"created_at", "updated_at"} & set(person)


def test_vocabularies(client: httpx.Client) -> None:
    """1.2: the words seen for status, stage, lead_type and type; deletion shows as a status."""
    people = client.get("people?limit=5000").json()
    status = {person["status"] for person in people}
    assert {"trash", "archived", "brivity-user", "nurture"} <= status
    assert status <= {
        *("new", "hot", "nurture", "watch", "active-client", "prospective-client", "past-client", "inactive"),
        *("unqualified", "archived", "trash", "brivity-user"),
    }
    assert {person["lead_type"] for person in people} <= {"buyer", "seller", "seller/buyer", "tenant", "n/a"}
    assert {person["type"] for person in people} == {"lead", "team"}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": "Token token=wrong"}])
def test_bad_credentials(sandbox: Sandbox, headers: dict[str, str]) -> None:
    """1.4: 401 with the text "Bad Credentials"."""
    with httpx.Client(transport=HttpxTransport(sandbox), base_url="http://sandbox/brivity_core/api") as stranger:
        answer = stranger.get("people", headers=headers)
    assert (answer.status_code, answer.text) == (401, "Bad Credentials")


@pytest.mark.parametrize("path", ["transactions", "deals", "listings", "escrows", "closings", "v2/people", "made_up"])
def test_406_is_the_catch_all(client: httpx.Client, path: str) -> None:
    """1.0: known names and made-up paths all answer an identical 406."""
    assert client.get(path).status_code == 406


def test_a_lead_is_written_in_other_names(client: httpx.Client) -> None:
    """1.2, 1.3: read email_address and phone_number, write email and phone."""
    lead = {
        "first_name": "Ada",
        "last_name": "Okoro",
        "email": "Ada@Example.com",
        "phone": "253 201 0000",
        "city": "Reno",
    }
    made = client.post("v2/leads", json=lead)
    assert made.status_code == 201
    person = next(p for p in client.get("people?limit=5000").json() if p["id"] == made.json()["id"])
    assert (person["email_address"], person["phone_number"], person["city"]) == (
        "ada@example.com",
        "253 201 0000",
        "Reno",
    )
    assert (person["status"], len(person)) == ("new", 28)


def test_a_lead_with_a_known_email_changes_that_person(sandbox: Sandbox, client: httpx.Client) -> None:
    """1.3: one site updates by posting email and description; UNVERIFIED, hence a switch."""
    lead = {"email": "ada@example.com", "description": "first"}
    first = client.post("v2/leads", json=lead).json()
    again = client.post("v2/leads", json=lead | {"description": "second"})
    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    sandbox.crm("brivity_core").switches["match_by_email"] = False
    assert client.post("v2/leads", json=lead).json()["id"] != first["id"]


def test_event_subscriptions(client: httpx.Client) -> None:
    """1.4: event and target_url are required; 201 with the subscription."""
    made = client.post("event_subscriptions", json={"event": "new_lead", "target_url": "https://example.com/hook"})
    assert made.status_code == 201
    assert made.json()["status"] == "created"
    assert {"id", "account_id", "event", "target_url", "created_at", "updated_at"} <= set(
        made.json()["event_subscription"]
    )
    assert client.post("event_subscriptions", json={"event": "new_lead"}).status_code == 422
