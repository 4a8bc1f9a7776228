"""Brivity's other observed API ("picture B and C"): one bare array of people, a static key, lead intake.

Source: fact sheet brivity 1.0 to 1.4. Seen on the live service by third parties: `GET /api/people?limit=5000` answers a
bare array of records with 28 fields and no timestamps; `Authorization: Token token=<key>`; 401 "Bad Credentials" as
text; every other path of that host answers 406; deletion shows as the status `trash` or `archived`; the names read
(`email_address`) differ from the names written (`email`). From third-party code: `POST /api/v2/leads` (on another host;
here both are one). From the vendor's page of 2017: `POST /api/event_subscriptions`.

UNVERIFIED, chosen here: how many records come without `limit` (25), that a lead with a known e-mail changes that person
(a switch), what a lead is answered, that there is no limit of calls.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.copies import ContactCopy
from pipelines.sandbox.crm import Crm
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Refused, Route, answer, text, whole_number

PERSON_FIELDS = (
    "id", "lead_id", "uuid", "account_id", "agent_id", "agent_uuid", "brivity_contact_detail_url", "first_name",
    "last_name", "phone_number", "email_address", "company", "job_title", "source", "status", "stage", "stage_type",
    "type", "lead_type", "description", "street_address", "city", "locality", "postal_code", "country",
    "market_report_count", "active_market_report_count", "tags",
)  # fmt: skip
READ_NAMES = {"email": "email_address", "phone": "phone_number", "primary_agent_id": "agent_id"}
WRITTEN = (
    "primary_agent_id", "lead_type", "status", "source", "first_name", "last_name", "email", "phone", "street_address",
    "city", "locality", "postal_code", "country", "description", "company", "job_title", "tags",
)  # fmt: skip
STATUS = {
    "new": "new", "hot": "hot", "nurture": "nurture", "watch": "watch", "active": "active-client",
    "past": "past-client", "inactive": "inactive", "unqualified": "unqualified", "": "prospective-client",
}  # fmt: skip
PIPELINE = ("New lead", "Attempted contact", "Spoke with customer", "Appointment set", "Met with customer", "")


class Emulator(Crm):
    """Brivity, pictures B and C."""

    name = "brivity_core"
    settings: ClassVar[Mapping[str, Any]] = {"match_by_email": True, "without_limit": 25}
    editable: ClassVar[Mapping[str, str]] = {"people": "company"}
    api_key = "brivity-core-sandbox-key"

    def routes(self) -> list[Route]:
        """Returns the three calls that are known."""
        return [
            Route("GET", "/api/people", self.people),
            Route("POST", "/api/v2/leads", self.take_lead),
            Route("POST", "/api/event_subscriptions", self.subscribe),
        ]

    def environment(self, url: str) -> dict[str, str]:
        """Returns base URL and key; the names are ours."""
        return {"BRIVITY_CORE_API_BASE_URL": url, "BRIVITY_CORE_API_KEY": self.api_key}

    def authorize(self, call: Call) -> None:
        """Fact sheet 1.0: 401 with the text "Bad Credentials"; a made-up path is 406 all the same."""
        if not self.router.knows(call.path):
            raise Refused(self.unknown(call))
        if call.bearer("Token") not in (f"token={self.api_key}", f'token="{self.api_key}"'):
            raise Refused(text("Bad Credentials", 401))
        call.client = self.api_key

    def unknown(self, call: Call) -> Response:  # noqa: ARG002
        return text("", 406)

    def seed(self) -> Iterator[Record]:
        """Yields leads, then the team: both are people here."""
        for contact in self.copy.contacts():
            yield self._person(contact)
        for user in self.copy.users():
            person = user.user
            body = _empty(user.number, "team") | {
                "first_name": person.first_name, "last_name": person.last_name, "email_address": person.email,
                "phone_number": person.phone, "status": "brivity-user", "lead_type": "n/a",
            }  # fmt: skip
            yield self._stamped(Record("people", str(user.number), body, user.created, user.modified, truth=user.truth))

    def _person(self, copied: ContactCopy) -> Record:
        id = 70_000 + copied.number
        # about one in thirty was thrown away: still served, with a status that says so
        status = ("trash", "archived")[id // 2 % 2] if id * 7919 % 31 == 0 else STATUS[copied.stage]
        home = copied.address
        body = _empty(id, "lead") | {
            "first_name": copied.first_name,
            "last_name": f"{copied.last_name} {copied.suffix}".strip(),
            "phone_number": copied.phone,
            "email_address": copied.email,
            "company": copied.company,
            "job_title": copied.job_title,
            "source": copied.source,
            "status": status,
            "lead_type": copied.intent,
            "agent_id": copied.owner,
            "stage": PIPELINE[id % len(PIPELINE)],
            "description": copied.notes,
            "tags": list(copied.tags),
            "street_address": f"{home.street} {home.unit}".strip() if home else "",
            "city": home.city if home else "",
            "locality": home.state if home else "",
            "postal_code": home.postal_code if home else "",
            "country": home.country if home else "",
        }
        return self._stamped(Record("people", str(id), body, copied.created, copied.modified, truth=copied.truth))

    def _stamped(self, record: Record) -> Record:
        self.stamp(record)
        return record

    def stamp(self, record: Record) -> None:
        """Writes the id only: the records bear no timestamps (fact sheet 1.2)."""
        record.body["id"] = int(record.id)

    def user_delete(self, record: Record) -> None:
        """Puts a person into the trash; the record is still served."""
        record.body["status"] = "trash"

    def people(self, call: Call) -> Response:
        """Answers the bare array; no other parameter than `limit` is known."""
        limit = whole_number(call.query.get("limit"), self.switches["without_limit"], lambda: text("", 406))
        return answer([record.body for record in self.store.select("people", limit=limit)])

    def take_lead(self, call: Call) -> Response:
        """Takes a lead, in write names; one whose e-mail is known changes that person."""
        given = call.object(_bad_request)
        if not (given.get("email") or given.get("phone")):
            return answer({"errors": ["email or phone is required"]}, 422)
        changes = {READ_NAMES.get(name, name): given[name] for name in WRITTEN if given.get(name) is not None}
        if isinstance(changes.get("email_address"), str):
            changes["email_address"] = changes["email_address"].strip().lower()
        if known := self._known(changes.get("email_address")):
            return answer({"id": self.edit(known, changes).body["id"], "status": "updated"})
        id = self.new_id("people")
        fresh = _empty(int(id), "lead") | {"status": "new", "stage": "New lead"} | changes
        return answer({"id": self.new("people", id, fresh).body["id"], "status": "created"}, 201)

    def _known(self, email: object) -> Record | None:
        if not (email and self.switches["match_by_email"]):
            return None
        where = "lower(trim(body ->> '$.email_address')) = ? and body ->> '$.status' <> 'trash'"
        return next(iter(self.store.select("people", where, [email], limit=1)), None)

    def subscribe(self, call: Call) -> Response:
        """Keeps a subscription and never calls it (fact sheet 1.4: `event` and `target_url` are required; 201)."""
        given = call.object(_bad_request)
        if not (given.get("event") and given.get("target_url")):
            return answer({"errors": ["event and target_url are required"]}, 422)
        id = int(self.new_id("event_subscriptions"))
        now = clock.iso_seconds(self.clock.now())
        names = ("event", "target_url", "source", "http_auth_strategy", "http_auth_credentials")
        body = {name: given.get(name) for name in names} | {"account_id": 12, "created_at": now, "updated_at": now}
        kept = self.new("event_subscriptions", id, body)
        return answer({"status": "created", "event_subscription": kept.body}, 201)


def _empty(id: int, type: str) -> Body:
    return dict.fromkeys(PERSON_FIELDS, "") | {
        "id": id, "lead_id": id + 18_000, "uuid": str(uuid.UUID(int=id * 0x9E3779B97F4A7C15F39CC060 % (1 << 128))),
        "account_id": 12, "agent_id": None, "agent_uuid": None, "type": type, "stage_type": None, "tags": [],
        "brivity_contact_detail_url": f"https://www.brivity.com/people/{id}", "market_report_count": id % 4,
        "active_market_report_count": 0,
    }  # fmt: skip


def _bad_request(problem: str) -> Response:
    return answer({"errors": [problem]}, 400)
