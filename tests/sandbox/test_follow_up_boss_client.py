"""Follow Up Boss as `follow-up-boss` on PyPI sees it, a client whose own tests met the live service."""

from __future__ import annotations

import pytest
from follow_up_boss import (
    Deals,
    Events,
    FollowUpBossApiClient,
    FollowUpBossAuthError,
    FollowUpBossValidationError,
    People,
)

from pipelines.sandbox import SandboxHandle

CRM, PEOPLE = "follow_up_boss", 60


@pytest.fixture
def vendor(running: SandboxHandle) -> FollowUpBossApiClient:
    """The client `follow-up-boss` from PyPI, whose integration tests met the live service."""
    given = running.environment("follow_up_boss")
    return FollowUpBossApiClient(
        given["FOLLOW_UP_BOSS_API_KEY"], given["FOLLOW_UP_BOSS_API_BASE_URL"], given["FOLLOW_UP_BOSS_SYSTEM"],
        given["FOLLOW_UP_BOSS_SYSTEM_KEY"],
    )  # fmt: skip


def test_the_client_reads_searches_and_pages(vendor: FollowUpBossApiClient) -> None:
    people = People(vendor)
    page = people.list_people({"limit": 7})
    seen = list(page["people"])
    while link := page["_metadata"]["nextLink"]:
        page = people.list_people_next(link)
        seen += page["people"]
    assert len({person["id"] for person in seen}) == len(seen) == page["_metadata"]["total"]
    one = next(person for person in seen if person["emails"])
    assert people.find_person_id(email=one["emails"][0]["value"]) in {person["id"] for person in seen}
    assert people.get_person_created_at(one["id"]) is not None


def test_the_client_writes_people(vendor: FollowUpBossApiClient) -> None:
    people = People(vendor)
    made = people.create_person({"name": "Ada Okoro", "tags": ["one"], "emails": [{"value": "client@example.com"}]})
    id = made["id"]
    assert people.add_tags(id, ["two"])["tags"] == ["one", "two"]
    assert people.update_person(id, {"stage": "Nurture"})["stage"] == "Nurture"
    assert people.check_duplicate({"email": "client@example.com"})["people"][0]["id"] == id
    assert people.delete_person(id) == ""
    assert people.retrieve_person(id)["stage"] == "Trash"


def test_the_client_writes_deals_and_events(vendor: FollowUpBossApiClient) -> None:
    deals = Deals(vendor)
    made = deals.create_deal("12 High St", 11, price=450000, close_date="2026-09-30", commissionValue=13500.0)
    assert (made["has_commission"], made["stageName"]) == (True, "Lead")
    assert deals.set_deal_commission(made["id"], {"agent": 100})["agentCommission"] == 100
    assert deals.delete_deal(made["id"]) == ""
    assert deals.retrieve_deal(made["id"])["status"] == "Deleted"
    person = Events(vendor).create_event(
        type="Property Inquiry", person={"emails": [{"value": "lead@example.com"}]}, source="Zillow"
    )
    assert person["emails"][0]["value"] == "lead@example.com"


def test_the_client_knows_our_refusals(running: SandboxHandle, vendor: FollowUpBossApiClient) -> None:
    with pytest.raises(FollowUpBossValidationError) as refused:
        Deals(vendor).create_deal("D", 11, personId=1)
    assert refused.value.status_code == 400
    assert vendor.get_last_rate_limit() == {"limit": 250, "remaining": 250}
    base = running.environment("follow_up_boss")["FOLLOW_UP_BOSS_API_BASE_URL"]
    with pytest.raises(FollowUpBossAuthError):
        People(FollowUpBossApiClient("wrong", base)).list_people()
