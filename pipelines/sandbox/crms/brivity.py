"""Brivity as the customer's contract has it ("picture A"): OAuth client credentials, contacts and deals in pages of 100.

Source: fact sheet brivity 1.6 and 1.1, the unified-CRM contract. Brivity publishes no specification of this API, so ALL of
it is UNVERIFIED against the vendor. From the contract: base `/v1`, `POST /auth/oauth/token`, `GET /contacts?limit&offset&
status&search` -> {contacts, total}, `GET /deals?limit&offset&status&stage` -> {deals, total}, single records, POST, PUT, at
most 100 a page, 401, 404, 422, 429 with Retry-After. Chosen here, where it is silent: contacts spelled in snake_case and
deals as listed in 1.6 (closeDate, contactId, updatedAt); ids are numbers; PUT changes the fields it names; unknown fields
are dropped; the bodies of errors; DELETE; 10 calls a second; whether `updated_since` is honoured (switch, default: ignored).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.copies import ContactCopy, DealCopy
from pipelines.sandbox.crm import Crm
from pipelines.sandbox.limits import Exceeded, Limit
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Refused, Route, answer, whole_number

CONTACT_STATUS = {
    "new": "New Lead", "hot": "Hot", "nurture": "Nurture", "watch": "Watch", "active": "Active Client",
    "past": "Past Client", "inactive": "Inactive", "unqualified": "Unqualified", "": None,
}  # fmt: skip
DEAL_STAGE = {
    "lead": "Lead", "appointment": "Appointment", "showing": "Showing", "offer": "Offer", "under_contract": "Under Contract",
    "closed": "Closed", "lost": "Lost",
}  # fmt: skip
DEAL_STATUS = ("open", "won", "lost")
CONTACT_FIELDS = (
    "first_name", "last_name", "email", "phone", "company", "job_title", "status", "rating", "notes", "source", "tags",
)  # fmt: skip
DEAL_FIELDS = ("name", "amount", "currency", "stage", "status", "probability", "closeDate", "contactId")
PAGE = 100
FIRST_ID = 70_000


class Emulator(Crm):
    """Brivity, picture A."""

    name = "brivity"
    limits = (Limit(10, 1.0, name="calls a second"),)
    settings: ClassVar[Mapping[str, Any]] = {
        "honour_updated_since": False,
        "token_seconds": 3600,
        "say_expires_in": True,
        "newest_first": False,
    }
    editable: ClassVar[Mapping[str, str]] = {"contacts": "company", "deals": "name"}
    client_id = "brivity-sandbox-client"
    client_secret = "brivity-sandbox-secret"  # noqa: S105
    api_key = "brivity-sandbox-key"

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/v1/auth/oauth/token", self.token, public=True),
            *(
                route
                for entity in ("contacts", "deals")
                for route in (
                    Route("GET", f"/v1/{entity}", self.page),
                    Route("POST", f"/v1/{entity}", self.create),
                    Route("GET", f"/v1/{entity}/{{id}}", self.read),
                    Route("PUT", f"/v1/{entity}/{{id}}", self.update),
                    Route("DELETE", f"/v1/{entity}/{{id}}", self.delete),
                )
            ),
        ]

    def environment(self, url: str) -> dict[str, str]:
        return {
            "BRIVITY_API_BASE_URL": f"{url}/v1",
            "BRIVITY_CLIENT_ID": self.client_id,
            "BRIVITY_CLIENT_SECRET": self.client_secret,
            "BRIVITY_API_KEY": self.api_key,
        }

    def seed(self) -> Iterator[Record]:
        for contact in self.copy.contacts():
            yield self._seeded("contacts", FIRST_ID + contact.number, _contact(contact), contact)
        for deal in self.copy.deals():
            yield self._seeded("deals", FIRST_ID + deal.number, _deal(deal), deal)

    def _seeded(self, entity: str, id: int, body: Body, copied: ContactCopy | DealCopy) -> Record:
        record = Record(entity, str(id), body, copied.created, copied.modified, truth=copied.truth)
        self.stamp(record)
        return record

    def stamp(self, record: Record) -> None:
        created, updated = ("created_at", "updated_at") if record.entity == "contacts" else ("createdAt", "updatedAt")
        record.body |= {
            "id": int(record.id), created: clock.iso_millis(record.created), updated: clock.iso_millis(record.modified)
        }  # fmt: skip

    def token(self, call: Call) -> Response:
        """Fact sheet 1.1: JSON {grant_type, client_id, client_secret} -> {access_token, expires_in}."""
        given = call.form() if "form" in call.headers.get("content-type", "") else _json_object(call)
        if given.get("grant_type") != "client_credentials":
            return answer({"error": "unsupported_grant_type"}, 400)
        if (given.get("client_id"), given.get("client_secret")) != (self.client_id, self.client_secret):
            return answer({"error": "invalid_client", "message": "Invalid client_id or client_secret"}, 401)
        lifetime = self.switches["token_seconds"]
        granted = {"access_token": self.tokens.issue(self.client_id, lifetime), "token_type": "Bearer"}
        return answer(granted | ({"expires_in": lifetime} if self.switches["say_expires_in"] else {}))

    def authorize(self, call: Call) -> None:
        grant = self.tokens.grant(call.bearer())
        if grant is None:
            raise Refused(answer({"error": "Unauthorized", "message": "Invalid or expired access token"}, 401))
        call.client = grant.client

    def too_many(self, call: Call, wait: float, exceeded: Exceeded | None = None) -> Response:  # noqa: ARG002
        return answer({"error": "Too Many Requests"}, 429, {"Retry-After": str(max(1, round(wait + 0.5)))})

    def page(self, call: Call) -> Response:
        """Answers a list, ordered by id; `search` looks into names, e-mail, phone and company of contacts."""
        entity, query = _entity(call), call.query
        limit = min(
            whole_number(query.get("limit"), PAGE, lambda: _invalid({"limit": ["is not a number"]}), low=1), PAGE
        )
        offset = whole_number(query.get("offset"), 0, lambda: _invalid({"offset": ["is not a number"]}))
        where, values = self._filter(entity, query)
        order = "modified desc, seq" if self.switches["newest_first"] else "seq"
        records = self.store.select(entity, where, values, order, limit, offset)
        return answer({entity: [r.body for r in records], "total": self.store.count(entity, where, values)})

    def _filter(self, entity: str, query: dict[str, str]) -> tuple[str, list[Any]]:
        where, values = ["not deleted"], list[Any]()
        for field in ("status",) if entity == "contacts" else ("status", "stage"):
            if query.get(field):
                where.append(f"body ->> '$.{field}' = ?")
                values.append(query[field])
        if entity == "contacts" and query.get("search"):
            looked_at = " || ' ' || ".join(
                f"coalesce(body ->> '$.{field}', '')"
                for field in ("first_name", "last_name", "email", "phone", "company")
            )
            where.append(f"instr(lower({looked_at}), lower(?)) > 0")
            values.append(query["search"])
        if query.get("updated_since") and self.switches["honour_updated_since"]:
            where.append("modified >= ?")
            values.append(_time(query["updated_since"]))
        return " and ".join(where), values

    def read(self, call: Call) -> Response:
        """Answers one record."""
        return answer(self._record(call).body)

    def create(self, call: Call) -> Response:
        """Adds a record and answers it whole, as stored."""
        entity = _entity(call)
        given = self._accepted(entity, _json_object(call))
        if entity == "contacts" and not any(
            given.get(field) for field in ("first_name", "last_name", "email", "phone")
        ):
            raise Refused(_invalid({"base": ["a contact needs a name, an email or a phone"]}))
        if entity == "deals" and not given.get("name"):
            raise Refused(_invalid({"name": ["can't be blank"]}))
        empty = dict.fromkeys(CONTACT_FIELDS if entity == "contacts" else DEAL_FIELDS)
        return answer(self.new(entity, self.new_id(entity), empty | given).body, 201)

    def update(self, call: Call) -> Response:
        """Changes the fields named in the body and answers the record whole, as stored."""
        record = self._record(call)
        given = self._accepted(record.entity, _json_object(call))
        return answer(self.edit(record, given).body)

    def delete(self, call: Call) -> Response:
        """Deletes a record: from now on it is 404 and in no list."""
        self.remove(self._record(call))
        return answer(None, 204)

    def _record(self, call: Call) -> Record:
        record = self.store.get(_entity(call), call.params["id"])
        if record is None or record.deleted:
            raise Refused(answer({"error": "Not Found"}, 404))
        return record

    def _accepted(self, entity: str, given: Body) -> Body:
        """Keeps the fields there are, checks them and writes them the CRM's way."""
        allowed = CONTACT_FIELDS if entity == "contacts" else DEAL_FIELDS
        kept = {
            field: value.strip() if isinstance(value, str) else value
            for field, value in given.items()
            if field in allowed
        }
        contact = kept.get("contactId")
        known = contact is None or self.store.count("contacts", "not deleted and id = ?", [str(contact)]) > 0
        if errors := _errors(kept) | ({} if known else {"contactId": ["does not exist"]}):
            raise Refused(_invalid(errors))
        return kept | {field: _normal[field](kept[field]) for field in ("email", "phone") if kept.get(field)}


def _contact(copied: ContactCopy) -> Body:
    return {
        "first_name": copied.first_name or None, "last_name": f"{copied.last_name} {copied.suffix}".strip(),
        "email": copied.email or None, "phone": copied.phone or None, "company": copied.company or None,
        "job_title": copied.job_title or None, "status": CONTACT_STATUS[copied.stage], "rating": copied.rating,
        "notes": copied.notes or None, "source": copied.source or None, "tags": list(copied.tags),
    }  # fmt: skip


def _deal(copied: DealCopy) -> Body:
    status = {"closed": "won", "lost": "lost"}.get(copied.stage, "open")
    return {
        "name": copied.deal.name, "amount": copied.amount, "currency": "USD", "stage": DEAL_STAGE[copied.stage],
        "status": status, "probability": copied.probability, "closeDate": clock.iso_date(copied.deal.closes),
        "contactId": FIRST_ID + copied.contacts[0][0],
    }  # fmt: skip


def _entity(call: Call) -> str:
    return call.template.split("/")[2]


def _invalid(errors: dict[str, list[str]]) -> Response:
    return answer({"error": "Validation failed", "errors": errors}, 422)


def _json_object(call: Call) -> Body:
    try:
        given = call.json()
    except ValueError:
        raise Refused(answer({"error": "Bad Request", "message": "the body is not JSON"}, 400)) from None
    if not isinstance(given, dict):
        raise Refused(answer({"error": "Bad Request", "message": "the body is not an object"}, 400))
    return given


def _time(text: str) -> float:
    try:
        return clock.parse_time(text)
    except ValueError:
        raise Refused(_invalid({"updated_since": ["is not a time"]})) from None


def _errors(given: Body) -> dict[str, list[str]]:
    """Returns what is wrong, by field."""
    wrong: dict[str, list[str]] = {}
    for field, value in given.items():
        if value is not None and not isinstance(value, _TYPES.get(field, str)) or isinstance(value, bool):
            wrong[field] = ["is invalid"]
        elif isinstance(value, str) and field != "notes" and len(value) > 255:
            wrong[field] = ["is too long (maximum is 255 characters)"]
        elif value and field in _SHAPES and not re.fullmatch(_SHAPES[field], str(value)):
            wrong[field] = ["is invalid"]
    if given.get("status") and given["status"] not in (*CONTACT_STATUS.values(), *DEAL_STATUS):
        wrong["status"] = ["is not included in the list"]
    if given.get("stage") and given["stage"] not in DEAL_STAGE.values():
        wrong["stage"] = ["is not included in the list"]
    return wrong


def _phone(value: str) -> str:
    """Writes a number of the US as (253) 201-0000; leaves others as they came."""
    digits = re.sub(r"\D", "", value).removeprefix("1")
    is_plain = len(digits) == 10 and not re.search(r"[a-zA-Z]|^\s*\+(?!1)", value)
    return f"({digits[:3]}) {digits[3:6]}-{digits[6:]}" if is_plain else value


_normal = {"email": str.lower, "phone": _phone}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "rating": int, "tags": list, "amount": (int, float), "probability": (int, float), "contactId": (int, str)
}  # fmt: skip
_SHAPES = {"email": r"[^@\s]+@[^@\s]+", "closeDate": r"\d{4}-\d\d-\d\d.*", "rating": "[1-5]", "currency": "[A-Z]{3}"}
