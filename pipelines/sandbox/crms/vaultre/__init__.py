"""VaultRE (MRI Vault's documented API, v1.3): contacts, properties with their lives, commercial deals, users.

Source: fact sheet mri_vault 3.1 to 3.6 and the vendor's specification that it cites. Emulated traps: two credentials
(bad key 403, bad bearer 401), absolute `urls.next`, arrays joined by commas, suburbs that are objects when read and ids
when written, search in another shape than the list, `saleDetails` only where a sale is listed, deals without times and
without modifiedSince, merges that are accepted and done later, deletions that only the event stream tells.

UNVERIFIED, and chosen here or left to a switch: whether PUT replaces (`put_replaces`), whether modifiedSince includes
its moment (`modified_since_inclusive`), the greatest page (`most_a_page`), pages from 1, the codes of errors, the names
of a merge's fields, types and actions of events, the envelope of /suburbs, a phone search that compares digits, the
window of a day (here the last 24 hours, there it ends at 00:00 UTC), statuses of every kind in a list without `status`.

Not emulated: minting of tokens, /integrator, webhooks, notes, enquiries, offers, lease deals, writes of deals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.copies import ContactCopy, DealCopy, PropertyCopy, UserCopy
from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.vaultre import assets, people
from pipelines.sandbox.crms.vaultre.contact_calls import ContactCalls
from pipelines.sandbox.crms.vaultre.envelope import error, invalid, missing, time
from pipelines.sandbox.crms.vaultre.property_calls import PropertyCalls, displayed
from pipelines.sandbox.limits import Exceeded, Limit
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Refused, Route, answer

BASE = "/api/v1.3"
Copied = ContactCopy | DealCopy | PropertyCopy | UserCopy
EVENTS_KEPT = 30 * 86_400
EVENTS_A_PAGE = 100


class Emulator(Crm):
    """One account of VaultRE.

    Settings: those above, and `merge_seconds`, until a merge that was accepted is done; `delete_archives`, a user's
    deletion of a contact is the flag `archived` rather than the end; `scopes`, what GET /scopes answers.
    """

    name = "vaultre"
    limits = (Limit(10, 1.0, name="second"), Limit(10_000, 86_400.0, name="day"))
    settings: ClassVar[Mapping[str, Any]] = {
        "put_replaces": False, "modified_since_inclusive": True, "most_a_page": 100, "merge_seconds": 5,
        "delete_archives": False, "scopes": ["contacts", "properties", "users"],
    }  # fmt: skip
    editable: ClassVar[Mapping[str, str]] = {"contacts": "company", "properties": "heading"}
    api_key = "vaultre-sandbox-key"
    access_token = "vaultre-sandbox-token"

    def routes(self) -> list[Route]:
        """Returns the routes of all parts below /api/v1.3."""
        self.contacts = ContactCalls(self)
        own = [
            Route("GET", "/scopes", lambda _: answer(self.switches["scopes"])),
            Route("GET", "/eventStream", self.events),
        ]
        routes = own + self.contacts.routes() + PropertyCalls(self, self.contacts).routes()
        return [Route(route.method, BASE + route.path, route.handler) for route in routes]

    def environment(self, url: str) -> dict[str, str]:
        """Returns base URL, the integrator's key and the customer's token."""
        return {
            "VAULTRE_API_BASE_URL": f"{url}{BASE}",
            "VAULTRE_API_KEY": self.api_key,
            "VAULTRE_ACCESS_TOKEN": self.access_token,
        }

    def authorize(self, call: Call) -> None:
        """3.1: a missing or bad key is 403, a missing or bad bearer 401."""
        if call.headers.get("x-api-key") != self.api_key:
            raise Refused(error(403, "FORBIDDEN", "Invalid API key"))
        if call.bearer() != self.access_token:
            raise Refused(error(401, "UNAUTHORIZED", "Invalid access token"))
        call.client = self.api_key
        self.contacts.settle()

    def too_many(self, call: Call, wait: float, exceeded: Exceeded | None = None) -> Response:  # noqa: ARG002
        """3.6: 429, no rate headers."""
        return error(429, "TOO_MANY_REQUESTS", "Limit exceeded")

    def unknown(self, call: Call) -> Response:  # noqa: ARG002
        return missing("resource")

    def failure(self, status: int) -> Response:
        """Answers as the API would, not as the gateway."""
        return error(status, "SERVER_ERROR", "An error occurred")

    def seed(self) -> Iterator[Record]:
        """Yields users, contacts, properties and the deals of commercial ones."""
        owners = {user.number: user for user in self.copy.users()}
        agents: dict[int, Body] = {}
        for number, user in owners.items():
            id, name = people.FIRST_USER + number, f"{user.user.first_name} {user.user.last_name}"
            agents[number] = {"id": id, "name": name}
            yield self._seeded("users", id, people.user(user), user)
        for contact in self.copy.contacts():
            body = people.contact(contact, agents[contact.owner])
            id = people.FIRST_CONTACT + contact.number
            yield self._seeded("contacts", id, body, contact)
        yield from self._seeded_properties(agents)

    def _seeded_properties(self, agents: Mapping[int, Body]) -> Iterator[Record]:
        latest: dict[int, DealCopy] = {}
        for deal in self.copy.deals():
            latest[deal.property.number] = deal
            if assets.class_of(deal.property) == "commercial":
                body = assets.deal(deal) | {"_property": assets.FIRST_PROPERTY + deal.property.number}
                body |= {
                    role: [people.FIRST_CONTACT + one for one in body[role]] for role in ("_owners", "_purchasers")
                }
                yield self._seeded("deals", assets.FIRST_DEAL + deal.number, body, deal)
        for house in self.copy.properties():
            last = latest.get(house.number)
            body = assets.property(house, agents[house.owner], last)
            body["_owners"] = [people.FIRST_CONTACT + number for number in house.vendors]
            buyers = [number for number, role in last.contacts if role == "client"] if last else []
            if last and last.deal.side == "buyer" and body["status"] in ("unconditional", "settled"):
                body["_purchasers"] = [people.FIRST_CONTACT + number for number in buyers]
            id = assets.FIRST_PROPERTY + house.number
            yield self._seeded("properties", id, body, house)

    def _seeded(self, entity: str, id: int, body: Body, copied: Copied) -> Record:
        record = Record(entity, str(id), body, copied.created, copied.modified, truth=copied.truth)
        self.stamp(record)
        return record

    def stamp(self, record: Record) -> None:
        """Writes the id, and the times where the record bears them: deals and users do not."""
        record.body["id"] = int(record.id)
        if record.entity in ("contacts", "properties"):
            record.body |= {"inserted": time(record.created), "modified": time(record.modified)}
        if record.entity == "contacts":
            record.body |= {"touched": time(record.modified), "displayName": people.display_name(record.body)}
        if record.entity == "properties":
            record.body["displayAddress"] = displayed(record.body)

    def user_delete(self, record: Record) -> None:
        """Deletes for good, or archives."""
        if self.switches["delete_archives"] and record.entity == "contacts":
            record.body["archived"] = True
        else:
            record.deleted = True

    def new(self, entity: str, id: str | int, body: Body) -> Record:
        """Adds a record, and an event about it."""
        return self._told(super().new(entity, id, body), "create")

    def touch(self, record: Record) -> Record:
        """Writes back a record, and an event about it."""
        return self._told(super().touch(record), "delete" if record.deleted else "update")

    def _told(self, record: Record, action: str) -> Record:
        now, number = self.clock.now(), self.store.next_number("events", 1)
        kind = {"properties": "property"}.get(record.entity, record.entity[:-1])
        body = {"id": number, "timestamp": time(now), "type": kind, "action": action, "data": {"id": int(record.id)}}
        self.store.add(Record("events", str(number), body, now, now))
        return record

    def events(self, call: Call) -> Response:
        """3.3: {items, urls: {next}}; 30 days back and no more; `cursor` is the last event of the page before."""
        since, cursor = call.query.get("eventsSince"), call.query.get("cursor", "0")
        try:
            begin = clock.parse_time(since) if since else 0.0
            after = int(cursor)
        except ValueError:
            return invalid("eventsSince is no date, or cursor is not ours")
        begin = max(begin, self.clock.now() - EVENTS_KEPT)
        where = "modified >= ? and cast(id as integer) > ?"
        found = self.store.select("events", where, [begin, after], limit=EVENTS_A_PAGE + 1)
        more = f"{call.origin}{call.path}?cursor={found[-2].id}" if len(found) > EVENTS_A_PAGE else None
        return answer({"items": [event.body for event in found[:EVENTS_A_PAGE]], "urls": {"next": more}})
