"""What a portal says about itself: owners, pipelines, properties, account.

Source: fact sheet 1.2. UNVERIFIED: that a page of owners holds at most 500.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.crms.hubspot import errors
from pipelines.sandbox.crms.hubspot.objects import PORTAL, Objects, wants_archived
from pipelines.sandbox.crms.hubspot.schema import DEAL_STAGES, ObjectType, Property
from pipelines.sandbox.store import Record
from pipelines.sandbox.wire import Call, Refused, Route, answer, whole_number

OWNERS_PAGE = 500
BEGAN = "2018-01-01T00:00:00.000Z"
UNIQUE_PROPERTIES = 10


class Portal:
    """Owners, pipelines, properties and the account of one portal."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.crm = objects.crm

    def routes(self) -> list[Route]:
        """Returns the routes."""
        return [
            Route("GET", "/crm/v3/owners", self.owners),
            Route("GET", "/crm/v3/owners/", self.owners),  # as the vendor's client writes it
            Route("GET", "/crm/v3/owners/{id}", self.owner),
            Route("GET", "/crm/v3/pipelines/{type}", self.pipelines),
            Route("GET", "/crm/v3/pipelines/{type}/{id}", self.pipeline),
            Route("GET", "/crm/v3/properties/{type}", self.properties),
            Route("POST", "/crm/v3/properties/{type}", self.create_property),
            Route("GET", "/crm/v3/properties/{type}/{name}", self.property),
            Route("GET", "/account-info/v3/details", self.account),
        ]

    def owners(self, call: Call) -> Response:
        """Answers the owners, or with `archived=true` those who have left."""
        limit = whole_number(call.query.get("limit"), 100, lambda: errors.invalid("limit is not a number"), low=1)
        if limit > OWNERS_PAGE:
            raise Refused(errors.invalid(f"limit must be at most {OWNERS_PAGE}"))
        after = whole_number(call.query.get("after"), 0, lambda: errors.invalid("after is not a number"))
        values: list[Any] = [int(wants_archived(call)), after]
        where = "deleted = ? and cast(id as integer) >= ?"
        if email := call.query.get("email"):
            where, values = f"{where} and body ->> '$.email' = ?", [*values, email]
        found = self.crm.store.select("owners", where, values, limit=limit + 1)
        body: dict[str, Any] = {"results": [record.body for record in found[:limit]]}
        if len(found) > limit:
            last = found[limit].id
            link = f"{call.origin}{call.path}?limit={limit}&after={last}"
            body["paging"] = {"next": {"after": last, "link": link}}
        return answer(body)

    def owner(self, call: Call) -> Response:
        """Answers one owner, by `id` or by `userId`."""
        field = "$.userIdIncludingInactive" if call.query.get("idProperty") == "userId" else "$.id"
        is_gone = int(wants_archived(call))
        where = f"deleted = ? and cast(body ->> '{field}' as text) = ?"
        found = self.crm.store.select("owners", where, [is_gone, call.params["id"]])
        return answer(found[0].body) if found else errors.not_found()

    def pipelines(self, call: Call) -> Response:
        """Answers the pipelines; only deals have one here."""
        kind = self.objects.kind(call.params["type"])
        return answer({"results": [_pipeline()] if kind.name == "deals" else []})

    def pipeline(self, call: Call) -> Response:
        """Answers one pipeline."""
        is_known = self.objects.kind(call.params["type"]).name == "deals" and call.params["id"] == "default"
        return answer(_pipeline()) if is_known else errors.not_found()

    def properties(self, call: Call) -> Response:
        """Answers every property of an object type."""
        kind = self.objects.kind(call.params["type"])
        return answer({"results": [_described(each, kind) for each in self.objects.properties(kind).values()]})

    def property(self, call: Call) -> Response:
        """Answers one property."""
        kind = self.objects.kind(call.params["type"])
        known = self.objects.properties(kind).get(call.params["name"])
        return answer(_described(known, kind)) if known else errors.not_found()

    def create_property(self, call: Call) -> Response:
        """Adds a property of the portal's own; at most ten of an object type may be unique."""
        kind, given = self.objects.kind(call.params["type"]), call.object(errors.invalid)
        known = self.objects.properties(kind)
        if lacking := [name for name in ("name", "label", "type", "fieldType", "groupName") if not given.get(name)]:
            raise Refused(errors.invalid(f"Some required fields were not set: {lacking}"))
        if given["name"] in known:
            raise Refused(errors.conflict(f"A property named '{given['name']}' already exists."))
        is_unique = bool(given.get("hasUniqueValue"))
        if is_unique and sum(each.unique and each.is_custom for each in known.values()) >= UNIQUE_PROPERTIES:
            raise Refused(errors.invalid(f"at most {UNIQUE_PROPERTIES} properties may be unique"))
        kept = {"options": given.get("options") or [], "hasUniqueValue": is_unique, "of": kind.name}
        made = Record(
            "properties", f"{kind.name}/{given['name']}", given | kept, self.crm.clock.now(), self.crm.clock.now()
        )
        self.crm.store.add(made)
        return answer(_described(self.objects.properties(kind)[given["name"]], kind), 201)

    def account(self, call: Call) -> Response:  # noqa: ARG002
        """Answers what the portal is."""
        return answer({
            "portalId": PORTAL, "accountType": "STANDARD", "timeZone": "US/Eastern", "companyCurrency": "USD",
            "additionalCurrencies": [], "utcOffset": "-05:00", "utcOffsetMilliseconds": -18_000_000,
            "uiDomain": "app.hubspot.com", "dataHostingLocation": "na1",
        })  # fmt: skip


def stamp_owner(record: Record) -> None:
    """Writes id and times into an owner."""
    record.body |= {
        "id": record.id,
        "createdAt": clock.iso_millis(record.created),
        "updatedAt": clock.iso_millis(record.modified),
        "archived": record.deleted,
    }


def _pipeline() -> dict[str, Any]:
    times = {"createdAt": BEGAN, "updatedAt": BEGAN, "archived": False}
    stages = [
        {"id": id, "label": label, "displayOrder": place, "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
         "metadata": {"isClosed": is_closed, "probability": probability}} | times
        for place, (id, label, probability, is_closed) in enumerate(DEAL_STAGES)
    ]  # fmt: skip
    return {"id": "default", "label": "Sales Pipeline", "displayOrder": 0, "stages": stages} | times


def _described(known: Property, kind: ObjectType) -> dict[str, Any]:
    return {
        "name": known.name, "label": known.name.replace("_", " ").capitalize(), "description": "",
        "type": known.kind, "fieldType": known.field, "groupName": f"{kind.one}information",
        "options": [
            {"value": value, "label": label, "displayOrder": place, "hidden": False, "description": ""}
            for place, (value, label) in enumerate(known.options)
        ],
        "hasUniqueValue": known.unique, "hubspotDefined": not known.is_custom, "calculated": False,
        "externalOptions": known.name == "hubspot_owner_id", "hidden": False, "archived": False, "formField": True,
        "displayOrder": -1, "createdAt": BEGAN, "updatedAt": BEGAN,
        "modificationMetadata": {
            "readOnlyValue": known.read_only, "readOnlyDefinition": not known.is_custom, "archivable": known.is_custom,
        },
    }  # fmt: skip
