"""Every record that an emulated CRM holds is staged (law L1), and its values are the CRM's own, in canonical terms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

Office = Any  # see conftest.py

# What the emulator calls the entity.
HELD = {
    ("brivity", "contacts"): "contacts",
    ("brivity", "deals"): "deals",
    ("brivity_core", "contacts"): "people",
    ("follow_up_boss", "users"): "users",
    ("follow_up_boss", "contacts"): "people",
    ("follow_up_boss", "deals"): "deals",
    ("hubspot", "users"): "owners",
    ("hubspot", "contacts"): "contacts",
    ("hubspot", "deals"): "deals",
    ("hubspot", "properties"): "listings",
    ("kvcore", "users"): "users",
    ("kvcore", "contacts"): "contacts",
    ("kvcore", "deals"): "transactions",
    ("kvcore", "properties"): "manuallistings",
    ("mri_vault", "contacts"): "contacts",
    ("mri_vault", "properties"): "properties",
    ("mri_vault", "deals"): "deals",
    ("salesforce", "users"): "User",
    ("salesforce", "contacts"): "Contact",
    ("salesforce", "deals"): "Opportunity",
    ("topproducer", "contacts"): "contacts",
    ("topproducer", "deals"): "transactions",
    ("vaultre", "users"): "users",
    ("vaultre", "contacts"): "contacts",
    ("vaultre", "properties"): "properties",
    ("zoho", "users"): "users",
    ("zoho", "contacts"): "Contacts",
    ("zoho", "deals"): "Deals",
}
CRMS = sorted({crm for crm, _ in HELD} | {"external"})

# Mapped, but of nobody in the emulated office: what the world does not know, or what a list does not show.
NEVER = {
    "follow_up_boss": set(),
    "hubspot": {"name_prefix"},
    "kvcore": {"street", "city", "state_or_province", "postal_code", "rating"},
    "salesforce": {"name_prefix", "birth_date", "do_not_call", "lead_source"},
    "vaultre": {"name_prefix", "heading", "description"},
    "zoho": {"name_prefix", "birth_date", "next_action"},
}
# Written down in a way that cannot be read: the typing errors of the emulated office.
DIRT = {"phone", "phones", "email", "emails"}


@pytest.fixture(scope="module")
def office(open_office: Callable[..., Office]) -> Office:
    made = open_office(*CRMS)
    made.forget_calls()
    made.read("all")
    return made


def test_all_crms_are_read_side_by_side(office: Office) -> None:
    read = {name for (name,) in office.query("select distinct connection from staging.contacts")}
    assert read == {*CRMS, "salesforce_leads"}, "two mappings of one CRM are two connections"


@pytest.mark.parametrize(("crm", "entity"), HELD)
def test_every_record_is_staged_or_rejected(office: Office, crm: str, entity: str) -> None:
    held, staged = set(office.held(crm, HELD[crm, entity])), office.staged(crm, entity)
    rejected = {
        id
        for (id,) in office.query(
            "select source_id from quality.rejected_records where connection = ? and entity = ?", crm, entity
        )
    }
    assert held
    assert held - set(staged) - rejected == set()
    alive = {id for id, row in staged.items() if not row["is_deleted"]}
    assert alive - held == set(), "staged, but not in the CRM"


@pytest.mark.parametrize("crm", CRMS)
def test_every_mapped_field_comes(office: Office, crm: str, mapped: Callable[[str], dict[str, list[str]]]) -> None:
    never = {
        field
        for entity, fields in mapped(crm).items()
        for field in fields
        if all(row[field] in (None, []) for row in office.staged(crm, entity).values())
    }
    assert never == NEVER.get(crm, set())


@pytest.mark.parametrize("crm", CRMS)
def test_what_cannot_be_read_is_only_what_people_typed_wrong(office: Office, crm: str) -> None:
    found = office.query("select distinct entity, field from quality.rejected_values where connection = ?", crm)
    assert {field for _, field in found} <= DIRT


@pytest.mark.parametrize(
    ("crm", "entity", "pairs"),
    [
        ("hubspot", "contacts", {"first_name": "firstname", "city": "city", "owner_id": "hubspot_owner_id"}),
        ("hubspot", "deals", {"name": "dealname", "stage": "dealstage", "transaction_type": "dealtype"}),
        ("hubspot", "properties", {"address": "hs_address_1", "postal_code": "hs_zip", "heading": "hs_name"}),
        ("salesforce", "contacts", {"last_name": "LastName", "job_title": "Title", "street": "MailingStreet"}),
        ("salesforce", "deals", {"name": "Name", "stage": "StageName", "next_action": "NextStep"}),
        ("follow_up_boss", "contacts", {"first_name": "firstName", "lead_source": "source", "tags": "tags"}),
        ("follow_up_boss", "deals", {"name": "name", "amount": "price", "notes": "description"}),
        ("kvcore", "contacts", {"email": "email", "lead_source": "source", "tags": "hashtags"}),
        ("kvcore", "deals", {"name": "name", "close_price": "sale_price", "property_address": "address"}),
        ("kvcore", "properties", {"address": "address", "list_price": "price", "listing_id": "mls_number"}),
        ("topproducer", "contacts", {"first_name": "FirstName", "company": "Company", "notes": "Notes"}),
        ("topproducer", "deals", {"property_address": "PropertyAddress", "close_price": "SalesPrice"}),
        ("vaultre", "contacts", {"first_name": "firstName", "job_title": "position", "do_not_call": "onDoNotCallList"}),
        ("vaultre", "properties", {"address": "displayAddress", "list_price": "searchPrice", "bedrooms_total": "bed"}),
        ("mri_vault", "deals", {"stage": "stage", "risk_flags": "riskFlags", "summary": "summary"}),
        ("mri_vault", "properties", {"address": "address", "milestones": "milestones"}),
        ("zoho", "contacts", {"first_name": "First_Name", "city": "Mailing_City", "notes": "Description"}),
        ("zoho", "deals", {"name": "Deal_Name", "amount": "Amount", "stage": "Stage"}),
    ],
)
def test_values_are_the_crms_own(office: Office, crm: str, entity: str, pairs: dict[str, str]) -> None:
    staged = office.staged(crm, entity)
    for id, body in office.held(crm, HELD[crm, entity]).items():
        row = staged[id]
        for ours, theirs in pairs.items():
            if row["absent_fields"] and ours in row["absent_fields"]:
                continue
            assert _plain(row[ours]) == _plain(body.get(theirs)), (id, ours)


def _plain(value: Any) -> Any:
    """A value in the way of comparing: what is empty is None, numbers and references are what they say."""
    if isinstance(value, list):
        return sorted((_plain(one) for one in value if _plain(one) is not None), key=str) or None
    if isinstance(value, bool):
        return value
    text = "" if value is None else str(value).strip().partition(":")[2] or str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return text.casefold() or None
    return number if math.isfinite(number) else text


def test_deals_know_their_people(office: Office) -> None:
    for crm in ("hubspot", "salesforce", "follow_up_boss", "kvcore", "zoho", "mri_vault", "topproducer"):
        known = {f"{crm}:{id}" for id in office.staged(crm, "contacts")}
        people = [one for row in office.staged(crm, "deals").values() for one in row["contact_ids"] or []]
        assert people, crm
        assert set(people) <= known, crm


def test_calls_of_a_first_read(office: Office) -> None:
    """Records / page size rounded up, plus 2 per window, plus the feed of deletions, plus login."""
    per_entity = {"hubspot": 2, "zoho": 2, "salesforce": 2}  # a feed of deletions, a second mapping
    for crm in CRMS:
        entities = len({entity for name, entity in HELD if name == crm}) or 2
        calls = sum(call["count"] for call in office.calls(crm))
        assert calls <= (entities + 1) * per_entity.get(crm, 1) + 1, (crm, office.calls(crm))
        assert all(call["status"] < 400 for call in office.calls(crm)), (crm, office.calls(crm))
