"""Finding records of the portal and showing them as the API does."""

from __future__ import annotations

from typing import Any

from pipelines.sandbox import clock
from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.hubspot import errors
from pipelines.sandbox.crms.hubspot.schema import ObjectType, Property, object_type
from pipelines.sandbox.store import Record
from pipelines.sandbox.wire import Call, Refused

PORTAL = 1_234_567
MERGED_INTO, ERASED = "_merged_into", "_erased"
RECYCLED_AFTER = 90 * 86_400.0


class Objects:
    """The records of one portal."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm

    def kind(self, name: str) -> ObjectType:
        """Returns the type a path names; refuses with the error that has no category."""
        found = object_type(name)
        if found is None:
            raise Refused(errors.unknown_type(name))
        return found

    def properties(self, kind: ObjectType) -> dict[str, Property]:
        """Returns all properties of a type, those made through the API too."""
        made = self.crm.store.select("properties", "deleted = 0 and body ->> '$.of' = ?", [kind.name])
        extra = (
            Property(r.body["name"], r.body["type"], r.body["fieldType"],
                     tuple((option["value"], option["label"]) for option in r.body["options"]),
                     r.body["hasUniqueValue"], is_custom=True)
            for r in made
        )  # fmt: skip
        return {known.name: known for known in (*kind.properties, *extra)}

    def get(self, kind: ObjectType, id: str) -> Record | None:
        """Returns a record, archived ones too; the id of one that was merged away gives its winner."""
        found = self.crm.store.get(kind.name, id)
        while found and MERGED_INTO in found.body:
            found = self.crm.store.get(kind.name, found.body[MERGED_INTO])
        return None if found is None or ERASED in found.body or self._recycled(found) else found

    def _recycled(self, record: Record) -> bool:
        return record.deleted and record.modified < self.crm.clock.now() - RECYCLED_AFTER

    def find(self, kind: ObjectType, id: str, id_property: str | None) -> Record | None:
        """Returns a record that is not archived by its id or by a property that is unique."""
        if id_property in (None, "", "hs_object_id"):
            found = self.get(kind, id)
            return found if found and not found.deleted else None
        known = self.properties(kind).get(id_property or "")
        if known is None or not known.unique:
            raise Refused(errors.invalid(f"Property {id_property} is not a unique property of {kind.name}"))
        value = id.strip().lower() if known.name == "email" else id
        where = f"deleted = 0 and body ->> '$.\"{known.name}\"' = ?"
        return next(iter(self.crm.store.select(kind.name, where, [value], limit=1)), None)

    def shown(self, kind: ObjectType, record: Record, wanted: list[str], history: list[str] | None = None) -> Any:
        """Returns a record with the wanted properties that exist, null where they are empty, all values text."""
        always = (kind.created, kind.modified, "hs_object_id")
        known = self.properties(kind)
        names = sorted(({*wanted} or {*kind.defaults}) & {*known} | {*always})
        body: dict[str, Any] = {
            "id": record.id,
            "properties": {name: record.body.get(name) for name in names},
            "createdAt": clock.iso_millis(record.created),
            "updatedAt": clock.iso_millis(record.modified),
            "archived": record.deleted,
        }
        if record.deleted:
            body["archivedAt"] = clock.iso_millis(record.modified)
        if history:
            body["propertiesWithHistory"] = {name: _history(record, name) for name in history if name in known}
        return body | {"url": f"https://app.hubspot.com/contacts/{PORTAL}/record/{kind.type_id}/{record.id}"}


def _history(record: Record, name: str) -> list[dict[str, str]]:
    value = record.body.get(name)
    at = clock.iso_millis(record.modified)
    return [{"value": value, "timestamp": at, "sourceType": "CRM_UI"}] if value else []


def names(call: Call, parameter: str) -> list[str]:
    """Reads a list of names: comma-separated, or the parameter repeated."""
    given = [value for key, value in call.query_list if key == parameter]
    return [name.strip() for value in given for name in value.split(",") if name.strip()]


def wants_archived(call: Call) -> bool:
    """Says whether archived records are asked for; the vendor's client writes `True`."""
    return call.query.get("archived", "").lower() == "true"
