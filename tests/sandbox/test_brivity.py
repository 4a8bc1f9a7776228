"""Brivity, picture A, line by line: fact sheet 1.1 and 1.6 and the unified-CRM contract."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sandbox.crms.brivity import records
from pipelines.sandbox.inside import HttpxTransport
from pipelines.sandbox.server import Sandbox, app

CRM, PEOPLE = "brivity", 40

CREDENTIALS = {
    "grant_type": "client_credentials",
    "client_id": "brivity-sandbox-client",
    "client_secret": "brivity-sandbox-secret",
}


@pytest.mark.parametrize("encoding", ["json", "data"])
def test_token_by_client_credentials(stranger: httpx.Client, encoding: str) -> None:
    """1.1: POST {base}/auth/oauth/token {grant_type, client_id, client_secret} -> {access_token, expires_in}."""
    granted = stranger.post("auth/oauth/token", **{encoding: CREDENTIALS}).json()  # type: ignore[arg-type]
    assert granted["expires_in"] == 3600
    answer = stranger.get("contacts", headers={"Authorization": f"Bearer {granted['access_token']}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("wrong", [{"client_secret": "no"}, {"client_id": "no"}])
def test_wrong_credentials_are_401(stranger: httpx.Client, wrong: dict[str, str]) -> None:
    assert stranger.post("auth/oauth/token", json=CREDENTIALS | wrong).status_code == 401


def test_without_a_token_it_is_401(stranger: httpx.Client) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}):
        assert stranger.get("contacts", headers=headers).status_code == 401


def test_a_token_ends_after_its_lifetime(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.crm("brivity").clock.advance(3599)
    assert client.get("contacts").status_code == 200
    sandbox.crm("brivity").clock.advance(2)
    assert client.get("contacts").status_code == 401


def test_a_lifetime_that_is_not_said(sandbox: Sandbox, stranger: httpx.Client) -> None:
    """Contract: tokens are kept for their lifetime, one hour where none is said."""
    sandbox.crm("brivity").switches["say_expires_in"] = False
    assert "expires_in" not in stranger.post("auth/oauth/token", json=CREDENTIALS).json()


def test_pages_of_100_and_a_total() -> None:
    """1.6: GET /contacts?limit&offset -> {contacts, total}; page size 100; the last page is shorter."""
    sandbox = app(None, ["brivity"], size=400)
    client = httpx.Client(transport=HttpxTransport(sandbox), base_url="http://sandbox/brivity/v1")
    token = client.post("auth/oauth/token", json=CREDENTIALS).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    total = sandbox.crm("brivity").store.count("contacts")
    pages = [client.get("contacts", params={"limit": 1000, "offset": at}).json() for at in range(0, total, 100)]
    assert [len(page["contacts"]) for page in pages] == [100] * (total // 100) + [total % 100]
    assert {page["total"] for page in pages} == {total}
    assert len({contact["id"] for page in pages for contact in page["contacts"]}) == total
    assert client.get("contacts", params={"offset": total}).json() == {"contacts": [], "total": total}


def test_the_fields_of_a_contact_and_of_a_deal(client: httpx.Client) -> None:
    """1.6 and the contract, in the spelling chosen here."""
    contact = client.get("contacts").json()["contacts"][0]
    assert set(contact) == {"id", *records.CONTACT_FIELDS, "created_at", "updated_at"}
    deal = client.get("deals").json()["deals"][0]
    assert set(deal) == {"id", *records.DEAL_FIELDS, "createdAt", "updatedAt"}
    assert client.get(f"contacts/{deal['contactId']}").json()["id"] == deal["contactId"]


def test_filters(client: httpx.Client) -> None:
    """1.6: status and search on contacts, status and stage on deals."""
    contacts = client.get("contacts").json()["contacts"]
    hot = client.get("contacts", params={"status": "nurture"}).json()
    assert [c["id"] for c in hot["contacts"]] == [c["id"] for c in contacts if c["status"] == "nurture"]
    assert hot["total"] == len(hot["contacts"]) > 0
    wanted = next(c for c in contacts if c["email"] and "@" in c["email"])
    found = client.get("contacts", params={"search": wanted["email"].upper()}).json()["contacts"]
    assert wanted in found
    deals = client.get("deals").json()["deals"]
    won = client.get("deals", params={"status": "won", "stage": "Closed"}).json()["deals"]
    assert [d["id"] for d in won] == [d["id"] for d in deals if d["status"] == "won"]


def test_no_modification_filter_unless_switched_on(sandbox: Sandbox, client: httpx.Client) -> None:
    """No source documents one: by default it is ignored."""
    everything = client.get("contacts").json()["total"]
    since = {"updated_since": "2025-11-01T00:00:00Z"}
    assert client.get("contacts", params=since).json()["total"] == everything
    sandbox.crm("brivity").switches["honour_updated_since"] = True
    filtered = client.get("contacts", params=since).json()
    assert 0 < filtered["total"] < everything
    assert all(c["updated_at"] >= "2025-11-01" for c in filtered["contacts"])
    assert client.get("contacts", params={"updated_since": "soon"}).status_code == 422


def test_a_write_answers_the_whole_record_as_put_down(client: httpx.Client) -> None:
    """1.6: POST and PUT; real CRMs trim, fold and reformat what they are given."""
    sent = {"first_name": " Ada ", "email": "Ada@Example.COM", "phone": "+1 253 201 4567", "shoe_size": 9}
    made = client.post("contacts", json=sent)
    assert made.status_code == 201
    body = made.json()
    assert (body["first_name"], body["email"], body["phone"]) == ("Ada", "ada@example.com", "(253) 201-4567")
    assert "shoe_size" not in body
    assert client.get(f"contacts/{body['id']}").json() == body
    changed = client.put(f"contacts/{body['id']}", json={"company": "Acme"}).json()
    assert changed == body | {"company": "Acme", "updated_at": changed["updated_at"]}
    assert changed["updated_at"] >= body["updated_at"]
    foreign = client.put(f"contacts/{body['id']}", json={"phone": "+44 20 7946 0958"}).json()
    assert foreign["phone"] == "+44 20 7946 0958"


def test_deals_are_written_too(client: httpx.Client) -> None:
    contact = client.get("contacts").json()["contacts"][0]["id"]
    made = client.post("deals", json={"name": "Elm St", "amount": 500000, "contactId": contact}).json()
    changed = client.put(f"deals/{made['id']}", json={"stage": "Offer", "closeDate": "2026-02-01"}).json()
    assert (changed["name"], changed["stage"], changed["amount"]) == ("Elm St", "Offer", 500000)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("contacts", {"last_name": "X", "email": "nonsense"}, "email"),
        ("contacts", {"last_name": "X", "status": "asleep"}, "status"),
        ("contacts", {"last_name": "X" * 256}, "last_name"),
        ("contacts", {"last_name": 7}, "last_name"),
        ("contacts", {"company": "nobody's"}, "base"),
        ("deals", {"amount": 1}, "name"),
        ("deals", {"name": "D", "amount": "a lot"}, "amount"),
        ("deals", {"name": "D", "stage": "Limbo"}, "stage"),
        ("deals", {"name": "D", "contactId": 1}, "contactId"),
        ("deals", {"name": "D", "closeDate": "soon"}, "closeDate"),
    ],
)
def test_422_names_the_field(client: httpx.Client, path: str, body: dict[str, object], field: str) -> None:
    """Contract: 422 with the errors of each field; nothing is written."""
    before = client.get(path).json()["total"]
    refused = client.post(path, json=body)
    assert refused.status_code == 422
    assert list(refused.json()["errors"]) == [field]
    assert client.get(path).json()["total"] == before


def test_bodies_that_are_no_objects_are_400(client: httpx.Client) -> None:
    assert client.post("contacts", content=b"{").status_code == 400
    assert client.post("contacts", json=[]).status_code == 400


def test_404(client: httpx.Client) -> None:
    id = client.get("contacts").json()["contacts"][0]["id"]
    assert client.delete(f"contacts/{id}").status_code == 204
    for answer in (client.get(f"contacts/{id}"), client.put(f"contacts/{id}", json={}), client.get("properties")):
        assert answer.status_code == 404
    assert client.get(f"contacts?search={id}").json()["contacts"] == []


def test_a_record_moves_to_another_page_when_lists_are_newest_first(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.crm("brivity").switches["newest_first"] = True
    last = client.get("contacts").json()["contacts"][-1]
    client.put(f"contacts/{last['id']}", json={"company": "Acme"})
    assert client.get("contacts", params={"limit": 1}).json()["contacts"][0]["id"] == last["id"]


@given(
    st.dictionaries(
        st.sampled_from(["first_name", "last_name", "email", "phone", "company", "notes"]),
        st.none()
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
        | st.from_regex(r"\+?[0-9 ().-]{7,16}"),
        min_size=1,
    )
)
@settings(max_examples=150)
def test_putting_down_again_changes_nothing(client: httpx.Client, body: dict[str, str | None]) -> None:
    """What Brivity answers to a write is a write that Brivity leaves as it is (the ground of law L4)."""
    id = client.get("contacts", params={"limit": 1}).json()["contacts"][0]["id"]
    answer = client.put(f"contacts/{id}", json=body)
    if answer.status_code == 422:
        assert set(answer.json()["errors"]) <= set(body)
        return
    first = answer.json()
    second = client.put(f"contacts/{id}", json={field: first[field] for field in body}).json()
    assert {field: second[field] for field in body} == {field: first[field] for field in body}
