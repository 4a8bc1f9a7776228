"""Contacts, users, transactions and listings of the world as kvCORE sends them, and how a written contact is put down.

Source: fact sheet kvcore 4.3. UNVERIFIED: the whole record of a contact beyond the keys of a list item (here the write
names that have no read name of their own, and what `spouse_*` stands for), `allPhones` and `hashtags` as arrays of
text, times as `2025-03-01 14:05:09` in UTC, EVERY field of users, offices, teams, transactions and manual listings.
Chosen here: telephone numbers are kept as digits, as in the sample record; mail addresses in small letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pipelines.sandbox import clock
from pipelines.sandbox.copies import ContactCopy, Copy, DealCopy, PropertyCopy, UserCopy
from pipelines.sandbox.store import Body, Record

FIRST_CONTACT, FIRST_USER, FIRST_TRANSACTION, FIRST_LISTING = 5_500, 90, 8_000, 3_000
STATUS = {"New": 0, "Client": 1, "Closed": 2, "Sphere": 3, "Active": 4, "Contract": 5, "Archived": 6, "Prospect": 7}
ARCHIVED = STATUS["Archived"]
_STATUS_OF = {
    "new": 0, "hot": 7, "nurture": 7, "watch": 3, "active": 4, "past": 2, "inactive": 6, "unqualified": 6, "": 0,
}  # fmt: skip
_LEAD_TYPE = {"buyer": "buyer", "seller": "seller", "seller/buyer": "buyer,seller", "tenant": "renter"}
_TRANSACTION_STATUS = {"under_contract": "pending", "closed": "closed", "lost": "cancelled"}

LIST_KEYS = (
    "id", "status", "assigned_agent_id", "firstname", "lastname", "email", "phone", "leadtype", "hashtags", "allPhones",
    "created", "lastVisit", "source", "system_source",
)  # fmt: skip
READ_NAMES = {"first_name": "firstname", "last_name": "lastname", "deal_type": "leadtype"}
PHONES = ("cell_phone_1", "home_phone", "work_phone", "fax")
FLAGS = ("email_optin", "phone_on", "text_on", "is_private")
NUMBERS = ("status", "rating", "assigned_agent_id", "assigned_agent_external_id", "avg_price", "avg_beds", "avg_baths")
CREATE_ONLY = ("signup_mlsid", "signup_mls", "owned_by_assigned", "entity_owner_id", "hashtags")
WRITTEN = (
    "first_name", "last_name", "email", *PHONES, "deal_type", "primary_address", "primary_city", "primary_state",
    "primary_zip", "source", *FLAGS, *NUMBERS, "capture_method", "tcpa_optin_date", "active_mls_id",
    "spouse_first_name", "spouse_last_name", "spouse_email", "spouse_cell_phone", "title", "birthday", "gender",
    "poi_address", "poi_city", "poi_state", "poi_zip", "second_email", "external_vendor_id", "last_closing_date",
)  # fmt: skip
_OWN_NAMES = tuple(name for name in WRITTEN if name not in READ_NAMES and name not in LIST_KEYS)
TRANSACTION = ("name", "address", "sale_price", "list_price", "status", "close_date", "contact_ids")


def seed(copied: Copy) -> Iterator[Record]:
    """Yields users, contacts, transactions and manual listings."""
    for user in copied.users():
        id = str(FIRST_USER + user.number)
        yield Record(
            "users", id, _user(user), user.created, user.modified, deleted=not user.user.active, truth=user.truth
        )
    for contact in copied.contacts():
        id = str(FIRST_CONTACT + contact.number)
        yield Record("contacts", id, _contact(contact), contact.created, contact.modified, truth=contact.truth)
    for deal in copied.deals():
        id = str(FIRST_TRANSACTION + deal.number)
        yield Record("transactions", id, _transaction(deal), deal.created, deal.modified, truth=deal.truth)
    for home in copied.properties():
        id = str(FIRST_LISTING + home.number)
        yield Record("manuallistings", id, _listing(home), home.created, home.modified, truth=home.truth)


def empty() -> Body:
    """Returns the record of a contact of whom nothing is known."""
    return dict.fromkeys((*LIST_KEYS, *_OWN_NAMES)) | {
        "status": 0, "firstname": "", "lastname": "", "leadtype": "", "hashtags": [], "source": "",
        "system_source": "API",
    }  # fmt: skip


def _contact(copied: ContactCopy) -> Body:
    home, numbers = copied.address, {kind: digits(number) for kind, number in reversed(copied.phones)}
    return empty() | {
        "status": _STATUS_OF[copied.stage], "assigned_agent_id": FIRST_USER + copied.owner,
        "firstname": copied.first_name, "lastname": f"{copied.last_name} {copied.suffix}".strip(),
        "email": copied.email.strip().lower(), "second_email": "".join(copied.emails[1:2]).strip().lower() or None,
        "cell_phone_1": numbers.get("mobile"), "home_phone": numbers.get("home"), "work_phone": numbers.get("work"),
        "leadtype": _LEAD_TYPE[copied.intent], "hashtags": list(copied.tags), "source": copied.source,
        "system_source": "Import", "lastVisit": clock.iso_date(copied.modified), "rating": copied.rating,
        "title": copied.job_title or None, "email_optin": None if copied.consents is None else int(copied.consents),
        "primary_address": f"{home.street} {home.unit}".strip() if home else None,
        "primary_city": home.city if home else None, "primary_state": home.state if home else None,
        "primary_zip": home.postal_code if home else None,
    }  # fmt: skip


def with_phones(body: Body) -> Body:
    """Puts what follows from the numbers into a contact: the main one, and all."""
    numbers = [body[name] for name in PHONES[:3] if body.get(name)]
    return body | {"phone": numbers[0] if numbers else "", "allPhones": list(dict.fromkeys(numbers))}


def digits(value: str) -> str:
    """Returns a telephone number as it is kept."""
    found = re.sub(r"\D", "", re.sub(r"(?i)\s*(x|ext).*", "", value))
    return found[1:] if len(found) == 11 and found[0] == "1" else found


def put_down(given: Body) -> Body:
    """Returns what a write changes, in read names; unknown names, read names too, are passed over."""
    changes: Body = {}
    for name in WRITTEN:
        if name in given:
            changes[READ_NAMES.get(name, name)] = _kept(name, given[name])
    return changes


def _kept(name: str, value: Any) -> Any:
    if value is None:
        return "" if name in READ_NAMES or name in ("email", "source") else 0 if name == "status" else None
    if name in PHONES:
        return digits(str(value))
    if name in (*NUMBERS, *FLAGS):
        return int(value)
    kept = str(value).strip()
    return kept.lower() if name in ("email", "second_email") else kept


def errors(given: Body) -> dict[str, list[str]]:
    """Returns what is wrong with the fields of a written contact, by field."""
    wrong = {name: problem for name in WRITTEN if (problem := _problem(name, given.get(name)))}
    return {name: [f"The {name.replace('_', ' ')} {problem}"] for name, problem in wrong.items()}


def _problem(name: str, value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool | list | dict):
        return "field must be 1 or 0." if name in FLAGS else "format is invalid."
    if name in _PATTERNS:
        pattern, problem = _PATTERNS[name]
        return "" if re.fullmatch(pattern, str(value)) else problem
    return "" if name in PHONES or isinstance(value, str) else "must be a string."


_PATTERNS = {
    **dict.fromkeys(NUMBERS, (r"\d{1,12}", "must be a number.")),
    **dict.fromkeys(FLAGS, ("[01]", "field must be 1 or 0.")),
    **dict.fromkeys(("email", "second_email"), (r"\s*[^@\s]+@[^@\s]+\.[^@\s]+\s*", "must be a valid email address.")),
    "status": ("[0-7]", "is invalid."), "rating": ("[0-5]", "is invalid."),
    "deal_type": ("(buyer|seller|renter)(,(buyer|seller|renter))*", "is invalid."),
}  # fmt: skip


def _user(copied: UserCopy) -> Body:
    user = copied.user
    return {
        "first_name": user.first_name, "last_name": user.last_name, "email": user.email, "phone": digits(user.phone),
        "role": user.role, "office_id": 1,
    }  # fmt: skip


def _transaction(copied: DealCopy) -> Body:
    home = copied.property.address
    return {
        "name": copied.deal.name, "address": f"{home.street} {home.unit}".strip() + f", {home.city}, {home.state}",
        "sale_price": copied.amount, "list_price": copied.property.property.list_price,
        "status": _TRANSACTION_STATUS.get(copied.stage, "active"), "close_date": clock.iso_date(copied.deal.closes),
        "contact_ids": [FIRST_CONTACT + number for number in dict.fromkeys(number for number, _ in copied.contacts)],
        "user_ids": [FIRST_USER + copied.owner],
    }  # fmt: skip


def _listing(copied: PropertyCopy) -> Body:
    home, address = copied.property, copied.address
    return {
        "mls_number": home.mls_number, "address": f"{address.street} {address.unit}".strip(), "city": address.city,
        "state": address.state, "zip": address.postal_code, "price": home.list_price, "status": home.status,
        "bedrooms": home.bedrooms, "bathrooms": home.bathrooms, "square_feet": home.living_area,
        "assigned_agent_id": FIRST_USER + copied.owner,
    }  # fmt: skip
