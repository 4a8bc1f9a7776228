"""MRI Vault's flat wire, as the connectors contract assumes it: one key, `{instanceUrl}/api/contacts|properties|deals`.

Source: the connectors contract. Its paths are published nowhere: ALL of it is UNVERIFIED. From the contract: `apiKey`
as bearer, the paths, GET with the filters email (contacts), address (properties), propertyId and stage (deals) and
modifiedSince, POST, PUT by id, and the fields of the three records, flat.

Chosen here, where the contract is silent: lists are {items, total, totalPages} with page (from 1) and pagesize (as in
the vendor's documented API, or pageSize; 50, at most 100), the oldest first; ids like con-71; filters compare without
regard to case and space around them, and modifiedSince includes its moment; records bear created and modified;
milestones and riskFlags are lists of texts; POST answers 201 and PUT 200 with the whole record, GET by id, DELETE
204; bodies of errors; no limit of calls; an empty filter is no filter. Switches: `put_replaces`, PUT empties the
fields it does not name; `honour_modified_since`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.copies import ContactCopy, DealCopy, PropertyCopy
from pipelines.sandbox.crm import Crm
from pipelines.sandbox.dirt import from_abroad
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Refused, Route, answer, whole_number

PAGE, MOST = 50, 100
FIELDS: dict[str, dict[str, type]] = {
    "contacts": dict.fromkeys(("firstName", "lastName", "email", "phone", "type", "notes"), str),
    "properties": {"address": str, "vendors": list, "buyers": list, "milestones": list, "riskOverview": str},
    "deals": {
        "propertyId": str, "stage": str, "riskLevel": str, "riskFlags": list, "nextAction": str,
        "nextActionOwner": str, "summary": str, "contacts": list,
    },
}  # fmt: skip
PREFIX = {"contacts": "con", "properties": "prop", "deals": "deal"}
FILTERS = {"contacts": ("email",), "properties": ("address",), "deals": ("propertyId", "stage")}
NEEDED = {"contacts": ("firstName", "lastName", "email", "phone"), "properties": ("address",), "deals": ("propertyId",)}
LINKS = {"vendors": "contacts", "buyers": "contacts", "contacts": "contacts", "propertyId": "properties"}
RISKS = ("low", "medium", "high")


class Emulator(Crm):
    """One office of MRI Vault, on the flat wire."""

    name = "mri_vault"
    settings: ClassVar[Mapping[str, Any]] = {"put_replaces": False, "honour_modified_since": True}
    editable: ClassVar[Mapping[str, str]] = {"contacts": "notes", "properties": "riskOverview", "deals": "nextAction"}
    api_key = "mri-vault-sandbox-key"

    def routes(self) -> list[Route]:
        """Returns five calls for each entity."""
        routes = []
        for entity in FIELDS:
            routes += [
                Route("GET", f"/api/{entity}", self.page),
                Route("POST", f"/api/{entity}", self.create),
                Route("GET", f"/api/{entity}/{{id}}", self.read),
                Route("PUT", f"/api/{entity}/{{id}}", self.update),
                Route("DELETE", f"/api/{entity}/{{id}}", self.delete),
            ]
        return routes

    def environment(self, url: str) -> dict[str, str]:
        """Returns what a user of the connectors contract enters."""
        return {"MRI_VAULT_INSTANCE_URL": url, "MRI_VAULT_API_KEY": self.api_key}

    def seed(self) -> Iterator[Record]:
        """Yields contacts, properties, deals."""
        users = {user.number: f"{user.user.first_name} {user.user.last_name}" for user in self.copy.users()}
        for contact in self.copy.contacts():
            yield self._seeded("contacts", contact, _contact(contact))
        for house in self.copy.properties():
            yield self._seeded("properties", house, _property(house))
        held = {house.number for house in self.copy.properties()}
        for deal in self.copy.deals():
            if deal.property.number not in held:
                held.add(deal.property.number)
                yield self._seeded("properties", deal.property, _property(deal.property))
            yield self._seeded("deals", deal, _deal(deal, users))

    def _seeded(self, entity: str, copied: ContactCopy | PropertyCopy | DealCopy, body: Body) -> Record:
        record = Record(
            entity, f"{PREFIX[entity]}-{copied.number}", body, copied.created, copied.modified, truth=copied.truth
        )
        self.stamp(record)
        return record

    def stamp(self, record: Record) -> None:
        """Writes id and times."""
        record.body |= {
            "id": record.id,
            "created": clock.iso_seconds(record.created),
            "modified": clock.iso_seconds(record.modified),
        }  # fmt: skip

    def new_id(self, entity: str) -> str:
        """Returns an id like the seeded ones."""
        return f"{PREFIX[entity]}-{super().new_id(entity)}"

    def authorize(self, call: Call) -> None:
        """Contract: the key is the bearer."""
        if call.bearer() != self.api_key:
            raise Refused(_error(401, "Unauthorized", "Invalid API key"))
        call.client = self.api_key

    def unknown(self, call: Call) -> Response:  # noqa: ARG002
        return _error(404, "NotFound", "No such resource")

    def page(self, call: Call) -> Response:
        """Answers a list: {items, total, totalPages}."""
        entity, query = _entity(call), call.query
        number = whole_number(query.get("page"), 1, lambda: _bad("page begins with 1"), low=1)
        asked = whole_number(
            query.get("pagesize", query.get("pageSize")), PAGE, lambda: _bad("pagesize is not a number"), low=1
        )
        size = min(asked, MOST)
        where, values = self._filter(entity, query)
        total = self.store.count(entity, where, values)
        found = self.store.select(entity, where, values, limit=size, offset=(number - 1) * size)
        return answer({"items": [r.body for r in found], "total": total, "totalPages": math.ceil(total / size)})

    def _filter(self, entity: str, query: dict[str, str]) -> tuple[str, list[Any]]:
        where, values = ["not deleted"], list[Any]()
        for field in FILTERS[entity]:
            if query.get(field):
                where.append(f"lower(trim(body ->> '$.{field}')) = lower(trim(?))")
                values.append(query[field])
        if query.get("modifiedSince") and self.switches["honour_modified_since"]:
            where.append("cast(modified as integer) >= ?")
            values.append(_time(query["modifiedSince"]))
        return " and ".join(where), values

    def read(self, call: Call) -> Response:
        """Answers one record."""
        return answer(self._record(call).body)

    def create(self, call: Call) -> Response:
        """Adds a record and answers it whole; never looks whether there is one like it."""
        entity = _entity(call)
        given = self._accepted(entity, call)
        if not any(given.get(name) for name in NEEDED[entity]):
            return _bad(f"one of {', '.join(NEEDED[entity])} is needed")
        return answer(self.new(entity, self.new_id(entity), _empty(entity) | given).body, 201)

    def update(self, call: Call) -> Response:
        """Changes the fields named in the body and answers the record whole."""
        record = self._record(call)
        given = self._accepted(record.entity, call)
        return answer(self.edit(record, (_empty(record.entity) if self.switches["put_replaces"] else {}) | given).body)

    def delete(self, call: Call) -> Response:
        """Deletes a record; nothing lists it afterwards."""
        self.remove(self._record(call))
        return answer(None, 204)

    def _record(self, call: Call) -> Record:
        record = self.store.get(_entity(call), call.params["id"])
        if record is None or record.deleted:
            raise Refused(_error(404, "NotFound", "No such record"))
        return record

    def _accepted(self, entity: str, call: Call) -> Body:
        """Keeps the fields there are, texts trimmed; refuses what cannot be."""
        sent = call.object(_bad)
        given = {name: sent[name] for name in FIELDS[entity] if name in sent}
        for name, value in given.items():
            if value is not None and not self._fits(name, value, FIELDS[entity][name]):
                raise Refused(_bad(f"{name} is not valid"))
            given[name] = value.strip() if isinstance(value, str) else value
        return given

    def _fits(self, name: str, value: Any, kind: type[Any]) -> bool:
        if type(value) is not kind or (kind is list and any(type(item) is not str for item in value)):
            return False
        if name in LINKS:
            ids = value if kind is list else [value] if value else []
            return all(self.store.count(LINKS[name], "not deleted and id = ?", [id]) for id in ids)
        if name == "riskLevel":
            return value in ("", *RISKS)
        return name != "email" or not value.strip() or bool(re.fullmatch(r"[^@\s]+@[^@\s]+", value.strip()))


def _contact(copied: ContactCopy) -> Body:
    return {
        "firstName": copied.first_name or None, "lastName": f"{copied.last_name} {copied.suffix}".strip() or None,
        "email": copied.email or None, "phone": from_abroad(copied.phone) or None, "type": copied.intent,
        "notes": copied.notes or None,
    }  # fmt: skip


def _property(copied: PropertyCopy) -> Body:
    home = copied.address
    return {
        "address": f"{home.street}{f' {home.unit}' if home.unit else ''}, {home.city}, {home.state} {home.postal_code}",
        "vendors": [f"con-{number}" for number in copied.vendors],
        "buyers": [f"con-{number}" for number in copied.buyers],
        "milestones": [f"{what} {clock.iso_date(when)}" for what, when in copied.property.milestones],
        "riskOverview": copied.property.risk_overview or None,
    }


def _deal(copied: DealCopy, users: Mapping[int, str]) -> Body:
    return {
        "propertyId": f"prop-{copied.property.number}",
        "stage": copied.stage.replace("_", " "),
        "riskLevel": copied.deal.risk_level,
        "riskFlags": list(copied.deal.risk_flags),
        "nextAction": copied.deal.next_action or None,
        "nextActionOwner": users[copied.deal.next_action_owner + 1],
        "summary": copied.deal.summary,
        "contacts": [f"con-{number}" for number, _ in copied.contacts],
    }


def _empty(entity: str) -> Body:
    return {name: [] if kind is list else None for name, kind in FIELDS[entity].items()}


def _entity(call: Call) -> str:
    return call.template.split("/")[2]


def _time(value: str) -> float:
    try:
        return clock.parse_time(value)
    except ValueError:
        raise Refused(_bad("modifiedSince is not a time")) from None


def _error(status: int, code: str, message: str) -> Response:
    return answer({"error": {"code": code, "message": message}}, status)


def _bad(message: str) -> Response:
    return _error(400, "BadRequest", message)
