"""`POST /v1/events`: the way leads are advised to come in (fact sheet 4.3).

201 a new person, 200 one that was known, 204 the source is archived by the lead flow (switch `archived_sources`), 404
`person.id` is unknown. UNVERIFIED: what an event changes in a person who is known; here it adds e-mails, telephone
numbers and tags and fills what is empty.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.crms.follow_up_boss import errors, lists, records, schema
from pipelines.sandbox.crms.follow_up_boss.people import People
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Route, answer


class Intake:
    """The events of one account."""

    def __init__(self, people: People) -> None:
        self.people = people
        self.lists = people.lists
        self.crm = people.crm

    def routes(self) -> list[Route]:
        """Returns the routes."""
        return [
            Route("GET", "/v1/events", lambda call: self.lists.page(call, "events")),
            Route("GET", "/v1/events/{id}", self.read),
            Route("POST", "/v1/events", self.take),
        ]

    def read(self, call: Call) -> Response:
        """Answers one event."""
        record = self.crm.store.get("events", call.params["id"])
        if record is None:
            raise errors.not_found()
        return answer(record.body)

    def take(self, call: Call) -> Response:
        """Takes a lead and answers the person."""
        given = call.object(errors.bad_body)
        person = _checked(given)
        if given.get("source") in self.crm.switches["archived_sources"]:
            return answer(None, 204)
        known = self._known(person)
        changes = self.people.accepted({name: value for name, value in person.items() if name != "id"})
        if known:
            kept, status = self.crm.edit(known, _merged(known.body, changes)), 200
        else:
            source = {"source": given["source"]} if given.get("source") else {}
            kept, status = self.people.make(changes | source | {"createdVia": "API"}), 201
        self._note(given, kept)
        return answer(lists.shown("people", kept.body, None), status)

    def _known(self, person: Body) -> Record | None:
        if "id" in person:
            found = self.crm.store.get("people", str(person["id"]))
            if found is None:
                raise errors.not_found()
            return found
        return self.people.twin(person)

    def _note(self, given: Body, person: Record) -> None:
        kind = given["type"]
        if kind == "Inquiry":
            kind = "Property Inquiry" if given.get("property") else "General Inquiry"
        body = {name: given.get(name) for name in ("source", "system", "message", "description", "property")}
        occurred = {"occurred": given["occurredAt"]} if given.get("occurredAt") else {}
        body |= {"personId": int(person.id), "type": kind} | occurred
        self.crm.new("events", self.crm.new_id("events"), body)


def _checked(given: Body) -> dict[str, Any]:
    if unknown := [name for name in given if name not in schema.EVENT_WRITE]:
        raise errors.invalid_fields(unknown)
    if given.get("type") not in schema.EVENT_TYPES:
        raise errors.refuse(f"Invalid event type: {given.get('type')}.")
    if not isinstance(person := given.get("person"), dict):
        raise errors.refuse("person is required.")
    home = given.get("property") or {}
    if not isinstance(home, dict):
        raise errors.refuse("Invalid value for property.")
    if unknown := [name for name in home if name not in schema.PROPERTY_WRITE]:
        raise errors.invalid_fields(unknown)
    for name in ("emails", "phones"):
        rows = person.get(name) or []
        if not isinstance(rows, list) or not all(
            isinstance(row, dict) and isinstance(row.get("value"), str) for row in rows
        ):
            raise errors.refuse(f"Invalid value for {name}.")
    if given.get("occurredAt"):
        try:
            clock.parse_time(str(given["occurredAt"]))
        except ValueError:
            raise errors.refuse("Invalid occurredAt.") from None
    return person


def _merged(body: Body, changes: Body) -> Body:
    merged = {name: value for name, value in changes.items() if body.get(name) in (None, "", [])}
    merged.pop("name", None)
    if changes.get("tags"):
        merged["tags"] = list(dict.fromkeys([*body["tags"], *changes["tags"]]))
    if changes.get("emails"):
        merged["emails"] = records.emails([*body["emails"], *changes["emails"]])
    if changes.get("phones"):
        merged["phones"] = records.phones([*body["phones"], *changes["phones"]])
    return merged
