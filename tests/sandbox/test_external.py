"""The external CRM, line by line: the external-CRM contract."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from pipelines.sandbox.crms.external import ID, OTHER
from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "external", 400

LIST = "http://sandbox/external/api/records"
ADA = "628123456789@c.us"


def records(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(LIST).raise_for_status().json()["records"]
    return found


def id_of(record: dict[str, Any]) -> str:
    return str(next(record[name] for name in ID if record.get(name)))


def test_the_polled_address_answers_records(client: httpx.Client) -> None:
    """Contract: the polled URL answers {"records": [{...}]}; the key is sent as bearer."""
    assert list(client.get(LIST).json()) == ["records"]
    assert client.get(f"{LIST}?limit=1&since=2099-01-01").json()["records"] == records(client)
    assert client.get(LIST, headers={"Authorization": "Bearer no"}).status_code == 401


def test_ids_are_whatsapp_ids(client: httpx.Client) -> None:
    """Contract: phone or whatsapp_id, the first that is not empty; no two records of one person."""
    found = records(client)
    assert all(re.fullmatch(r"\d{10,15}@c\.us", id_of(record)) for record in found)
    assert len({id_of(record) for record in found}) == len(found)
    assert {"phone", "whatsapp_id"} <= {name for record in found for name in record}
    assert any(record.get("phone") == "" and record["whatsapp_id"] for record in found)


def test_alternatives_are_mixed(client: httpx.Client) -> None:
    """Contract: each fact under one of two names, never both in one record."""
    found = records(client)
    seen = {name for record in found for name in record}
    assert set(OTHER) <= seen
    assert not [record for record in found if any(name in record and OTHER[name] in record for name in OTHER)]
    assert {type(r["ticket_price"]) for r in found if "ticket_price" in r} == {int, str}


def test_events_are_deals(client: httpx.Client) -> None:
    found = [record for record in records(client) if "event_name" in record]
    assert {record.get("status") or record["deal_stage"] for record in found} == {
        *("lead", "contacted", "negotiating", "deal", "lost")
    }
    assert all(record["event_date"].endswith("Z") for record in found)


def test_a_record_for_each_event(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.crm("external").switches["one_record_each"] = False
    for event in ("Expo", "Night", "Expo"):
        client.post(LIST, json={"phone": ADA, "event_name": event})
    assert [one["event_name"] for one in records(client) if id_of(one) == ADA] == ["Expo", "Night"]


def test_the_last_event_counts(client: httpx.Client) -> None:
    for event in ("Expo", "Night"):
        client.post(LIST, json={"phone": ADA, "event_name": event})
    assert [one["event_name"] for one in records(client) if id_of(one) == ADA] == ["Night"]


def test_a_post_takes_a_record(client: httpx.Client) -> None:
    """Contract: POST to the same address, in these names."""
    sent = {"phone": ADA, "name": "Ada", "event_name": "Expo", "ticket_price": 150000, "status": "deal", "shoe": 9}
    made = client.post(LIST, json=sent)
    assert (made.status_code, made.json()["success"]) == (201, True)
    record = {name: value for name, value in sent.items() if name != "shoe"}
    assert made.json()["record"] == record
    assert record in records(client)
    again = client.post(LIST, json={"whatsapp_id": ADA, "event_name": "Expo", "price": 7})
    assert again.status_code == 200
    mine = [one for one in records(client) if id_of(one) == ADA]
    assert len(mine) == 1
    assert (mine[0]["price"], mine[0]["name"], "ticket_price" in mine[0]) == (7, "Ada", False)


def test_a_person_is_one_in_all_records(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.crm("external").switches["one_record_each"] = False
    for event in ("Expo", "Night"):
        client.post(LIST, json={"phone": ADA, "event_name": event, "capacity": 5, "name": "Ada"})
    client.post(LIST, json={"phone": ADA, "contact_name": "Ada Okoro"})
    mine = [one for one in records(client) if id_of(one) == ADA]
    assert [one["contact_name"] for one in mine] == ["Ada Okoro"] * 2
    client.post(LIST, json={"phone": ADA, "event_name": "Night", "capacity": 6, "organization": "Acme"})
    mine = [one for one in records(client) if id_of(one) == ADA]
    assert [(one["capacity"], one["organization"]) for one in mine] == [(5, "Acme"), (6, "Acme")]


def test_posts_may_pile_up(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.crm("external").switches["merge_posts"] = False
    for _ in range(2):
        assert client.post(LIST, json={"phone": ADA, "name": "Ada"}).status_code == 201
    assert [id_of(one) for one in records(client)].count(ADA) == 2


@pytest.mark.parametrize("body", [{"name": "Ada"}, {"phone": ""}, {"phone": ADA, "ticket_price": "a lot"}, []])
def test_what_cannot_be_is_400(client: httpx.Client, body: object) -> None:
    before = len(records(client))
    assert client.post(LIST, json=body).status_code == 400
    assert len(records(client)) == before


def test_what_users_do_meanwhile_keeps_ids_apart(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.crm("external").faults.add("insert", count=1, records=20, seed=1)
    client.get(LIST)
    keys = [(id_of(record), record.get("event_name")) for record in records(client)]
    assert len(set(keys)) == len(keys)
