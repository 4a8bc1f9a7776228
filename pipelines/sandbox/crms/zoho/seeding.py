"""The records an organisation starts with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pipelines.sandbox import clock
from pipelines.sandbox.copies import ContactCopy, Copy, DealCopy, PropertyCopy, UserCopy
from pipelines.sandbox.crms.zoho import schema
from pipelines.sandbox.crms.zoho.values import zoned
from pipelines.sandbox.store import Body, Record

ROLE_IDS = {name.lower(): id for id, name in schema.ROLES.items()}
Refs = dict[int, dict[str, str]]


def seed(copied: Copy) -> Iterator[Record]:
    """Yields users, accounts, contacts, properties and deals; there are no leads."""
    owners: Refs = {}
    for user in copied.users():
        id, body = _id("users", user.number), _user(user)
        owners[user.number] = {"name": body["full_name"], "id": id, "email": body["email"]}
        yield Record("users", id, body, user.created, user.modified, truth=user.truth)
    accounts: dict[str, dict[str, str]] = {}
    people: Refs = {}
    for contact in copied.contacts():
        if contact.company and contact.company not in accounts:
            account = {"name": contact.company, "id": _id("Accounts", len(accounts) + 1)}
            accounts[contact.company] = account
            body = _record("Accounts", owners[contact.owner]) | {"Account_Name": contact.company}
            yield Record("Accounts", account["id"], body, contact.created, contact.created)
        body = _contact(contact, owners[contact.owner], accounts.get(contact.company))
        id = _id("Contacts", contact.number)
        people[contact.number] = {"name": full_name(body), "id": id}
        yield Record("Contacts", id, body, contact.created, contact.modified, truth=contact.truth)
    homes: Refs = {}
    for home in copied.properties():
        id, body = _id("Properties", home.number), _property(home, owners[home.owner])
        homes[home.number] = {"name": body["Name"], "id": id}
        yield Record("Properties", id, body, home.created, home.modified, truth=home.truth)
    for deal in copied.deals():
        body = _deal(deal, owners[deal.owner], people, homes.get(deal.property.number))
        yield Record("Deals", _id("Deals", deal.number), body, deal.created, deal.modified, truth=deal.truth)


def full_name(body: Body) -> str:
    """Returns first and last name of a record as one."""
    return whole(body.get("First_Name"), body.get("Last_Name"))


def whole(first: str | None, last: str | None) -> str:
    """Returns first and last name as one."""
    return " ".join(f"{first or ''} {last or ''}".split())


def _id(entity: str, number: int) -> str:
    return str(schema.FIRST_ID[entity] + number)


def empty(module: str) -> Body:
    """Returns the record of which nothing is known."""
    fields = schema.MODULES[module].fields
    blank: Body = {field.name: False if field.kind == "boolean" else None for field in fields}
    return blank | {"Tag": [], "$approval_state": "approved"}


def _record(module: str, owner: dict[str, str]) -> Body:
    return empty(module) | {"Owner": owner, "Created_By": owner, "Modified_By": owner}


def _contact(copied: ContactCopy, owner: dict[str, str], account: dict[str, str] | None) -> Body:
    first, last = copied.first_name.strip(), f"{copied.last_name} {copied.suffix}".strip()
    emails = [
        email.strip().lower() for email in copied.emails if re.fullmatch(r"\s*[^@\s]+@[^@\s]+\.[^@\s]+\s*", email)
    ]
    numbers, home = {kind: number.strip() for kind, number in reversed(copied.phones)}, copied.address
    return _record("Contacts", owner) | {
        # nobody is without a last name here
        "First_Name": (first or None) if last else None, "Last_Name": last or first or "Unknown",
        "Email": "".join(emails[:1]) or None, "Secondary_Email": "".join(emails[1:2]) or None,
        "Mobile": numbers.get("mobile"), "Phone": numbers.get("work"), "Home_Phone": numbers.get("home"),
        "Account_Name": account, "Title": copied.job_title or None, "Lead_Source": copied.source or None,
        "Description": copied.notes or None, "Email_Opt_Out": copied.consents is False,
        "Mailing_Street": f"{home.street} {home.unit}".strip() if home else None,
        "Mailing_City": home.city if home else None, "Mailing_State": home.state if home else None,
        "Mailing_Zip": home.postal_code if home else None, "Mailing_Country": home.country if home else None,
        "Contact_Status": copied.stage or None, "Looking_For": copied.intent or None, "Rating": copied.rating,
        "Tag": [{"name": tag, "id": str(schema.ORG + 9_000 + sum(tag.encode()))} for tag in copied.tags],
    }  # fmt: skip


def _property(copied: PropertyCopy, owner: dict[str, str]) -> Body:
    home, address = copied.property, copied.address
    street = f"{address.street} {address.unit}".strip()
    return _record("Properties", owner) | {
        "Name": street, "Street": street, "City": address.city, "State": address.state,
        "Zip_Code": address.postal_code, "MLS_Number": home.mls_number, "Listing_Status": home.status,
        "List_Price": home.list_price, "Bedrooms": home.bedrooms, "Bathrooms": home.bathrooms,
        "Living_Area": home.living_area, "Year_Built": home.year_built,
    }  # fmt: skip


def _deal(copied: DealCopy, owner: dict[str, str], people: Refs, home: dict[str, str] | None) -> Body:
    deal, client = copied.deal, copied.contacts[0][0]
    roles = {people[number]["id"]: ROLE_IDS[role] for number, role in dict(reversed(copied.contacts)).items()}
    return _record("Deals", owner) | {
        "Deal_Name": deal.name, "Stage": schema.STAGES[copied.stage], "Amount": copied.amount,
        "Closing_Date": clock.iso_date(deal.closes), "Probability": copied.probability, "Pipeline": schema.PIPELINE,
        "Type": deal.side.capitalize(), "Contact_Name": people[client], "Property": home, "Description": deal.summary,
        "_roles": roles,
    }  # fmt: skip


def _user(copied: UserCopy) -> dict[str, Any]:
    user, is_chief = copied.user, copied.number == 1
    role, profile = (
        (("CEO", 26_005), ("Administrator", 26_011)) if is_chief else (("Agent", 26_008), ("Standard", 26_014))
    )
    return {
        "full_name": f"{user.first_name} {user.last_name}", "first_name": user.first_name, "last_name": user.last_name,
        # who typed in no telephone number has none here
        "email": user.email, "phone": user.phone if copied.number % 2 else None, "mobile": None,
        "status": "active" if user.active else "disabled",
        "zuid": str(924_000_000 + copied.number), "role": {"name": role[0], "id": str(schema.ORG + role[1])},
        "profile": {"name": profile[0], "id": str(schema.ORG + profile[1])}, "created_time": zoned(copied.created),
    }  # fmt: skip
