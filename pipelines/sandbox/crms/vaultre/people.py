"""Contacts and users of VaultRE: how the world's look here, and what a write of a contact may hold."""

from __future__ import annotations

import re
from collections.abc import Callable

from pipelines.sandbox.copies import ContactCopy, UserCopy
from pipelines.sandbox.crms.vaultre import suburbs
from pipelines.sandbox.crms.vaultre.envelope import invalid
from pipelines.sandbox.dirt import from_abroad
from pipelines.sandbox.store import Body
from pipelines.sandbox.wire import Refused

FIRST_CONTACT, FIRST_USER = 88_000, 300
PHONE_TYPES = {"H": "Home", "W": "Work", "M": "Mobile", "F": "Facsimile", "D": "Direct"}
CODES = {"home": "H", "work": "W", "mobile": "M"}
ENTITY_TYPES = {1: "Individual", 2: "Company"}
TEXTS = (
    "title", "firstName", "lastName", "greeting", "partnerTitle", "partnerFirstName", "partnerLastName", "company",
    "position", "legalDescription", "abn", "acn",
)  # fmt: skip
ONLY_SINGLE = ("accessBy", "sourceOfEnquiry")
EVERYONE = {"id": -1, "name": "Everyone"}
EMPTY: Body = {
    **dict.fromkeys(TEXTS), "address": None, "postalAddress": None, "onDoNotCallList": False, "archived": False,
    "unsubscribe": {"email": False, "sms": False, "letters": False}, "entityType": {"id": 1, "name": "Individual"},
    "emails": [], "phoneNumbers": [], "marketingUsers": [], "accessBy": [EVERYONE],
}  # fmt: skip
READ_ONLY: Body = {"remoteId": None, "smsUnsubscribeUrl": None, "customUnsubscribe": [], "sourceOfEnquiry": None}


def contact(copied: ContactCopy, owner: Body) -> Body:
    """Returns a contact of the world as VaultRE sends it, but for id and times; `owner` is {id, name}."""
    source = {"id": 1 + sum(map(ord, copied.source)) % 97, "name": copied.source} if copied.source else None
    return EMPTY | READ_ONLY | {
        "firstName": copied.first_name or None,
        "lastName": f"{copied.last_name} {copied.suffix}".strip() or None,
        "greeting": copied.first_name.strip() or None,
        "company": copied.company or None,
        "position": copied.job_title or None,
        "address": suburbs.shown(copied.address) if copied.address else None,
        "onDoNotCallList": copied.consents is False,
        "archived": copied.stage == "inactive",
        "emails": list(copied.emails),
        "phoneNumbers": [_phone(from_abroad(number), CODES[kind]) for kind, number in copied.phones],
        "marketingUsers": [owner],
        "sourceOfEnquiry": source,
    }  # fmt: skip


def user(copied: UserCopy) -> Body:
    """Returns a user of the world as VaultRE sends it, but for the id."""
    person = copied.user
    return {
        "firstName": person.first_name, "lastName": person.last_name, "username": person.email.split("@")[0],
        "email": person.email, "adminAccess": person.role == "broker", "position": person.role.capitalize(),
        "role": "residentialSales", "photo": None, "phoneNumbers": [_phone(person.phone, "M")], "profile": "",
        "permissions": {"canLogin": person.active},
    }  # fmt: skip


def display_name(body: Body) -> str:
    """Returns what VaultRE shows as the name."""
    return " ".join(body[name].strip() for name in ("firstName", "lastName") if body[name]) or body["company"] or ""


def minimal(body: Body) -> Body:
    """Returns a contact as deals carry it."""
    return {name: body.get(name) for name in ("id", "displayName", "inserted", "modified", "emails", "phoneNumbers")}


def found(body: Body) -> Body:
    """Returns a contact as a search answers it."""
    names = ("id", "greeting", "firstName", "lastName", "emails", "phoneNumbers", "marketingUsers")
    return {name: body[name] for name in names} | {"name": body["displayName"], "editableBy": body["accessBy"]}


def accepted(given: Body, user_of: Callable[[object], Body | None]) -> Body:
    """Returns the fields of a write as they are put down; what is not in the write schema (remoteId) is passed over."""
    kept: Body = {name: _text(name, given[name]) for name in TEXTS if name in given}
    kept |= {name: given[name] for name in ("onDoNotCallList", "archived") if isinstance(given.get(name), bool)}
    kept |= {name: suburbs.accepted(given[name]) for name in ("address", "postalAddress") if name in given}
    if "emails" in given:
        kept["emails"] = [_email(item) for item in _list("emails", given["emails"])]
    if "phoneNumbers" in given:
        kept["phoneNumbers"] = [_given_phone(item) for item in _list("phoneNumbers", given["phoneNumbers"])]
    if isinstance(given.get("unsubscribe"), dict):
        kept["unsubscribe"] = EMPTY["unsubscribe"] | given["unsubscribe"]
    for name in ("marketingUsers", "accessBy"):
        if name in given:
            kept[name] = [_one(name, item, user_of) for item in _list(name, given[name])]
    if isinstance(given.get("entityType"), dict):
        kept["entityType"] = _entity_type(given["entityType"].get("id"))
    return kept


def _phone(number: str, code: str, comment: str | None = None) -> Body:
    return {"number": number, "typeCode": code, "type": PHONE_TYPES[code], "comment": comment}


def _text(name: str, value: object) -> str | None:
    if not isinstance(value, str | None):
        raise Refused(invalid(f"{name} is not a text"))
    return (value or "").strip() or None


def _list(name: str, value: object) -> list[object]:
    if not isinstance(value, list):
        raise Refused(invalid(f"{name} is not a list"))
    return value


def _email(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\s*[^@\s]+@[^@\s]+\s*", value):
        raise Refused(invalid("emails holds what is no e-mail address"))
    return value.strip()


def _given_phone(value: object) -> Body:
    code = value.get("typeCode") if isinstance(value, dict) else None
    number = value.get("number") if isinstance(value, dict) else None
    if not isinstance(number, str) or not number.strip() or code not in PHONE_TYPES:
        raise Refused(invalid("phoneNumbers: each needs number and typeCode, one of H, W, M, F, D"))
    assert isinstance(value, dict)
    return _phone(" ".join(number.split()), code, value.get("comment"))


def _one(name: str, value: object, user_of: Callable[[object], Body | None]) -> Body:
    id = value.get("id") if isinstance(value, dict) else None
    if id == -1 and name == "accessBy":
        return EVERYONE
    if (known := user_of(id)) is None:
        raise Refused(invalid(f"{name}: there is no such user"))
    return known


def _entity_type(id: object) -> Body:
    if id not in ENTITY_TYPES:
        raise Refused(invalid("entityType does not exist"))
    return {"id": id, "name": ENTITY_TYPES[int(str(id))]}
