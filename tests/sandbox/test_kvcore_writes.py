"""Writes to kvCORE, line by line: fact sheet 4.3 to 4.5."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from emulated import kvcore_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sandbox.crms.kvcore import records
from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "kvcore", 80

JSON = {"Content-Type": "application/json"}


def ids(found: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in found]


def test_writing_and_reading_have_different_names(client: httpx.Client) -> None:
    """4.3, 4.4: POST /contact, PUT /contact/{id} (only sent fields change; returns the full object)."""
    given = {"first_name": " Ada ", "last_name": "Okoro", "email": "Ada@Example.com", "cell_phone_1": "(253) 201-4567"}
    made = client.post("contact", json=given | {"deal_type": "buyer,seller", "email_optin": 1, "hashtags": ["vip"]})
    assert made.status_code == 201
    body = made.json()
    assert (body["firstname"], body["lastname"], body["email"]) == ("Ada", "Okoro", "ada@example.com")
    assert (body["phone"], body["allPhones"], body["leadtype"]) == ("2532014567", ["2532014567"], "buyer,seller")
    assert client.get(f"contact/{body['id']}").json() == body
    changed = client.put(f"contact/{body['id']}", json={"last_name": "Eze", "firstname": "read name"})
    assert changed.json() == body | {"lastname": "Eze"}
    assert client.put(f"contact/{body['id']}", json={"hashtags": ["x"]}).json()["hashtags"] == ["vip"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"first_name": "No Mail"}, "email"),
        ({"email": "nonsense"}, "email"),
        ({"email": "a@b.co", "email_optin": True}, "email_optin"),
        ({"email": "a@b.co", "status": 8}, "status"),
        ({"email": "a@b.co", "rating": 6}, "rating"),
        ({"email": "a@b.co", "deal_type": "landlord"}, "deal_type"),
        ({"email": "a@b.co", "assigned_agent_id": 4711}, "assigned_agent_id"),
    ],
)
def test_422_names_the_field(client: httpx.Client, body: dict[str, Any], field: str) -> None:
    """4.5: {"errors":{"field":["..."]}}. 4.3: booleans go as 1/0, email required on create, rating 0-5."""
    refused = client.post("contact", json=body)
    assert (refused.status_code, list(refused.json()["errors"])) == (422, [field])


def test_duplicates_are_allowed_unless_switched(sandbox: Sandbox, client: httpx.Client) -> None:
    """4.4: duplicates are allowed; one client reports "already received" for an identical repeat (UNVERIFIED)."""
    given = {"email": "ada@example.com", "first_name": "Ada"}
    twins = {client.post("contact", json=given).json()["id"] for _ in range(2)}
    assert len(twins) == 2
    assert set(ids(kvcore_rows(client, query="filter[email]=ada@example.com"))) == twins
    sandbox.crm("kvcore").switches["refuse_repeats"] = True
    assert client.post("contact", json=given | {"last_name": "B"}).status_code == 201
    refused = client.post("contact", json=given | {"last_name": "B"})
    assert refused.status_code == 409
    assert "already received" in refused.text


def test_deletion_leaves_no_trace(client: httpx.Client) -> None:
    """4.2: DELETE /contact/{id} exists; no feed of deletions."""
    id = kvcore_rows(client)[0]["id"]
    assert client.delete(f"contact/{id}").status_code == 204
    assert id not in ids(kvcore_rows(client, query="includeArchived=1"))
    for again in (client.get(f"contact/{id}"), client.put(f"contact/{id}", json={}), client.delete(f"contact/{id}")):
        assert again.status_code == 404


def test_tags_are_added_as_objects(client: httpx.Client) -> None:
    """4.4: PUT /contact/{id}/tags {tags:[{name, locked}]}, additive; plain strings fail validation."""
    id = client.post("contact", json={"email": "a@b.co", "hashtags": ["one"]}).json()["id"]
    client.put(f"contact/{id}/tags", json={"tags": [{"name": "two", "locked": 0}]})
    assert client.get(f"contact/{id}").json()["hashtags"] == ["one", "two"]
    assert client.put(f"contact/{id}/tags", json={"tags": ["three"]}).status_code == 422


def test_a_note_waits_for_its_contact(sandbox: Sandbox, client: httpx.Client) -> None:
    """4.4: a new contact may need up to 30 s before it accepts a note."""
    crm = sandbox.crm("kvcore")
    crm.switches["note_after"] = 30
    id = client.post("contact", json={"email": "a@b.co"}).json()["id"]
    note = {"title": "Call", "details": "Left voicemail", "date": "2026-01-01", "action_owner_user_id": 91}
    assert client.put(f"contact/{id}/action/note", json=note).status_code == 404
    crm.clock.advance(31)
    answered = client.put(f"contact/{id}/action/note", json=note).json()
    assert set(answered) == {"action_id", *note}


def test_transactions(sandbox: Sandbox, client: httpx.Client) -> None:
    """4.3: list, get, create, update, delete and their relations; field names UNVERIFIED."""
    listed = kvcore_rows(client, "transactions")
    assert set(listed[0]) == {"id", *records.TRANSACTION, "user_ids"}
    one = client.get(f"transaction/{listed[0]['id']}").json()
    related = [
        row["contact_id"] for row in kvcore_rows(client, "transaction/contacts") if row["transaction_id"] == one["id"]
    ]
    assert related == one["contact_ids"]
    contact = kvcore_rows(client)[0]["id"]
    made = client.post("transaction", json={"name": "12 High St", "sale_price": 350000, "contact_ids": [contact]})
    assert made.status_code == 201
    path = f"transaction/{made.json()['id']}"
    assert client.put(path, json={"status": "closed"}).json() == made.json() | {"status": "closed"}
    for wrong in ({"status": "won"}, {"contact_ids": [1]}, {"close_date": "soon"}, {"sale_price": "much"}):
        assert client.put(path, json=wrong).status_code == 422
    assert len(kvcore_rows(client, "transactions", "filter[updated_at]=99999999999")) == len(listed) + 1
    sandbox.crm("kvcore").switches["transactions_updated_filter"] = True
    assert kvcore_rows(client, "transactions", "filter[updated_at]=99999999999") == []
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_bodies_that_are_no_objects_are_400(client: httpx.Client) -> None:
    """4.5: {"errors":["..."]}."""
    for refused in (client.post("contact", content=b"{"), client.post("contact", json=[])):
        assert (refused.status_code, list(refused.json())) == (400, ["errors"])


@given(
    st.dictionaries(
        st.sampled_from(["first_name", "last_name", "cell_phone_1", "primary_city", "title"]),
        st.none() | st.text(max_size=20) | st.from_regex(r"\+?[0-9 ().-]{7,16}", fullmatch=True),
        min_size=1,
    )
)
@settings(max_examples=60, deadline=None)
def test_putting_down_again_changes_nothing(lasting: httpx.Client, body: dict[str, str | None]) -> None:
    """What is answered to a write is a write that leaves it as it is (the ground of law L4)."""
    path = f"contact/{kvcore_rows(lasting)[0]['id']}"
    first = lasting.put(path, json=body).json()
    again = {name: first[records.READ_NAMES.get(name, name)] for name in body}
    assert lasting.put(path, json=again).json() == first
