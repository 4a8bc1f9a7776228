"""Values that a CRM takes as ids of its own: a suburb of an address, the role in which a contact stands by a deal."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import httpx
import pytest

Office = Any  # see conftest.py
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def office(open_office: Callable[..., Office]) -> Office:
    made = open_office("hubspot", "vaultre", "zoho", size=60)
    made.settle("all")
    return made


@pytest.fixture(scope="module")
def pairs(office: Office) -> list[tuple[str, str]]:
    """People who stand once in HubSpot and once in VaultRE, with an address there: their ids."""
    return office.query("""
        select any_value(source_id) filter (connection = 'hubspot'),
            any_value(source_id) filter (connection = 'vaultre')
        from unified.contact_sources semi join
            (select record_key from staging.contacts where city is not null and not is_deleted) using (record_key)
        group by contact_id
        having count(*) filter (connection = 'hubspot') = 1 and count(*) filter (connection = 'vaultre') = 1
        order by all limit 3""")


@pytest.fixture(scope="module")
def moved(office: Office) -> dict[str, Any]:
    """A suburb that the CRM knows, in the words of the CRM that says whose new home it is."""
    given = office.sandbox.environment("vaultre")
    both = {"Authorization": f"Bearer {given['VAULTRE_ACCESS_TOKEN']}", "X-Api-Key": given["VAULTRE_API_KEY"]}
    with httpx.Client(base_url=given["VAULTRE_API_BASE_URL"], headers=both, trust_env=False) as client:
        place = client.get("/suburbs").raise_for_status().json()["items"][0]
        for missing, status in (("Authorization", 401), ("X-Api-Key", 403)):
            alone = {name: value for name, value in both.items() if name != missing}
            refused = httpx.get(f"{given['VAULTRE_API_BASE_URL']}/contacts", headers=alone, trust_env=False)
            assert refused.status_code == status, "two credentials with every request"
    said = {"city": place["name"], "state": place["state"]["abbreviation"], "zip": place["postcode"]}
    return {"id": place["id"], "said": said | {"address": "9 Kauri Road"}}


def _suggestions(office: Office) -> int:
    return sum(call["count"] for call in office.calls("vaultre") if "suggest" in call["path"])


def test_an_address_is_written_with_its_suburbs_id(office: Office, pairs: Any, moved: Any) -> None:
    there, here = pairs[0]
    office.advance("hubspot", 600)
    office.edit("hubspot", "contacts", there, moved["said"])
    office.forget_calls()
    office.run("all")
    address = office.held("vaultre", "contacts")[here]["address"]
    assert address["suburb"]["id"] == moved["id"]
    assert (address["streetNumber"], address["street"]) == (None, "9 Kauri Road")
    assert _suggestions(office) == 1
    again = office.run("all")
    assert not [row for row in again.report.rows if row.planned or row.failed], "it reads as it was written"


def test_what_was_found_is_remembered_between_runs(office: Office, pairs: Any, moved: Any) -> None:
    there, here = pairs[1]
    office.advance("hubspot", 600)
    office.edit("hubspot", "contacts", there, moved["said"])
    office.forget_calls()
    office.run("all")
    assert office.held("vaultre", "contacts")[here]["address"]["suburb"]["id"] == moved["id"]
    assert _suggestions(office) == 0


def test_a_suburb_that_the_crm_does_not_know_keeps_the_rest_from_nobody(office: Office, pairs: Any) -> None:
    there, here = pairs[2]
    before = office.held("vaultre", "contacts")[here]["address"]
    office.advance("hubspot", 600)
    office.edit("hubspot", "contacts", there, {"city": "Atlantis", "company": "Deep Sea Ltd"})
    office.run("all")
    after = office.held("vaultre", "contacts")[here]
    assert (after["company"], after["address"]) == ("Deep Sea Ltd", before)
    with closing(sqlite3.connect(f"file:{office.data}/sandbox/state.sqlite?mode=ro", uri=True)) as state:
        told = state.execute(
            "select json_extract(value, '$[0]'), json_extract(value, '$[5]') from ledger, json_each(fields) "
            "where connection = 'vaultre' and record_key = ? and json_extract(value, '$[0]') in ('city', 'company') "
            "order by entry_id desc limit 2",
            [f"vaultre:{here}"],
        ).fetchall()
    assert sorted(told) == [("city", "cannot be written: the CRM knows no suburb of that name"), ("company", None)]
    again = office.run("all")
    assert not [row for row in again.report.rows if row.planned or row.failed]


def test_a_contact_stands_by_a_deal_in_a_role_that_was_looked_up(office: Office) -> None:
    """The list of deals shows the main contact alone, so a relation that was made is not made at every run (L5)."""
    roles = [body["_roles"] for body in office.held("zoho", "Deals").values() if body.get("_roles")]
    assert roles
