"""Brivity's contacts and deals: how the world's look here, what a write must satisfy, and how a write is put down."""

from __future__ import annotations

import re
from collections.abc import Callable

from pipelines.sandbox import clock
from pipelines.sandbox.copies import ContactCopy, DealCopy
from pipelines.sandbox.store import Body

FIRST_ID = 70_000
CONTACT_FIELDS = (
    "first_name", "last_name", "email", "phone", "company", "job_title", "status", "rating", "notes", "source", "tags",
)  # fmt: skip
DEAL_FIELDS = ("name", "amount", "currency", "stage", "status", "probability", "closeDate", "contactId")
FIELDS = {"contacts": CONTACT_FIELDS, "deals": DEAL_FIELDS}

# the words of the live service (fact sheet 1.2), one account, 2026-08-31
CONTACT_STATUS = {
    "new": "new", "hot": "hot", "nurture": "nurture", "watch": "watch", "active": "active-client",
    "past": "past-client", "inactive": "inactive", "unqualified": "unqualified", "": None,
}  # fmt: skip
MORE_STATUS = ("prospective-client", "archived", "trash", "brivity-user")
DEAL_STAGE = {
    "lead": "Lead", "appointment": "Appointment", "showing": "Showing", "offer": "Offer",
    "under_contract": "Under Contract", "closed": "Closed", "lost": "Lost",
}  # fmt: skip
DEAL_STATUS = {"under_contract": "pending", "closed": "won", "lost": "lost"}
RATINGS = ("A", "B", "C", "D", "F")

_TYPES: dict[str, type | tuple[type, ...]] = {
    "tags": list, "amount": (int, float), "probability": (int, float), "contactId": (int, str),
}  # fmt: skip
_SHAPES = {"email": r"[^@\s]+@[^@\s]+", "closeDate": r"\d{4}-\d\d-\d\d.*", "currency": "[A-Z]{3}"}
_WORDS = {
    ("contacts", "status"): (*CONTACT_STATUS.values(), *MORE_STATUS),
    ("contacts", "rating"): RATINGS,
    ("deals", "status"): ("open", *DEAL_STATUS.values()),
    ("deals", "stage"): tuple(DEAL_STAGE.values()),
}


def contact(copied: ContactCopy) -> Body:
    """Returns a contact of the world as Brivity sends it, but for id and times."""
    return {
        "first_name": copied.first_name or None,
        "last_name": f"{copied.last_name} {copied.suffix}".strip(),
        "email": copied.email or None,
        "phone": copied.phone or None,
        "company": copied.company or None,
        "job_title": copied.job_title or None,
        "status": CONTACT_STATUS[copied.stage],
        "rating": RATINGS[copied.rating - 1] if copied.rating else None,
        "notes": copied.notes or None,
        "source": copied.source or None,
        "tags": list(copied.tags),
    }


def deal(copied: DealCopy) -> Body:
    """Returns a deal of the world as Brivity sends it, but for id and times."""
    return {
        "name": copied.deal.name,
        "amount": copied.amount,
        "currency": "USD",
        "stage": DEAL_STAGE[copied.stage],
        "status": DEAL_STATUS.get(copied.stage, "open"),
        "probability": copied.probability,
        "closeDate": clock.iso_date(copied.deal.closes),
        "contactId": FIRST_ID + copied.contacts[0][0],
    }


def as_put_down(entity: str, given: Body) -> Body:
    """Keeps the fields there are and writes them Brivity's way: trimmed, mail in small letters, (xxx) xxx-xxxx."""
    kept = {
        field: value.strip() if isinstance(value, str) else value
        for field, value in given.items()
        if field in FIELDS[entity]
    }
    return kept | {field: put(kept[field]) for field, put in _PUT_DOWN.items() if isinstance(kept.get(field), str)}


def errors(entity: str, given: Body) -> dict[str, list[str]]:
    """Returns what is wrong with the fields of a write, by field; nothing where all is well."""
    wrong = {field: problem for field, value in given.items() if (problem := _problem(entity, field, value))}
    return {field: [problem] for field, problem in wrong.items()}


def missing(entity: str, given: Body) -> dict[str, list[str]]:
    """Returns what a new record lacks, by field."""
    if entity == "deals":
        return {} if given.get("name") else {"name": ["can't be blank"]}
    is_somebody = any(given.get(field) for field in ("first_name", "last_name", "email", "phone"))
    return {} if is_somebody else {"base": ["a contact needs a name, an email or a phone"]}


def _problem(entity: str, field: str, value: object) -> str:
    if value in (None, "") and field not in ("name", "stage"):
        return ""
    if isinstance(value, bool) or not isinstance(value, _TYPES.get(field, str)):
        return "is invalid"
    if (entity, field) in _WORDS and value not in _WORDS[entity, field]:
        return "is not included in the list"
    if field in _SHAPES and not re.fullmatch(_SHAPES[field], str(value)):
        return "is invalid"
    is_long = isinstance(value, str) and field != "notes" and len(value) > 255
    return "is too long (maximum is 255 characters)" if is_long else ""


def _phone(value: str) -> str:
    """Writes a number of the US as (253) 201-0000; leaves others as they came."""
    digits = re.sub(r"\D", "", value).removeprefix("1")
    is_plain = len(digits) == 10 and not re.search(r"[a-zA-Z]|^\s*\+(?!1)", value)
    return f"({digits[:3]}) {digits[3:6]}-{digits[6:]}" if is_plain else value


_PUT_DOWN: dict[str, Callable[[str], str]] = {"email": str.lower, "phone": _phone}
