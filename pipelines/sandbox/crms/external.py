"""Some CRM of somebody who talks to customers by WhatsApp and sells tickets to events: a list, and nothing else.

Source: the external-CRM contract. From it: `GET <the whole address>` answers {"records": [...]}, the key is the bearer,
each fact stands under one of two names ("phone" or "whatsapp_id"), a contact's id is a WhatsApp id (628123456789@c.us),
an event is a deal, and a POST to the same address takes one record in these names.

UNVERIFIED, chosen here: the list comes whole, without pages, times or filters, whatever the query says; a record has no
id of its own; whose record a POST is follows from phone or whatsapp_id (the first that is not empty); a fact posted
under one name drops the other; POST answers {"success": true, "record"} with 201 for a new record and 200 for a known
one; bodies of errors; no limit of calls. Every third record holds an empty `phone` beside its `whatsapp_id`, and every
ninth its price as a text. Switches: `one_record_each`, a person has one record, with the last event; False: one for
each event, and what a POST says of the person counts for all of them. `merge_posts`; False: every POST makes a record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.copies import ContactCopy, DealCopy
from pipelines.sandbox.crm import Crm
from pipelines.sandbox.dirt import from_abroad
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Refused, Route, answer

PATH = "/api/records"
ID = ("phone", "whatsapp_id")
PERSON: dict[str, str | None] = {
    "name": "contact_name", "company": "organization", "notes": "description", "phone_1": "contact_phone",
    "phone_2": None, "instagram": "social_media",
}  # fmt: skip
EVENT: dict[str, str | None] = {
    "event_name": None, "ticket_price": "price", "capacity": "venue_size", "status": "deal_stage",
    "sales_rep": "assigned_to", "task_status": None, "meeting_date": None, "sale_date": None, "event_date": None,
}  # fmt: skip
_PAIRS = [(one, other) for one, other in (PERSON | EVENT).items() if other]
OTHER = dict(_PAIRS) | {other: one for one, other in _PAIRS}
NUMBERS = ("ticket_price", "price", "capacity", "venue_size")
STAGES = {
    "lead": "lead", "appointment": "contacted", "showing": "negotiating", "offer": "negotiating",
    "under_contract": "deal", "closed": "deal", "lost": "lost",
}  # fmt: skip
EVENTS = ("Home Expo", "Property Night", "Investors' Breakfast", "Tech Conference", "Garden Show")
_ID = "coalesce(nullif(body ->> '$.phone', ''), body ->> '$.whatsapp_id')"


class Emulator(Crm):
    """The external CRM."""

    name = "external"
    settings: ClassVar[Mapping[str, Any]] = {"one_record_each": True, "merge_posts": True}
    editable: ClassVar[Mapping[str, str]] = {"records": "company"}
    api_key = "external-sandbox-key"

    def routes(self) -> list[Route]:
        """Returns the one address with its two methods."""
        return [Route("GET", PATH, self.records), Route("POST", PATH, self.take)]

    def environment(self, url: str) -> dict[str, str]:
        """Returns the variables the contract names; the address is that of the list."""
        return {"EXTERNAL_CRM_API_URL": f"{url}{PATH}", "EXTERNAL_CRM_API_KEY": self.api_key}

    def authorize(self, call: Call) -> None:
        """Contract: the key is sent as bearer."""
        if call.bearer() != self.api_key:
            raise Refused(_error(401, "Invalid API key"))
        call.client = self.api_key

    def unknown(self, call: Call) -> Response:  # noqa: ARG002
        return _error(404, "Not found")

    def seed(self) -> Iterator[Record]:
        """Yields a record for every person who has a telephone, with an event where there is one."""
        bare: dict[int, Record] = {}
        taken: set[str] = set()
        for contact in self.copy.contacts():
            id = _whatsapp_id(contact.phone)
            if id and id not in taken:
                taken.add(id)
                body = _person(contact, id)
                bare[contact.number] = Record(
                    "records", id, body, contact.created, contact.modified, truth=contact.truth
                )
        for deal in self.copy.deals():
            if first := bare.pop(deal.contacts[0][0], None):
                body = first.body | _event(deal)
                yield Record("records", first.id, body, deal.created, deal.modified, truth=first.truth)
        yield from bare.values()

    def stamp(self, record: Record) -> None:
        """Writes nothing: the records bear neither ids nor times."""

    def new(self, entity: str, id: str | int, body: Body) -> Record:
        """Adds a record; one made from another (a user who copies) gets a WhatsApp id of its own."""
        same = "true" if self.switches["one_record_each"] else "coalesce(body ->> '$.event_name', '') = ?"
        key = [_id(body), body.get("event_name") or ""][: same.count("?") + 1]
        is_known = self.store.count(entity, f"not deleted and {_ID} = ? and {same}", key)
        fresh = {"phone": f"6281{self.store.next_number('numbers', 20_000_000)}@c.us"} if is_known else {}
        return super().new(entity, id, body | fresh)

    def records(self, call: Call) -> Response:  # noqa: ARG002
        """Answers all records."""
        return answer({"records": [record.body for record in self.store.select("records")]})

    def take(self, call: Call) -> Response:
        """Takes one record."""
        given = _accepted(call.object(lambda why: _error(400, why)))
        theirs = self.store.select("records", f"not deleted and {_ID} = ?", [_id(given)])
        event = "" if self.switches["one_record_each"] else given.get("event_name") or ""
        same = [one for one in theirs if event in ("", one.body.get("event_name"))]
        if not self.switches["merge_posts"] or not (same or (theirs and not event)):
            known = _of(theirs[0].body, PERSON) if theirs and self.switches["merge_posts"] else {}
            made = super().new("records", self.new_id("records"), _merged(known, given))
            return answer({"success": True, "record": made.body}, 201)
        is_about_all = not self.switches["one_record_each"]
        for one in theirs if is_about_all else same[:1]:
            one.body = _merged(one.body, given if one in same[:1] else _of(given, PERSON))
            self.touch(one)
        return answer({"success": True, "record": same[0].body})


def _id(body: Body) -> str:
    return str(next((body[name] for name in ID if body.get(name)), ""))


def _whatsapp_id(typed: str) -> str:
    digits = re.sub(r"\D", "", typed.partition("x")[0]).removeprefix("00")
    if not 10 <= len(digits) <= 15 or len(set(digits)) < 3:
        return ""
    return f"{'1' if len(digits) == 10 else ''}{digits}@c.us"


def _person(copied: ContactCopy, id: str) -> Body:
    number = copied.number
    facts = {
        "name": f"{copied.first_name} {copied.last_name}".strip(),
        "company": copied.company,
        "notes": copied.notes,
        "phone_1": from_abroad(copied.phones[1][1]) if len(copied.phones) > 1 else "",
        "phone_2": from_abroad(copied.phones[2][1]) if len(copied.phones) > 2 else "",
        "instagram": f"@{copied.last_name.lower().replace(' ', '')}{number}" if number // 2 % 4 < 2 else "",
    }
    which = {0: {"phone": id}, 1: {"whatsapp_id": id}, 2: {"phone": "", "whatsapp_id": id}}[number // 2 % 3]
    return which | {OTHER.get(name, name) if number // 2 % 2 else name: fact for name, fact in facts.items() if fact}


def _event(copied: DealCopy) -> Body:
    number = copied.number
    price = 50 * (1 + number % 40)
    held = clock.moment(copied.deal.closes)
    facts = {
        "event_name": f"{copied.property.address.city} {EVENTS[number % len(EVENTS)]} {held.year}",
        "ticket_price": str(price) if number % 9 == 0 else price,
        "capacity": 50 * (1 + number % 20),
        "status": STAGES[copied.stage],
        "sales_rep": f"agent{copied.owner}",
        "task_status": "done" if copied.stage in ("closed", "lost") else "todo",
        "meeting_date": clock.iso_seconds(copied.created + 3600 * (number % 9)),
        "sale_date": clock.iso_seconds(copied.modified) if copied.stage == "closed" else "",
        "event_date": clock.iso_seconds(copied.deal.closes + 3600 * 9),
    }
    return {OTHER.get(name, name) if number % 2 else name: fact for name, fact in facts.items() if fact != ""}


def _accepted(given: Body) -> Body:
    if not _id(given):
        raise Refused(_error(400, "phone or whatsapp_id is required"))
    names = {*ID, *PERSON, *EVENT, *OTHER}
    kept = {name: value.strip() if isinstance(value, str) else value for name, value in given.items() if name in names}
    for name, value in kept.items():
        is_number = isinstance(value, int | float) or (isinstance(value, str) and bool(re.fullmatch(r"-?\d*", value)))
        if name in NUMBERS and value is not None and not is_number:
            raise Refused(_error(400, f"{name} is not a number"))
    return kept


def _of(body: Body, facts: Mapping[str, str | None]) -> Body:
    names = {*ID, *facts, *filter(None, facts.values())}
    return {name: value for name, value in body.items() if name in names}


def _merged(body: Body, given: Body) -> Body:
    """One fact stands under one name, the one it was last given under; the id stays as it is."""
    dropped = {OTHER[name] for name in given if name in OTHER}
    id = {name: value for name, value in body.items() if name in ID} if _id(body) else {}
    return {name: value for name, value in body.items() if name not in dropped} | given | id


def _error(status: int, why: str) -> Response:
    return answer({"success": False, "error": why}, status)
