"""People, deals, users and events of the world as Follow Up Boss sends them, but for id and times.

Source: the sample records of fact sheet 4.2. UNVERIFIED and chosen here: flags are 0 or 1; the property of an event is
where a listing stands, for there is no endpoint of properties; a lost deal is archived; dates of deals are midnights.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pipelines.sandbox import clock
from pipelines.sandbox.copies import ContactCopy, Copy, DealCopy, PropertyCopy, UserCopy
from pipelines.sandbox.crms.follow_up_boss import schema
from pipelines.sandbox.people import Address
from pipelines.sandbox.store import Body, Record

FIRST_PERSON, FIRST_DEAL, FIRST_EVENT = 500, 9000, 30_000
SYSTEM = "Sandbox"


def seed(copied: Copy) -> Iterator[Record]:
    """Yields users, people, deals and events."""
    users: dict[int, str] = {}
    for user in copied.users():
        users[user.number] = _full(user.user.first_name, user.user.last_name)
        yield Record("users", str(user.number), _user(user), user.created, user.modified, truth=user.truth)
    people: dict[int, str] = {}
    for contact in copied.contacts():
        body = person(contact, users)
        people[contact.number] = body["name"]
        id = str(FIRST_PERSON + contact.number)
        yield Record("people", id, body, contact.created, contact.modified, truth=contact.truth)
    for deal in copied.deals():
        id = str(FIRST_DEAL + deal.number)
        yield Record("deals", id, _deal(deal, people, users), deal.created, deal.modified, truth=deal.truth)
    for home in copied.properties():
        for buyer in home.buyers:
            id = str(FIRST_EVENT + 100 * home.number + home.buyers.index(buyer))
            yield Record("events", id, _event(home, buyer), home.created, home.modified)


def person(copied: ContactCopy, users: dict[int, str]) -> Body:
    """Returns a person; about one in thirty was thrown away and stands in the stage Trash."""
    is_trashed = copied.number * 7919 % 31 == 0
    stage_id, stage = schema.TRASH if is_trashed else schema.PEOPLE_STAGES[copied.stage]
    last = f"{copied.last_name} {copied.suffix}".strip()
    return {
        "createdVia": "Import", "lastActivity": clock.iso_seconds(copied.modified),
        "name": _full(copied.first_name, last), "firstName": copied.first_name, "lastName": last,
        "stage": stage, "stageId": stage_id, "source": copied.source or "<unspecified>", "sourceUrl": None,
        "contacted": copied.number % 2, "price": None,
        "assignedTo": users.get(copied.owner), "assignedUserId": copied.owner, "assignedLenderId": None,
        "tags": list(copied.tags),
        "emails": emails([{"value": email} for email in copied.emails]),
        "phones": phones([{"value": number, "type": kind} for kind, number in copied.phones]),
        "addresses": [_address(copied.address)] if copied.address else [],
        "customBirthday": None, "customCompany": copied.company or None, "customJobTitle": copied.job_title or None,
        "customLookingFor": copied.intent or None, "customRating": copied.rating,
    }  # fmt: skip


def emails(given: list[dict[str, Any]]) -> list[Body]:
    """Writes addresses as they are kept: trimmed, in small letters, without repetition, the first the main one."""
    rows: dict[str, Body] = {}
    for row in given:
        value = str(row["value"]).strip().lower()
        is_valid = re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value)
        status = "Valid" if is_valid else "Invalid"
        rows.setdefault(value, {"value": value, "type": row.get("type") or "home", "status": status})
    return _with_primary([row for value, row in rows.items() if value])


def phones(given: list[dict[str, Any]]) -> list[Body]:
    """Writes numbers as they are kept: as typed but trimmed, their digits beside them."""
    rows: dict[str, Body] = {}
    for row in given:
        value = str(row["value"]).strip()
        digits = normalized(value)
        status = "Valid" if len(digits) >= 7 else "Invalid"
        kept = {"value": value, "type": row.get("type") or "mobile", "status": status}
        rows.setdefault(digits or value, kept | {"normalized": digits})
    return _with_primary([row for row in rows.values() if row["value"]])


def normalized(value: str) -> str:
    """Returns the digits of a number, without the country code of the US."""
    digits = re.sub(r"\D", "", re.sub(r"(?i)\s*(x|ext).*", "", value))
    return digits[1:] if len(digits) == 11 and digits[0] == "1" else digits


def _with_primary(rows: list[Body]) -> list[Body]:
    return [row | {"isPrimary": int(place == 0)} for place, row in enumerate(rows)]


def _address(address: Address) -> Body:
    return {
        "type": "home", "street": f"{address.street} {address.unit}".strip(), "city": address.city,
        "state": address.state, "code": address.postal_code, "country": address.country,
    }  # fmt: skip


def _user(copied: UserCopy) -> Body:
    user = copied.user
    return {
        "name": _full(user.first_name, user.last_name), "firstName": user.first_name, "lastName": user.last_name,
        "email": user.email, "role": {"broker": "Broker"}.get(user.role, "Agent"),
        "status": "Active" if user.active else "Deleted", "timezone": "America/Los_Angeles",
    }  # fmt: skip


def _deal(copied: DealCopy, people: dict[int, str], users: dict[int, str]) -> Body:
    deal = copied.deal
    stage = next(
        stage
        for stage in schema.DEAL_STAGE_LIST
        if stage.name == schema.DEAL_STAGES[copied.stage] and stage.pipeline == (1 if deal.side == "buyer" else 2)
    )
    numbers = dict.fromkeys(number for number, _ in copied.contacts)
    return dict.fromkeys((*schema.DEAL_DATES, *schema.DEAL_NUMBERS)) | {
        "name": deal.name, "pipelineId": stage.pipeline, "pipelineName": schema.PIPELINES[stage.pipeline],
        "stageId": stage.id, "stageName": stage.name, "status": "Archived" if copied.stage == "lost" else "Active",
        "price": copied.amount, "projectedCloseDate": clock.iso_seconds(deal.closes), "description": deal.summary,
        "commissionValue": copied.amount and int(copied.amount * deal.commission_percent) // 100,
        "people": [{"id": FIRST_PERSON + number, "name": people[number]} for number in numbers],
        "users": [{"id": copied.owner, "name": users[copied.owner]}],
        "customMLSNumber": copied.property.property.mls_number,
    }  # fmt: skip


def _event(copied: PropertyCopy, buyer: int) -> Body:
    home = copied.property
    return {
        "personId": FIRST_PERSON + buyer, "source": "Website", "system": SYSTEM, "type": "Property Inquiry",
        "message": "Is it still available?", "description": None,
        "property": {
            "street": f"{copied.address.street} {copied.address.unit}".strip(), "city": copied.address.city,
            "state": copied.address.state, "code": copied.address.postal_code, "mlsNumber": home.mls_number,
            "price": home.list_price, "forRent": 0, "url": None, "type": home.kind, "bedrooms": home.bedrooms,
            "bathrooms": home.bathrooms, "area": home.living_area, "lot": home.lot_area,
        },
    }  # fmt: skip


def _full(first: str, last: str) -> str:
    return " ".join(f"{first} {last}".split())
