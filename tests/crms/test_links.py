"""Relations that a CRM keeps beside its records: read by the batch, from whichever side they were made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

Office = Any  # see conftest.py


@pytest.fixture(scope="module")
def office(open_office: Callable[..., Office]) -> Office:
    made = open_office("hubspot", size=60)
    made.read("hubspot")
    return made


@pytest.fixture(scope="module")
def client(office: Office) -> httpx.Client:
    """What another program of the CRM's users does."""
    given = office.sandbox.environment("hubspot")
    bearer = {"Authorization": f"Bearer {given['HUBSPOT_ACCESS_TOKEN']}"}
    return httpx.Client(base_url=given["HUBSPOT_API_BASE_URL"], headers=bearer, trust_env=False)


def linked(client: httpx.Client, deal: str) -> set[str]:
    found = client.get(f"/crm/v4/objects/deals/{deal}/associations/contacts").raise_for_status().json()["results"]
    return {f"hubspot:{one['toObjectId']}" for one in found}


def people(office: Office, deal: str) -> set[str]:
    return set(office.staged("hubspot", "deals")[deal]["contact_ids"] or [])


def test_the_first_read_has_them(office: Office, client: httpx.Client) -> None:
    deals = office.staged("hubspot", "deals")
    assert any(row["contact_ids"] for row in deals.values())
    assert {id: people(office, id) for id in deals} == {id: linked(client, id) for id in deals}


def test_one_that_is_made_at_the_contact_is_seen_although_the_deal_is_not_touched(
    office: Office, client: httpx.Client
) -> None:
    office.advance("hubspot", 3600)
    deal = next(id for id, row in office.staged("hubspot", "deals").items() if row["contact_ids"])
    contact = next(id for id in office.held("hubspot", "contacts") if f"hubspot:{id}" not in people(office, deal))
    before = people(office, deal)
    client.put(f"/crm/v4/objects/contacts/{contact}/associations/default/deals/{deal}").raise_for_status()
    office.forget_calls()
    done = office.read("hubspot")
    assert people(office, deal) == before | {f"hubspot:{contact}"}
    assert done.row("extract", "deals", "hubspot").changed == 1
    asked = [c for c in office.calls("hubspot") if "deals" in c["path"] and "archived" not in c.get("target", "")]
    assert sum(c["count"] for c in asked) <= 3, "one search, one batch of relations, the list of archived deals"


def test_one_that_ends_is_seen_and_then_all_is_quiet(office: Office, client: httpx.Client) -> None:
    deal = next(id for id, row in office.staged("hubspot", "deals").items() if len(row["contact_ids"] or []) == 1)
    (contact,) = people(office, deal)
    client.delete(f"/crm/v4/objects/deals/{deal}/associations/contacts/{contact.partition(':')[2]}").raise_for_status()
    office.read("hubspot")
    assert people(office, deal) == set()
    assert office.read("hubspot").row("extract", "deals", "hubspot").changed == 0
    assert office.read("hubspot", full_refresh=True).row("extract", "deals", "hubspot").changed == 0


@pytest.mark.parametrize("full", [False, True], ids=["the-winner-names-it", "a-full-list-lacks-it"])
def test_a_record_that_was_merged_into_another_is_gone_and_its_deals_follow(
    office: Office, client: httpx.Client, full: bool
) -> None:
    """Reading the loser's id gives the winner, so the id that is asked for counts, not the answer's status."""
    deal = next(id for id, row in office.staged("hubspot", "deals").items() if row["contact_ids"])
    loser = sorted(people(office, deal))[0].partition(":")[2]
    winner = next(id for id in sorted(office.held("hubspot", "contacts")) if id != loser)
    body = {"primaryObjectId": winner, "objectIdToMerge": loser}
    client.post("/crm/v3/objects/contacts/merge", json=body).raise_for_status()
    office.advance("hubspot", 600)
    for _ in range(2 if full else 1):
        office.read("hubspot", full_refresh=full)
    assert office.staged("hubspot", "contacts")[loser]["is_deleted"]
    assert not office.staged("hubspot", "contacts")[winner]["is_deleted"]
    assert people(office, deal) == linked(client, deal)
